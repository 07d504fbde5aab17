//! Slow and obvious second implementations, and the properties that hold whatever the data.

use proptest::prelude::*;

use super::aggregate::weighted_interquartile_mean;
use super::auroc::{Direction, auroc, weighted_auroc, weighted_average_precision};
use super::correlation::{WeightedSpearman, spearman};
use super::kendall::kendall;
use super::ranks::Order;

/// Values with ties, infinities among them, each with a class, an outcome and a whole weight.
fn weighted_tasks() -> impl Strategy<Value = Vec<(f64, bool, f64, u8)>> {
    let value =
        prop_oneof![8 => (-3_i8..4).prop_map(f64::from), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)];
    prop::collection::vec((value, any::<bool>(), (-2_i8..3).prop_map(f64::from), 0_u8..4), 2..40)
}

/// Every pair of event and non-event, one by one.
fn slow_auroc(values: &[f64], events: &[bool], weights: &[f64]) -> f64 {
    let (mut won, mut whole) = (0.0, 0.0);
    for with in (0..values.len()).filter(|place| events[*place]) {
        for without in (0..values.len()).filter(|place| !events[*place]) {
            let wins = if values[with] > values[without] { 1.0 } else { 0.0 };
            let tie = if values[with] == values[without] { 0.5 } else { 0.0 };
            won += weights[with] * weights[without] * (wins + tie);
            whole += weights[with] * weights[without];
        }
    }
    won / whole
}

/// Precision and recall at every different value as threshold, computed from scratch each time.
fn slow_average_precision(values: &[f64], events: &[bool], weights: &[f64]) -> f64 {
    let weight_where = |holds: &dyn Fn(usize) -> bool| -> f64 {
        (0..values.len()).filter(|place| holds(*place)).map(|place| weights[place]).sum()
    };
    let all_events = weight_where(&|place| events[place]);
    let mut thresholds = values.to_vec();
    thresholds.sort_by(|left, right| right.total_cmp(left));
    thresholds.dedup();
    let (mut sum, mut last_recall) = (0.0, 0.0);
    for threshold in thresholds {
        let found = weight_where(&|place| events[place] && values[place] >= threshold);
        let called = weight_where(&|place| values[place] >= threshold);
        let recall = found / all_events;
        if recall > last_recall {
            sum += (recall - last_recall) * found / called;
        }
        last_recall = recall;
    }
    sum
}

fn slow_kendall(x: &[f64], y: &[f64]) -> f64 {
    let sign = |left: f64, right: f64| f64::from(i8::from(left > right) - i8::from(left < right));
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for later in 0..x.len() {
        for earlier in 0..later {
            let (dx, dy) = (sign(x[later], x[earlier]), sign(y[later], y[earlier]));
            both += dx * dy;
            left += dx * dx;
            right += dy * dy;
        }
    }
    both / f64::sqrt(left * right)
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

proptest! {
    #[test]
    fn weighted_separation_equals_the_slow_one(tasks in weighted_tasks()) {
        let values: Vec<f64> = tasks.iter().map(|task| task.0).collect();
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        let events: Vec<bool> = tasks.iter().map(|task| task.1).collect();
        let weights: Vec<f64> = tasks.iter().map(|task| f64::from(task.3)).collect();
        let order = Order::of(&values);
        if let Ok(area) = weighted_auroc(&order, &events, &weights) {
            prop_assert!(near(area, slow_auroc(&values, &events, &weights)));
            let high = weighted_average_precision(&order, &events, &weights, Direction::High).unwrap();
            let low = weighted_average_precision(&order, &events, &weights, Direction::Low).unwrap();
            prop_assert!(near(high, slow_average_precision(&values, &events, &weights)));
            prop_assert!(near(low, slow_average_precision(&negated, &events, &weights)));
        }
    }

    #[test]
    fn auroc_turns_with_the_sign_and_ignores_monotone_maps(tasks in weighted_tasks()) {
        let values: Vec<f64> = tasks.iter().map(|task| task.0).collect();
        let events: Vec<bool> = tasks.iter().map(|task| task.1).collect();
        let mapped = |map: fn(f64) -> f64| values.iter().map(|value| map(*value)).collect::<Vec<f64>>();
        let area = auroc(&values, &events);
        match (area, auroc(&mapped(|value| -value), &events)) {
            (Ok(area), Ok(turned)) => prop_assert!(near(area + turned, 1.0)),
            (area, turned) => prop_assert_eq!(area, turned),
        }
        prop_assert_eq!(area, auroc(&mapped(f64::atan), &events));
        let precision = |values: &[f64]| {
            weighted_average_precision(&Order::of(values), &events, &vec![1.0; events.len()], Direction::High)
        };
        prop_assert_eq!(precision(&values), precision(&mapped(f64::atan)));
    }

    #[test]
    fn weighted_spearman_equals_repetition(tasks in weighted_tasks()) {
        let values: Vec<f64> = tasks.iter().map(|task| task.0).collect();
        let outcomes: Vec<f64> = tasks.iter().map(|task| task.2).collect();
        let weights: Vec<f64> = tasks.iter().map(|task| f64::from(task.3)).collect();
        let repeat = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&tasks).flat_map(|(value, task)| vec![*value; usize::from(task.3)]).collect()
        };
        let weighted = WeightedSpearman::new(&values, &outcomes).value(&weights);
        if let (Ok(weighted), Ok(repeated)) = (weighted, spearman(&repeat(&values), &repeat(&outcomes))) {
            prop_assert!(near(weighted, repeated));
        }
    }

    #[test]
    fn correlations_are_bounded_symmetric_and_monotone(tasks in weighted_tasks()) {
        let x: Vec<f64> = tasks.iter().map(|task| task.0).collect();
        let y: Vec<f64> = tasks.iter().map(|task| task.2).collect();
        if let (Ok(rho), Ok(tau)) = (spearman(&x, &y), kendall(&x, &y)) {
            prop_assert!(rho.abs() <= 1.0 && tau.abs() <= 1.0);
            prop_assert!(near(tau, slow_kendall(&x, &y)));
            prop_assert!(near(rho, spearman(&y, &x).unwrap()) && near(tau, kendall(&y, &x).unwrap()));
            let negated: Vec<f64> = x.iter().map(|value| -value).collect();
            prop_assert!(near(-rho, spearman(&negated, &y).unwrap()) && near(-tau, kendall(&negated, &y).unwrap()));
            prop_assert!(near(spearman(&x, &x).unwrap(), 1.0) && near(kendall(&x, &x).unwrap(), 1.0));
        }
    }

    #[test]
    fn the_interquartile_mean_is_the_mean_of_the_middle(values in prop::collection::vec(-1.0_f64..1.0, 1..30)) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = &sorted[values.len() / 4..values.len() - values.len() / 4];
        let expected = middle.iter().sum::<f64>() / middle.len() as f64;
        prop_assert!(near(weighted_interquartile_mean(&values, &vec![1.0; values.len()]).unwrap(), expected));
    }
}
