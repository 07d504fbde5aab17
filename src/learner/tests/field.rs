//! Surgery of the field's methods against plain loops in f64.

use rand_distr::{Distribution, StandardNormal};
use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::method::Method;
use trainability_baselines::registry::part;
use trainability_baselines::surgery::Surgery;
use trainability_tensor::{Generator, Gradients, Layer, Role};

use super::trained::{IMAGES, Trained, WIDTHS, surgery};
use crate::learner::Learner;
use crate::model::{Chain, CrossEntropy, Model, Pass, Shape, gradients};
use crate::optimizer::{AdamOptions, OptimizerOptions, SgdOptions};
use crate::testing::networks::{chain, numbers};

/// Of plain gradient descent.
const RATE: f64 = 0.3;

fn network() -> Chain {
    let shape = Shape { inputs: 5, convolutions: None, hidden: vec![6, 4], outputs: 3, kind: Kind::Double };
    chain(shape, Box::new(Relu), &mut Generator::named("field", 0))
}

fn descent() -> SgdOptions {
    SgdOptions { momentum: 0.0, nesterov: false }
}

/// A learner of the network whose method is those parts.
fn learner(optimizer: impl OptimizerOptions, parts: &[(&str, Value)]) -> Learner {
    let build = |(name, options): &(&str, Value)| part(name).unwrap().build(options.clone()).unwrap().0;
    let method = Method::of(parts.iter().map(build).collect()).unwrap();
    Learner::new(network(), optimizer).rules(method.rules).learning_rate(RATE).tasks(3, 100).build().unwrap()
}

fn minibatch() -> (Tensor, Tensor) {
    let mut generator = Generator::named("minibatch", 1);
    (generator.uniform(&[20, 5], 2.0, Kind::Double), generator.labels(20, 3))
}

/// Every parameter, tensor by tensor.
fn values(layers: &[Layer]) -> Vec<Vec<f64>> {
    layers.iter().flat_map(|layer| &layer.parameters).map(|parameter| numbers(&parameter.value)).collect()
}

/// The gradient of the mean cross-entropy of a minibatch where a model stands, tensor by tensor.
fn slopes(model: &dyn Model, inputs: &Tensor, labels: &Tensor) -> Gradients {
    let logits = model.forward(inputs, &mut Pass::training());
    gradients(model.layers(), CrossEntropy::of(&logits, labels).mean(), false)
}

fn assert_close(found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found} against {expected}");
    }
}

#[test]
fn upgd_gates_the_step_by_a_logistic_function_of_utility_and_perturbs_the_rest() {
    let (inputs, labels) = minibatch();
    for protect in [true, false] {
        let mut fast = learner(descent(), &[("upgd", json!({ "decay": 0.9, "noise": 0.2, "protect": protect }))]);
        let mut noise = Generator::named("surgery", 0);
        let mut utility: Vec<Vec<f64>> = values(fast.model().layers()).iter().map(|v| vec![0.0; v.len()]).collect();
        for update in 1..=4 {
            let mut expected = values(fast.model().layers());
            let slopes: Vec<Vec<f64>> = slopes(fast.model(), &inputs, &labels).iter().flatten().map(numbers).collect();
            fast.update(&inputs, &labels).unwrap();
            let mut largest = f64::NEG_INFINITY;
            for (utility, (theta, slope)) in utility.iter_mut().zip(expected.iter().zip(&slopes)) {
                for (utility, (theta, slope)) in utility.iter_mut().zip(theta.iter().zip(slope)) {
                    *utility = 0.9 * *utility + 0.1 * (-slope * theta);
                    largest = largest.max(*utility / (1.0 - 0.9f64.powi(update)));
                }
            }
            assert!(largest > 0.0);
            for ((theta, slope), utility) in expected.iter_mut().zip(&slopes).zip(&utility) {
                for ((theta, slope), utility) in theta.iter_mut().zip(slope).zip(utility) {
                    let scaled = utility / (1.0 - 0.9f64.powi(update)) / largest;
                    let free = 1.0 - 1.0 / (1.0 + (-scaled).exp());
                    let xi: f64 = StandardNormal.sample(&mut noise.0);
                    let step = -RATE * slope * if protect { free } else { 1.0 };
                    *theta += step - RATE * 0.2 * xi * free;
                }
            }
            assert_close(&values(fast.model().layers()), &expected, 1e-12);
        }
    }
}

