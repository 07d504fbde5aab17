//! The interval of a score against a slow jackknife of its definition.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trainability_stats::Interval;
use trainability_stats::jackknife::Jackknife;

use super::synthetic::indicator;
use crate::evidence::predictiveness::{PredictivenessOptions, score_indicators};
use crate::series::{Arm, Series};

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

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

/// Runs of noise in which about half of the later tasks lose trainability; values repeat.
fn runs(arms: usize, seeds: u64, tasks: usize) -> Vec<Series> {
    let mut generator = ChaCha8Rng::seed_from_u64(9);
    let mut series = |arm: usize, seed: u64| {
        let mut column = |values: [f64; 3]| (0..tasks).map(|_| Some(values[generator.random_range(0..3)])).collect();
        let mut accuracy: Vec<Option<f64>> = column([0.4, 0.5, 0.9]);
        accuracy[0] = Some(0.9);
        let columns = [("planted", column([1.0, 2.0, f64::INFINITY])), ("online_accuracy", accuracy)];
        let columns: BTreeMap<_, _> = columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        Series {
            arm: Arm { method: format!("method_{arm}"), schedule: "constant".to_owned() },
            seed,
            columns: columns.into(),
        }
    };
    (0..arms).flat_map(|arm| (0..seeds).map(move |seed| (arm, seed))).map(|(arm, seed)| series(arm, seed)).collect()
}

#[test]
fn the_interval_equals_a_slow_jackknife_of_the_definition() {
    let runs = runs(3, 4, 8);
    let options = PredictivenessOptions { horizons: vec![1], ..Default::default() };
    let score = &score_indicators(&runs, &[indicator("planted", "compared")], &options)[0];

    let (mut values, mut events, mut run_of) = (Vec::new(), Vec::new(), Vec::new());
    for (place, run) in runs.iter().enumerate() {
        for task in 0..7 {
            values.push(run.column("planted")[task].unwrap());
            let accuracy = |task: usize| run.online_accuracy()[task].unwrap();
            events.push(accuracy(task + 1) < 0.9 * accuracy(0));
            run_of.push(place);
        }
    }
    // Seeds are left out of all arms at once: run 4 a + s has seed s.
    let slow = |statistic: &dyn Fn(&[f64]) -> f64| {
        let copy = |left_out: Option<usize>| -> Result<f64, _> {
            let weights: Vec<f64> = run_of.iter().map(|run| f64::from(Some(run % 4) != left_out)).collect();
            Ok(statistic(&weights))
        };
        Jackknife::of(4, copy).unwrap().estimate(Interval::SHARE).interval().unwrap()
    };
    let expected = slow(&|weights| slow_auroc(&values, &events, weights));
    let found = score.auroc.unwrap().interval().unwrap();
    assert!(near(expected.low, found.low) && near(expected.high, found.high), "{expected:?} {found:?}");
    let expected = slow(&|weights| slow_average_precision(&values, &events, weights));
    let found = score.average_precision.unwrap().interval().unwrap();
    assert!(near(expected.low, found.low) && near(expected.high, found.high), "{expected:?} {found:?}");
}
