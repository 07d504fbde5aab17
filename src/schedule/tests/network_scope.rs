//! The whole network's statistics and bound.

use serde_json::json;
use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::lanczos::SymmetricOperator;
use trainability_tensor::{Generator, LayerTrace, Role, Stateful};

use crate::model::{Chain, Model, Pass, Shape, cross_entropy, deltas, gradients};
use crate::optimizer::{Adam, AdamOptions, Optimizer};
use crate::probe::hessian::Hessian;
use crate::probe::{LayerStatistics, Probe, ProbeOptions, UpdateView};
use crate::schedule::{BoundEstimator, BoundOptions, COMBINED};
use crate::testing::runs::state_of;
use crate::testing::traced;

/// Whole-network statistics by their definitions: all parameters in one vector, a backward pass a sample, the Hessian's
/// blocks written out.
struct Slow {
    gradient_sq_norm: f64,
    noise_variance: f64,
    block_diagonal_sharpness: f64,
    whole_sharpness: f64,
}

fn flat(gradients: &[Vec<Tensor>]) -> Tensor {
    Tensor::cat(&gradients.iter().flatten().map(|gradient| gradient.flatten(0, -1)).collect::<Vec<_>>(), 0)
}

fn slow(network: &Chain, images: &Tensor, labels: &Tensor) -> Slow {
    let loss = |images: &Tensor, labels: &Tensor| {
        cross_entropy(&network.forward(images, &mut Pass::evaluation().without_trace()), labels)
    };
    let rows = (0..images.size()[0])
        .map(|i| flat(&gradients(network.layers(), &loss(&images.narrow(0, i, 1), &labels.narrow(0, i, 1)), false)))
        .collect::<Vec<_>>();
    let rows = Tensor::stack(&rows, 0);
    let mean = rows.mean_dim(0, false, Kind::Double);
    let hessian = Hessian::of(network, .., images, labels, &[]);
    let size = hessian.size();
    let identity = Tensor::eye(size, (Kind::Double, Device::Cpu));
    let whole = Tensor::stack(&(0..size).map(|i| hessian.apply(&identity.get(i))).collect::<Vec<_>>(), 1);
    let mut mask = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        mask.extend(vec![index as i64; layer.count()]);
    }
    let mask = Tensor::from_slice(&mask);
    let blocks = &whole * mask.unsqueeze(0).eq_tensor(&mask.unsqueeze(1)).to_kind(Kind::Double);
    let largest = |matrix: &Tensor| matrix.linalg_eigvalsh("L").double_value(&[-1]);
    Slow {
        gradient_sq_norm: (&mean * &mean).sum(Kind::Double).double_value(&[]),
        noise_variance: (&rows - &mean).square().sum(Kind::Double).double_value(&[]) / rows.size()[0] as f64,
        block_diagonal_sharpness: largest(&blocks),
        whole_sharpness: largest(&whole),
    }
}

