//! What is written reads back to the same bits.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tch::Tensor;
use trainability::run::checkpoint;
use trainability_baselines::State;

use super::damage::check;
use super::inputs;

/// Numbers of every kind: all bit patterns, and those that texts get wrong.
fn number() -> impl Strategy<Value = f64> {
    let odd = [0.0, -0.0, 5e-324, -2.5e-310, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 0.1 + 0.2, 1e23, f64::EPSILON];
    let undefined = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    prop_oneof![any::<u64>().prop_map(f64::from_bits), prop::sample::select([&odd[..], &undefined].concat())]
}

#[test]
fn every_bit_of_a_checkpoint() {
    let names = prop::collection::vec("\\PC{0,8}", 3);
    let wide = prop::collection::vec(number(), 0..12);
    let narrow = prop::collection::vec(any::<u32>().prop_map(f32::from_bits), 1..13);
    let whole = prop::collection::vec(any::<i64>(), 0..12);
    check(100, (names, wide, narrow, whole, any::<u64>()), |(names, wide, narrow, whole, count)| {
        let mut state = State::default();
        let name = |place: usize| format!("{place}{}", names[place]);
        state.put_numbers(&name(0), &wide);
        state.put_tensor(&name(1), &Tensor::from_slice(&narrow).view([-1, 1]));
        state.put_tensor(&name(2), &Tensor::from_slice(&whole));
        state.put_value(&name(0), &count);
        state.put_value(&name(1), &names);
        let back = checkpoint::from_bytes(&checkpoint::to_bytes(&state).unwrap()).unwrap();
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(back.numbers(&name(0)).unwrap()), bits(wide));
        assert_eq!(back.tensor(&name(1)).unwrap().size(), [narrow.len() as i64, 1]);
        let read: Vec<f32> = Vec::try_from(back.tensor(&name(1)).unwrap().flatten(0, -1)).unwrap();
        let single = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(single(read), single(narrow));
        let read: Vec<i64> = Vec::try_from(back.tensor(&name(2)).unwrap()).unwrap();
        assert_eq!(read, whole);
        assert_eq!(back.value::<u64>(&name(0)).unwrap(), count);
        assert_eq!(back.value::<Vec<String>>(&name(1)).unwrap(), names);
    });
}

#[test]
fn every_configuration_makes_the_plan_and_the_record_that_its_text_makes() {
    let positive =
        || number().prop_map(f64::abs).prop_filter("finite, above 0", |value| value.is_finite() && *value > 0.0);
    let share = || (0u64..1 << 53).prop_map(|bits| bits as f64 / (1u64 << 53) as f64);
    let training = (1..2000usize, positive(), share(), share(), positive());
    let rest = (1..50usize, 1..9usize, prop::collection::vec(1..99i64, 1..4), any::<u64>(), positive());
    check(150, (training, rest), |(training, (tasks, epochs, hidden, seed, coefficient))| {
        let (batch_size, learning_rate, beta1, beta2, epsilon) = training;
        let experiment: Value = json!({
            "stream": { "tasks": tasks, "epochs": epochs },
            "network": { "hidden": hidden },
            "training": {
                "batch_size": batch_size, "learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon,
            },
            "methods": [{ "label": "own", "name": "l2_loss", "coefficient": coefficient }, "reset"],
            "schedules": ["constant", "paper"],
            "seeds": [seed],
        });
        inputs::configuration(experiment.to_string().as_bytes());
        let planned = trainability::config::Experiment::from_value(experiment, "a.json", "a").unwrap();
        let facts = trainability::config::ImageFacts::bare(5000, "");
        let plan = trainability::config::Plan::new(planned, &facts).unwrap();
        assert_eq!(plan.runs.len(), 3);
        let options: BTreeMap<String, Value> = serde_json::from_str(&plan.runs[0].options.to_string()).unwrap();
        assert_eq!(options["training"]["learning_rate"].as_f64().unwrap().to_bits(), learning_rate.to_bits());
        assert_eq!(options["seed"].as_u64(), Some(seed));
    });
}
