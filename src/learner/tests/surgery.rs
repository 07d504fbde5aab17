//! Which weights and moments surgery touches, index by index, and when: against plain loops in f64.

use rand_distr::{Distribution, StandardNormal};
use serde_json::json;
use tch::Kind;
use trainability_baselines::surgery::units;
use trainability_tensor::Generator;

use super::trained::{IMAGES, Plain, STEPS, Trained, WIDTHS, hidden_activations, surgery};
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::testing::networks::{logits, moments, traced};

/// What replacing units must leave, element by element; `generator` draws the fresh rows.
fn replaced(before: &[Plain], chosen: &[Vec<usize>], steps: u64, generator: &mut Generator) -> Vec<Plain> {
    let mut after = before.to_vec();
    let gone = [0.0, 0.0, steps as f64];
    for (layer, units) in chosen.iter().enumerate() {
        let inputs = before[layer].weight[0].len();
        for &unit in units {
            // U(-b, b) with b = sqrt(6 / fan_in).
            let fresh = generator.uniform(&[inputs as i64], (6.0 / inputs as f64).sqrt(), Kind::Double);
            after[layer].weight[unit] = Vec::try_from(fresh).unwrap();
            after[layer].weight_moments[unit] = vec![gone; inputs];
            after[layer].bias[unit] = 0.0;
            after[layer].bias_moments[unit] = gone;
        }
    }
    for (layer, units) in chosen.iter().enumerate() {
        let (width, next) = (before[layer].bias.len(), &mut after[layer + 1]);
        for row in 0..next.weight.len() {
            for column in 0..next.weight[row].len() {
                if units.contains(&(column % width)) {
                    next.weight[row][column] = 0.0;
                    next.weight_moments[row][column] = gone;
                }
            }
        }
    }
    after
}

#[test]
fn a_replaced_unit_is_its_row_its_bias_and_its_columns_and_nothing_else() {
    for crelu in [false, true] {
        let mut trained = Trained::new(crelu, 1);
        let features = if crelu { 2 } else { 1 };
        assert_eq!(trained.plain()[1].weight[0].len(), features * WIDTHS[0]);
        let mut generator = trained.generator.clone();
        let expected = replaced(&trained.plain(), &[vec![1, 4], vec![0, 2]], STEPS, &mut generator);
        let images = trained.images.shallow_clone();
        units::replace(&mut trained.in_training(), &[vec![1, 4], vec![0, 2]]);
        assert_eq!(trained.plain(), expected);
        // A fresh unit is alive below, and changes nothing above.
        let hidden = hidden_activations(&traced(&trained.network, &images));
        assert!(hidden[0].select(1, 1).abs().max().double_value(&[]) > 0.0);
        let logits = |trained: &Trained| logits(&traced(&trained.network, &images)).detach();
        let before = logits(&trained);
        trained.set(0, 1, 1, 1.0, 5.0);
        assert_eq!(logits(&trained), before);
    }
}

#[test]
fn nothing_to_replace_leaves_all_as_it_was() {
    let mut trained = Trained::new(false, 2);
    let before = trained.plain();
    units::replace(&mut trained.in_training(), &[vec![], vec![]]);
    assert_eq!(trained.plain(), before);
    assert!(
        moments(&trained.optimizer, trained.network.layers())
            .iter()
            .flatten()
            .all(|moments| moments.restarts.is_none())
    );
}

/// Units whose mean |h| over the images is at most the threshold times the layer's mean, by plain loops.
fn dormant_units(trained: &Trained, images: &[Vec<f64>], threshold: f64) -> Vec<Vec<usize>> {
    let layers = trained.activations(images).into_iter().zip(WIDTHS);
    let of_layer = |(samples, width): (Vec<Vec<f64>>, usize)| {
        let mut activity = vec![0.0; width];
        for sample in &samples {
            for (feature, h) in sample.iter().enumerate() {
                activity[feature % width] += h.abs() / samples.len() as f64;
            }
        }
        let mean = activity.iter().sum::<f64>() / width as f64;
        (0..width).filter(|&unit| activity[unit] <= threshold * mean).collect()
    };
    layers.map(of_layer).collect()
}

