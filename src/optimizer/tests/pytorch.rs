//! Every optimizer against PyTorch's over 100 steps in f64 (`tests/golden/optimizers.py`), saved and restored on the way.

use serde_json::Value;
use tch::{Kind, Tensor};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Filters, Layer, LinearMap, State};

use super::values;
use crate::optimizer::{EffectiveStep, Optimizer, optimizer};

const SHAPES: [(&str, &[i64]); 4] = [("fc1", &[2, 3]), ("conv2", &[2, 1, 3, 3]), ("fc3", &[4, 2]), ("fc4", &[2, 4])];
const SAVED_AFTER: u64 = 57;

/// A value of each parameter's number, which count from 1 over all layers.
fn of_each(value: fn(f64) -> f64) -> Vec<[Tensor; 2]> {
    let mut numbers = 1..;
    let mut tensor = |sizes: &[i64]| {
        let count = sizes.iter().product::<i64>() as usize;
        let values: Vec<f64> = numbers.by_ref().take(count).map(|number| value(f64::from(number))).collect();
        Tensor::from_slice(&values).reshape(sizes)
    };
    SHAPES.iter().map(|(_, sizes)| [tensor(sizes), tensor(&sizes[..1])]).collect()
}

fn layers() -> Vec<Layer> {
    let layer = |((name, sizes), [weight, bias]): ((&str, &[i64]), [Tensor; 2])| {
        let map = if sizes.len() == 4 { LinearMap::Convolution(Filters::default()) } else { LinearMap::Dense };
        Layer::of(name, map, weight, bias)
    };
    SHAPES.into_iter().zip(of_each(|number| (number * number).sin())).map(layer).collect()
}

/// Of (theta - c)^2 / 2 + sin(3 theta) / 4.
fn gradients(layers: &[Layer], centres: &[[Tensor; 2]]) -> Vec<Vec<Tensor>> {
    let of_layer = |(layer, centres): (&Layer, &[Tensor; 2])| {
        let own = layer.parameters.iter().zip(centres);
        own.map(|(p, centre)| p.value.detach() - centre + (p.value.detach() * 3.0).cos() * 0.75).collect()
    };
    layers.iter().zip(centres).map(of_layer).collect()
}

fn flat(layers: &[Layer]) -> Vec<f64> {
    values(layers).iter().flat_map(|tensor| Vec::<f64>::try_from(tensor.flatten(0, -1)).unwrap()).collect()
}

fn effective_steps(optimizer: &dyn Optimizer, rate: f64) -> Vec<f64> {
    let of_layer = |layer| optimizer.effective_step(layer..layer + 1, rate, EffectiveStep::Rms).unwrap();
    (0..SHAPES.len()).map(of_layer).collect()
}

fn assert_close(found: &[f64], expected: &Value, what: &str) {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= 1e-10 * expected.abs(),
            "{what}, place {place}: {found} against {expected}"
        );
    }
}

#[test]
fn every_optimizer_equals_pytorchs_over_100_steps() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("../../../tests/golden/optimizers.json")).unwrap();
    assert_eq!(golden.len(), 15);
    let centres = of_each(|number| (2.0 * number).cos());
    for line in &golden {
        let name = line["optimizer"].as_str().unwrap();
        let coefficient = line["weight_decay"][1].as_f64().unwrap();
        let decay = match line["weight_decay"][0].as_str().unwrap() {
            "none" => WeightDecay::None,
            "coupled" => WeightDecay::Coupled(coefficient),
            _ => WeightDecay::Decoupled(coefficient),
        };
        let build = |layers: &[Layer]| optimizer(name).unwrap().read(line["options"].clone()).unwrap().0(decay, layers);
        let rate = line["learning_rate"].as_f64().unwrap();
        let mut layers = layers();
        let mut optimizer = build(&layers);
        let mut rows = line["rows"].as_array().unwrap().iter().peekable();
        for step in 1..=100 {
            let gradients = gradients(&layers, &centres);
            optimizer.step(&mut layers, &gradients, &[rate; SHAPES.len()], false);
            if step == SAVED_AFTER {
                let (mut state, before) = (State::default(), effective_steps(&*optimizer, rate));
                optimizer.save(&mut state);
                optimizer = build(&layers);
                optimizer.restore(&state).unwrap();
                assert_eq!(effective_steps(&*optimizer, rate), before, "{name} is measured with the same bits");
            }
            if let Some(row) = rows.next_if(|row| row["step"] == step) {
                let what = |of: &str| format!("{of} of {name} with {} after step {step}", line["options"]);
                assert_close(&flat(&layers), &row["parameters"], &what("parameters"));
                assert_close(&effective_steps(&*optimizer, rate), &row["effective_step"], &what("effective step"));
            }
        }
        assert!(rows.next().is_none());
    }
}

#[test]
fn the_golden_numbers_are_of_every_optimizer() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("../../../tests/golden/optimizers.json")).unwrap();
    for kind in crate::optimizer::OPTIMIZERS.iter().filter(|kind| kind.name != "sign") {
        assert!(
            golden.iter().any(|line| line["optimizer"] == kind.name),
            "tests/golden/optimizers.py has no {}",
            kind.name
        );
    }
    assert_eq!(layers()[0].weight().kind(), Kind::Double);
}
