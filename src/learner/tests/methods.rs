//! Penalties and gradient rules against slow, obvious second computations in f64.

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::gradient_rule::{GradientRule, global_norm};
use trainability_baselines::part::Contribution;
use trainability_baselines::penalty::{Curvature, Elapsed, Penalty};
use trainability_baselines::registry::part;
use trainability_tensor::{Generator, Gradients, Layer};

use crate::model::{self, Chain, Model, Shape};
use crate::testing::networks::{self, chain};

fn network(kind: Kind) -> Chain {
    let shape = Shape { inputs: 30, convolutions: None, hidden: vec![20], outputs: 4, kind };
    chain(shape, Box::new(Relu), &mut Generator::named("test", 3))
}

/// Moves every parameter, biases included.
fn disturb(network: &mut Chain, by: f64) {
    networks::disturb(network.layers_mut(), by, &mut Generator::named("disturbance", 1));
}

fn penalty(name: &str, options: Value) -> Box<dyn Penalty> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::Penalty(penalty) => penalty,
        other => panic!("{other:?} is no penalty"),
    }
}

fn rule(name: &str, options: Value) -> Box<dyn GradientRule> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::GradientRule(rule) => rule,
        other => panic!("{other:?} is no gradient rule"),
    }
}

fn uniform_gradients(network: &Chain, bound: f64) -> Gradients {
    let mut generator = Generator::named("gradients", 5);
    let mut of = |value: &Tensor| generator.uniform(&value.size(), bound, value.kind());
    network.layers().iter().map(|layer| layer.parameters.iter().map(|p| of(&p.value)).collect()).collect()
}

fn numbers(tensors: impl Iterator<Item = Tensor>) -> Vec<f64> {
    tensors.flat_map(|tensor| Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()).collect()
}

fn flat(gradients: &Gradients) -> Vec<f64> {
    numbers(gradients.iter().flatten().map(Tensor::shallow_clone))
}

fn parameters(layers: &[Layer]) -> Vec<f64> {
    numbers(layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.detach()))
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} against {b}");
    }
}

#[test]
fn l2_init_pulls_towards_where_the_parameters_began() {
    for (kind, tolerance) in [(Kind::Double, 1e-13), (Kind::Float, 1e-6)] {
        let mut network = network(kind);
        let initial = parameters(network.layers());
        let mut penalty = penalty("l2_init", json!({ "coefficient": 0.05 }));
        penalty.begin(network.layers());
        let loss = |penalty: &dyn Penalty, network: &Chain| {
            penalty.loss(&network.layers().iter().collect::<Vec<_>>()).double_value(&[])
        };
        assert_eq!(loss(penalty.as_ref(), &network), 0.0);
        disturb(&mut network, 0.2);
        let now = parameters(network.layers());
        let distances: Vec<f64> = now.iter().zip(&initial).map(|(now, initial)| now - initial).collect();
        let expected = 0.05 * norm(&distances).powi(2);
        assert!((loss(penalty.as_ref(), &network) / expected - 1.0).abs() < tolerance);
        let mut gradients = uniform_gradients(&network, 1.0);
        let before = flat(&gradients);
        penalty.add_gradient(network.layers(), &mut gradients);
        let expected: Vec<f64> = before.iter().zip(&distances).map(|(g, distance)| g + 0.1 * distance).collect();
        assert_close(&flat(&gradients), &expected, tolerance);
        assert_eq!(isotropic(penalty.as_ref(), &network), 0.1);
    }
}

/// The factor of a Hessian that is a multiple of the identity, the same in every layer.
fn isotropic(penalty: &dyn Penalty, network: &Chain) -> f64 {
    let factor = |layer| match penalty.curvature(layer) {
        Some(Curvature::Isotropic(factor)) => factor,
        other => panic!("{other:?}"),
    };
    let factors: Vec<f64> = network.layers().iter().map(factor).collect();
    assert!(factors.iter().all(|&factor| factor == factors[0]), "{factors:?}");
    factors[0]
}