#[test]
fn redo_replaces_what_is_dormant_after_the_activation_on_the_tasks_first_images() {
    let mut different = false;
    for (crelu, threshold, samples) in
        [(false, 0.1, 100), (false, 0.4, 2), (false, 0.6, 3), (true, 0.1, 100), (true, 0.8, 2), (true, 0.9, 3)]
    {
        let mut trained = Trained::new(crelu, 3);
        // A ReLU unit far below zero passes nothing on, however large its pre-activation; a CReLU unit does.
        trained.set(0, 1, 2, 1.0, -100.0);
        // A unit that is only faint.
        trained.set(1, 0, 3, 1e-3, 0.0);
        trained.set(1, 1, 3, 0.0, 1e-3);
        let images: Vec<Vec<f64>> = Vec::try_from(&trained.images).unwrap();
        let chosen = dormant_units(&trained, &images[..IMAGES.min(samples)], threshold);
        assert_eq!(chosen[0].contains(&2), !crelu);
        assert!(chosen[1].contains(&3) && chosen[1].len() < WIDTHS[1], "{chosen:?}");
        different |= samples < IMAGES && chosen != dormant_units(&trained, &images, threshold);
        let expected = replaced(&trained.plain(), &chosen, STEPS, &mut trained.generator.clone());
        let before = trained.plain();
        let mut redo = surgery("redo", json!({ "threshold": threshold, "samples": samples }));
        redo.after_update(STEPS, &[], &mut trained.in_training());
        redo.at_task_start(0, &mut trained.in_training());
        assert_eq!(trained.plain(), before);
        redo.at_task_start(1, &mut trained.in_training());
        assert_eq!(trained.plain(), expected);
    }
    assert!(different, "the number of images must matter somewhere here");
}

#[test]
fn redo_by_updates_ignores_tasks_and_a_silent_layer_is_dormant_as_a_whole() {
    let mut trained = Trained::new(false, 4);
    (0..WIDTHS[1] as i64).for_each(|unit| trained.set(1, 1, unit, 1.0, -100.0));
    let mut redo = surgery("redo", json!({ "period": 3, "threshold": 0.0 }));
    let before = trained.plain();
    redo.at_task_start(1, &mut trained.in_training());
    redo.after_update(5, &[], &mut trained.in_training());
    assert_eq!(trained.plain(), before);
    let mut chosen = dormant_units(&trained, &Vec::try_from(&trained.images).unwrap(), 0.0);
    assert_eq!(chosen[1], [0, 1, 2, 3]);
    chosen[1] = vec![0, 1, 2, 3];
    let expected = replaced(&before, &chosen, STEPS, &mut trained.generator.clone());
    redo.after_update(6, &[], &mut trained.in_training());
    assert_eq!(trained.plain(), expected);
}

/// A unit's utility and the mean of each of its features at each update since it began.
type History = Vec<(f64, Vec<f64>)>;

/// Continual backpropagation by its definitions: averages are weighted means over everything since a unit began.
struct SlowBackprop {
    rate: f64,
    maturity: usize,
    decay: f64,
    /// By layer and unit.
    histories: Vec<Vec<History>>,
    due: Vec<f64>,
    replaced: usize,
}

impl SlowBackprop {
    fn average(&self, values: impl Iterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.collect();
        let weight = |place: usize| self.decay.powi((values.len() - 1 - place) as i32);
        let sum: f64 = values.iter().enumerate().map(|(place, value)| weight(place) * value).sum();
        sum / (0..values.len()).map(weight).sum::<f64>()
    }

