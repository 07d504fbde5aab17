//! What a person sees of a sweep: a bar with the time left on a terminal, a line a run elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainability_record::{RunRecord, Status};

use super::listener::Listener;
use crate::run::RunPlan;

/// Shows a sweep on standard error.
pub(crate) struct ProgressDisplay {
    bar: ProgressBar,
    start: Instant,
}

impl Default for ProgressDisplay {
    fn default() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        ProgressDisplay { bar, start: Instant::now() }
    }
}

/// Writes a line to standard error. A terminal that was closed takes none, which is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Listener for ProgressDisplay {
    fn begin(&self, left: usize, updates: u64, finished: usize) {
        let skipped = if finished > 0 { format!(", {finished} were finished before") } else { String::new() };
        say(&format!("{left} runs, {updates} updates{skipped}"));
        if std::io::stderr().is_terminal() && left > 0 {
            let template = "{bar:40} {percent:>3} %  {pos} of {len} updates  {elapsed} passed, {eta} left  {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            self.bar.set_style(style);
            self.bar.set_length(updates);
        }
    }

    fn updated(&self, updates: u64) {
        self.bar.inc(updates);
    }

    fn estimated(&self, totals: &str) {
        self.noticed(totals);
    }

    fn noticed(&self, sentence: &str) {
        if self.bar.is_hidden() {
            say(sentence);
        } else {
            self.bar.println(sentence);
        }
    }

    fn ended(&self, run: &RunPlan, record: &RunRecord) {
        let seconds = record.seconds.get("total").copied().unwrap_or_default();
        let line = match (record.status, &record.error) {
            (Status::Finished, _) => format!("{} finished in {seconds:.0} s", run.name()),
            (Status::Running, _) => format!("{} stopped after {} updates", run.name(), record.updates),
            (Status::Diverged, Some(error)) => format!("{} diverged: {error}", run.name()),
            (_, error) => format!("{} failed: {}", run.name(), error.as_deref().unwrap_or("no reason recorded")),
        };
        match (self.bar.is_hidden(), record.status) {
            (true, _) => say(&line),
            (false, Status::Finished) => self.bar.set_message(run.name()),
            (false, _) => self.bar.println(line),
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
        say(&format!("swept in {}", HumanDuration(self.start.elapsed())));
    }
}