/// What the penalty adds to a gradient.
fn push(penalty: &mut dyn Penalty, network: &Chain, bound: f64) -> (Vec<f64>, Vec<f64>) {
    let mut gradients = uniform_gradients(network, bound);
    let before = flat(&gradients);
    penalty.add_gradient(network.layers(), &mut gradients);
    let push = flat(&gradients).iter().zip(&before).map(|(after, before)| after - before).collect();
    (push, before)
}

#[test]
fn anti_regularization_pushes_outwards_and_fades() {
    let mut network = network(Kind::Double);
    let options = |decay: &str| json!({ "coefficient": 0.05, "clip": 0.5, "decay": decay });
    let mut of_run = penalty("anti_regularization", options("run"));
    let mut of_task = penalty("anti_regularization", options("task"));
    of_run.begin(network.layers());
    of_task.begin(network.layers());
    disturb(&mut network, 0.2);
    let theta = parameters(network.layers());
    for (penalty, lambda) in [(&mut of_run, 0.05 * 0.75), (&mut of_task, 0.05 * 0.25)] {
        penalty.begin_update(Elapsed { of_run: 0.25, of_task: 0.75 });
        // The data's gradient is so long that nothing is clipped.
        let (found, _) = push(penalty.as_mut(), &network, 10.0);
        let expected: Vec<f64> = theta.iter().map(|theta| -2.0 * lambda * theta).collect();
        assert_close(&found, &expected, 1e-13);
        let loss = penalty.loss(&network.layers().iter().collect::<Vec<_>>());
        assert!((loss.double_value(&[]) / (-lambda * norm(&theta).powi(2)) - 1.0).abs() < 1e-12);
        assert_close(&flat(&model::gradients(network.layers(), &loss, false)), &expected, 1e-13);
        assert!((isotropic(penalty.as_ref(), &network) + 2.0 * lambda).abs() < 1e-15);
    }
}

#[test]
fn anti_regularization_never_outweighs_the_data() {
    let network = network(Kind::Double);
    let theta = parameters(network.layers());
    let data = norm(&flat(&uniform_gradients(&network, 0.1)));
    // The coefficient as a multiple of the one at which clipping begins.
    for (multiple, share) in [(0.9, 0.9 * 0.25), (1.1, 0.25), (100.0, 0.25)] {
        let coefficient = multiple * 0.25 * data / (2.0 * norm(&theta));
        let mut penalty = penalty("anti_regularization", json!({ "coefficient": coefficient, "clip": 0.25 }));
        penalty.begin(network.layers());
        penalty.begin_update(Elapsed { of_run: 0.0, of_task: 0.0 });
        let (found, _) = push(penalty.as_mut(), &network, 0.1);
        assert!((norm(&found) / data / share - 1.0).abs() < 1e-12);
        let outwards: f64 = theta.iter().zip(&found).map(|(theta, push)| -theta * push).sum();
        assert!((outwards / (norm(&theta) * norm(&found)) - 1.0).abs() < 1e-12, "the push is along theta");
        // The clipped coefficient is the one that counts, for this update alone.
        let lambda = norm(&found) / (2.0 * norm(&theta));
        assert!((isotropic(penalty.as_ref(), &network) / (-2.0 * lambda) - 1.0).abs() < 1e-12);
        let (nothing, _) = push(penalty.as_mut(), &network, 0.0);
        assert!(nothing.iter().all(|&push| push == 0.0));
        penalty.begin_update(Elapsed { of_run: 0.5, of_task: 0.5 });
        assert_eq!(isotropic(penalty.as_ref(), &network), -coefficient);
    }
}