    /// What the parameters must be after the surgery of an update.
    fn after_update(&mut self, hidden: &[Vec<Vec<f64>>], now: &[Plain], trained: &Trained) -> Vec<Plain> {
        let mut expected = now.to_vec();
        let mut all_chosen = Vec::new();
        for (layer, samples) in hidden.iter().enumerate() {
            let (width, count, next) = (WIDTHS[layer], samples.len() as f64, &now[layer + 1].weight);
            let features = |unit: usize| (unit..samples[0].len()).step_by(width);
            for unit in 0..width {
                let mut utility = 0.0;
                let mut means = Vec::new();
                for feature in features(unit) {
                    let outgoing = next.iter().map(|row| row[feature].abs()).sum::<f64>() / next.len() as f64;
                    utility += outgoing * samples.iter().map(|h| h[feature].abs()).sum::<f64>() / count;
                    means.push(samples.iter().map(|h| h[feature]).sum::<f64>() / count);
                }
                self.histories[layer][unit].push((utility, means));
            }
            let history = |unit: usize| &self.histories[layer][unit];
            let mut mature: Vec<usize> = (0..width).filter(|&unit| history(unit).len() > self.maturity).collect();
            self.due[layer] += self.rate * mature.len() as f64;
            let utility = |unit: usize| self.average(history(unit).iter().map(|(utility, _)| *utility));
            mature.sort_by(|&a, &b| utility(a).total_cmp(&utility(b)));
            mature.truncate(self.due[layer] as usize);
            self.due[layer] -= mature.len() as f64;
            for &unit in &mature {
                for (place, feature) in features(unit).enumerate() {
                    let mean = self.average(history(unit).iter().map(|(_, means)| means[place]));
                    for (row, bias) in next.iter().zip(&mut expected[layer + 1].bias) {
                        *bias += row[feature] * mean;
                    }
                }
            }
            all_chosen.push(mature);
        }
        for (layer, units) in all_chosen.iter().enumerate() {
            units.iter().for_each(|&unit| self.histories[layer][unit].clear());
            self.replaced += units.len();
        }
        replaced(&expected, &all_chosen, trained.optimizer.steps(), &mut trained.generator.clone())
    }
}

fn assert_close(found: &[Plain], expected: &[Plain], update: u64) {
    for (layer, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.weight, expected.weight, "layer {layer} at {update}");
        assert_eq!(found.weight_moments, expected.weight_moments, "layer {layer} at {update}");
        assert_eq!(found.bias_moments, expected.bias_moments, "layer {layer} at {update}");
        for (a, b) in found.bias.iter().zip(&expected.bias) {
            assert!((a - b).abs() < 1e-12, "layer {layer} at {update}: {a} against {b}");
        }
    }
}

#[test]
fn continual_backprop_equals_its_definitions_update_by_update() {
    for crelu in [false, true] {
        let mut trained = Trained::new(crelu, 5);
        let mut fast = surgery("continual_backprop", json!({ "rate": 0.07, "maturity": 4, "decay": 0.8 }));
        let mut slow = SlowBackprop {
            rate: 0.07,
            maturity: 4,
            decay: 0.8,
            histories: WIDTHS[..2].iter().map(|&width| vec![Vec::new(); width]).collect(),
            due: vec![0.0; 2],
            replaced: 0,
        };
        for update in 1..=40 {
            let images = trained.initialisation.uniform(&[4, 5], 1.5, Kind::Double);
            let hidden = trained.activations(&Vec::try_from(&images).unwrap());
            let activations = hidden_activations(&traced(&trained.network, &images));
            trained.step(0.01);
            let now = trained.plain();
            let expected = slow.after_update(&hidden, &now, &trained);
            fast.after_update(update, &activations, &mut trained.in_training());
            assert_close(&trained.plain(), &expected, update);
            assert!(update > 4 || slow.replaced == 0, "no unit is mature yet");
        }
        assert!(slow.replaced > 6, "{}", slow.replaced);
    }
}

