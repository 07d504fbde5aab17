//! RMSprop's effective step and what normalises its sharpness, against every element's own and against what it does.

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Layer, LinearMap};

use super::{gradients, layers};
use crate::optimizer::{EffectiveStep, Optimizer, SharpnessScale, optimizer};

const RATES: [f64; 2] = [0.05, 0.01];

fn build(options: Value, layers: &[Layer]) -> Box<dyn Optimizer> {
    optimizer("rmsprop").unwrap().read(options).unwrap().0(WeightDecay::None, layers)
}

/// Weight and bias of each layer, element by element.
fn elements(tensors: &[Vec<Tensor>]) -> Vec<[Vec<f64>; 2]> {
    let flat = |tensor: &Tensor| Vec::try_from(tensor.flatten(0, -1)).unwrap();
    tensors.iter().map(|own| [flat(&own[0]), flat(&own[1])]).collect()
}

#[test]
fn both_forms_and_both_scales_are_those_of_every_element() {
    let alpha = 0.9;
    for (momentum, centered) in [(0.0, false), (0.8, false), (0.0, true), (0.8, true)] {
        let mut layers = layers(Kind::Double);
        let mut rmsprop =
            build(json!({ "alpha": alpha, "epsilon": 1e-3, "momentum": momentum, "centered": centered }), &layers);
        let history: Vec<_> = (0..6).map(|step| gradients(&layers, step)).collect();
        for gradients in &history {
            rmsprop.step(&mut layers, gradients, &RATES, false);
        }
        let history: Vec<_> = history.iter().map(|gradients| elements(gradients)).collect();
        // What each element's gradient is divided by, before the root.
        let scale = |layer: usize, parameter: usize, place: usize| {
            let (mut square, mut mean) = (0.0, 0.0);
            for gradients in &history {
                let gradient = gradients[layer][parameter][place];
                square = alpha * square + (1.0 - alpha) * gradient * gradient;
                mean = alpha * mean + (1.0 - alpha) * gradient;
            }
            if centered { square - mean * mean } else { square }
        };
        let all = |layer: usize, parameter: usize| -> Vec<f64> {
            (0..history[0][layer][parameter].len()).map(|place| scale(layer, parameter, place)).collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let close = |found: Option<f64>, expected: f64, what: &str| {
            let found = found.unwrap();
            assert!((found / expected - 1.0).abs() < 1e-12, "{what} with {momentum}, {centered}: {found}, {expected}");
        };
        let (limit, so_far) = (1.0 / (1.0 - momentum), (0..6).map(|k| f64::powi(momentum, k)).sum::<f64>());
        let root = |values: &[f64]| mean(values).sqrt() + 1e-3;
        for (layer, rate) in RATES.into_iter().enumerate() {
            let [weight, bias] = [0, 1].map(|parameter| all(layer, parameter));
            let step = |form| rmsprop.effective_step(layer..layer + 1, 0.3, form);
            close(step(EffectiveStep::Rms), 0.3 * so_far / root(&weight), "rms");
            let own: Vec<f64> = weight.iter().chain(&bias).map(|scale| 1.0 / (scale.sqrt() + 1e-3)).collect();
            close(step(EffectiveStep::Elementwise), 0.3 * so_far * mean(&own), "elementwise");
            let factor = rmsprop.sharpness_factor(layer..layer + 1, &RATES, SharpnessScale::Layer);
            close(factor, rate * limit / root(&weight), "layer");
        }
        let weights = [all(0, 0), all(1, 0)].concat();
        close(rmsprop.effective_step(0..2, 0.3, EffectiveStep::Rms), 0.3 * so_far / root(&weights), "both layers");
        let every = [weights, all(0, 1), all(1, 1)].concat();
        let factor = rmsprop.sharpness_factor(1..2, &RATES, SharpnessScale::Global);
        close(factor, RATES[0] * limit / root(&every), "global");
    }
}

/// Where every mean square is the same, which it is at once with `alpha` 0, the step is the multiple of the gradient at every update.
#[test]
fn a_gradient_that_stays_is_multiplied_by_the_effective_step() {
    for options in [json!({}), json!({ "alpha": 0.0, "momentum": 0.9 }), json!({ "alpha": 0.5, "momentum": 0.0 })] {
        let tensor = |values: &[f64], sizes: &[i64]| Tensor::from_slice(values).view(sizes);
        let mut layers = vec![Layer::of("fc1", LinearMap::Dense, tensor(&[0.3, 1.0], &[1, 2]), tensor(&[0.0], &[1]))];
        let mut rmsprop = build(options.clone(), &layers);
        assert_eq!(rmsprop.effective_step(0..1, 0.1, EffectiveStep::Rms), None, "before the first step");
        let gradients = vec![vec![tensor(&[0.7, -0.7], &[1, 2]), tensor(&[0.7], &[1])]];
        for step in 1..=40 {
            let before = layers[0].weight().copy();
            rmsprop.step(&mut layers, &gradients, &[0.1], false);
            let moved = before - layers[0].weight();
            for form in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
                let expected = &gradients[0][0] * rmsprop.effective_step(0..1, 0.1, form).unwrap();
                assert!(moved.allclose(&expected, 1e-12, 1e-13, false), "{options} at {step}: {moved}, not {expected}");
            }
        }
    }
}

/// Its variance is 0 but for rounding, of which there is no root below.
#[test]
fn a_gradient_that_stays_leaves_the_centred_form_a_number() {
    let mut layers = layers(Kind::Float);
    let mut rmsprop = build(json!({ "centered": true }), &layers);
    let gradients = gradients(&layers, 0);
    for _ in 0..3000 {
        rmsprop.step(&mut layers, &gradients, &[1e-12, 1e-12], false);
        assert!(
            layers.iter().flat_map(|layer| &layer.parameters).all(|p| !bool::try_from(p.value.isnan().any()).unwrap())
        );
    }
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let read = |options| optimizer("rmsprop").unwrap().read(options).err().unwrap().to_string();
    assert!(read(json!({ "alpha": 1.0 })).starts_with("`alpha` is 1"));
    assert!(read(json!({ "momentum": -0.1 })).starts_with("`momentum` is -0.1"));
    assert!(read(json!({ "epsilon": 0.0 })).starts_with("`epsilon` is 0"));
    assert!(read(json!({ "beta2": 0.9 })).contains("unknown field `beta2`"));
}
