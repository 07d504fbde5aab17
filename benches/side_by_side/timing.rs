//! Clocks and medians.

use std::time::Instant;

use anyhow::Result;
use trainability::run::Run;

/// Milliseconds of single updates, measured ones apart.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    plain: Vec<f64>,
    measured: Vec<f64>,
}

impl Updates {
    /// Makes an update and times it. The first and the last of a task are left out, since they do what belongs to the
    /// task as well. Tells whether a task has ended.
    pub(crate) fn advance(&mut self, run: &mut Run, first_of_task: bool) -> Result<bool> {
        let start = Instant::now();
        let advance = run.advance()?;
        let milliseconds = since(start);
        let ended = advance.task.is_some();
        if !first_of_task && !ended {
            let kind = if advance.controls.is_empty() { &mut self.plain } else { &mut self.measured };
            kind.push(milliseconds);
        }
        Ok(ended)
    }

    /// Times updates, beginning anywhere but at a task's end, until `enough` of those so far.
    pub(crate) fn until(run: &mut Run, enough: impl Fn(&Updates) -> bool) -> Result<Updates> {
        let mut updates = Updates::default();
        let mut first_of_task = run.learner().updates() == 0;
        while !enough(&updates) {
            first_of_task = updates.advance(run, first_of_task)?;
        }
        Ok(updates)
    }

    /// How many plain and how many measured updates there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.plain.len(), self.measured.len())
    }

    /// How many updates there are of both kinds.
    pub(crate) fn all(&self) -> usize {
        self.plain.len() + self.measured.len()
    }

    /// What all of them took.
    pub(crate) fn total(&self) -> f64 {
        self.plain.iter().chain(&self.measured).sum()
    }

    /// The median of a plain update.
    pub(crate) fn update(&self) -> f64 {
        median(&self.plain)
    }

    /// What a measured update takes longer than a plain one, in the median.
    pub(crate) fn measurement(&self) -> f64 {
        median(&self.measured) - median(&self.plain)
    }
}

/// The median time of a piece of work over a number of calls.
pub(crate) fn time<T>(calls: usize, mut work: impl FnMut() -> T) -> f64 {
    let times = (0..calls).map(|_| {
        let start = Instant::now();
        std::hint::black_box(work());
        since(start)
    });
    median(&times.collect::<Vec<_>>())
}

fn since(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}

/// The middle value, or the mean of the middle two; not a number where there is none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count => (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0,
    }
}
