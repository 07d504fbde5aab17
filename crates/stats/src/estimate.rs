//! Numbers that carry their uncertainty: an estimate with interval and n, a share with its whole, and what has no value.

use std::fmt;

use thiserror::Error;

/// Why a statistic has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Undefined {
    /// There is nothing to compute it from.
    #[error("no defined values")]
    NoValues,
    /// There is something, but not enough.
    #[error("only {have} values where {need} are needed")]
    TooFew {
        /// Values there are.
        have: usize,
        /// Values needed.
        need: usize,
    },
    /// The indicator is the same everywhere, so that it orders nothing.
    #[error("the indicator is constant")]
    ConstantIndicator,
    /// The outcome is the same everywhere, so that there is nothing to order.
    #[error("the outcome is constant")]
    ConstantOutcome,
    /// No loss of trainability at any target task.
    #[error("no loss-of-trainability event")]
    NoEvent,
    /// Loss of trainability at every target task.
    #[error("every target is a loss-of-trainability event")]
    OnlyEvents,
    /// The pooled correlation is exactly zero, so that there is no sign to agree with.
    #[error("the pooled correlation has no sign")]
    NoSign,
    /// No arm has two seeds, so that nothing varies over seeds.
    #[error("one seed, so no interval over seeds")]
    SingleSeed,
    /// It stays the same whichever seed is left out, so that nothing is known about its uncertainty.
    #[error("the same without each seed")]
    NoSpread,
    /// So many pairs without event share the most alarming value that every threshold gives more false alarms than allowed.
    #[error("no threshold keeps false alarms to 10 %")]
    NoThreshold,
    /// No run loses trainability after its first task with a value of the indicator before.
    #[error("no run whose loss of trainability could be warned of")]
    NothingToWarnOf,
    /// No two seeds of an arm can be compared at any task.
    #[error("no two seeds of an arm to compare")]
    NoPairs,
    /// There is one family of methods, so that none is left to learn from.
    #[error("one family of methods, so no other to learn from")]
    SingleFamily,
    /// The indicator is the very baseline that it would be compared with.
    #[error("it is the baseline itself")]
    IsBaseline,
    /// The arm is the control that other arms are compared with.
    #[error("the arm is its own control")]
    IsControl,
    /// The control that the arm would be compared with has no seed in common with it.
    #[error("no seed in common with the constant schedule")]
    NoPairedSeed,
}

/// Refuses fewer than two values.
pub(crate) fn at_least_two(values: usize) -> Result<(), Undefined> {
    match values {
        0 => Err(Undefined::NoValues),
        1 => Err(Undefined::TooFew { have: 1, need: 2 }),
        _ => Ok(()),
    }
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The range of shares, accuracies and concordances.
    pub const SHARE: Interval = Interval { low: 0.0, high: 1.0 };
    /// The range of correlations, and of differences of two shares.
    pub const DIFFERENCE: Interval = Interval { low: -1.0, high: 1.0 };
    /// All numbers.
    pub const ALL: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// Whether the value lies within, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A statistic with its 95 % interval, or the reason why it has none, and the number of runs behind it.
///
/// ```
/// use trainability_stats::{Estimate, Interval, Undefined};
///
/// let estimate = Estimate::new(0.8125, Ok(Interval { low: 0.75, high: 0.9 }), 15);
/// assert_eq!(format!("{estimate:.2}"), "0.81 [0.75, 0.90] (n = 15)");
/// let alone = Estimate::new(0.8125, Err(Undefined::SingleSeed), 1);
/// assert_eq!(alone.to_string(), "0.812 [one seed, so no interval over seeds] (n = 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    point: f64,
    interval: Result<Interval, Undefined>,
    n: usize,
}

impl Estimate {
    /// A point estimate over `n` runs with its interval.
    pub fn new(point: f64, interval: Result<Interval, Undefined>, n: usize) -> Self {
        Self { point, interval, n }
    }

    /// The value over all data.
    pub fn point(&self) -> f64 {
        self.point
    }

    /// The 95 % interval, or why there is none.
    pub fn interval(&self) -> Result<Interval, Undefined> {
        self.interval
    }

    /// Runs (an arm with a seed) behind the estimate.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The estimate of `1 - value`, its interval turned over.
    pub fn complement(&self) -> Self {
        let turned = |interval: Interval| Interval { low: 1.0 - interval.high, high: 1.0 - interval.low };
        Self { point: 1.0 - self.point, interval: self.interval.map(turned), n: self.n }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = out.precision().unwrap_or(3);
        write!(out, "{:.digits$} ", self.point)?;
        match self.interval {
            Ok(Interval { low, high }) => write!(out, "[{low:.digits$}, {high:.digits$}]")?,
            Err(reason) => write!(out, "[{reason}]")?,
        }
        write!(out, " (n = {})", self.n)
    }
}

/// The three CSV cells of an estimate: point, low, high; `None` is an empty field. The number of runs has its own column there.
pub fn cells(estimate: &Result<Estimate, Undefined>) -> [Option<f64>; 3] {
    let interval = estimate.and_then(|estimate| estimate.interval).ok();
    [
        estimate.ok().map(|estimate| estimate.point),
        interval.map(|interval| interval.low),
        interval.map(|interval| interval.high),
    ]
}

/// How many of how many.
///
/// ```
/// use trainability_stats::Share;
///
/// assert_eq!(Share { part: 3, whole: 4 }.to_string(), "0.750 (3 of 4)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Those that have the property.
    pub part: usize,
    /// All that were looked at.
    pub whole: usize,
}

impl Share {
    /// The share as a number, unless nothing was looked at.
    pub fn value(&self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = out.precision().unwrap_or(3);
        match self.value() {
            Some(value) => write!(out, "{value:.digits$} ({} of {})", self.part, self.whole),
            None => write!(out, "{} (0 of 0)", Undefined::NoValues),
        }
    }
}
