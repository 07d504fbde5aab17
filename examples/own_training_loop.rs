//! The noise-curvature scheduler on data of one's own: `cargo run --release --example own_training_loop`.
//!
//! Nothing here comes from an experiment file. The data are two spirals, made on the spot, whose labels are shuffled anew at
//! every task. Every tenth update each layer is measured, and the scheduler sets its learning rate.

use tch::{Device, Kind, Tensor};
use trainability::model::{Chain, Shape};
use trainability::prelude::*;
use trainability_baselines::activation::relu::Relu;
use trainability_tensor::Generator;

const POINTS: i64 = 256;
const TASKS: u64 = 8;
const UPDATES: u64 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shape = Shape { inputs: 2, convolutions: None, hidden: vec![64, 64], outputs: 2, kind: Kind::Float };
    let network = Chain::new(shape, Box::new(Relu), Device::Cpu, &mut Generator::named("network", 0));
    let schedule = NoiseCurvature::debiased().with("cool", 0.95);
    let builder = Learner::new(network, AdamOptions::default()).learning_rate(3e-3).schedule(schedule);
    let mut learner = builder.every(10).tasks(TASKS, UPDATES).build()?;

    let points = spirals();
    let mut random = Generator::named("labels", 0);
    for task in 0..TASKS {
        let labels = random.labels(POINTS as usize, 2);
        let mut accuracy = 0.0;
        for _ in task * UPDATES..(task + 1) * UPDATES {
            let made = learner.update(&points, &labels)?;
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
