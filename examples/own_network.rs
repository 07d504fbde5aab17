//! A residual network of one's own under the noise-curvature scheduler: `cargo run --release --example own_network`.
//!
//! It learns random labels of random points, task after task. Every layer has its own learning rate.

use tch::{Device, Kind, Tensor};
use trainability::prelude::*;
use trainability_tensor::Generator;

/// x <- stem(x); then x <- x + out(tanh(in(x))), block by block; then head(x).
#[derive(Debug)]
pub(crate) struct Residual(Vec<Layer>);

impl Residual {
    /// Inputs, width, blocks, and outputs.
    pub(crate) fn new([inputs, width, blocks, outputs]: [i64; 4], options: (Kind, Device)) -> Residual {
        let mut layers = vec![Layer::dense("stem", inputs, width, options)];
        for block in 1..=blocks {
            layers.push(Layer::dense(&format!("block{block}.in"), width, width, options));
            layers.push(Layer::dense(&format!("block{block}.out"), width, width, options));
        }
        layers.push(Layer::dense("head", width, outputs, options));
        Residual(layers)
    }
}

impl Model for Residual {
    fn layers(&self) -> &[Layer] {
        &self.0
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.0
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let [stem, blocks @ .., head] = &self.0[..] else { unreachable!("there are a stem and a head") };
        let mut x = pass.layer(stem, inputs);
        for block in blocks.chunks_exact(2) {
            let hidden = pass.hidden_layer(&block[0], &x, Tensor::tanh);
            x = &x + pass.layer(&block[1], &hidden);
        }
        pass.layer(head, &x)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tasks, updates, classes) = (5, 200, 10);
    let network = Residual::new([16, 32, 2, classes], (Kind::Float, Device::Cpu));
    let schedule = NoiseCurvature::debiased().with("cool", 0.95);
    let builder = Learner::new(network, AdamOptions::default()).initialised().learning_rate(3e-3);
    let mut learner = builder.schedule(schedule).every(20).tasks(tasks, updates).build()?;

    let mut random = Generator::named("task", 0);
    for task in 0..tasks {
        let (points, labels) = (random.uniform(&[256, 16], 1.0, Kind::Float), random.labels(256, classes));
        let mut accuracy = 0.0;
        for update in task * updates..(task + 1) * updates {
            let made = learner.update(&points, &labels)?;
            accuracy += made.accuracy / updates as f64;
            for layer in made.measured.iter().flat_map(|measured| &measured.layers) {
                print!("update {update}, {}:", layer.layer);
                layer
                    .statistics
                    .columns()
                    .for_each(|(name, value)| print!(" {name} {:.2e}", value.unwrap_or(f64::NAN)));
                println!();
            }
        }
        println!("task {task}: online accuracy {accuracy:.3}, learning rates {:.5?}", learner.learning_rates());
    }
    Ok(())
}
