//! What every optimizer of the registry has to do, whatever its rule; the book's own is among them.

use serde_json::json;
use tch::{Kind, Tensor};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Layer, LinearMap, Role, State};

use super::{gradients, layers, values};
use crate::optimizer::{EffectiveStep, OPTIMIZERS, Optimizer, OptimizerKind, SharpnessScale, optimizer};

const RATES: [f64; 2] = [0.05, 0.01];
const DECAYS: [WeightDecay; 3] = [WeightDecay::None, WeightDecay::Coupled(0.1), WeightDecay::Decoupled(0.1)];

fn build(kind: &OptimizerKind, decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
    // So that one of two layers is a hidden matrix.
    let options = if kind.name == "muon" { json!({ "first_layer": "muon" }) } else { json!({}) };
    kind.read(options).unwrap().0(decay, layers)
}

/// What all parameters are multiplied with at a step, where an optimizer has a weight decay of its own.
fn shrink(kind: &OptimizerKind, rate: f64) -> f64 {
    1.0 - rate * kind.read(json!({})).unwrap().1["decay"].as_f64().unwrap_or(0.0)
}

/// Trains these layers from step `first` up to `last`, on the gradients of these steps.
fn train(optimizer: &mut dyn Optimizer, layers: &mut [Layer], first: u64, last: u64) {
    for step in first..last {
        let gradients = gradients(layers, step);
        optimizer.step(layers, &gradients, &RATES, false);
    }
}

fn copied(from: &[Layer], kind: Kind) -> Vec<Layer> {
    let mut copy = layers(kind);
    for (copy, value) in copy.iter_mut().flat_map(|layer| &mut layer.parameters).zip(values(from)) {
        tch::no_grad(|| copy.value.copy_(&value));
    }
    copy
}

#[test]
fn one_that_is_restored_goes_on_with_the_same_bits() {
    for kind in OPTIMIZERS {
        for (precision, decay) in [Kind::Float, Kind::Double].into_iter().flat_map(|p| DECAYS.map(|d| (p, d))) {
            let mut whole = layers(precision);
            let mut first = build(kind, decay, &whole);
            train(&mut *first, &mut whole, 0, 5);
            first.restart(0, Role::Weight, 0, &[1, 3]);
            train(&mut *first, &mut whole, 5, 7);
            let mut state = State::default();
            first.save(&mut state);

            let mut copy = copied(&whole, precision);
            let mut second = build(kind, decay, &copy);
            // It has a past of its own, which must not show.
            train(&mut *second, &mut layers(precision), 99, 103);
            second.restart(1, Role::Bias, 0, &[2]);
            second.restore(&state).unwrap();
            assert_eq!(second.steps(), 7, "{}", kind.name);
            for step in 7..12 {
                train(&mut *first, &mut whole, step, step + 1);
                train(&mut *second, &mut copy, step, step + 1);
                assert_eq!(values(&whole), values(&copy), "{} with {decay:?} at step {step}", kind.name);
            }
        }
    }
}

#[test]
fn one_that_is_cleared_is_like_a_new_one() {
    for kind in OPTIMIZERS {
        let mut used = layers(Kind::Double);
        let mut first = build(kind, WeightDecay::Coupled(0.1), &used);
        train(&mut *first, &mut used, 0, 5);
        first.restart(0, Role::Weight, 0, &[1, 3]);
        first.clear();
        assert_eq!(first.steps(), 0, "{}", kind.name);
        assert_eq!(first.effective_step(0..2, 0.1, EffectiveStep::Rms), None, "{} before its first step", kind.name);
        assert_eq!(first.sharpness_factor(0..2, &RATES, SharpnessScale::Layer), None, "{}", kind.name);
        let (mut ours, mut new) = (layers(Kind::Double), layers(Kind::Double));
        train(&mut *first, &mut ours, 20, 24);
        train(&mut *build(kind, WeightDecay::Coupled(0.1), &new), &mut new, 20, 24);
        assert_eq!(values(&ours), values(&new), "{}", kind.name);
    }
}

/// Units 1 and 3 of the first layer, and what the second layer takes from them: without a gradient they have nothing to go
/// by, and all other elements go on as if nobody had been restarted. A step that is made of a whole matrix is another one then.
#[test]
fn elements_that_are_restarted_remember_nothing_and_the_others_everything() {
    for kind in OPTIMIZERS {
        let mut ours = layers(Kind::Double);
        let mut optimizer = build(kind, WeightDecay::None, &ours);
        let mut theirs = layers(Kind::Double);
        let mut undisturbed = build(kind, WeightDecay::None, &theirs);
        train(&mut *optimizer, &mut ours, 0, 3);
        train(&mut *undisturbed, &mut theirs, 0, 3);
        optimizer.restart(0, Role::Weight, 0, &[1, 3]);
        optimizer.restart(0, Role::Bias, 0, &[1, 3]);
        optimizer.restart(1, Role::Weight, 1, &[1, 3]);
        let before = values(&ours);
        let zeros = |layer: &Layer| layer.parameters.iter().map(|p| p.value.detach().zeros_like()).collect();
        let nothing: Vec<Vec<Tensor>> = ours.iter().map(zeros).collect();
        optimizer.step(&mut ours, &nothing, &RATES, false);
        undisturbed.step(&mut theirs, &nothing, &RATES, false);
        assert_eq!(optimizer.steps(), 4, "{}", kind.name);
        let (ours, theirs) = (values(&ours), values(&theirs));
        for unit in 0..5 {
            let of_unit = |all: &[Tensor]| [all[0].get(unit), all[1].get(unit), all[2].select(1, unit)];
            let expected = match unit {
                1 | 3 => {
                    let [weight, bias, outgoing] = of_unit(&before);
                    let [first, second] = RATES.map(|rate| shrink(kind, rate));
                    [weight * first, bias * first, outgoing * second]
                }
                _ => of_unit(&theirs),
            };
            let [weight, others @ ..] = of_unit(&ours);
            assert_eq!(others, expected[1..], "unit {unit} with {}", kind.name);
            let is_apart = kind.name != "muon" || unit == 1 || unit == 3;
            assert_eq!(weight == expected[0], is_apart, "incoming weights of unit {unit} with {}", kind.name);
        }
        assert_eq!(ours[3], theirs[3], "{}", kind.name);
    }
}

