//! How early an indicator warns, at a price that is the same for all: the lead time at 10 % false alarms.
//!
//! An indicator **alarms** at a task when its value reaches a threshold, in the direction that announces the event. The threshold is
//! the laxest at which at most 10 % of the pooled task pairs *without* an event alarm. The **lead** of a run is the number of tasks from
//! its first alarm to its first loss of trainability; a run that is not warned before counts zero. Runs that never lose
//! trainability, or do so at their first task, which nothing can precede, have no lead.
//!
//! False alarms warn too: an indicator that tosses coins has a lead. [`by_chance`] is its expectation on the same runs, what any
//! lead is to be read against.

use super::aggregate::weighted_mean;
use super::auroc::{Direction, both_classes};
use super::estimate::{Share, Undefined};
use super::ranks::Order;

/// The share of task pairs without an event at which the indicator may alarm.
pub(crate) const FALSE_ALARMS: f64 = 0.1;

/// The values of a run that can warn of its first loss of trainability: one a task before it, NaN where undefined.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// The values, turned so that high ones alarm.
    values: Vec<f64>,
}

impl Before {
    /// The indicator's column up to the task of the first loss, exclusive; `None` when no task is before it, or none has a value.
    pub fn new(column: &[Option<f64>], first_loss: usize, direction: Direction) -> Option<Self> {
        let turned = |value: &Option<f64>| value.map_or(f64::NAN, |value| oriented(value, direction));
        let values: Vec<f64> = column.iter().take(first_loss).map(turned).collect();
        values.iter().any(|value| !value.is_nan()).then_some(Self { values })
    }

    /// Tasks from the first alarm to the loss, 0 without an alarm.
    pub(crate) fn lead(&self, threshold: f64) -> usize {
        self.values.iter().position(|value| *value >= threshold).map_or(0, |alarm| self.values.len() - alarm)
    }
}

/// What can be warned of in each of the pooled runs.
#[derive(Clone, Debug)]
pub struct Leads {
    before: Vec<Option<Before>>,
}

impl Leads {
    /// What can be warned of in each run; `None` in a run that never loses trainability, or has no value before.
    ///
    /// # Errors
    /// [`Undefined::NothingToWarnOf`] when that is no run.
    pub fn new(before: Vec<Option<Before>>) -> Result<Self, Undefined> {
        if before.iter().all(Option::is_none) { Err(Undefined::NothingToWarnOf) } else { Ok(Self { before }) }
    }

    /// Runs that could be warned.
    pub fn runs(&self) -> usize {
        self.before.iter().flatten().count()
    }

    /// The mean lead over these runs, weighted.
    ///
    /// # Errors
    /// [`Undefined::NoValues`] when none of them has weight.
    pub fn mean(&self, threshold: f64, run_weights: &[f64]) -> Result<f64, Undefined> {
        let mean_of =
            |(before, weight): (&Option<Before>, &f64)| Some((before.as_ref()?.lead(threshold) as f64, *weight));
        let (leads, weights): (Vec<f64>, Vec<f64>) = self.before.iter().zip(run_weights).filter_map(mean_of).unzip();
        weighted_mean(&leads, &weights)
    }

    /// The runs among these that are warned before their first loss.
    pub fn warned(&self, threshold: f64) -> Share {
        let warned = self.before.iter().flatten().filter(|before| before.lead(threshold) > 0).count();
        Share { part: warned, whole: self.runs() }
    }

    /// The mean over these runs of the lead [`by_chance`].
    pub fn by_chance(&self) -> f64 {
        let sum: f64 = self.before.iter().flatten().map(|before| by_chance(before.values.len())).sum();
        sum / self.runs() as f64
    }
}

/// The lead that an indicator has on average which alarms at each task before `first_loss` with probability [`FALSE_ALARMS`], whatever
/// the network does.
pub(crate) fn by_chance(first_loss: usize) -> f64 {
    let silent = |tasks: usize| (1.0 - FALSE_ALARMS).powi(tasks as i32);
    (0..first_loss).map(|alarm| FALSE_ALARMS * silent(alarm) * (first_loss - alarm) as f64).sum()
}

