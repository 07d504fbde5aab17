//! Units of layers that are normalised.

use std::collections::BTreeMap;

use serde_json::json;
use tch::{Kind, Tensor};
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_baselines::surgery::units;
use trainability_tensor::{Generator, State};

use super::trained::{STEPS, Trained, WIDTHS, hidden_activations, surgery};
use crate::model::{Inputs, Model};
use crate::testing::networks::{moments, traced};

/// Every element of every parameter: value, first moment, second moment and restart; of a running statistic, its value
/// alone.
type Elements = BTreeMap<String, Vec<[f64; 4]>>;

fn elements(trained: &Trained) -> Elements {
    let flat = |tensor: &Tensor| Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap();
    let mut all = Elements::new();
    for (layer, moments) in trained.network.layers().iter().zip(moments(&trained.optimizer, trained.network.layers())) {
        for (parameter, moments) in layer.parameters.iter().zip(&moments) {
            let restarts = moments.restarts.as_ref().map_or(moments.first.zeros_like(), Tensor::shallow_clone);
            let columns = [&parameter.value, &moments.first, &moments.second, &restarts].map(flat);
            let element = |index: usize| columns.each_ref().map(|column| column[index]);
            all.insert(parameter.name.clone(), (0..columns[0].len()).map(element).collect());
        }
    }
    let mut state = State::default();
    trained.network.save(&mut state);
    for (name, tensor) in state.tensors.iter().filter(|(name, _)| name.contains("running")) {
        all.insert(name.clone(), flat(tensor).into_iter().map(|value| [value, 0.0, 0.0, 0.0]).collect());
    }
    all
}

/// What replacing units must leave, element by element.
fn replaced_elements(before: &Elements, chosen: [&[usize]; 2], crelu: bool, generator: &mut Generator) -> Elements {
    let mut after = before.clone();
    let gone = |value: f64| [value, 0.0, 0.0, STEPS as f64];
    let features = if crelu { 2 } else { 1 };
    let inputs = [5, features * WIDTHS[0], features * WIDTHS[1]];
    for (layer, units) in chosen.into_iter().enumerate() {
        let mut set = |role: &str, index: usize, element| after.get_mut(role).unwrap()[index] = element;
        for &unit in units {
            let bound = (6.0 / inputs[layer] as f64).sqrt();
            let fresh = generator.uniform(&[inputs[layer] as i64], bound, Kind::Double);
            for column in 0..inputs[layer] {
                let value = fresh.double_value(&[column as i64]);
                set(&format!("fc{}.weight", layer + 1), unit * inputs[layer] + column, gone(value));
            }
            for (role, value) in [("bias", 0.0), ("gain", 1.0), ("shift", 0.0)] {
                set(&format!("fc{}.{role}", layer + 1), unit, gone(value));
            }
            for (what, value) in [("mean", 0.0), ("variance", 1.0)] {
                let name = format!("normalization/fc{}.running_{what}", layer + 1);
                if before.contains_key(&name) {
                    set(&name, unit, [value, 0.0, 0.0, 0.0]);
                }
            }
        }
    }
    for (layer, units) in chosen.into_iter().enumerate() {
        let weight = after.get_mut(&format!("fc{}.weight", layer + 2)).unwrap();
        for (index, element) in weight.iter_mut().enumerate() {
            if units.contains(&(index % inputs[layer + 1] % WIDTHS[layer])) {
                *element = gone(0.0);
            }
        }
    }
    after
}

fn normalised_trained(rule: &str, crelu: bool, seed: u64) -> Trained {
    let Contribution::Normalization(rule) = part(rule).unwrap().build(json!({})).unwrap().0 else {
        panic!("{rule} is no normalization")
    };
    let mut trained = Trained::with_normalization(Some(rule), crelu, seed);
    let images = trained.images.shallow_clone();
    let pass = trained.network.training_pass(Inputs::Dense(images));
    trained.network.follow(&pass);
    trained
}

#[test]
fn a_replaced_unit_is_its_gain_its_shift_and_its_running_statistics_too() {
    for (rule, remembered) in [("layer_norm", 0), ("batch_norm", 4)] {
        for crelu in [false, true] {
            let mut trained = normalised_trained(rule, crelu, 1);
            let before = elements(&trained);
            assert_eq!(before.len(), 10 + remembered);
            assert!(before["fc1.gain"].iter().all(|[gain, ..]| *gain != 1.0));
            let chosen: [&[usize]; 2] = [&[1, 4], &[0, 2]];
            let expected = replaced_elements(&before, chosen, crelu, &mut trained.generator.clone());
            units::replace(
                &mut trained.in_training(),
                &chosen.map(|units| units.iter().map(|&unit| unit as i64).collect()),
            );
            assert_eq!(elements(&trained), expected, "{rule}");
        }
    }
}

