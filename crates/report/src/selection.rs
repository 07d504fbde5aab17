//! Which runs and tasks a report is about: `--filter`, applied before anything is computed, and before the numbers of a
//! run that is left out are read.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use globset::{Glob, GlobMatcher};
use trainability_record::label::nearest;

use crate::combine;
use crate::error::ReportError;
use crate::refusal::{Refusal, demand, refuse};
use crate::results::{RecordedRun, RecordedSweep};
use crate::selected::Selected;
use crate::series::CONTROL;
use crate::setting::{grid_keys, is_ceiling, option_keys, value_of};
use crate::wording::{among, counted, distinct};

/// One `--filter KEY=VALUE[,VALUE...]`.
#[derive(Clone, Debug)]
pub struct Filter {
    given: String,
    key: String,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// Any of these.
    Values(Vec<Pattern>),
    /// First and last task, counted from 1.
    Tasks(usize, usize),
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// A pattern matches as a glob, a number also if it is written in another way.
    fn matches(&self, value: &str) -> bool {
        let equal = || self.text.parse::<f64>().is_ok_and(|number| value.parse() == Ok(number));
        self.glob.is_match(value) || equal()
    }
}

impl FromStr for Filter {
    type Err = Refusal;

    fn from_str(given: &str) -> Result<Filter, Refusal> {
        let Some((key, values)) = given.split_once('=').filter(|(key, values)| !key.is_empty() && !values.is_empty())
        else {
            refuse!("--filter is {given:?}, expected KEY=VALUE[,VALUE...], such as method=relu,crelu or task=1..10");
        };
        let wanted = if key == "task" {
            let (first, last) = values.split_once("..").unwrap_or((values, values));
            let number = |text: &str| text.trim().parse().ok().filter(|number: &usize| *number > 0);
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => Wanted::Tasks(first, last),
                _ => refuse!(
                    "--filter is {given:?}, expected a task or the first and the last, counted from 1, as in task=1..10"
                ),
            }
        } else {
            let pattern = |text: &str| {
                let glob = Glob::new(text).map_err(|e| {
                    Refusal::new(format_args!("--filter {given}: {text:?} is no pattern: {}", e.kind()))
                })?;
                Ok(Pattern { text: text.to_owned(), glob: glob.compile_matcher() })
            };
            Wanted::Values(values.split(',').map(pattern).collect::<Result<_, Refusal>>()?)
        };
        Ok(Filter { given: given.to_owned(), key: key.to_owned(), wanted })
    }
}

impl Filter {
    fn matches(&self, run: &RecordedRun, keys: &[String]) -> bool {
        // A ceiling is what others are held against, whatever their method and schedule.
        let kept = ["method", "schedule"].contains(&self.key.as_str()) && is_ceiling(run, keys);
        kept || self.names(run, keys)
    }

    /// Whether the run is matched by itself, and not kept as a ceiling.
    fn names(&self, run: &RecordedRun, keys: &[String]) -> bool {
        let Wanted::Values(patterns) = &self.wanted else { return true };
        value_of(run, &self.key, keys).is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(&value)))
    }

    /// Refuses a key that no run has, and a value that none has under it.
    fn check(&self, runs: &[&RecordedRun], keys: &[String]) -> Result<(), Refusal> {
        let Wanted::Values(patterns) = &self.wanted else { return Ok(()) };
        let values = values_of(runs, &self.key, keys);
        demand!(!values.is_empty(), "--filter {}: {}", self.given, no_such_key(&self.key, runs, keys));
        for pattern in patterns {
            let found = values.iter().any(|value| pattern.matches(value));
            let is_number = pattern.text.parse::<f64>().is_ok();
            let near = nearest(&pattern.text, values.iter().map(String::as_str)).filter(|_| !is_number);
            demand!(
                found,
                "--filter {}: {:?} matches none of the {}, whose {} is {}{}",
                self.given,
                pattern.text,
                counted(runs.len(), "run"),
                self.key,
                among(&values),
                did_you_mean(near)
            );
        }
        Ok(())
    }
}

/// The different values that runs have under a key, in the order of the runs.
pub(crate) fn values_of(runs: &[&RecordedRun], key: &str, keys: &[String]) -> Vec<String> {
    distinct(runs.iter().filter_map(|run| value_of(run, key, keys)))
}

/// The complaint about a key that no run has.
pub(crate) fn no_such_key(key: &str, runs: &[&RecordedRun], keys: &[String]) -> String {
    let mut known = ["method", "schedule", "seed", "task"].map(String::from).to_vec();
    known.extend(option_keys(runs.iter().copied()).into_iter().chain(keys.iter().cloned()));
    let known = || known.iter().map(String::as_str);
    // An option by its own name, without its section.
    let guess = known().find(|known| known.rsplit('.').next() == Some(key)).or(nearest(key, known()));
    format!(
        "no run has the key {key:?}, expected method, schedule, seed, task, or an option such as training.learning_rate{}",
        did_you_mean(guess)
    )
}

/// A guess at the end of a sentence.
fn did_you_mean(guess: Option<&str>) -> String {
    guess.map_or_else(String::new, |guess| format!(" (did you mean {guess}?)"))
}

