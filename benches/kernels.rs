//! The kernels that a run spends its time in, in the reference setting: 784-256-256-10, minibatches of 256, one thread.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tch::{Kind, Tensor};
use trainability::config::{Experiment, ImageFacts, Plan};
use trainability::data::ImageSet;
use trainability::network::{Network, Shape, cross_entropy, logits};
use trainability::probe::curvature::layer_curvatures;
use trainability::probe::hessian::Hessian;
use trainability::probe::noise::noise_variance;
use trainability::random::Generator;
use trainability::train::Run;
use trainability_baselines::lanczos::{Ends, LanczosOptions, extreme_eigenvalues};
use trainability_baselines::method::Part;
use trainability_baselines::{LayerTrace, activation, indicator};

const BATCH: i64 = 256;

/// Images of uniform noise in the shape of MNIST.
fn images(count: usize) -> ImageSet {
    let pixels = Generator::named("pixels", 0).labels(count * 784, 256);
    let images: Vec<i64> = Vec::try_from(pixels).expect("a list of pixels");
    ImageSet {
        name: "synthetic".to_owned(),
        images: images.into_iter().map(|pixel| pixel as u8).collect(),
        labels: vec![0; count],
        count,
        rows: 28,
        columns: 28,
        channels: 1,
        classes: 10,
        checksum: "none".to_owned(),
    }
}

/// A run that never ends, measured every `interval` updates.
fn run(method: &str, interval: u64, set: &ImageSet) -> Run {
    let experiment = json!({
        "stream": { "tasks": 1, "epochs": 1_000_000 },
        "measure": { "interval": interval },
        "methods": [method],
        "schedules": ["constant"],
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "bench", "bench").expect("a valid experiment");
    let plan = Plan::new(experiment, &ImageFacts { count: set.count, checksum: "none".to_owned() }).expect("a plan");
    Run::new(&plan.runs[0], set)
}

fn steps(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let set = images(1280);
    let mut group = criterion.benchmark_group("update");
    for part in trainability_baselines::PARTS {
        let mut run = run(part.name, 0, &set);
        group.bench_function(part.name, |bencher| bencher.iter(|| run.advance().expect("finite").task.is_none()));
    }
    let mut measured = run("relu", 1, &set);
    group.bench_function("relu, measured", |bencher| {
        bencher.iter(|| measured.advance().expect("finite").controls.len())
    });
    group.finish();
}

fn measurements(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let mut generator = Generator::named("bench", 0);
    let shape = Shape { inputs: 784, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
    let network = Network::new(shape, Box::new(activation::relu::Relu), &mut generator);
    let images = generator.uniform(&[BATCH, 784], 1.7, Kind::Float);
    let labels = generator.labels(BATCH as usize, 10);
    let graph = network.forward(&images);
    let loss = cross_entropy(logits(&graph), &labels);
    let gradients = network.gradients(&loss, true);
    let deltas = Network::deltas(&graph, &loss);
    let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();

    let mut group = criterion.benchmark_group("measurement");
    group.bench_function("per-sample variance, all layers", |bencher| {
        bencher.iter(|| -> f64 { (0..3).map(|l| noise_variance(&trace[l], &deltas[l], &gradients[l])).sum() })
    });
    group.bench_function("layer curvature, all layers", |bencher| {
        let options = LanczosOptions::default();
        bencher.iter(|| layer_curvatures(&network, &trace, &labels, &[], options, &mut generator.0).len())
    });
    group.bench_function("network sharpness", |bencher| {
        bencher.iter(|| {
            let hessian = Hessian::of_network(&network, &images, &labels, &[]);
            extreme_eigenvalues(&hessian, Ends::Largest, LanczosOptions::default(), &mut generator.0)
        })
    });
    group.bench_function("Fisher rank proxy", |bencher| bencher.iter(|| indicator::fisher_rank(&trace, &deltas)));
    group.finish();
}

fn penalties(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let mut generator = Generator::named("bench", 1);
    let shape = Shape { inputs: 784, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
    let network = Network::new(shape, Box::new(activation::relu::Relu), &mut generator);
    let zeros = |tensor: &Tensor| tensor.detach().zeros_like();
    let mut group = criterion.benchmark_group("penalty gradient");
    for name in ["l2_loss", "wasserstein"] {
        let part = Part::named(name).expect("in the registry");
        let (contribution, _) = part.build(part.default_options()).expect("defaults build");
        let trainability_baselines::method::Contribution::Penalty(mut penalty) = contribution else { continue };
        penalty.begin(&network.layers);
        let mut gradients: Vec<Vec<Tensor>> =
            network.layers.iter().map(|layer| layer.parameters.iter().map(|p| zeros(&p.value)).collect()).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                penalty.add_gradient(&network.layers, &mut gradients);
                black_box(&gradients);
            })
        });
    }
    group.finish();
}

criterion_group!(benches, steps, measurements, penalties);
criterion_main!(benches);
