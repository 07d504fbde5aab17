//! Which weights and moments surgery touches, index by index, and when: against plain loops in f64.

use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};
use tch::Kind;
use trainability_baselines::activation::{crelu::Crelu, relu::Relu};
use trainability_baselines::method::{Contribution, Part, WeightDecay};
use trainability_baselines::normalization::Normalization;
use trainability_baselines::surgery::units;
use trainability_baselines::{Gradients, LayerTrace};

use super::*;
use crate::model::{Inputs, Shape};
use crate::optimizer::AdamOptions;
use crate::probe::ProbeOptions;
use crate::stream::{self, Lengths};

mod normalised;

const STEPS: u64 = 7;
const WIDTHS: [usize; 3] = [6, 4, 3];
const IMAGES: usize = 12;

fn hidden_activations(trace: &[LayerTrace]) -> Vec<Tensor> {
    trace[1..].iter().map(|layer| layer.input.detach()).collect()
}

/// The parts of a run in f64 with 5 inputs, biases that are not zero, and moments that are not empty.
struct Ward {
    stream: Stream,
    network: Chain,
    optimizer: Adam,
    initialisation: Generator,
    generator: Generator,
    probe: Probe,
    crelu: bool,
}

impl Ward {
    fn new(crelu: bool, seed: u64) -> Ward {
        Ward::with_normalization(None, crelu, seed)
    }

    fn with_normalization(rule: Option<Box<dyn Normalization>>, crelu: bool, seed: u64) -> Ward {
        let mut initialisation = Generator::named("initialisation", seed);
        let [a, b, outputs] = WIDTHS.map(|width| width as i64);
        let shape = Shape { inputs: 5, convolutions: None, hidden: vec![a, b], outputs, kind: Kind::Double };
        let activation: Box<dyn Activation> = if crelu { Box::new(Crelu) } else { Box::new(Relu) };
        let mut network = Network::with_normalization(shape, activation, rule, &mut initialisation);
        for parameter in network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters[1..]) {
            let noise = initialisation.uniform(&parameter.value.size(), 0.5, Kind::Double);
            tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
        }
        let images = initialisation.uniform(&[IMAGES as i64, 5], 1.5, Kind::Double);
        let lengths = Lengths::equal(2, 1, IMAGES, 4);
        let mut ward = Ward {
            stream: Stream::new(stream::Start::random_labels(images, 3, lengths, seed)),
            optimizer: Adam::new(AdamOptions::default(), WeightDecay::None, network.layers()),
            network,
            initialisation,
            generator: Generator::named("surgery", seed),
            probe: Probe::new(ProbeOptions::default(), 3, seed),
            crelu,
        };
        (0..STEPS).for_each(|_| ward.step(0.01));
        ward
    }

    fn step(&mut self, learning_rate: f64) {
        let generator = &mut self.initialisation;
        let mut of = |tensor: &Tensor| generator.uniform(&tensor.size(), 1.0, Kind::Double);
        let gradients: Gradients =
            self.network.layers().iter().map(|l| l.parameters.iter().map(|p| of(&p.value)).collect()).collect();
        self.optimizer.step(self.network.layers_mut(), &gradients, &[learning_rate; 3], false);
    }

    fn patient(&mut self) -> Patient<'_> {
        Patient {
            stream: &self.stream,
            network: &mut self.network,
            optimizer: &mut self.optimizer,
            initialisation: &mut self.initialisation,
            generator: &mut self.generator,
            penalties: &mut [],
            probe: &mut self.probe,
            bounds: &mut [],
        }
    }

    fn set(&mut self, layer: usize, parameter: usize, row: i64, factor: f64, offset: f64) {
        let mut row = self.network.layers()[layer].parameters[parameter].value.detach().get(row);
        let value = &row * factor + offset;
        row.copy_(&value);
    }

    fn plain(&self) -> Vec<Plain> {
        let layers = self.network.layers().iter().zip(self.optimizer.moments());
        layers.map(|(layer, moments)| Plain::of(layer, moments)).collect()
    }

    /// The activations of hidden layers on some images, sample by sample.
    fn activations(&self, images: &[Vec<f64>]) -> Vec<Vec<Vec<f64>>> {
        let layers = self.plain();
        let mut signals = images.to_vec();
        let mut hidden = Vec::new();
        for layer in &layers[..2] {
            for signal in &mut signals {
                let z: Vec<f64> = (layer.weight.iter().zip(&layer.bias))
                    .map(|(row, bias)| bias + row.iter().zip(&*signal).map(|(w, x)| w * x).sum::<f64>())
                    .collect();
                *signal = z.iter().map(|z| z.max(0.0)).collect();
                if self.crelu {
                    signal.extend(z.iter().map(|z| (-z).max(0.0)));
                }
            }
            hidden.push(signals.clone());
        }
        hidden
    }
}