#[test]
fn each_layer_has_its_own_rate_and_a_summary_tells_what_a_step_changed() {
    for kind in OPTIMIZERS {
        let (mut ours, mut unobserved) = (layers(Kind::Double), layers(Kind::Double));
        let flat = |all: &[Tensor]| Tensor::cat(&all.iter().map(|t| t.flatten(0, -1)).collect::<Vec<_>>(), 0);
        let before = values(&ours);
        let gradients = gradients(&ours, 0);
        let rates = [0.0, 0.01];
        let summary = build(kind, WeightDecay::None, &ours).step(&mut ours, &gradients, &rates, true).unwrap();
        let none = build(kind, WeightDecay::None, &unobserved).step(&mut unobserved, &gradients, &rates, false);
        let after = values(&ours);
        assert!(none.is_none() && values(&unobserved) == after, "{}: watching changes nothing", kind.name);
        assert!(after[..2] == before[..2] && after[2] != before[2] && after[3] != before[3], "{}", kind.name);
        let mean = |t: Tensor| t.abs().mean(Kind::Double).double_value(&[]);
        let [update, weight] = [mean(flat(&after) - flat(&before)), mean(flat(&before))];
        assert!((summary.mean_absolute_update - update).abs() < 1e-15, "{}", kind.name);
        assert!((summary.mean_absolute_weight - weight).abs() < 1e-15, "{}", kind.name);
    }
}

/// In the long run: on the way there, the rules differ in what they call the averaged gradient.
#[test]
fn a_gradient_that_stays_is_multiplied_by_the_effective_step() {
    let mut tried = 0;
    for kind in OPTIMIZERS {
        let tensor = |value: f64, sizes: &[i64]| Tensor::from_slice(&[value]).view(sizes);
        let mut layers = vec![Layer::of("fc1", LinearMap::Dense, tensor(0.0, &[1, 1]), tensor(0.0, &[1]))];
        let mut optimizer = build(kind, WeightDecay::None, &layers);
        let gradients = vec![vec![tensor(0.7, &[1, 1]), tensor(0.7, &[1])]];
        let mut moved = 0.0;
        for _ in 0..1000 {
            let before = layers[0].weight().double_value(&[0, 0]);
            optimizer.step(&mut layers, &gradients, &[0.1], false);
            moved = before * shrink(kind, 0.1) - layers[0].weight().double_value(&[0, 0]);
        }
        let claimed = optimizer.has_effective_step();
        for form in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
            let step = optimizer.effective_step(0..1, 0.1, form);
            assert_eq!(step.is_some(), claimed.is_ok(), "{} keeps its word", kind.name);
            if let Some(step) = step {
                assert!((moved - step * 0.7).abs() < 1e-12, "{}: {moved}, expected {}", kind.name, step * 0.7);
                tried += 1;
            }
        }
    }
    assert!(tried >= 10, "{tried}");
}

/// Dead units have no gradient for good.
#[test]
fn memory_that_has_faded_becomes_zero() {
    let fading = [
        ("sgd", json!({ "momentum": 0.5 })),
        ("rmsprop", json!({ "alpha": 0.5, "momentum": 0.5, "centered": true })),
        ("muon", json!({ "first_layer": "muon", "momentum": 0.5, "beta1": 0.5, "beta2": 0.5 })),
    ];
    for (name, options) in fading {
        let mut layers = layers(Kind::Float);
        let mut optimizer = optimizer(name).unwrap().read(options).unwrap().0(WeightDecay::None, &layers);
        train(&mut *optimizer, &mut layers, 0, 1);
        let zeros = |layer: &Layer| layer.parameters.iter().map(|p| p.value.detach().zeros_like()).collect();
        let nothing: Vec<Vec<Tensor>> = layers.iter().map(zeros).collect();
        for _ in 0..300 {
            optimizer.step(&mut layers, &nothing, &RATES, false);
        }
        let mut state = State::default();
        optimizer.save(&mut state);
        for (entry, memory) in state.tensors.iter().filter(|(entry, _)| !entry.ends_with("norms")) {
            let largest = memory.abs().max().double_value(&[]);
            assert_eq!(largest, 0.0, "{entry} of {name}");
        }
    }
}

#[test]
fn the_book_shows_the_optimizer_that_is_tested_here() {
    assert!(include_str!("../../../docs/architecture.md").contains(include_str!("sign.rs")));
    let sign = OPTIMIZERS.iter().find(|kind| kind.name == "sign").unwrap();
    let mut layers = layers(Kind::Double);
    let before = values(&layers);
    let gradients = gradients(&layers, 0);
    build(sign, WeightDecay::Decoupled(0.5), &layers).step(&mut layers, &gradients, &RATES, false);
    for (index, (gradient, theta)) in gradients.iter().flatten().zip(&before).enumerate() {
        let rate = RATES[index / 2];
        let expected = theta * (1.0 - rate * 0.5) - gradient.sign() * rate;
        assert!(values(&layers)[index].allclose(&expected, 0.0, 1e-15, false), "parameter {index}");
    }
}