#[test]
fn upgd_gates_adams_own_step() {
    let (inputs, labels) = minibatch();
    let gated = json!({ "noise": 0.0 });
    let mut learners = [&[][..], &[("upgd", gated)]].map(|parts| learner(AdamOptions::default(), parts));
    let before = values(learners[0].model().layers());
    let slopes: Vec<f64> = slopes(learners[0].model(), &inputs, &labels).iter().flatten().flat_map(numbers).collect();
    learners.iter_mut().for_each(|learner| drop(learner.update(&inputs, &labels).unwrap()));
    let [plain, gated] = learners.map(|learner| values(learner.model().layers()).concat());
    let utility: Vec<f64> = before.concat().iter().zip(&slopes).map(|(w, g)| -w * g).collect();
    let largest = utility.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (place, before) in before.concat().into_iter().enumerate() {
        let free = 1.0 / (1.0 + (utility[place] / largest).exp());
        let expected = before + (plain[place] - before) * free;
        assert!((gated[place] - expected).abs() < 1e-12, "{} against {expected}", gated[place]);
    }
}

#[test]
fn clipping_keeps_weights_and_biases_in_kappa_times_their_first_interval() {
    let (inputs, labels) = minibatch();
    let parts = [("weight_clipping", json!({ "kappa": 0.7 }))];
    let mut learners = [&[][..], &parts].map(|parts| learner(descent(), parts));
    learners.iter_mut().for_each(|learner| drop(learner.update(&inputs, &labels).unwrap()));
    let [free, clipped] = learners.map(|learner| values(learner.model().layers()));
    // Two tensors a layer, weight and bias; fan-ins 5, 6 and 4.
    let bounds = [5.0f64, 6.0, 4.0].map(|fan_in| 0.7 * (6.0 / fan_in).sqrt());
    let mut moved = 0;
    for (place, (free, clipped)) in free.iter().zip(&clipped).enumerate() {
        for (free, clipped) in free.iter().zip(clipped) {
            let expected = free.clamp(-bounds[place / 2], bounds[place / 2]);
            moved += usize::from(expected != *free);
            assert_eq!(*clipped, expected);
        }
    }
    assert!(moved > 10, "{moved}");
}

#[test]
fn projection_keeps_the_direction_and_the_first_length_of_every_weight() {
    let mut trained = Trained::new(false, 5);
    let mut projection = surgery_of("normalize_and_project");
    projection.begin(trained.network.layers());
    let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let first = values(trained.network.layers());
    for update in 1..=3 {
        trained.step(0.05);
        let mut expected = values(trained.network.layers());
        for (place, values) in expected.iter_mut().enumerate().filter(|(place, _)| place % 2 == 0) {
            let factor = length(&first[place]) / length(values);
            assert!((factor - 1.0).abs() > 1e-4);
            values.iter_mut().for_each(|value| *value *= factor);
        }
        projection.after_update(update, &[], &mut trained.in_training());
        assert_close(&values(trained.network.layers()), &expected, 1e-14);
    }
}

/// The surgery of a part that brings something else along.
fn surgery_of(name: &str) -> Box<dyn Surgery> {
    let (contribution, _) = part(name).unwrap().build(json!({})).unwrap();
    let method = Method::of(vec![contribution]).unwrap();
    assert!(method.normalization.is_some());
    method.rules.surgeries.into_iter().next().unwrap()
}

