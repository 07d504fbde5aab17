//! The noise-curvature scheduler in a training loop of one's own: `cargo run --release --example own_training_loop`.
//!
//! Nothing here comes from an experiment file. The data are two spirals, made on the spot, whose labels are shuffled
//! anew at every task; the loop is written out; and every tenth update the probe measures each layer and the controller
//! sets its learning rate.

use serde_json::json;
use tch::{Kind, Tensor};
use trainability::network::{Network, Shape, correct, cross_entropy, logits};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::probe::{Probe, ProbeOptions, Scene};
use trainability::random::Generator;
use trainability::schedule::controller::{ControlOptions, Controller};
use trainability::schedule::{BoundEstimator, Progress, Schedule, Start};
use trainability_baselines::LayerTrace;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::method::WeightDecay;

const POINTS: i64 = 256;
const TASKS: u64 = 8;
const UPDATES: u64 = 400;
const SEED: u64 = 0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shape = Shape { inputs: 2, convolutions: None, hidden: vec![64, 64], outputs: 2, kind: Kind::Float };
    let mut network = Network::new(shape, Box::new(Relu), &mut Generator::named("initialisation", SEED));
    let mut optimizer = Adam::new(AdamOptions::default(), WeightDecay::None, &network.layers);
    let layers = network.layers.len();

    // The presets of an experiment are bundles of these options; this is `debiased`, with a shorter memory.
    let preset = json!({ "noise": "debiased", "smoothing": 0.9, "beta": 1.0, "statistic": "volatility", "cool": 0.95 });
    let options = ControlOptions::layered(&[&preset])?;
    let mut bounds = vec![BoundEstimator::new(options.bounds()); layers];
    let mut controller = Controller::new(options, Start { learning_rate: 3e-3, layers });
    let mut probe = Probe::new(ProbeOptions { interval: 10, ..ProbeOptions::default() }, layers, SEED);

    let points = spirals();
    let mut labels_of = Generator::named("labels", SEED);
    for task in 0..TASKS {
        let labels = labels_of.labels(POINTS as usize, 2);
        let mut accuracy = 0.0;
        for update_in_task in 0..UPDATES {
            let update = task * UPDATES + update_in_task;
            let progress =
                Progress { update, updates: TASKS * UPDATES, task, update_in_task, updates_in_task: UPDATES };
            let trace = network.forward(&points);
            let loss = cross_entropy(logits(&trace), &labels);
            accuracy += correct(logits(&trace), &labels) as f64 / POINTS as f64;
            let measured = probe.is_due(update);
            let gradients = network.gradients(&loss, measured);
            if measured {
                let deltas = Network::deltas(&trace, &loss);
                let trace: Vec<LayerTrace> = trace.iter().map(LayerTrace::detach).collect();
                let scene = Scene {
                    network: &network,
                    trace: &trace,
                    labels: &labels,
                    deltas: &deltas,
                    // Without a penalty in the loss the two gradients are the same.
                    cross_entropy_gradients: &gradients,
                    total_gradients: &gradients,
                    optimizer: &optimizer,
                    learning_rates: controller.learning_rates(),
                    penalties: &[],
                };
                let (statistics, _) = probe.measure(&scene);
                let bounds: Vec<_> = bounds.iter_mut().zip(&statistics).map(|(b, layer)| b.push(layer)).collect();
                controller.control(progress, &statistics, &bounds);
            }
            optimizer.step(&mut network.layers, &gradients, controller.learning_rates(), false);
        }
        let rates: Vec<String> = controller.learning_rates().iter().map(|rate| format!("{rate:.1e}")).collect();
        println!("task {task}: online accuracy {:.3}, learning rates {}", accuracy / UPDATES as f64, rates.join(" "));
    }
    Ok(())
}

/// Points on two spirals, POINTS x 2.
fn spirals() -> Tensor {
    let coordinates: Vec<f32> = (0..POINTS)
        .flat_map(|index| {
            let radius = (index / 2 + 1) as f32 / (POINTS / 2) as f32;
            let angle = 9.0 * radius + (index % 2) as f32 * std::f32::consts::PI;
            [radius * angle.cos(), radius * angle.sin()]
        })
        .collect();
    Tensor::from_slice(&coordinates).view([POINTS, 2])
}