#[test]
fn the_networks_statistics_and_bound_equal_a_slow_computation() {
    let close = |found: Option<f64>, expected: f64| {
        assert!((found.unwrap() / expected - 1.0).abs() < 1e-6, "{found:?} against {expected}");
    };
    let mut generator = Generator::named("test", 1);
    let shape = Shape { inputs: 6, convolutions: None, hidden: vec![5, 4], outputs: 3, kind: Kind::Double };
    let mut network = Chain::new(shape, Box::new(Relu), Device::Cpu, &mut generator);
    let options = AdamOptions { beta1: 0.8, beta2: 0.9, epsilon: 1e-3, beta_ramp: None };
    let mut optimizer = Adam::new(options, WeightDecay::None, network.layers());
    let probe = |form: &str| {
        let options =
            json!({ "effective_step": form, "window": 5, "lanczos": { "products": 400, "tolerance": 1e-10 } });
        Probe::new(serde_json::from_value::<ProbeOptions>(options).unwrap(), 3, 0)
    };
    let (mut rms, mut elementwise) = (probe("rms"), probe("elementwise"));
    let mut estimator = BoundEstimator::new(BoundOptions { beta: 3.0, ..BoundOptions::default() });
    let learning_rates = [0.02; 3];
    let mut window = Vec::new();
    for step in 0..4 {
        let images = generator.uniform(&[8, 6], 2.0, Kind::Double);
        let labels = generator.labels(8, 3);
        let (logits, trace) = traced(&network, &images, Pass::evaluation());
        let loss = cross_entropy(&logits, &labels);
        let gradients = gradients(network.layers(), &loss, true);
        let deltas = deltas(&trace, &loss, labels.size()[0]);
        let trace: Vec<LayerTrace> = trace.iter().map(LayerTrace::detach).collect();
        if step > 0 {
            let view = UpdateView {
                model: &network,
                inputs: &images,
                trace: &trace,
                labels: &labels,
                deltas: &deltas,
                cross_entropy_gradients: &gradients,
                total_gradients: &gradients,
                optimizer: &optimizer,
                learning_rates: &learning_rates,
                penalties: &[],
            };
            let whole = |probe: &mut Probe| -> LayerStatistics {
                let layers = probe.measure(&view).0;
                probe.measure_network(&view, &layers)
            };
            // The network's window goes over into another probe with the rest of the state.
            let state = state_of(&rms);
            rms = probe("rms");
            rms.restore(&state).unwrap();
            let (found, other) = (whole(&mut rms), whole(&mut elementwise));
            let slow = slow(&network, &images, &labels);
            close(Some(found.gradient_sq_norm), slow.gradient_sq_norm);
            close(found.noise_variance, slow.noise_variance);
            close(found.sharpness, slow.block_diagonal_sharpness);
            assert!(slow.whole_sharpness > 1.01 * slow.block_diagonal_sharpness, "a lower bound, and not an equal");

            let (correction1, correction2) = (1.0 - 0.8f64.powi(step), 1.0 - 0.9f64.powi(step));
            let memory = state_of(&optimizer);
            let moments = |weights_alone: bool| -> Vec<f64> {
                let parameters = network.layers().iter().flat_map(|layer| &layer.parameters);
                let wanted = parameters.filter(|parameter| parameter.role == Role::Weight || !weights_alone);
                let second = |name: &str| memory.tensor(&format!("{name}.exp_avg_sq")).unwrap().flatten(0, -1);
                wanted.flat_map(|parameter| Vec::<f64>::try_from(second(&parameter.name)).unwrap()).collect()
            };
            let weights = moments(true);
            let v_rms = (weights.iter().sum::<f64>() / weights.len() as f64 / correction2).sqrt();
            close(found.effective_step, 0.02 / (correction1 * (v_rms + 1e-3)));
            let all = moments(false);
            let steps = all.iter().map(|second| 0.02 / (correction1 * ((second / correction2).sqrt() + 1e-3)));
            close(other.effective_step, steps.sum::<f64>() / all.len() as f64);

            let normalized = slow.block_diagonal_sharpness * 0.02 / (v_rms + 1e-3);
            window.push(normalized);
            let mean = window.iter().sum::<f64>() / window.len() as f64;
            close(found.normalized_sharpness, normalized);
            close(found.sharpness_mean, mean);
            let bounds = estimator.push(&found);
            let signal = slow.gradient_sq_norm;
            if step == 1 {
                // The window's first value is its mean: no volatility, and the noise bound alone.
                close(bounds.of(&COMBINED), 8.0 * signal / slow.noise_variance);
            } else {
                let volatility = (normalized - mean).powi(2) / (mean + 1e-8);
                close(found.volatility, volatility);
                close(bounds.of(&COMBINED), 8.0 * signal / (slow.noise_variance + 3.0 * signal * volatility));
            }
        }
        optimizer.step(network.layers_mut(), &gradients, &learning_rates, false);
    }
}