#[test]
fn what_a_constant_unit_passed_on_stays_when_it_goes() {
    let mut trained = Trained::new(false, 6);
    // One unit that is always on and equal, and of no use by its small outgoing weights.
    trained.set(0, 0, 3, 0.0, 0.0);
    trained.set(0, 1, 3, 0.0, 0.7);
    (0..4).for_each(|row| {
        let mut entry = trained.network.layers()[1].parameters[0].value.detach().get(row).get(3);
        entry.copy_(&(&entry * 1e-6));
    });
    let images = trained.images.shallow_clone();
    let logits = |trained: &Trained| logits(&traced(&trained.network, &images)).detach();
    let before = logits(&trained);
    let activations = hidden_activations(&traced(&trained.network, &images));
    // A sixth of one unit of six at each update, none of the other layer's four before the seventh.
    let mut surgery = surgery("continual_backprop", json!({ "rate": 0.17, "maturity": 0 }));
    surgery.after_update(1, &activations[..1], &mut trained.in_training());
    assert_eq!(trained.plain()[0].bias[3], 0.0);
    assert!(trained.plain()[1].weight.iter().all(|row| row[3] == 0.0));
    assert!((logits(&trained) - before).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn shrinking_and_perturbing_takes_all_parameters_once_a_task_and_leaves_the_moments() {
    for (options, keep, scale, fresh) in [
        (json!({}), 0.6, 0.01, false),
        (json!({ "shrink": 0.25, "scale": 0.5 }), 0.75, 0.5, false),
        (json!({ "noise": "initialisation" }), 0.6, 0.4, true),
        (json!({ "noise": "initialisation", "scale": 0.1 }), 0.6, 0.1, true),
    ] {
        let mut trained = Trained::new(true, 7);
        let before = trained.plain();
        let mut generator = trained.generator.clone();
        let mut expected = before.clone();
        for layer in &mut expected {
            let inputs = layer.weight[0].len();
            let bound = (6.0 / inputs as f64).sqrt();
            for theta in layer.weight.iter_mut().flatten() {
                let noise = match fresh {
                    true => generator.uniform(&[1], bound, Kind::Double).double_value(&[0]),
                    false => StandardNormal.sample(&mut generator.0),
                };
                *theta = keep * *theta + scale * noise;
            }
            for theta in &mut layer.bias {
                let noise = if fresh { 0.0 } else { StandardNormal.sample(&mut generator.0) };
                *theta = keep * *theta + scale * noise;
            }
        }
        let mut surgery = surgery("shrink_perturb", options);
        surgery.at_task_start(0, &mut trained.in_training());
        surgery.after_update(1, &[], &mut trained.in_training());
        assert_eq!(trained.plain(), before);
        surgery.at_task_start(1, &mut trained.in_training());
        for (found, expected) in trained.plain().iter().zip(&expected) {
            let all = |layer: &Plain| [layer.weight.concat(), layer.bias.clone()].concat();
            for (a, b) in all(found).iter().zip(all(expected)) {
                assert!((a - b).abs() < 1e-14, "{a} against {b}");
            }
            assert_eq!(found.weight_moments, expected.weight_moments);
            assert_eq!(found.bias_moments, expected.bias_moments);
        }
    }
}

#[test]
fn shrinking_at_each_update_does_nothing_at_tasks() {
    let mut trained = Trained::new(false, 8);
    let before = trained.plain();
    let mut surgery = surgery("shrink_perturb", json!({ "per": "update", "shrink": 0.5, "scale": 0.0 }));
    surgery.at_task_start(1, &mut trained.in_training());
    assert_eq!(trained.plain(), before);
    surgery.after_update(1, &[], &mut trained.in_training());
    assert_eq!(trained.plain()[2].weight[1][1], 0.5 * before[2].weight[1][1]);
    assert_eq!(trained.plain()[1].bias[1], 0.5 * before[1].bias[1]);
}