#[test]
fn the_hare_goes_back_to_its_average() {
    let by_updates = json!({ "momentum": 0.8, "period": 3 });
    for (options, due) in [(by_updates, [3, 6].as_slice()), (json!({ "momentum": 0.8 }), &[])] {
        let mut trained = Trained::new(false, 6);
        let mut surgery = surgery("hare_tortoise", options);
        surgery.begin(trained.network.layers());
        let mut tortoise = values(trained.network.layers()).concat();
        surgery.at_task_start(0, &mut trained.in_training());
        for update in 1..=7 {
            trained.step(0.05);
            let hare = values(trained.network.layers()).concat();
            tortoise.iter_mut().zip(&hare).for_each(|(slow, fast)| *slow = 0.8 * *slow + 0.2 * fast);
            surgery.after_update(update, &[], &mut trained.in_training());
            let expected = if due.contains(&update) { &tortoise } else { &hare };
            assert_close(&[values(trained.network.layers()).concat()], std::slice::from_ref(expected), 1e-13);
        }
        let stays = values(trained.network.layers()).concat();
        surgery.at_task_start(1, &mut trained.in_training());
        let expected = if due.is_empty() { tortoise } else { stays };
        assert_close(&[values(trained.network.layers()).concat()], &[expected], 1e-13);
    }
}

/// The singular values of W over |W| become p(p(...)) of themselves with p(x) = 1.5 x - 0.5 x^3, and its singular vectors stay.
#[test]
fn fire_takes_every_weight_to_its_polar_factor() {
    for (iterations, converged) in [(3, false), (60, true)] {
        let mut trained = Trained::new(false, 7);
        let before: Vec<Tensor> = trained.network.layers().iter().map(|layer| layer.weight().detach().copy()).collect();
        let biases = |trained: &Trained| values(trained.network.layers()).into_iter().skip(1).step_by(2).collect();
        let kept: Vec<Vec<f64>> = biases(&trained);
        let mut surgery = surgery("fire", json!({ "iterations": iterations, "scale": 1.5 }));
        surgery.at_task_start(0, &mut trained.in_training());
        assert!(trained.network.layers().iter().zip(&before).all(|(layer, before)| layer.weight() == before));
        surgery.at_task_start(1, &mut trained.in_training());
        for (layer, before) in trained.network.layers().iter().zip(&before) {
            let (u, s, v) = before.svd(true, true);
            let start = &s / s.square().sum(Kind::Double).sqrt();
            let p = |x: Tensor, _| &x * 1.5 - x.pow_tensor_scalar(3) * 0.5;
            let last = (0..iterations).fold(start, p);
            assert_eq!((&last - 1.0).abs().max().double_value(&[]) < 1e-9, converged);
            let expected = u.mm(&last.diag(0)).mm(&v.tr()) * 1.5;
            assert!(layer.weight().detach().allclose(&expected, 1e-10, 1e-10, false), "{}", layer.name);
        }
        assert_eq!(biases(&trained), kept);
    }
}

