//! Second passes and the Parseval penalty against slow computations in f64.

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_baselines::activation::{relu::Relu, tanh::Tanh};
use trainability_baselines::method::Method;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_tensor::{Generator, Gradients, Layer};

use crate::learner::Learner;
use crate::model::{Chain, CrossEntropy, Model, Pass, Shape, gradients};
use crate::optimizer::SgdOptions;
use crate::testing::networks::{chain, numbers, traced};

const RATE: f64 = 0.3;

fn shape() -> Shape {
    Shape { inputs: 5, convolutions: None, hidden: vec![6, 4], outputs: 3, kind: Kind::Double }
}

fn network() -> Chain {
    // A smooth activation, so that finite differences are of use.
    chain(shape(), Box::new(Tanh), &mut Generator::named("second pass", 0))
}

fn minibatch() -> (Tensor, Tensor) {
    let mut generator = Generator::named("minibatch", 2);
    (generator.uniform(&[9, 5], 2.0, Kind::Double), generator.labels(9, 3))
}

/// What plain gradient descent at a rate of 1 takes away at the first update.
fn step(parts: &[(&str, Value)]) -> Vec<f64> {
    let build = |(name, options): &(&str, Value)| part(name).unwrap().build(options.clone()).unwrap().0;
    let rules = Method::of(parts.iter().map(build).collect()).unwrap().rules;
    let descent = SgdOptions { momentum: 0.0, nesterov: false };
    let mut learner = Learner::new(network(), descent).rules(rules).learning_rate(RATE).build().unwrap();
    let before = values(learner.model().layers());
    let (inputs, labels) = minibatch();
    learner.update(&inputs, &labels).unwrap();
    before.iter().zip(values(learner.model().layers())).map(|(before, after)| (before - after) / RATE).collect()
}

fn values(layers: &[Layer]) -> Vec<f64> {
    layers.iter().flat_map(|layer| &layer.parameters).flat_map(|parameter| numbers(&parameter.value)).collect()
}

fn slopes(network: &Chain) -> Gradients {
    let (inputs, labels) = minibatch();
    let logits = network.forward(&inputs, &mut Pass::training());
    gradients(network.layers(), CrossEntropy::of(&logits, &labels).mean(), false)
}

/// Adds multiples of gradients to the parameters.
fn displace(network: &mut Chain, by: &Gradients, factor: f64) {
    tch::no_grad(|| {
        let parameters = network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters);
        parameters.zip(by.iter().flatten()).for_each(|(p, by)| drop(p.value.g_add_(&(by * factor))));
    });
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found} against {expected}");
    }
}

#[test]
fn sharpness_aware_minimisation_takes_the_gradient_up_the_slope_and_penalties_where_it_stands() {
    let rho = 0.4;
    let mut there = network();
    let here = values(there.layers());
    let slope = slopes(&there);
    let flat: Vec<f64> = slope.iter().flatten().flat_map(numbers).collect();
    let norm = flat.iter().map(|g| g * g).sum::<f64>().sqrt();
    displace(&mut there, &slope, rho / norm);
    let uphill: Vec<f64> = slopes(&there).iter().flatten().flat_map(numbers).collect();
    assert!(uphill.iter().zip(&flat).any(|(there, here)| (there - here).abs() > 1e-2));
    let sam = ("sharpness_aware", json!({ "rho": rho }));
    assert_close(&step(std::slice::from_ref(&sam)), &uphill, 1e-13);
    let expected: Vec<f64> = uphill.iter().zip(&here).map(|(g, theta)| g + 2.0 * 0.1 * theta).collect();
    assert_close(&step(&[sam, ("l2_loss", json!({ "coefficient": 0.1 }))]), &expected, 1e-13);
}

/// The mean effective rank of the hidden activations, by singular values of the activations themselves.
fn mean_effective_rank(network: &Chain) -> f64 {
    let (inputs, _) = minibatch();
    let trace = traced(network, &inputs);
    let ranks = trace.iter().filter_map(|layer| layer.features.as_ref()).map(|features| {
        let values = Vec::<f64>::try_from(features.detach().svd(true, false).1).unwrap();
        let total: f64 = values.iter().sum();
        let entropy: f64 = values.iter().filter(|value| **value > 0.0).map(|v| -(v / total) * (v / total).ln()).sum();
        entropy.exp()
    });
    let ranks: Vec<f64> = ranks.collect();
    ranks.iter().sum::<f64>() / ranks.len() as f64
}

