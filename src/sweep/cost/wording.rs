//! What an estimate says: a table of kinds, and totals, all within 80 columns.

use std::fmt;

use indicatif::HumanCount;
use jiff::{RoundMode, SignedDuration, Unit, Zoned, ZonedRound};

use super::{Cost, Line};
use crate::sweep::memory::gigabytes;

/// Kinds that have a line of their own.
const MOST_LINES: usize = 11;
/// Letters of a kind's name.
const MOST_LETTERS: usize = 32;

/// Seconds, minutes, hours or days, whichever a person would say.
pub(super) struct Spell(pub(super) f64);

impl fmt::Display for Spell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (amount, digits, unit) = match self.0 {
            ..10.0 => (self.0, 1, "seconds"),
            ..90.0 => (self.0, 0, "seconds"),
            ..5400.0 => (self.0 / 60.0, 0, "minutes"),
            ..172_800.0 => (self.0 / 3600.0, 1, "hours"),
            _ => (self.0 / 86_400.0, 1, "days"),
        };
        f.pad(&format!("{amount:.digits$} {unit}"))
    }
}

/// The time of day, on the minute or on five of them, with the day if it is not today; nothing where it is soon.
fn till(now: &Zoned, seconds: f64) -> Option<String> {
    let minutes = match seconds {
        ..300.0 => return None,
        ..3600.0 => 1,
        _ => 5,
    };
    let end = now.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()?;
    let round = ZonedRound::new().smallest(Unit::Minute).increment(minutes).mode(RoundMode::HalfExpand);
    let end = end.round(round).ok()?;
    let days = now.date().until(end.date()).ok()?.get_days();
    let day = match days {
        0 => String::new(),
        1 => " tomorrow".to_owned(),
        2..7 => end.strftime(" on %A").to_string(),
        _ => end.strftime(" on %Y-%m-%d").to_string(),
    };
    Some(format!("{}{day}", end.strftime("%H:%M")))
}

impl Cost {
    /// Time, and in a second line memory and disk.
    pub(crate) fn totals(&self) -> String {
        self.totals_at(&Zoned::now())
    }

    fn totals_at(&self, now: &Zoned) -> String {
        let jobs = if self.jobs == 1 { "1 job".to_owned() } else { format!("{} jobs", self.jobs) };
        let till = till(now, self.seconds).map(|end| format!(", till about {end}")).unwrap_or_default();
        let memory = self.memory.map(|bytes| format!("memory {}, ", gigabytes(bytes))).unwrap_or_default();
        let (disk, checkpoints) = (gigabytes(self.disk), gigabytes(self.checkpoints));
        format!("about {} with {jobs}{till}\n{memory}disk {disk} and {checkpoints} on the way", Spell(self.seconds))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let each = 1e3 * self.seconds / self.updates.max(1) as f64;
        let (runs, updates) = (self.runs, HumanCount(self.updates).to_string());
        let mut label: String = self.label.chars().take(MOST_LETTERS).collect();
        if label.len() < self.label.len() {
            label.pop();
            label.push('…');
        }
        write!(f, "{runs:>5}  {updates:>13}  {each:>9.2}  {:>12}  {label}", Spell(self.seconds))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [runs, updates, each, time] = ["runs", "updates", "ms each", "on one core"];
        writeln!(f, "{runs:>5}  {updates:>13}  {each:>9}  {time:>12}  kind of run, measured now")?;
        let most = if self.lines.len() > MOST_LINES { MOST_LINES - 1 } else { MOST_LINES };
        let (own, others) = self.lines.split_at(most.min(self.lines.len()));
        own.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if !others.is_empty() {
            let label = format!("{} kinds more", others.len());
            let zero = Line { label, runs: 0, updates: 0, seconds: 0.0 };
            let sum = others.iter().fold(zero, |sum, line| Line {
                runs: sum.runs + line.runs,
                updates: sum.updates + line.updates,
                seconds: sum.seconds + line.seconds,
                ..sum
            });
            writeln!(f, "{sum}")?;
        }
        if self.unmeasured > 0 {
            writeln!(f, "{} kinds are taken to be like the most similar of those that were measured", self.unmeasured)?;
        }
        writeln!(f, "{}", self.totals())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, seconds: f64) -> Line {
        Line { label: label.to_owned(), runs: 120, updates: 1_200_000_000, seconds }
    }

    fn estimate(lines: Vec<Line>, seconds: f64) -> Cost {
        Cost { lines, jobs: 2, seconds, memory: Some(1.24e9), disk: 1.2e8, checkpoints: 6.4e6, unmeasured: 0 }
    }

    fn thursday(hour: i8, minute: i8) -> Zoned {
        jiff::civil::date(2025, 11, 27).at(hour, minute, 20, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap()
    }

    #[test]
    fn spells_are_what_a_person_would_say() {
        let said: Vec<String> =
            [0.04, 4.44, 42.0, 89.4, 1500.0, 11_500.0, 440_000.0].map(|seconds| Spell(seconds).to_string()).to_vec();
        assert_eq!(
            said,
            ["0.0 seconds", "4.4 seconds", "42 seconds", "89 seconds", "25 minutes", "3.2 hours", "5.1 days"]
        );
    }

    #[test]
    fn the_end_is_a_time_of_day() {
        let now = thursday(22, 31);
        let said = |seconds| till(&now, seconds).unwrap_or_default();
        assert_eq!(said(299.0), "");
        assert_eq!(said(1200.0), "22:51");
        assert_eq!(said(4000.0), "23:40");
        assert_eq!(said(4.0 * 3600.0), "02:30 tomorrow");
        assert_eq!(said(60.0 * 3600.0), "10:30 on Sunday");
        assert_eq!(said(40.0 * 86_400.0), "22:30 on 2026-01-06");
        assert_eq!(said(1e300), "");
    }

    #[test]
    fn totals_are_two_lines() {
        let now = thursday(11, 18);
        let said = |estimate: &Cost| estimate.totals_at(&now);
        let several = estimate(Vec::new(), 11_500.0);
        assert_eq!(
            said(&several),
            "about 3.2 hours with 2 jobs, till about 14:30\nmemory 1.2 GB, disk 120 MB and 6 MB on the way"
        );
        let one = Cost { jobs: 1, seconds: 12.0, memory: None, ..several };
        assert_eq!(said(&one), "about 12 seconds with 1 job\ndisk 120 MB and 6 MB on the way");
    }

    #[test]
    fn a_table_is_a_dozen_lines_of_eighty_columns_at_most() {
        let long = "a name that goes on and on and on and on and on and on, for ever and ever";
        let names: Vec<String> = (0..30).map(|number| format!("{number} {long}")).collect();
        let of = |count: usize| estimate(names[..count].iter().map(|name| line(name, 4e7)).collect(), 1.2e9);
        for (count, lines) in [(1, 1), (11, 11), (12, 11), (30, 11)] {
            let text = of(count).to_string();
            assert_eq!(text.lines().count(), lines + 3, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        let sum = "\n 2400  24,000,000,000      33.33   9259.3 days  20 kinds more\n";
        assert!(of(30).to_string().contains(sum), "{}", of(30));
        let expected = "  120  1,200,000,000       0.03    11.1 hours  crelu";
        assert_eq!(line("crelu", 40_000.0).to_string(), expected);
        let partly = Cost { unmeasured: 3, ..of(2) }.to_string();
        assert!(partly.contains("3 kinds are taken to be like the most similar of those"), "{partly}");
    }
}
