//! Decays that change within a task: against PyTorch's Adam, whose `betas` were set anew at each epoch, and against every element's
//! own Adam where some begin anew.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Layer, LinearMap, Role};

use super::{gradients, layers, values};
use crate::optimizer::adam::KIND;
use crate::optimizer::{Adam, AdamOptions, BetaRamp, EffectiveStep, Optimizer, SharpnessScale};

const EPOCHS: u64 = 4;
const UPDATES_IN_EPOCH: u64 = 3;

fn ramped() -> AdamOptions {
    AdamOptions { beta_ramp: Some(BetaRamp::default()), ..AdamOptions::default() }
}

fn share_of_epochs(step: u64) -> f64 {
    (step / UPDATES_IN_EPOCH % EPOCHS) as f64 / EPOCHS as f64
}

/// Both effective steps before every step, and all weights after it, in f64 (`tests/golden/beta_ramp.py`).
#[test]
fn equals_pytorch_step_by_step() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("../../../tests/golden/beta_ramp.json")).unwrap();
    assert_eq!(golden.len(), 36);
    let numbers = |row: &Value, key: &str| -> Vec<f64> { serde_json::from_value(row[key].clone()).unwrap() };
    let tensor = |values: &[f64], sizes: &[i64]| Tensor::from_slice(values).reshape(sizes);
    let nothing = || Tensor::zeros([0], (Kind::Double, Device::Cpu));
    let layer = |name: &str, weight: Tensor| Layer::of(name, LinearMap::Dense, weight, nothing());
    let mut layers =
        vec![layer("fc1", tensor(&[0.3, -0.2, 0.1, 0.4], &[2, 2])), layer("fc2", tensor(&[0.5, -0.1], &[1, 2]))];
    let mut adam = Adam::new(ramped(), WeightDecay::None, &layers);
    for (step, row) in (0..).zip(&golden) {
        let gradient = |layer: i64, sizes: &[i64]| {
            let entry = |i: i64| ((7 * step as i64 + 5 * i + 3 * layer) % 11 - 5) as f64 / 4.0;
            vec![tensor(&(0..sizes.iter().product()).map(entry).collect::<Vec<_>>(), sizes), nothing()]
        };
        let gradients = vec![gradient(0, &[2, 2]), gradient(1, &[1, 2])];
        adam.begin_update(share_of_epochs(step));
        let steps = [0, 1].map(|layer| adam.effective_step(layer..layer + 1, 0.01, EffectiveStep::Rms));
        for (found, expected) in steps.iter().zip(numbers(row, "effective_step")) {
            assert!((found.unwrap() / expected - 1.0).abs() < 1e-13, "step {step}: {found:?} against {expected}");
        }
        adam.step(&mut layers, &gradients, &[0.01, 0.01], false);
        let found: Vec<f64> = values(&layers).iter().flat_map(flat).collect();
        for (found, expected) in found.iter().zip(numbers(row, "weights")) {
            assert!((found - expected).abs() < 1e-14, "step {step}: {found} against {expected}");
        }
    }
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.flatten(0, -1)).unwrap()
}

/// An element that begins anew has bias corrections of its own age, with the decays of the moment.
#[test]
fn a_restarted_element_is_an_adam_of_its_own() {
    let mut layers = layers(Kind::Double);
    let mut adam = Adam::new(ramped(), WeightDecay::None, &layers);
    let mut expected: Vec<f64> = values(&layers).iter().flat_map(flat).collect();
    // First and second moment, and steps since it began.
    let mut moments = vec![(0.0, 0.0, 0); expected.len()];
    for step in 0..40 {
        if step == 7 {
            // Row 2 of the 5 x 7 weight of fc1, and row 1 of the 3 x 5 weight of fc2, which comes after 35 + 5 others.
            adam.restart(0, Role::Weight, 0, &[2]);
            adam.restart(1, Role::Weight, 0, &[1]);
            (14..21).chain(45..50).for_each(|place: usize| moments[place] = (0.0, 0.0, 0));
        }
        let gradients = gradients(&layers, step);
        adam.begin_update(share_of_epochs(step));
        adam.step(&mut layers, &gradients, &[0.01, 0.02], false);
        let gradients: Vec<f64> = gradients.iter().flatten().flat_map(flat).collect();
        for (place, gradient) in gradients.into_iter().enumerate() {
            let of_first = place < 40;
            let share = if of_first { share_of_epochs(step) } else { 0.0 };
            let (beta1, beta2) = (0.9 + share * 0.045, 0.999 - share * 0.1245);
            let (first, second, age) = &mut moments[place];
            *age += 1;
            *first = beta1 * *first + (1.0 - beta1) * gradient;
            *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
            let root = (*second / (1.0 - f64::powi(beta2, *age))).sqrt();
            expected[place] -=
                if of_first { 0.01 } else { 0.02 } * *first / (1.0 - f64::powi(beta1, *age)) / (root + 1e-8);
        }
        for (place, (found, expected)) in values(&layers).iter().flat_map(flat).zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-12, "step {step}, place {place}: {found} against {expected}");
        }
    }
}

/// Of several layers: each layer's second moment without its own bias, and the mean of their steps.
#[test]
fn layers_of_different_decays_have_one_step_together() {
    let mut layers = layers(Kind::Double);
    let mut adam = Adam::new(ramped(), WeightDecay::None, &layers);
    for step in 0..5 {
        adam.begin_update(share_of_epochs(step));
        let gradients = gradients(&layers, step);
        adam.step(&mut layers, &gradients, &[0.01, 0.01], false);
    }
    adam.begin_update(0.5);
    let of = |layer: usize| adam.sharpness_factor(layer..layer + 1, &[1.0, 1.0], SharpnessScale::Layer).unwrap();
    let squares = [35.0, 15.0].iter().zip([0, 1].map(|layer| of(layer).powi(-2)));
    let v_rms = (squares.map(|(count, square)| count * square).sum::<f64>() / 50.0).sqrt();
    let whole = adam.sharpness_factor(0..2, &[1.0, 1.0], SharpnessScale::Layer).unwrap();
    assert!((whole * v_rms - 1.0).abs() < 1e-6, "{whole} against {}", 1.0 / v_rms);
    let step = |beta1: f64| 0.01 / (1.0 - beta1.powi(5)) / v_rms;
    let expected = (40.0 * step(0.9225) + 18.0 * step(0.9)) / 58.0;
    let found = adam.effective_step(0..2, 0.01, EffectiveStep::Rms).unwrap();
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} against {expected}");
}

#[test]
fn a_ramp_is_named_or_spelt_out_or_refused() {
    let read = |ramp| KIND.read(json!({ "beta_ramp": ramp })).map(|(_, used)| used).map_err(|e| e.to_string());
    assert!(read(json!("off")).unwrap().get("beta_ramp").is_none(), "it changes no hash");
    let paper = json!({ "beta1": 0.945, "beta2": 0.8745, "layers": 1 });
    assert_eq!(read(json!("paper")).unwrap()["beta_ramp"], paper);
    assert_eq!(read(json!({ "layers": 2 })).unwrap()["beta_ramp"]["layers"], 2);
    for (ramp, expected) in [
        (json!("papper"), "\"papper\""),
        (json!(true), "expected \"off\", \"paper\", or an object"),
        (json!({ "beta3": 1 }), "beta3"),
        (json!({ "beta1": 1.0 }), "beta_ramp.beta1"),
        (json!({ "layers": 0 }), "beta_ramp.layers"),
    ] {
        let message = read(ramp).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}