/// Reads what the filters leave of one sweep, or of several together.
///
/// # Errors
/// A folder holds no sweep or cannot be read, or a filter matches nothing; in one sentence.
pub(crate) fn select(folders: &[PathBuf], filters: &[Filter]) -> Result<Selected, ReportError> {
    let mut sweeps = folders.iter().map(|folder| RecordedSweep::survey(folder)).collect::<Result<Vec<_>, _>>()?;
    let mut slice = Vec::new();
    if !filters.is_empty() {
        let keys: Vec<String> = sweeps.iter().flat_map(|sweep| grid_keys(sweep.provenance.as_ref())).collect();
        let all: Vec<&RecordedRun> = sweeps.iter().flat_map(|sweep| &sweep.runs).collect();
        filters.iter().try_for_each(|filter| filter.check(&all, &keys))?;
        let wanted = |run: &RecordedRun| filters.iter().all(|filter| filter.matches(run, &keys));
        let kept: Vec<&&RecordedRun> = all.iter().filter(|run| wanted(run)).collect();
        let together = filters.iter().map(|filter| filter.given.as_str()).collect::<Vec<_>>().join(" and ");
        // Ceilings alone are no answer, unless they are what was asked for.
        let named =
            |run: &&&RecordedRun| !is_ceiling(run, &keys) || filters.iter().all(|filter| filter.names(run, &keys));
        demand!(kept.iter().any(named), "--filter {together} together match none of the {}", counted(all.len(), "run"));
        slice = described(&together, &all, &kept, &keys, filters);
        for sweep in &mut sweeps {
            sweep.runs.retain(wanted);
        }
    }
    for (sweep, folder) in sweeps.iter_mut().zip(folders) {
        sweep.read_numbers(folder)?;
    }
    let mut selected = combine::together(sweeps)?;
    slice.append(&mut selected.slice);
    selected.slice = slice;
    for filter in filters {
        if let Wanted::Tasks(first, last) = filter.wanted {
            cut(&mut selected, first, last, &filter.given)?;
        }
    }
    Ok(selected)
}

/// What the slice is, for the top of the report.
fn described(
    together: &str,
    all: &[&RecordedRun],
    kept: &[&&RecordedRun],
    keys: &[String],
    filters: &[Filter],
) -> Vec<String> {
    let left_out = all.len() - kept.len();
    let read = format!("{} of {} are read, {left_out} left out", kept.len(), counted(all.len(), "run"));
    let mut sentences = vec![format!("This is a slice of what was run, by the filter {together}: {read}.")];
    let unnamed = kept.iter().filter(|run| !filters.iter().all(|filter| filter.names(run, keys))).count();
    if unnamed > 0 {
        sentences.push(format!(
            "{} of the reset arm are among them although the filter does not name it: the reference that loss of trainability is measured against.",
            counted(unnamed, "run")
        ));
    }
    let control = |run: &&&&RecordedRun| !is_ceiling(run, keys) && run.arm.schedule == CONTROL;
    if !kept.iter().any(|run| control(&run)) {
        sentences.push("The constant schedule is not in the slice, so that nothing has a gain over it.".into());
    }
    sentences
}

/// Keeps some tasks, both ends included.
fn cut(selected: &mut Selected, first: usize, last: usize, filter: &str) -> Result<(), Refusal> {
    let tasks = RecordedRun::tasks;
    let most = selected.sweep.runs.iter().map(tasks).max().unwrap_or(0);
    let (from, end) = (first - 1, last.min(selected.first_task + most));
    let from = from.max(selected.first_task);
    demand!(from < end, "--filter {filter} matches no task of the runs, which have {}", counted(most, "task"));
    for run in &mut selected.sweep.runs {
        let range = (from - selected.first_task).min(tasks(run))..(end - selected.first_task).min(tasks(run));
        // The last update of each task, counted over the whole run.
        let updates = run.series.column("updates").to_vec();
        let before = |task: usize| task.checked_sub(1).and_then(|task| updates.get(task).copied().flatten());
        let (after, until) = (before(range.start).unwrap_or(0.0), before(range.end).unwrap_or(f64::INFINITY));
        for trace in &mut run.traces {
            trace.retain(|update| update as f64 > after && update as f64 <= until);
        }
        for column in Arc::make_mut(&mut run.series.columns).values_mut() {
            *column = column[range.start.min(column.len())..range.end.min(column.len())].to_vec();
        }
    }
    selected.first_task = from;
    selected.slice.push(format!(
        "Only tasks {} to {end} enter. Seconds and the counts of the schedules' decisions are those of whole runs, and where there is no \
         reset run, losses are measured against the first of these tasks.",
        from + 1
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused() {
        for bad in ["method", "=relu", "method=", "task=0", "task=3..1", "task=a..b", "method=[", "task=1..2,4"] {
            let error = bad.parse::<Filter>().unwrap_err().to_string();
            assert!(error.starts_with("--filter ") && error.contains(bad.trim_start_matches("method=[")), "{error}");
        }
        let Wanted::Tasks(first, last) = "task=4".parse::<Filter>().unwrap().wanted else { panic!("no tasks") };
        assert_eq!((first, last), (4, 4));
        let Wanted::Values(rates) = "training.learning_rate=1e-3,0.0*".parse::<Filter>().unwrap().wanted else {
            panic!("no values")
        };
        assert!(rates[0].matches("0.001") && !rates[0].matches("0.01") && rates[1].matches("0.01"));
    }
}
