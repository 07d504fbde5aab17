//! Which weights belong to a channel, index by index, and what surgery makes of them.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_baselines::surgery::{Network, Surgery, units};
use trainability_tensor::{Generator, Gradients, Layer, LayerTrace, Parameter, Role};

use crate::model::{Chain, Model, Pass, fresh_weight};
use crate::testing::convolutional::{Case, case, shape};
use crate::testing::networks::numbers;
use crate::testing::traced;

/// A network under surgery that notes what the optimizer is asked to forget.
struct ConvolutionalInTraining {
    network: Chain,
    images: Tensor,
    generator: Generator,
    /// Layer, role, dimension, indices.
    restarts: Vec<(usize, Role, i64, Vec<i64>)>,
}

impl ConvolutionalInTraining {
    fn new(activation: Box<dyn Activation>) -> ConvolutionalInTraining {
        let Case { network, images, .. } = case(activation, shape([1, 6, 5], &[3, 4], &[5]), 7, 1);
        ConvolutionalInTraining { network, images, generator: Generator::named("surgery", 1), restarts: Vec::new() }
    }

    fn numbers(&self) -> Vec<Tensor> {
        self.network.layers().iter().flat_map(|l| l.parameters.iter().map(|p| p.value.detach().copy())).collect()
    }

    fn trace(&self) -> Vec<LayerTrace> {
        traced(&self.network, &self.images, Pass::evaluation()).1.iter().map(LayerTrace::detach).collect()
    }
}

impl Network for ConvolutionalInTraining {
    fn initialise_parameters(&mut self) {}

    fn clear_optimizer(&mut self) {}

    fn layers(&self) -> &[Layer] {
        self.network.layers()
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        self.network.layers_mut()
    }

    fn activation(&self) -> &dyn Activation {
        self.network.activation()
    }

    fn hidden_activations(&self, _samples: usize) -> Vec<Tensor> {
        self.trace()[1..].iter().map(|layer| layer.input.shallow_clone()).collect()
    }

    fn draw_weights(&mut self, layer: usize, units: usize) -> Tensor {
        let layer = &self.network.layers()[layer];
        let mut sizes = layer.weight().size();
        sizes[0] = units as i64;
        fresh_weight(layer, &sizes, &mut self.generator)
    }

    fn learning_rates(&self) -> &[f64] {
        &[0.1; 4]
    }

    /// Gradients of two minibatches, drawn.
    fn training_gradients(&self, _batch: usize, take: &mut dyn FnMut(&Gradients)) {
        let mut generator = Generator::named("gradients", 2);
        for _ in 0..2 {
            let mut draw = |p: &Parameter| generator.uniform(&p.value.size(), 1.0, Kind::Double);
            take(&self.layers().iter().map(|layer| layer.parameters.iter().map(&mut draw).collect()).collect());
        }
    }

    fn generator(&mut self) -> &mut ChaCha8Rng {
        &mut self.generator.0
    }

    fn restart_optimizer(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        self.restarts.push((layer, role, dimension, indices));
    }

    fn restart_normalization(&mut self, _layer: usize, _units: &[i64]) {}
}

fn both() -> [Box<dyn Activation>; 2] {
    [Box::new(Relu), Box::new(Crelu)]
}

/// Sets the entries of a tensor at which a function of the index is true.
fn set(tensor: &Tensor, value: f64, at: impl Fn(&[i64]) -> bool) {
    let sizes = tensor.size();
    for flat in 0..tensor.numel() as i64 {
        let mut rest = flat;
        let mut index = vec![0; sizes.len()];
        for (place, size) in index.iter_mut().zip(&sizes).rev() {
            *place = rest % size;
            rest /= size;
        }
        if at(&index) {
            let _ = tensor.view([-1]).get(flat).fill_(value);
        }
    }
}

