//! The noise-curvature scheduler on data of one's own: `cargo run --release --example own_training_loop`.
//!
//! Nothing here comes from an experiment file. The data are two spirals, made on the spot, whose labels are shuffled anew at
//! every task. Every tenth update each layer is measured, and the scheduler sets its learning rate.

use serde_json::json;
use tch::{Device, Kind, Tensor};
use trainability::learner::{Learner, LearnerOptions, Task};
use trainability::model::{Chain, Shape};
use trainability::probe::ProbeOptions;
use trainability::schedule::Progress;
use trainability_baselines::activation::relu::Relu;
use trainability_tensor::Generator;

const POINTS: i64 = 256;
const TASKS: u64 = 8;
const UPDATES: u64 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shape = Shape { inputs: 2, convolutions: None, hidden: vec![64, 64], outputs: 2, kind: Kind::Float };
    let network = Chain::new(shape, Box::new(Relu), Device::Cpu, &mut Generator::named("network", 0));
    let options = LearnerOptions {
        learning_rate: 3e-3,
        measure: ProbeOptions { interval: 10, ..ProbeOptions::default() },
        ..LearnerOptions::default()
    };
    let mut learner = Learner::initialised(network, options.scheduled("debiased", &json!({ "cool": 0.95 }))?)?;

    let points = spirals();
    let mut random = Generator::named("labels", 0);
    for task in 0..TASKS {
        let labels = random.labels(POINTS as usize, 2);
        let mut accuracy = 0.0;
        for update in task * UPDATES..(task + 1) * UPDATES {
            let progress = Progress::in_tasks(update, TASKS, UPDATES);
            let made =
                learner.update(&points, &labels, progress, Task { inputs: &points, chosen: None, labels: &labels })?;
            accuracy += made.accuracy / UPDATES as f64;
        }
        println!("task {task}: online accuracy {accuracy:.3}, learning rates {:.5?}", learner.learning_rates());
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
