//! SGD against libtorch's own (`torch::optim::SGD`) step for step, against steps worked out by hand, and against the
//! definition of its effective step.

use serde_json::json;
use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor, nn};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Layer, LinearMap, Parameter};

use super::{gradients, layers};
use crate::optimizer::{EffectiveStep, Optimizer, Sgd, SgdOptions, SharpnessScale, optimizer};

const RATES: [f64; 2] = [0.05, 0.01];
const PLAIN: SgdOptions = SgdOptions { momentum: 0.9, nesterov: false };
const NESTEROV: SgdOptions = SgdOptions { momentum: 0.9, nesterov: true };
const WITHOUT: SgdOptions = SgdOptions { momentum: 0.0, nesterov: false };

/// One layer of one weight and one bias.
fn scalar(weight: f64) -> Vec<Layer> {
    let tensor = |value: f64, sizes: &[i64]| Tensor::from_slice(&[value]).view(sizes);
    vec![Layer::of("fc1", LinearMap::Dense, tensor(weight, &[1, 1]), tensor(0.0, &[1]))]
}

/// Trains a copy of each layer by libtorch's optimizer on the same gradients.
fn compare(kind: Kind, options: SgdOptions, decay: f64, tolerance: f64) {
    let mut ours = layers(kind);
    let mut sgd = Sgd::new(options, WeightDecay::Coupled(decay), &ours);
    let mut theirs: Vec<(Vec<Tensor>, nn::Optimizer, nn::VarStore)> = Vec::new();
    for (layer, rate) in ours.iter().zip(RATES) {
        let store = nn::VarStore::new(Device::Cpu);
        let copy = |p: &Parameter| store.root().add(&p.name.replace('.', "_"), p.value.detach().copy(), true);
        let copies = layer.parameters.iter().map(copy).collect();
        let reference = nn::sgd(options.momentum, 0.0, decay, options.nesterov).build(&store, rate).unwrap();
        theirs.push((copies, reference, store));
    }
    for step in 0..50 {
        let gradients = gradients(&ours, step);
        for ((copies, reference, _), gradients) in theirs.iter_mut().zip(&gradients) {
            let loss: Tensor = copies.iter().zip(gradients).map(|(t, g)| (t * g).sum(kind)).sum();
            reference.backward_step(&loss);
        }
        sgd.step(&mut ours, &gradients, &RATES, false);
        let theirs = theirs.iter().flat_map(|(copies, ..)| copies);
        for (ours, theirs) in ours.iter().flat_map(|layer| &layer.parameters).zip(theirs) {
            let distance = (&ours.value - theirs).abs().max().double_value(&[]);
            assert!(distance < tolerance, "{} at step {step}: {distance}", ours.name);
        }
    }
}

#[test]
fn sgd_equals_libtorch_step_for_step() {
    for options in [PLAIN, NESTEROV, WITHOUT] {
        for decay in [0.0, 0.1] {
            compare(Kind::Double, options, decay, 1e-13);
            compare(Kind::Float, options, decay, 1e-5);
        }
    }
}

/// theta = 1, gradients 1 and -2, m = 0.5, lr = 0.1, and a decay of 0.5: each line is worked out by hand.
#[test]
fn three_steps_by_hand() {
    for (nesterov, decay, expected) in [
        // b = 1, -1.5, -0.75.
        (false, WeightDecay::None, [0.9, 1.05, 1.125]),
        // g + b / 2 = 1.5, -2.75, -0.375.
        (true, WeightDecay::None, [0.85, 1.125, 1.1625]),
        // g = 1.5, -1.575, 0.46625 with half of theta; b = 1.5, -0.825, 0.05375.
        (false, WeightDecay::Coupled(0.5), [0.85, 0.9325, 0.927125]),
        // theta shrinks by 0.95 beside the first line's steps.
        (false, WeightDecay::Decoupled(0.5), [0.85, 0.9575, 0.984625]),
    ] {
        let mut layers = scalar(1.0);
        let mut sgd = Sgd::new(SgdOptions { momentum: 0.5, nesterov }, decay, &layers);
        for (gradient, expected) in [1.0, -2.0, 0.0].into_iter().zip(expected) {
            let gradients = vec![vec![Tensor::from_slice(&[gradient]).view([1, 1]), Tensor::from_slice(&[0.0f64])]];
            sgd.step(&mut layers, &gradients, &[0.1], false);
            let found = layers[0].weight().double_value(&[0, 0]);
            assert!((found - expected).abs() < 1e-15, "{nesterov} {decay:?}: {found}, expected {expected}");
        }
    }
}

#[test]
fn a_gradient_that_stays_is_multiplied_by_the_effective_step() {
    for options in [PLAIN, NESTEROV, WITHOUT, SgdOptions { momentum: 0.99, nesterov: true }] {
        let mut layers = scalar(0.0);
        let mut sgd = Sgd::new(options, WeightDecay::None, &layers);
        assert_eq!(sgd.effective_step(0..1, 0.1, EffectiveStep::Rms), None, "before the first step");
        let gradient = 0.7;
        let gradients = vec![vec![Tensor::from_slice(&[gradient]).view([1, 1]), Tensor::from_slice(&[0.0f64])]];
        for step in 1..=40 {
            let before = layers[0].weight().double_value(&[0, 0]);
            sgd.step(&mut layers, &gradients, &[0.1], false);
            let moved = before - layers[0].weight().double_value(&[0, 0]);
            for form in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
                let expected = sgd.effective_step(0..1, 0.1, form).unwrap() * gradient;
                assert!((moved - expected).abs() < 1e-14, "{options:?} at step {step}: {moved}, expected {expected}");
            }
        }
    }
}

#[test]
fn the_normalised_sharpness_is_that_of_the_step_that_momentum_comes_to() {
    let layers = layers(Kind::Double);
    let mut sgd = Sgd::new(PLAIN, WeightDecay::None, &layers);
    let factor = |sgd: &Sgd, scale| sgd.sharpness_factor(1..2, &RATES, scale);
    assert_eq!(factor(&sgd, SharpnessScale::Layer), None, "before the first step");
    let mut layers = layers;
    let gradients = gradients(&layers, 0);
    sgd.step(&mut layers, &gradients, &RATES, false);
    // lr / (1 - m), of the layer's own rate or of the first one's.
    assert!((factor(&sgd, SharpnessScale::Layer).unwrap() - 0.1).abs() < 1e-15);
    assert!((factor(&sgd, SharpnessScale::Global).unwrap() - 0.5).abs() < 1e-15);
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let read = |options| optimizer("sgd").unwrap().read(options).err().unwrap().to_string();
    assert!(read(json!({ "momentum": 1.0 })).starts_with("`momentum` is 1"));
    assert!(read(json!({ "momentum": 0.0, "nesterov": true })).starts_with("`nesterov` is true"));
    assert!(read(json!({ "beta1": 0.9 })).contains("unknown field `beta1`"));
    let (_, used) = optimizer("sgd").unwrap().read(json!({})).unwrap();
    assert_eq!(used, json!({ "momentum": 0.9, "nesterov": false }));
}
