//! Muon's steps against singular values taken one by one, and its effective step against what it does.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Filters, Generator, Layer, LinearMap, State};

use super::values;
use crate::optimizer::{EffectiveStep, Optimizer, SharpnessScale, optimizer};

const RATES: [f64; 4] = [0.02, 0.03, 0.04, 0.05];
const MOMENTUM: f64 = 0.9;

/// A wide and a tall hidden matrix, and filters, between an input and an output layer that AdamW has.
fn layers(kind: Kind) -> Vec<Layer> {
    let mut generator = Generator::named("test", 6);
    let mut layer = |name: &str, map, sizes: &[i64]| {
        let [weight, bias] = [sizes, &sizes[..1]].map(|sizes| generator.uniform(sizes, 1.0, kind));
        Layer::of(name, map, weight, bias)
    };
    vec![
        layer("fc1", LinearMap::Dense, &[5, 7]),
        layer("conv2", LinearMap::Convolution(Filters::default()), &[4, 2, 3, 3]),
        layer("fc3", LinearMap::Dense, &[6, 4]),
        layer("fc4", LinearMap::Dense, &[3, 6]),
    ]
}

fn build(options: Value, layers: &[Layer]) -> Box<dyn Optimizer> {
    optimizer("muon").unwrap().read(options).unwrap().0(WeightDecay::None, layers)
}

/// Each singular value s of the matrix, as a share of the norm, through five times 3.4445 s - 4.775 s^3 + 2.0315 s^5.
fn by_singular_values(matrix: &Tensor) -> Tensor {
    let (left, singular, right) = matrix.svd(true, true);
    let mut shares = singular / matrix.norm();
    for _ in 0..5 {
        shares = &shares * 3.4445 - shares.pow_tensor_scalar(3) * 4.775 + shares.pow_tensor_scalar(5) * 2.0315;
    }
    left.matmul(&shares.diag(0)).matmul(&right.tr())
}

fn length(tensor: &Tensor) -> f64 {
    tensor.norm().double_value(&[])
}

#[test]
fn its_steps_are_made_of_singular_values_and_the_effective_step_is_the_ratio_of_norms() {
    for nesterov in [true, false] {
        for scale in ["original", "match_rms_adamw"] {
            let mut layers = layers(Kind::Double);
            let mut muon = build(json!({ "momentum": MOMENTUM, "nesterov": nesterov, "scale": scale }), &layers);
            let mut averages: Vec<Tensor> = layers.iter().map(|layer| layer.weight().zeros_like().detach()).collect();
            for step in 0..12 {
                let (before, gradients) = (values(&layers), super::gradients(&layers, step));
                muon.step(&mut layers, &gradients, &RATES, false);
                for layer in 1..3 {
                    let gradient = &gradients[layer][0];
                    averages[layer] = &averages[layer] * MOMENTUM + gradient * (1.0 - MOMENTUM);
                    let averaged = match nesterov {
                        true => &averages[layer] * MOMENTUM + gradient * (1.0 - MOMENTUM),
                        false => averages[layer].shallow_clone(),
                    };
                    let (matrix, rate) = (averaged.flatten(1, -1), RATES[layer]);
                    let (rows, columns) = if layer == 1 { (4.0, 18.0) } else { (6.0, 4.0) };
                    let shape: f64 = match scale {
                        "original" => f64::max(1.0, rows / columns).sqrt(),
                        _ => 0.2 * f64::max(rows, columns).sqrt(),
                    };
                    let moved = (&before[2 * layer] - layers[layer].weight()).detach().flatten(1, -1);
                    let expected = by_singular_values(&matrix) * (rate * shape);
                    assert!(moved.allclose(&expected, 1e-9, 1e-12, false), "{scale}: {moved} against {expected}");
                    let step = muon.effective_step(layer..layer + 1, rate, EffectiveStep::Rms).unwrap();
                    assert!((step * length(&matrix) / length(&moved) - 1.0).abs() < 1e-11, "{step}");
                    assert_eq!(muon.effective_step(layer..layer + 1, rate, EffectiveStep::Elementwise), Some(step));
                }
            }
        }
    }
}