#[test]
fn dash_shrinks_what_does_not_point_along_the_descent() {
    let (alpha, lambda) = (0.4, 0.2);
    let mut trained = Trained::new(false, 8);
    let labels = Tensor::zeros([IMAGES as i64], (Kind::Int64, tch::Device::Cpu));
    let before = values(trained.network.layers());
    let mut descent: Vec<Vec<f64>> = before.iter().map(|values| vec![0.0; values.len()]).collect();
    // Twelve images, five at a time.
    for (first, count) in [(0, 5), (5, 5), (10, 2)] {
        let slopes = slopes(&trained.network, &trained.images.narrow(0, first, count), &labels.narrow(0, first, count));
        for (descent, slope) in descent.iter_mut().zip(slopes.iter().flatten()) {
            let slope = numbers(slope);
            descent.iter_mut().zip(slope).for_each(|(mean, g)| *mean = (1.0 - alpha) * *mean - alpha * g);
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut factors = Vec::new();
    let mut expected = before.clone();
    for (place, values) in expected.iter_mut().enumerate() {
        // Rows of a weight, and a bias as a whole.
        let columns = if place % 2 == 0 { [5, 6, 4][place / 2] } else { values.len() };
        for (own, descent) in values.chunks_mut(columns).zip(descent[place].chunks(columns)) {
            let cosine = dot(own, descent) / (dot(own, own) * dot(descent, descent)).sqrt();
            let factor = if cosine.is_nan() { lambda } else { cosine.max(lambda) };
            own.iter_mut().for_each(|value| *value *= factor);
            factors.push(factor);
        }
    }
    assert!(factors.contains(&lambda) && factors.iter().any(|factor| *factor > lambda), "{factors:?}");
    let options = json!({ "alpha": alpha, "lambda": lambda, "batch_size": 5 });
    let mut surgery = surgery("dash", options);
    surgery.at_task_start(0, &mut trained.in_training());
    assert_eq!(values(trained.network.layers()), before);
    surgery.at_task_start(1, &mut trained.in_training());
    assert_close(&values(trained.network.layers()), &expected, 1e-12);
}

/// Gaps between firings one by one, instead of how many there are of each length.
#[test]
fn a_unit_is_reset_that_is_silent_for_longer_than_its_record_makes_likely() {
    let rejection = 0.1;
    let mut replaced = [0; 2];
    for seed in 0..4 {
        let mut trained = Trained::new(false, seed);
        let mut surgery = surgery("self_normalized_resets", json!({ "rejection": rejection }));
        surgery.begin(trained.network.layers());
        let mut generator = Generator::named("firing", seed);
        let mut silence = [[0u64; WIDTHS[0]]; 2];
        let mut own = vec![vec![Vec::<u64>::new(); WIDTHS[0]]; 2];
        let mut pooled = vec![Vec::<u64>::new(); 2];
        for update in 1..=150 {
            // Units fire with probabilities of their own; the first of each layer falls silent half way.
            let chances = generator.uniform(&[2, WIDTHS[0] as i64], 0.5, Kind::Double) + 0.5;
            let mut activations = Vec::new();
            let mut expected = vec![Vec::new(); 2];
            for layer in 0..2 {
                let units = WIDTHS[layer];
                let passed_on = Tensor::zeros([3, units as i64], (Kind::Double, tch::Device::Cpu));
                for unit in 0..units {
                    let often = if unit == 0 && update > 75 { 0.0 } else { 0.3 + 0.1 * unit as f64 };
                    let fires = chances.double_value(&[layer as i64, unit as i64]) < often;
                    silence[layer][unit] += 1;
                    if fires {
                        let _ = passed_on.get(update % 3).get(unit as i64).fill_(0.5);
                        own[layer][unit].push(silence[layer][unit]);
                        pooled[layer].push(silence[layer][unit]);
                        silence[layer][unit] = 0;
                    }
                }
                for unit in 0..units {
                    let record = &own[layer][unit];
                    let record = if record.len() >= 10 { record } else { &pooled[layer] };
                    let rare = |gap: &u64| {
                        let longer = record.iter().filter(|other| *other > gap).count();
                        longer as f64 <= rejection * record.len() as f64
                    };
                    let now = silence[layer][unit];
                    if record.len() >= 10 && record.iter().any(|gap| *gap < now && rare(gap)) {
                        expected[layer].push(unit);
                    }
                }
                for &unit in &expected[layer] {
                    own[layer][unit].clear();
                    silence[layer][unit] = 0;
                    replaced[layer] += 1;
                }
                activations.push(passed_on);
            }
            let rows = |trained: &Trained, layer: usize| -> Vec<Vec<f64>> {
                Vec::try_from(trained.network.layers()[layer].parameter(Role::Weight).unwrap()).unwrap()
            };
            let before = [rows(&trained, 0), rows(&trained, 1)];
            surgery.after_update(update as u64, &activations, &mut trained.in_training());
            // The second layer's rows change where units below it are replaced, but only in columns of those.
            let below: Vec<usize> = expected[0].clone();
            for layer in 0..2 {
                let differs = |unit: &usize| {
                    let (old, new) = (&before[layer][*unit], &rows(&trained, layer)[*unit]);
                    let columns = (0..old.len()).filter(|column| layer == 0 || !below.contains(column));
                    columns.into_iter().any(|column| old[column] != new[column])
                };
                let found: Vec<usize> = (0..WIDTHS[layer]).filter(differs).collect();
                assert_eq!(found, expected[layer], "layer {layer} at update {update}");
            }
        }
    }
    assert!(replaced.iter().all(|count| *count >= 8), "{replaced:?}");
}
