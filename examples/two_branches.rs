//! A network of `tch::nn` with two branches, Muon on its matrices and the scheduler on all layers:
//! `cargo run --release --example two_branches`.
//!
//! It learns random labels of random images, task after task, and prints what was measured of each layer as CSV.

use tch::{Device, Kind, Tensor, nn};
use trainability::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tch::manual_seed(0);
    let (tasks, updates) = (4, 150);
    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let same = nn::ConvConfig { padding: 1, ..nn::ConvConfig::default() };
    let filters = nn::conv2d(&root / "filters", 1, 8, 3, same);
    let [pixels, joined, head] = [("pixels", 64, 32), ("joined", 40, 32), ("head", 32, 10)]
        .map(|(name, inputs, outputs)| nn::linear(&root / name, inputs, outputs, nn::LinearConfig::default()));

    let images = Tensor::randn([256, 64], (Kind::Float, Device::Cpu));
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let planes = pass.nn_conv2d("filters", &filters, same, &x.view([-1, 1, 8, 8])).relu();
        let planes = planes.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
        let dense = pass.nn_linear("pixels", &pixels, x).relu();
        let joined = pass.nn_linear("joined", &joined, &Tensor::cat(&[planes, dense], 1)).relu();
        let joined = pass.hidden("joined", joined);
        pass.nn_linear("head", &head, &joined)
    };

    let mut learner = Learner::new(ClosureModel::new(forward, &images), MuonOptions::default())
        .learning_rate(0.02)
        .schedule(NoiseCurvature::debiased().with("cool", 0.95))
        .every(10)
        .tasks(tasks, updates)
        .build()?;
    println!("task,update,layer,learning_rate,effective_step,combined_bound,noise_variance,sharpness,action");
    for task in 0..tasks {
        let labels = Tensor::randint(10, [256], (Kind::Int64, Device::Cpu));
        for update in task * updates..(task + 1) * updates {
            let made = learner.update(&images, &labels)?;
            for layer in made.measured.iter().flat_map(|measured| &measured.layers) {
                let shown = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
                let of = |wanted: &str| {
                    let mut columns = layer.statistics.columns().chain(layer.bounds.columns());
                    shown(columns.find(|(name, _)| *name == wanted).and_then(|(_, value)| value))
                };
                let rate = layer.statistics.learning_rate;
                let [step, bound, noise, sharpness] =
                    ["effective_step", "combined_bound", "noise_variance", "sharpness"].map(of);
                let action = layer.action.map_or("", |action| action.name());
                println!("{task},{update},{},{rate},{step},{bound},{noise},{sharpness},{action}", layer.layer);
            }
            if update % updates == updates - 1 {
                eprintln!("task {task}: accuracy {:.3} at its last update, loss {:.3}", made.accuracy, made.loss);
            }
        }
    }
    Ok(())
}