/// A gradient that stays: its length times the factor is that of each step, from the first on.
#[test]
fn the_sharpness_is_normalised_by_what_a_gradient_that_stays_is_multiplied_with() {
    for nesterov in [true, false] {
        let mut layers = layers(Kind::Double);
        let mut muon = build(json!({ "nesterov": nesterov }), &layers);
        let gradients = super::gradients(&layers, 0);
        for step in 1..=600 {
            let before = values(&layers);
            muon.step(&mut layers, &gradients, &RATES, false);
            let moved = length(&(&before[4] - layers[2].weight()));
            let factor = muon.sharpness_factor(2..3, &RATES, SharpnessScale::Layer).unwrap();
            assert!((factor * length(&gradients[2][0]) / moved - 1.0).abs() < 1e-9, "step {step}");
            let effective = muon.effective_step(2..3, RATES[2], EffectiveStep::Rms).unwrap();
            assert!(effective >= factor * (1.0 - 1e-12) && (step < 600 || effective < factor * (1.0 + 1e-9)));
        }
        // All layers, those of AdamW too, at the first one's rate.
        let counts = [40.0, 76.0, 30.0, 21.0];
        let rates = [RATES[0]; 4];
        let own = |layer: usize| muon.sharpness_factor(layer..layer + 1, &rates, SharpnessScale::Layer).unwrap();
        let mean = (0..4).map(|layer| counts[layer] * own(layer)).sum::<f64>() / counts.iter().sum::<f64>();
        let global = muon.sharpness_factor(1..2, &RATES, SharpnessScale::Global).unwrap();
        assert!((global / mean - 1.0).abs() < 1e-12);
        let own = |layer: usize| muon.effective_step(layer..layer + 1, 0.1, EffectiveStep::Rms).unwrap();
        let mean = (0..4).map(|layer| counts[layer] * own(layer)).sum::<f64>() / counts.iter().sum::<f64>();
        assert!((muon.effective_step(0..4, 0.1, EffectiveStep::Rms).unwrap() / mean - 1.0).abs() < 1e-12);
    }
}