#[test]
fn a_replaced_channel_is_its_filter_its_bias_and_its_slices_and_nothing_else() {
    for activation in both() {
        let mut trained = ConvolutionalInTraining::new(activation);
        let chosen = [vec![1], vec![0, 3], vec![2]];
        // 6 x 5 becomes 3 x 3, then 2 x 2: a feature of conv2 is four columns of fc1, channel by channel.
        let expected = trained.numbers();
        let mut generator = Generator::named("surgery", 1);
        for (layer, units) in chosen.iter().enumerate() {
            let mut sizes = expected[2 * layer].size();
            sizes[0] = units.len() as i64;
            let fan_in: i64 = sizes[1..].iter().product();
            let fresh = generator.uniform(&sizes, (6.0 / fan_in as f64).sqrt(), Kind::Double);
            for (row, unit) in units.iter().enumerate() {
                expected[2 * layer].get(*unit).copy_(&fresh.get(row as i64));
                set(&expected[2 * layer + 1], 0.0, |index| index[0] == *unit);
            }
        }
        set(&expected[2], 0.0, |index| index[1] % 3 == 1);
        set(&expected[4], 0.0, |index| [0, 3].contains(&(index[1] / 4 % 4)));
        set(&expected[6], 0.0, |index| index[1] % 5 == 2);
        units::replace(&mut trained, &chosen);
        for (found, expected) in trained.numbers().iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        let crelu = trained.activation().features(1) == 2;
        let wide = |features: i64, unit: &dyn Fn(i64) -> bool| -> Vec<i64> {
            (0..if crelu { 2 * features } else { features }).filter(|&column| unit(column)).collect()
        };
        let outgoing = [
            (1, Role::Weight, 1, wide(3, &|column| column % 3 == 1)),
            (2, Role::Weight, 1, wide(16, &|column| [0, 3].contains(&(column / 4 % 4)))),
            (3, Role::Weight, 1, wide(5, &|column| column % 5 == 2)),
        ];
        let incoming = chosen
            .iter()
            .enumerate()
            .flat_map(|(l, units)| [Role::Weight, Role::Bias].map(|role| (l, role, 0, units.clone())));
        assert_eq!(trained.restarts, incoming.chain(outgoing).collect::<Vec<_>>());
    }
}

#[test]
fn a_fresh_channel_changes_no_output() {
    for activation in both() {
        let mut trained = ConvolutionalInTraining::new(activation);
        units::replace(&mut trained, &[vec![2], vec![1], vec![]]);
        let logits = |trained: &ConvolutionalInTraining| trained.trace()[3].pre_activation.copy();
        let before = logits(&trained);
        for (layer, unit) in [(0, 2), (1, 1)] {
            let _ = trained.network.layers()[layer].bias().unwrap().detach().get(unit).fill_(50.0);
        }
        assert!(logits(&trained).allclose(&before, 1e-12, 1e-12, false));
        // While another channel's bias does.
        let _ = trained.network.layers()[1].bias().unwrap().detach().get(0).fill_(50.0);
        assert!(!logits(&trained).allclose(&before, 1e-3, 1e-3, false));
    }
}

fn surgery(name: &str, options: serde_json::Value) -> Box<dyn Surgery> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::Surgery(surgery) => surgery,
        other => panic!("{other:?} is no surgery"),
    }
}

/// Mean |z| (ReLU: mean h) of each channel or unit, a number at a time.
fn activity(trained: &ConvolutionalInTraining, layer: usize) -> Vec<f64> {
    let z = &trained.trace()[layer].pre_activation;
    let crelu = trained.activation().features(1) == 2;
    let magnitude = |z: &f64| if crelu { z.abs() } else { z.max(0.0) };
    let of = |unit| {
        let values = Vec::<f64>::try_from(z.select(1, unit).flatten(0, -1)).unwrap();
        values.iter().map(magnitude).sum::<f64>() / values.len() as f64
    };
    (0..z.size()[1]).map(of).collect()
}