#[test]
fn redo_looks_at_what_the_normalisation_in_use_leaves() {
    for rule in ["layer_norm", "batch_norm"] {
        let mut trained = normalised_trained(rule, false, 2);
        // Shifts that leave nothing below 0, and one that leaves nothing above, whatever the pre-activation.
        (0..6).for_each(|unit| trained.set(0, 3, unit, 0.0, 100.0));
        (0..4).for_each(|unit| trained.set(1, 3, unit, 0.0, 1e6));
        trained.set(0, 3, 2, 0.0, -100.0);
        let expected = replaced_elements(&elements(&trained), [&[2], &[]], false, &mut trained.generator.clone());
        surgery("redo", json!({ "threshold": 0.0 })).at_task_start(1, &mut trained.in_training());
        assert_eq!(elements(&trained), expected, "{rule}");
    }
}

#[test]
fn what_a_constant_unit_passed_on_goes_into_the_bias_before_the_next_normalisation() {
    for rule in ["layer_norm", "batch_norm"] {
        let mut trained = normalised_trained(rule, false, 3);
        // One unit that is always on and equal, and of no use by its small outgoing weights.
        trained.set(0, 2, 3, 0.0, 0.0);
        trained.set(0, 3, 3, 0.0, 0.7);
        (0..4).for_each(|row| {
            let mut entry = trained.network.layers()[1].parameters[0].value.detach().get(row).get(3);
            entry.copy_(&(&entry * 1e-6));
        });
        let outgoing = trained.network.layers()[1].weight().select(1, 3).copy();
        let images = trained.images.shallow_clone();
        let logits = |trained: &Trained| traced(&trained.network, &images)[2].pre_activation.detach();
        let (before, bias) = (logits(&trained), trained.network.layers()[1].bias().unwrap().copy());
        let activations = hidden_activations(&traced(&trained.network, &images));
        let mut surgery = surgery("continual_backprop", json!({ "rate": 0.17, "maturity": 0 }));
        surgery.after_update(1, &activations[..1], &mut trained.in_training());
        assert_eq!(elements(&trained)["fc1.gain"][3], [1.0, 0.0, 0.0, STEPS as f64]);
        let folded = trained.network.layers()[1].bias().unwrap() - bias;
        assert!(folded.allclose(&(outgoing * 0.7), 1e-8, 1e-15, false), "{rule}");
        // Under layer normalisation the fresh unit itself moves the statistics of its layer.
        let moved = (logits(&trained) - before).abs().max().double_value(&[]);
        assert_eq!(moved < 1e-12, rule == "batch_norm", "{rule}: {moved}");
    }
}

#[test]
fn gains_and_shifts_shrink_like_other_parameters_and_fresh_gains_are_one() {
    for (options, gain, shift) in [
        (json!({ "scale": 0.0 }), [0.6, 0.0], 0.6),
        (json!({ "noise": "initialisation" }), [0.6, 0.4], 0.6),
        (json!({ "noise": "initialisation", "scale": 0.1 }), [0.6, 0.1], 0.6),
    ] {
        let mut trained = normalised_trained("batch_norm", false, 4);
        let before = elements(&trained);
        surgery("shrink_perturb", options).at_task_start(1, &mut trained.in_training());
        for (name, after) in elements(&trained) {
            for (before, after) in before[&name].iter().zip(&after) {
                assert_eq!(after[1..], before[1..], "{name}");
                let expected = match name.rsplit(['.', '_']).next().unwrap() {
                    "weight" => continue,
                    "gain" => gain[0] * before[0] + gain[1],
                    "bias" | "shift" => shift * before[0],
                    _ => before[0],
                };
                assert!((after[0] - expected).abs() < 1e-14, "{name}: {} against {expected}", after[0]);
            }
        }
    }
}

#[test]
fn a_reset_begins_the_normalisation_anew() {
    let mut trained = normalised_trained("batch_norm", false, 5);
    surgery("reset", json!({})).at_task_start(1, &mut trained.in_training());
    let elements = elements(&trained);
    for (name, start) in [
        ("fc1.gain", 1.0),
        ("fc2.shift", 0.0),
        ("normalization/fc1.running_mean", 0.0),
        ("normalization/fc2.running_variance", 1.0),
    ] {
        assert!(elements[name].iter().all(|element| *element == [start, 0.0, 0.0, 0.0]), "{name}");
    }
}