/// The laxest threshold, on values turned so that high ones alarm, at which at most [`FALSE_ALARMS`] of the weight without event alarms.
///
/// # Errors
/// [`Undefined`] without both classes, and when so many pairs without event share the most alarming value that no threshold does.
pub fn threshold(
    order: &Order,
    values: &[f64],
    events: &[bool],
    weights: &[f64],
    direction: Direction,
) -> Result<f64, Undefined> {
    let (_, without) = both_classes(events, weights)?;
    // Weighted sums of the same numbers differ in their last bits.
    let allowed = FALSE_ALARMS * without * (1.0 + 1e-12);
    let (mut alarming, mut threshold) = (0.0, None);
    let mut lower = |group: &[usize]| {
        alarming += group.iter().filter(|pair| !events[**pair]).map(|pair| weights[*pair]).sum::<f64>();
        let affordable = alarming <= allowed;
        if affordable {
            threshold = group.first().map(|pair| oriented(values[*pair], direction));
        }
        affordable
    };
    match direction {
        Direction::High => order.groups().rev().all(&mut lower),
        Direction::Low => order.groups().all(&mut lower),
    };
    threshold.ok_or(Undefined::NoThreshold)
}

fn oriented(value: f64, direction: Direction) -> f64 {
    match direction {
        Direction::High => value,
        Direction::Low => -value,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn threshold_of(values: &[f64], events: &[bool], direction: Direction) -> Result<f64, Undefined> {
        threshold(&Order::of(values), values, events, &vec![1.0; values.len()], direction)
    }

    #[test]
    fn one_false_alarm_in_ten_is_allowed() {
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        // The non-events are 0 to 9; 9 alone may alarm.
        let events: Vec<bool> = (0..12).map(|task| task > 9).collect();
        assert_eq!(threshold_of(&values, &events, Direction::High), Ok(9.0));
        // Turned around, 0 alone may alarm.
        assert_eq!(threshold_of(&values, &events, Direction::Low), Ok(0.0));
        // With nine non-events, one is more than a tenth: the events alone alarm.
        assert_eq!(threshold_of(&values[1..], &events[1..], Direction::High), Ok(10.0));
        // Two of ten share the highest value with the events.
        let tied: Vec<f64> = values.iter().map(|value| value.min(8.0)).collect();
        assert_eq!(threshold_of(&tied, &events, Direction::High), Err(Undefined::NoThreshold));
    }

    #[test]
    fn leads_count_from_the_first_alarm() {
        let column = [Some(1.0), None, Some(3.0), Some(0.0), Some(9.0)];
        let before = Before::new(&column, 4, Direction::High).unwrap();
        assert_eq!([0.5, 2.0, 3.0, 3.5].map(|threshold| before.lead(threshold)), [4, 2, 2, 0]);
        let turned = Before::new(&column, 4, Direction::Low).unwrap();
        assert_eq!(turned.lead(-0.5), 1);
        assert_eq!(Before::new(&column, 0, Direction::High), None);
        assert_eq!(Before::new(&[None, Some(1.0)], 1, Direction::High), None);
    }

    #[test]
    fn coins_have_a_lead() {
        // By hand: two tasks before the loss, 0.1 * 2 + 0.9 * 0.1 * 1.
        assert!((by_chance(2) - 0.29).abs() < 1e-15);
        assert_eq!(by_chance(0), 0.0);
    }

    proptest! {
        #[test]
        fn the_threshold_is_the_laxest_that_is_affordable(
            tasks in prop::collection::vec(((0_i8..6).prop_map(f64::from), any::<bool>(), 0_u8..4), 2..30),
            high in any::<bool>(),
        ) {
            let direction = if high { Direction::High } else { Direction::Low };
            let values: Vec<f64> = tasks.iter().map(|task| task.0).collect();
            let events: Vec<bool> = tasks.iter().map(|task| task.1).collect();
            let weights: Vec<f64> = tasks.iter().map(|task| f64::from(task.2)).collect();
            let turned: Vec<f64> = values.iter().map(|value| oriented(*value, direction)).collect();
            let weight = |holds: &dyn Fn(usize) -> bool| -> f64 {
                (0..tasks.len()).filter(|task| !events[*task] && holds(*task)).map(|task| weights[task]).sum()
            };
            let found = threshold(&Order::of(&values), &values, &events, &weights, direction);
            let affordable =
                |threshold: f64| weight(&|task| turned[task] >= threshold) <= FALSE_ALARMS * weight(&|_| true) + 1e-9;
            let laxest = turned.iter().copied().filter(|value| affordable(*value)).reduce(f64::min);
            match found {
                Ok(found) => prop_assert_eq!(Some(found), laxest),
                Err(Undefined::NoThreshold) => prop_assert_eq!(None, laxest),
                Err(_) => {}
            }
        }
    }
}