/// A layer's numbers: weight by row and column, bias by row, each with first moment, second moment and restart.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
    weight_moments: Vec<Vec<[f64; 3]>>,
    bias_moments: Vec<[f64; 3]>,
}

impl Plain {
    fn of(layer: &Layer, moments: &[crate::optimizer::adam::Moments]) -> Plain {
        let restarts = |moments: &crate::optimizer::adam::Moments| match &moments.restarts {
            Some(restarts) => restarts.to_kind(Kind::Double),
            None => moments.first.zeros_like(),
        };
        let all = |m: &crate::optimizer::adam::Moments| Tensor::stack(&[&m.first, &m.second, &restarts(m)], -1);
        let rows: Vec<f64> = Vec::try_from(all(&moments[0]).flatten(0, -1)).unwrap();
        let columns = layer.weight().size()[1] as usize;
        let bias: Vec<f64> = Vec::try_from(all(&moments[1]).flatten(0, -1)).unwrap();
        let triples = |flat: &[f64]| -> Vec<[f64; 3]> { flat.chunks(3).map(|c| [c[0], c[1], c[2]]).collect() };
        Plain {
            weight: Vec::try_from(layer.weight()).unwrap(),
            bias: Vec::try_from(layer.bias().unwrap()).unwrap(),
            weight_moments: rows.chunks(3 * columns).map(triples).collect(),
            bias_moments: triples(&bias),
        }
    }
}

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

fn surgery(name: &str, options: Value) -> Box<dyn Surgery> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::Surgery(surgery) => surgery,
        other => panic!("{other:?} is no surgery"),
    }
}

#[test]
fn a_replaced_unit_is_its_row_its_bias_and_its_columns_and_nothing_else() {
    for crelu in [false, true] {
        let mut ward = Ward::new(crelu, 1);
        let features = if crelu { 2 } else { 1 };
        assert_eq!(ward.plain()[1].weight[0].len(), features * WIDTHS[0]);
        let mut generator = ward.generator.clone();
        let expected = replaced(&ward.plain(), &[vec![1, 4], vec![0, 2]], STEPS, &mut generator);
        let images = ward.stream.images().shallow_clone();
        units::replace(&mut ward.patient(), &[vec![1, 4], vec![0, 2]]);
        assert_eq!(ward.plain(), expected);
        // A fresh unit is alive below, and changes nothing above.
        let hidden = hidden_activations(&traced(&ward.network, &images));
        assert!(hidden[0].select(1, 1).abs().max().double_value(&[]) > 0.0);
        let logits = |ward: &Ward| traced(&ward.network, &images)[2].pre_activation.detach();
        let before = logits(&ward);
        ward.set(0, 1, 1, 1.0, 5.0);
        assert_eq!(logits(&ward), before);
    }
}

#[test]
fn nothing_to_replace_leaves_all_as_it_was() {
    let mut ward = Ward::new(false, 2);
    let before = ward.plain();
    units::replace(&mut ward.patient(), &[vec![], vec![]]);
    assert_eq!(ward.plain(), before);
    assert!(ward.optimizer.moments().iter().flatten().all(|moments| moments.restarts.is_none()));
}

/// Units whose mean |h| over the images is at most the threshold times the layer's mean, by plain loops.
fn dormant_units(ward: &Ward, images: &[Vec<f64>], threshold: f64) -> Vec<Vec<usize>> {
    let layers = ward.activations(images).into_iter().zip(WIDTHS);
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
        let mut ward = Ward::new(crelu, 3);
        // A ReLU unit far below zero passes nothing on, however large its pre-activation; a CReLU unit does.
        ward.set(0, 1, 2, 1.0, -100.0);
        // A unit that is only faint.
        ward.set(1, 0, 3, 1e-3, 0.0);
        ward.set(1, 1, 3, 0.0, 1e-3);
        let images: Vec<Vec<f64>> = Vec::try_from(ward.stream.images()).unwrap();
        let chosen = dormant_units(&ward, &images[..IMAGES.min(samples)], threshold);
        assert_eq!(chosen[0].contains(&2), !crelu);
        assert!(chosen[1].contains(&3) && chosen[1].len() < WIDTHS[1], "{chosen:?}");
        different |= samples < IMAGES && chosen != dormant_units(&ward, &images, threshold);
        let expected = replaced(&ward.plain(), &chosen, STEPS, &mut ward.generator.clone());
        let before = ward.plain();
        let mut redo = surgery("redo", json!({ "threshold": threshold, "samples": samples }));
        redo.after_update(STEPS, &[], &mut ward.patient());
        redo.at_task_start(0, &mut ward.patient());
        assert_eq!(ward.plain(), before);
        redo.at_task_start(1, &mut ward.patient());
        assert_eq!(ward.plain(), expected);
    }
    assert!(different, "the number of images must matter somewhere here");
}