#[test]
fn anti_regularization_keeps_every_layer_in_its_ball() {
    let mut network = network(Kind::Double);
    let mut penalty = penalty("anti_regularization", json!({ "radius": 1.5 }));
    penalty.begin(network.layers());
    let of_layer = |network: &Chain, layer: usize| parameters(&network.layers()[layer..=layer]);
    let initial = [norm(&of_layer(&network, 0)), norm(&of_layer(&network, 1))];
    disturb(&mut network, 0.1);
    tch::no_grad(|| {
        for parameter in &mut network.layers_mut()[0].parameters {
            let _ = parameter.value.g_mul_scalar_(3.0);
        }
    });
    let before = [of_layer(&network, 0), of_layer(&network, 1)];
    assert!(norm(&before[1]) < 1.5 * initial[1] && norm(&before[0]) > 1.5 * initial[0]);
    penalty.after_step(network.layers_mut());
    let factor = 1.5 * initial[0] / norm(&before[0]);
    let expected: Vec<f64> = before[0].iter().map(|theta| theta * factor).collect();
    assert_close(&of_layer(&network, 0), &expected, 1e-14);
    assert_eq!(of_layer(&network, 1), before[1]);
}

#[test]
fn clipping_shortens_the_whole_gradient_and_only_a_long_one() {
    for (kind, tolerance) in [(Kind::Double, 1e-14), (Kind::Float, 1e-6)] {
        let network = network(kind);
        for (bound, max_norm) in [(1.0, 2.0), (1.0, 1e3), (0.01, 1.0)] {
            let mut gradients = uniform_gradients(&network, bound);
            let before = flat(&gradients);
            let length = norm(&before);
            rule("gradient_clipping", json!({ "max_norm": max_norm })).apply(&mut gradients);
            let factor = if length > max_norm { max_norm / length } else { 1.0 };
            assert_eq!(length > max_norm, (bound, max_norm) == (1.0, 2.0));
            let expected: Vec<f64> = before.iter().map(|g| g * factor).collect();
            assert_close(&flat(&gradients), &expected, tolerance);
        }
    }
}

/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// p = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))]
/// p[0].grad, p[1].grad = torch.tensor([[1., -2.], [3., 0.5]]), torch.tensor([-1.5, 4.])
/// print(torch.nn.utils.clip_grad_norm_(p, 0.7).item(), [x for q in p for x in q.grad.flatten().tolist()])
/// # 5.70087712549569 [0.12278810116452632, -0.24557620232905264, 0.36836430349357896, 0.06139405058226316,
/// #                   -0.18418215174678948, 0.4911524046581053]
/// ```
///
/// PyTorch adds 1e-6 to the norm that it divides by, hence the tolerance.
#[test]
fn clipping_agrees_with_pytorch() {
    let weight = Tensor::from_slice(&[1.0, -2.0, 3.0, 0.5]).view([2, 2]);
    let mut gradients = vec![vec![weight, Tensor::from_slice(&[-1.5, 4.0])]];
    assert!((global_norm(&gradients) - 5.70087712549569).abs() < 1e-14);
    rule("gradient_clipping", json!({ "max_norm": 0.7 })).apply(&mut gradients);
    let expected = [
        0.12278810116452632,
        -0.24557620232905264,
        0.36836430349357896,
        0.06139405058226316,
        -0.18418215174678948,
        0.4911524046581053,
    ];
    assert_close(&flat(&gradients), &expected, 1e-6);
}

#[test]
fn normalization_leaves_the_direction_at_length_one() {
    for (kind, tolerance) in [(Kind::Double, 1e-14), (Kind::Float, 1e-6)] {
        let network = network(kind);
        for bound in [100.0, 1e-3] {
            let mut gradients = uniform_gradients(&network, bound);
            let before = flat(&gradients);
            rule("gradient_normalization", json!({})).apply(&mut gradients);
            let expected: Vec<f64> = before.iter().map(|g| g / norm(&before)).collect();
            assert_close(&flat(&gradients), &expected, tolerance);
            assert!((norm(&flat(&gradients)) - 1.0).abs() < tolerance);
        }
        let mut nothing = uniform_gradients(&network, 0.0);
        rule("gradient_normalization", json!({})).apply(&mut nothing);
        assert!(flat(&nothing).iter().all(|&g| g == 0.0));
    }
}