/// All but the hidden matrices: by AdamW at its share of the layer's rate, and with that one's effective step.
#[test]
fn the_rest_is_adamws() {
    let decay = WeightDecay::Decoupled(0.1);
    let (mut ours, mut theirs) = (layers(Kind::Double), layers(Kind::Double));
    let muon = json!({ "adamw_ratio": 0.25, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6 });
    let mut muon = optimizer("muon").unwrap().read(muon).unwrap().0(decay, &ours);
    let adam = json!({ "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6 });
    let mut adam = optimizer("adam").unwrap().read(adam).unwrap().0(decay, &theirs);
    let quarter = RATES.map(|rate| rate / 4.0);
    for step in 0..9 {
        if step == 4 {
            for optimizer in [&mut muon, &mut adam] {
                optimizer.restart(0, trainability_tensor::Role::Weight, 0, &[1]);
                optimizer.restart(2, trainability_tensor::Role::Bias, 0, &[1]);
            }
        }
        let gradients = super::gradients(&ours, step);
        muon.step(&mut ours, &gradients, &RATES, false);
        adam.step(&mut theirs, &gradients, &quarter, false);
        for (place, (ours, theirs)) in values(&ours).iter().zip(values(&theirs)).enumerate() {
            assert_eq!(*ours == theirs, ![2, 4].contains(&place), "parameter {place} at step {step}");
        }
        for (layer, form) in [(0, EffectiveStep::Rms), (3, EffectiveStep::Elementwise)] {
            let [own, expected] = [(&muon, RATES), (&adam, quarter)]
                .map(|(optimizer, rates)| optimizer.effective_step(layer..layer + 1, rates[layer], form).unwrap());
            assert_eq!(own, expected);
            let [own, expected] = [(&muon, RATES), (&adam, quarter)].map(|(optimizer, rates)| {
                optimizer.sharpness_factor(layer..layer + 1, &rates, SharpnessScale::Layer).unwrap()
            });
            assert_eq!(own, expected);
        }
    }
}

#[test]
fn a_matrix_without_a_gradient_stays_and_has_no_effective_step() {
    for kind in [Kind::Float, Kind::Double] {
        let mut layers = layers(kind);
        let mut muon = build(json!({}), &layers);
        let before = values(&layers);
        let nothing: Vec<Vec<Tensor>> =
            before.chunks(2).map(|own| own.iter().map(Tensor::zeros_like).collect()).collect();
        muon.step(&mut layers, &nothing, &RATES, false);
        assert_eq!(values(&layers), before);
        assert_eq!(muon.effective_step(1..2, 0.1, EffectiveStep::Rms), None);
        assert_eq!(muon.sharpness_factor(1..2, &RATES, SharpnessScale::Layer), None);
        assert_eq!(muon.sharpness_factor(1..2, &RATES, SharpnessScale::Global), None);
    }
}

#[test]
fn single_precision_is_close_to_double() {
    let (mut single, mut double) = (layers(Kind::Float), layers(Kind::Double));
    let (mut ours, mut exact) = (build(json!({}), &single), build(json!({}), &double));
    for (layer, wide) in single.iter().zip(&mut double) {
        for (p, wide) in layer.parameters.iter().zip(&mut wide.parameters) {
            tch::no_grad(|| wide.value.copy_(&p.value));
        }
    }
    for step in 0..20 {
        let gradients = super::gradients(&single, step);
        let wide = |own: &Vec<Tensor>| own.iter().map(|gradient| gradient.to_kind(Kind::Double)).collect();
        exact.step(&mut double, &gradients.iter().map(wide).collect(), &RATES, false);
        ours.step(&mut single, &gradients, &RATES, false);
    }
    for (found, expected) in values(&single).iter().zip(values(&double)) {
        assert!(found.to_kind(Kind::Double).allclose(&expected, 1e-4, 1e-5, false));
    }
}

#[test]
fn what_the_first_layer_follows_is_an_option_and_a_network_without_hidden_matrices_is_refused() {
    let [one, two] = [1, 2].map(|count| layers(Kind::Double).into_iter().take(count).collect::<Vec<Layer>>());
    for (layers, options, fits) in [
        (&two, json!({}), false),
        (&one, json!({ "first_layer": "muon" }), false),
        (&two, json!({ "first_layer": "muon" }), true),
        (&Vec::new(), json!({}), true),
    ] {
        let built = build(options.clone(), layers);
        assert_eq!(built.fits().is_ok(), fits, "{} layers with {options}", layers.len());
        let mut state = State::default();
        built.save(&mut state);
        assert_eq!(state.tensors.contains_key("fc1.weight.momentum_buffer"), fits && layers.len() == 2);
    }
    assert_eq!(one[0].weight().device(), Device::Cpu);
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let read = |options| optimizer("muon").unwrap().read(options).err().unwrap().to_string();
    assert!(read(json!({ "momentum": 1.0 })).starts_with("`momentum` is 1"));
    assert!(read(json!({ "adamw_ratio": 0.0 })).starts_with("`adamw_ratio` is 0"));
    assert!(read(json!({ "beta2": 1.5 })).starts_with("`beta2` is 1.5"));
    assert!(read(json!({ "scale": "other" })).contains("unknown variant `other`"));
    let (_, used) = optimizer("muon").unwrap().read(json!({})).unwrap();
    let expected = json!({
        "momentum": 0.95, "nesterov": true, "scale": "original", "first_layer": "adamw", "adamw_ratio": 0.015, "beta1": 0.9,
        "beta2": 0.95, "epsilon": 1e-10
    });
    assert_eq!(used, expected);
}