#[test]
fn redo_by_updates_ignores_tasks_and_a_silent_layer_is_dormant_as_a_whole() {
    let mut ward = Ward::new(false, 4);
    (0..WIDTHS[1] as i64).for_each(|unit| ward.set(1, 1, unit, 1.0, -100.0));
    let mut redo = surgery("redo", json!({ "period": 3, "threshold": 0.0 }));
    let before = ward.plain();
    redo.at_task_start(1, &mut ward.patient());
    redo.after_update(5, &[], &mut ward.patient());
    assert_eq!(ward.plain(), before);
    let mut chosen = dormant_units(&ward, &Vec::try_from(ward.stream.images()).unwrap(), 0.0);
    assert_eq!(chosen[1], [0, 1, 2, 3]);
    chosen[1] = vec![0, 1, 2, 3];
    let expected = replaced(&before, &chosen, STEPS, &mut ward.generator.clone());
    redo.after_update(6, &[], &mut ward.patient());
    assert_eq!(ward.plain(), expected);
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
    fn after_update(&mut self, hidden: &[Vec<Vec<f64>>], now: &[Plain], ward: &Ward) -> Vec<Plain> {
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
        replaced(&expected, &all_chosen, ward.optimizer.steps(), &mut ward.generator.clone())
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
        let mut ward = Ward::new(crelu, 5);
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
            let images = ward.initialisation.uniform(&[4, 5], 1.5, Kind::Double);
            let hidden = ward.activations(&Vec::try_from(&images).unwrap());
            let activations = hidden_activations(&traced(&ward.network, &images));
            ward.step(0.01);
            let now = ward.plain();
            let expected = slow.after_update(&hidden, &now, &ward);
            fast.after_update(update, &activations, &mut ward.patient());
            assert_close(&ward.plain(), &expected, update);
            assert!(update > 4 || slow.replaced == 0, "no unit is mature yet");
        }
        assert!(slow.replaced > 6, "{}", slow.replaced);
    }
}

#[test]
fn what_a_constant_unit_passed_on_stays_when_it_goes() {
    let mut ward = Ward::new(false, 6);
    // One unit that is always on and equal, and of no use by its small outgoing weights.
    ward.set(0, 0, 3, 0.0, 0.0);
    ward.set(0, 1, 3, 0.0, 0.7);
    (0..4).for_each(|row| {
        let mut entry = ward.network.layers()[1].parameters[0].value.detach().get(row).get(3);
        entry.copy_(&(&entry * 1e-6));
    });
    let images = ward.stream.images().shallow_clone();
    let logits = |ward: &Ward| traced(&ward.network, &images)[2].pre_activation.detach();
    let before = logits(&ward);
    let activations = hidden_activations(&traced(&ward.network, &images));
    // A sixth of one unit of six at each update, none of the other layer's four before the seventh.
    let mut surgery = surgery("continual_backprop", json!({ "rate": 0.17, "maturity": 0 }));
    surgery.after_update(1, &activations[..1], &mut ward.patient());
    assert_eq!(ward.plain()[0].bias[3], 0.0);
    assert!(ward.plain()[1].weight.iter().all(|row| row[3] == 0.0));
    assert!((logits(&ward) - before).abs().max().double_value(&[]) < 1e-12);
}

#[test]
fn shrinking_and_perturbing_takes_all_parameters_once_a_task_and_leaves_the_moments() {
    for (options, keep, scale, fresh) in [
        (json!({}), 0.6, 0.01, false),
        (json!({ "shrink": 0.25, "scale": 0.5 }), 0.75, 0.5, false),
        (json!({ "noise": "initialisation" }), 0.6, 0.4, true),
        (json!({ "noise": "initialisation", "scale": 0.1 }), 0.6, 0.1, true),
    ] {
        let mut ward = Ward::new(true, 7);
        let before = ward.plain();
        let mut generator = ward.generator.clone();
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
        surgery.at_task_start(0, &mut ward.patient());
        surgery.after_update(1, &[], &mut ward.patient());
        assert_eq!(ward.plain(), before);
        surgery.at_task_start(1, &mut ward.patient());
        for (found, expected) in ward.plain().iter().zip(&expected) {
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
    let mut ward = Ward::new(false, 8);
    let before = ward.plain();
    let mut surgery = surgery("shrink_perturb", json!({ "per": "update", "shrink": 0.5, "scale": 0.0 }));
    surgery.at_task_start(1, &mut ward.patient());
    assert_eq!(ward.plain(), before);
    surgery.after_update(1, &[], &mut ward.patient());
    assert_eq!(ward.plain()[2].weight[1][1], 0.5 * before[2].weight[1][1]);
    assert_eq!(ward.plain()[1].bias[1], 0.5 * before[1].bias[1]);
}
