//! How well an indicator separates tasks with a loss-of-trainability event from those without: AUROC and average precision.

use super::estimate::Undefined;
use super::ranks::Order;

/// Which values of an indicator announce the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// High values.
    High,
    /// Low values.
    Low,
}

impl Direction {
    /// The direction in which an indicator of this AUROC separates; one half counts as high.
    pub fn of(auroc: f64) -> Self {
        // Not by the last bits of a tie.
        if auroc < 0.5 - 1e-12 { Self::Low } else { Self::High }
    }

    /// `high` or `low`, as in the CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

/// Area under the receiver operating characteristic: the probability that the indicator is higher at an event than at a
/// non-event, ties counting half (the Mann-Whitney statistic; J. A. Hanley and B. J. McNeil, *Radiology* 143, 1982).
///
/// # Errors
/// [`Undefined`] without both classes, or when the indicator is constant.
///
/// # Panics
/// When the lists differ in length.
pub fn auroc(indicator: &[f64], events: &[bool]) -> Result<f64, Undefined> {
    assert_eq!(indicator.len(), events.len(), "every value needs its class");
    weighted_auroc(&Order::of(indicator), events, &vec![1.0; events.len()])
}

/// [`auroc`] in which the task at place i counts `weights[i]` times, of values that have been sorted before.
///
/// # Errors
/// As [`auroc`], over the tasks with weight.
pub fn weighted_auroc(order: &Order, events: &[bool], weights: &[f64]) -> Result<f64, Undefined> {
    let (mut above, mut without_below, mut with_below, mut distinct) = (0.0, 0.0, 0.0, 0);
    for group in order.groups() {
        let (with, without) = class_weights(group.iter().copied(), events, weights);
        above += with * (without_below + 0.5 * without);
        with_below += with;
        without_below += without;
        distinct += usize::from(with + without > 0.0);
    }
    check_separable(with_below, without_below, distinct)?;
    Ok(above / (with_below * without_below))
}

/// Average precision: the mean of the precision at each threshold, weighted by the recall that the threshold gains, tied values
/// forming one threshold. This is scikit-learn's definition, without interpolation. Chance is the share of events.
/// The task at place i counts `weights[i]` times, of values that have been sorted before.
///
/// # Errors
/// As [`auroc`], over the tasks with weight.
pub fn weighted_average_precision(
    order: &Order,
    events: &[bool],
    weights: &[f64],
    direction: Direction,
) -> Result<f64, Undefined> {
    let (mut with_so_far, mut without_so_far, mut sum, mut distinct) = (0.0, 0.0, 0.0, 0);
    let mut lower_threshold = |group: &[usize]| {
        let (with, without) = class_weights(group.iter().copied(), events, weights);
        with_so_far += with;
        without_so_far += without;
        if with > 0.0 {
            sum += with * with_so_far / (with_so_far + without_so_far);
        }
        distinct += usize::from(with + without > 0.0);
    };
    match direction {
        Direction::High => order.groups().rev().for_each(&mut lower_threshold),
        Direction::Low => order.groups().for_each(&mut lower_threshold),
    }
    check_separable(with_so_far, without_so_far, distinct)?;
    Ok(sum / with_so_far)
}

/// The weight of events and of non-events among the places.
fn class_weights(places: impl Iterator<Item = usize>, events: &[bool], weights: &[f64]) -> (f64, f64) {
    places.fold((0.0, 0.0), |(with, without), place| {
        if events[place] { (with + weights[place], without) } else { (with, without + weights[place]) }
    })
}

/// The weight of all events and of all non-events.
///
/// # Errors
/// [`Undefined`] unless both have some.
pub(crate) fn both_classes(events: &[bool], weights: &[f64]) -> Result<(f64, f64), Undefined> {
    let (with, without) = class_weights(0..events.len(), events, weights);
    check_classes(with, without)?;
    Ok((with, without))
}

/// Both classes have weight.
pub(crate) fn check_classes(with: f64, without: f64) -> Result<(), Undefined> {
    match (with > 0.0, without > 0.0) {
        (false, false) => Err(Undefined::NoValues),
        (false, true) => Err(Undefined::NoEvent),
        (true, false) => Err(Undefined::OnlyEvents),
        (true, true) => Ok(()),
    }
}

/// Both classes have weight, and so have two different values.
fn check_separable(with: f64, without: f64, distinct: usize) -> Result<(), Undefined> {
    check_classes(with, without)?;
    if distinct < 2 { Err(Undefined::ConstantIndicator) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn average_precision(indicator: &[f64], events: &[bool], direction: Direction) -> Result<f64, Undefined> {
        weighted_average_precision(&Order::of(indicator), events, &vec![1.0; events.len()], direction)
    }

    const X: [f64; 10] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
    const EVENTS: [bool; 10] = [false, false, true, false, true, true, false, true, false, true];

    fn near(value: Result<f64, Undefined>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-14, "{value:?} is not {expected}");
    }

    #[test]
    fn equals_scikit_learn() {
        // e = [0, 0, 1, 0, 1, 1, 0, 1, 0, 1]
        // sklearn.metrics.roc_auc_score(e, x), average_precision_score(e, x), average_precision_score(e, [-v for v in x])
        near(auroc(&X, &EVENTS), 0.88);
        near(average_precision(&X, &EVENTS, Direction::High), 0.8528571428571428);
        near(average_precision(&X, &EVENTS, Direction::Low), 0.3705555555555555);
        // x = [0.5, inf, 2, inf, 1, -inf]; roc_auc_score([0, 1, 0, 1, 1, 0], rankdata(x)), and average_precision_score
        let infinite = [0.5, f64::INFINITY, 2.0, f64::INFINITY, 1.0, f64::NEG_INFINITY];
        let events = [false, true, false, true, true, false];
        near(auroc(&infinite, &events), 0.888888888888889);
        near(average_precision(&infinite, &events, Direction::High), 0.9166666666666666);
    }

    #[test]
    fn weights_equal_scikit_learn() {
        // w = [1, 2, 0, 3, 1, 1, 2, 0, 4, 1]; roc_auc_score(e, x, sample_weight=w), average_precision_score(...)
        let weights = [1.0, 2.0, 0.0, 3.0, 1.0, 1.0, 2.0, 0.0, 4.0, 1.0];
        let order = Order::of(&X);
        near(weighted_auroc(&order, &EVENTS, &weights), 0.8194444444444444);
        near(weighted_average_precision(&order, &EVENTS, &weights, Direction::High), 0.5694444444444444);
    }

    #[test]
    fn one_class_or_a_constant_is_undefined() {
        assert_eq!(auroc(&[], &[]), Err(Undefined::NoValues));
        assert_eq!(auroc(&[1.0, 2.0], &[false, false]), Err(Undefined::NoEvent));
        assert_eq!(auroc(&[1.0, 2.0], &[true, true]), Err(Undefined::OnlyEvents));
        let constant = average_precision(&[1.0, 1.0], &[true, false], Direction::High);
        assert_eq!(constant, Err(Undefined::ConstantIndicator));
    }
}