#[test]
fn redo_recycles_the_channels_of_least_mean_activity() {
    for activation in both() {
        let mut trained = ConvolutionalInTraining::new(activation);
        let expected: Vec<Vec<i64>> = (0..3)
            .map(|layer| {
                let activity = activity(&trained, layer);
                let mean = activity.iter().sum::<f64>() / activity.len() as f64;
                (0..activity.len() as i64).filter(|&unit| activity[unit as usize] <= 0.9 * mean).collect()
            })
            .collect();
        assert!(expected.iter().all(|units| !units.is_empty()), "the example has dormant units: {expected:?}");
        surgery("redo", serde_json::json!({ "threshold": 0.9 })).at_task_start(1, &mut trained);
        let found: Vec<Vec<i64>> = (0..3)
            .map(|layer| {
                trained.restarts.iter().find(|r| (r.0, r.1, r.2) == (layer, Role::Weight, 0)).unwrap().3.clone()
            })
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn continual_backprop_drops_the_channel_of_least_use_and_passes_its_mean_on() {
    for activation in both() {
        let mut trained = ConvolutionalInTraining::new(activation);
        let before = trained.numbers();
        let activations = trained.hidden_activations(7);
        let crelu = trained.activation().features(1) == 2;
        // Mean h of each feature, and what the outgoing weights of a feature are: of all units, positions and taps.
        let mean_of = |layer: usize, feature: i64| {
            let z = &trained.trace()[layer].pre_activation;
            let units = z.size()[1];
            let sign = if feature < units { 1.0 } else { -1.0 };
            let values = Vec::<f64>::try_from(z.select(1, feature % units).flatten(0, -1)).unwrap();
            values.iter().map(|z| (sign * z).max(0.0)).sum::<f64>() / values.len() as f64
        };
        let span = [1, 4, 1];
        let outgoing = |layer: usize, feature: i64| {
            let first = feature * span[layer];
            before[2 * layer + 2].narrow(1, first, span[layer])
        };
        let features = |layer: usize, unit: i64| {
            let units = before[2 * layer].size()[0];
            if crelu { vec![unit, unit + units] } else { vec![unit] }
        };
        let mut expected = Vec::new();
        for layer in 0..3 {
            let utility = |unit: &i64| -> f64 {
                let of = |f: i64| mean_of(layer, f) * outgoing(layer, f).abs().mean(Kind::Double).double_value(&[]);
                features(layer, *unit).into_iter().map(of).sum()
            };
            let least = (0..before[2 * layer].size()[0]).min_by(|a, b| utility(a).total_cmp(&utility(b))).unwrap();
            let mut bias = before[2 * layer + 3].copy();
            for feature in features(layer, least) {
                let weights = outgoing(layer, feature).reshape([bias.size()[0], -1]);
                bias += weights.sum_dim_intlist([1i64].as_slice(), false, Kind::Double) * mean_of(layer, feature);
            }
            expected.push((least, bias));
        }
        // One unit a layer: 0.34 of 3, 4 and 5 mature ones is at least one and below two.
        let options = serde_json::json!({ "rate": 0.34, "maturity": 0 });
        surgery("continual_backprop", options).after_update(1, &activations, &mut trained);
        for (layer, (least, bias)) in expected.iter().enumerate() {
            let replaced = trained.restarts.iter().find(|r| (r.0, r.1, r.2) == (layer, Role::Weight, 0)).unwrap();
            assert_eq!(replaced.3, [*least], "layer {layer}");
            let found = trained.network.layers()[layer + 1].bias().unwrap().detach();
            // The next layer's own replaced unit has begun anew.
            let own = expected.get(layer + 1).map(|(unit, _)| *unit);
            for unit in (0..bias.size()[0]).filter(|unit| Some(*unit) != own) {
                let (found, bias) = (found.double_value(&[unit]), bias.double_value(&[unit]));
                assert!((found - bias).abs() < 1e-12, "layer {layer}: {found} against {bias}");
            }
        }
    }
}

/// A filter is what shrinks together, one channel in and one out; a dense layer's row; a bias as a whole.
#[test]
fn dash_shrinks_filter_by_filter() {
    let mut trained = ConvolutionalInTraining::new(Box::new(Relu));
    let mut drawn: Vec<Vec<Tensor>> = Vec::new();
    trained.training_gradients(1, &mut |gradients| {
        drawn.push(gradients.iter().flatten().map(Tensor::copy).collect());
    });
    let expected: Vec<Vec<f64>> = (trained.numbers().iter().enumerate())
        .map(|(place, before)| {
            let descent = (&drawn[0][place] * 0.5 + &drawn[1][place]) * -0.5;
            let size = before.size();
            let group = match size.len() {
                4 => size[2] * size[3],
                2 => size[1],
                _ => size[0],
            };
            let (own, descent) = (numbers(before), numbers(&descent));
            let shrink = |(own, descent): (&[f64], &[f64])| {
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let cosine = dot(own, descent) / (dot(own, own) * dot(descent, descent)).sqrt();
                own.iter().map(|value| value * cosine.max(0.1)).collect::<Vec<f64>>()
            };
            own.chunks(group as usize).zip(descent.chunks(group as usize)).flat_map(shrink).collect()
        })
        .collect();
    let options = serde_json::json!({ "alpha": 0.5, "lambda": 0.1 });
    surgery("dash", options).at_task_start(1, &mut trained);
    for (found, expected) in trained.numbers().iter().zip(&expected) {
        for (found, expected) in numbers(found).iter().zip(expected) {
            // A bias of zeros has no cosine, and stays zero.
            let expected = if expected.is_nan() { 0.0 } else { *expected };
            assert!((found - expected).abs() < 1e-12, "{found} against {expected}");
        }
    }
}

#[test]
fn fire_and_clipping_take_filters_by_all_that_enters_a_channel() {
    let mut trained = ConvolutionalInTraining::new(Box::new(Relu));
    surgery("weight_clipping", serde_json::json!({ "kappa": 0.5 })).after_update(1, &[], &mut trained);
    let fan_in = [9.0f64, 27.0];
    for (layer, fan_in) in trained.network.layers().iter().zip(fan_in) {
        let largest = layer.weight().abs().max().double_value(&[]);
        assert!((largest - 0.5 * (6.0 / fan_in).sqrt()).abs() < 1e-15, "{largest}");
    }
    surgery("fire", serde_json::json!({ "iterations": 80 })).at_task_start(1, &mut trained);
    for layer in &trained.network.layers()[..2] {
        let rows = layer.weight().detach().flatten(1, -1);
        let identity = Tensor::eye(rows.size()[0], (Kind::Double, tch::Device::Cpu));
        assert!(rows.mm(&rows.tr()).allclose(&identity, 1e-9, 1e-9, false), "{}", layer.name);
    }
}