#[test]
fn l2_with_effective_rank_raises_the_effective_rank_of_the_features() {
    let own = ("l2_er", json!({ "coefficient": 0.01, "rank_coefficient": 0.5 }));
    let (both, squares) = (step(&[own]), step(&[("l2_loss", json!({ "coefficient": 0.01 }))]));
    let found: Vec<f64> = both.iter().zip(squares).map(|(both, squares)| both - squares).collect();
    let mut network = network();
    let mut expected = Vec::new();
    for place in 0..network.layers().len() * 2 {
        let count = network.layers()[place / 2].parameters[place % 2].value.numel() as i64;
        for index in 0..count {
            let mut shifted = |by: f64| {
                let parameter = &mut network.layers_mut()[place / 2].parameters[place % 2].value;
                tch::no_grad(|| drop(parameter.view([-1]).get(index).g_add_scalar_(by)));
                mean_effective_rank(&network)
            };
            let width = 1e-5;
            let (above, below) = (shifted(width), shifted(-2.0 * width));
            shifted(width);
            expected.push(-0.5 * (above - below) / (2.0 * width));
        }
    }
    assert!(expected.iter().any(|slope| slope.abs() > 1e-2));
    assert_close(&found, &expected, 1e-7);
}

#[test]
fn a_layer_that_passes_nothing_on_has_no_rank_to_raise() {
    let mut silent = chain(shape(), Box::new(Relu), &mut Generator::named("silent", 0));
    tch::no_grad(|| {
        let _ = silent.layers_mut()[1].parameters[0].value.zero_();
    });
    let rules = Method::of(vec![part("l2_er").unwrap().build(json!({})).unwrap().0]).unwrap().rules;
    let descent = SgdOptions { momentum: 0.0, nesterov: false };
    let mut learner = Learner::new(silent, descent).rules(rules).learning_rate(RATE).build().unwrap();
    let (inputs, labels) = minibatch();
    learner.update(&inputs, &labels).unwrap();
    assert!(values(learner.model().layers()).iter().all(|value| value.is_finite()));
}

#[test]
fn parseval_draws_the_rows_of_hidden_weights_towards_orthogonal_ones_of_one_length() {
    let (lambda, scale) = (0.05, 1.7);
    let options = json!({ "coefficient": lambda, "scale": scale });
    let Contribution::Penalty(mut penalty) = part("parseval").unwrap().build(options).unwrap().0 else { panic!() };
    let network = network();
    penalty.begin(network.layers());
    let mut distance = 0.0;
    for layer in &network.layers()[..2] {
        let rows: Vec<Vec<f64>> = Vec::try_from(layer.weight()).unwrap();
        for (i, row) in rows.iter().enumerate() {
            for (j, other) in rows.iter().enumerate() {
                let dot: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                distance += (dot - if i == j { scale } else { 0.0 }).powi(2);
            }
        }
    }
    let loss = penalty.loss(&network.layers().iter().collect::<Vec<_>>());
    assert!((loss.double_value(&[]) / (lambda * distance) - 1.0).abs() < 1e-13);
    // Its gradient in closed form is what autograd makes of the loss, and what is there already stays.
    let expected = gradients(network.layers(), &loss, false);
    let mut found: Gradients = expected.iter().map(|own| own.iter().map(Tensor::ones_like).collect()).collect();
    penalty.add_gradient(network.layers(), &mut found);
    let flat = |all: &Gradients| all.iter().flatten().flat_map(numbers).collect::<Vec<f64>>();
    let expected: Vec<f64> = flat(&expected).iter().map(|slope| slope + 1.0).collect();
    assert_close(&flat(&found), &expected, 1e-12);
    assert!(flat(&found)[flat(&found).len() - 3 * 5..].iter().all(|slope| *slope == 1.0), "the output layer is free");
    assert!(penalty.curvature(&network.layers()[2]).is_some() && penalty.curvature(&network.layers()[0]).is_none());
}
