//! The kernels that a run spends its time in, in the reference setting: 784-256-256-10, minibatches of 256, one thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tch::{Device, Kind, Tensor};
use trainability::model::{Chain, CrossEntropy, Model, Pass, Shape, TaskImages, cross_entropy, deltas, gradients};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::probe::UpdateView;
use trainability::probe::curvature::layer_curvatures;
use trainability::probe::hessian::Hessian;
use trainability::probe::noise::noise_variance;
use trainability::run::{Run, select_images};
use trainability_baselines::activation;
use trainability_baselines::indicator::{LayerGradient, Observation, Shared, UpdateSummary};
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::{INDICATORS, PARTS};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{Generator, LayerTrace};

mod reference;

use reference::{Setting, digits, run};

const BATCH: i64 = 256;

fn updates(criterion: &mut Criterion) {
    let set = digits().expect("`make setup` brings the images");
    let mut group = criterion.benchmark_group("update");
    for part in PARTS {
        let mut run = run(&Setting { method: part.name, ..Setting::default() }, &set).expect("a plan");
        group.bench_function(part.name, |bencher| bencher.iter_custom(|count| time_updates(&mut run, count)));
    }
    let mut measured = run(&Setting { interval: 1, ..Setting::default() }, &set).expect("a plan");
    group.bench_function("relu, measured", |bencher| bencher.iter_custom(|count| time_updates(&mut measured, count)));
    group.finish();
}

/// The time of that many updates; those that begin or end a task are made, but not counted.
fn time_updates(run: &mut Run, count: u64) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = count;
    let mut first_of_task = true;
    while left > 0 {
        let start = Instant::now();
        let ended = run.advance().expect("finite").task.is_some();
        if !first_of_task && !ended {
            total += start.elapsed();
            left -= 1;
        }
        first_of_task = ended;
    }
    total
}

fn network(generator: &mut Generator) -> Chain {
    let shape = Shape { inputs: 784, convolutions: None, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
    Chain::new(shape, Box::new(activation::relu::Relu), Device::Cpu, generator)
}

/// Forward and backward, with and without the background of the images.
fn training_passes(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let set = digits().expect("`make setup` brings the images");
    let images = select_images(&set, 1280, Kind::Float, 0);
    let mut generator = Generator::named("bench", 2);
    let network = network(&mut generator);
    let (rows, labels) = (generator.labels(BATCH as usize, 1280), generator.labels(BATCH as usize, 10));
    let mut group = criterion.benchmark_group("training pass");
    for (name, batch_size) in [("dense", 1), ("sparse", BATCH as usize)] {
        let images = TaskImages::new(&images, Some(batch_size));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let pass = network.training_pass(images.inputs(&rows));
                let loss = CrossEntropy::of(&pass.logits, &labels);
                network.backward(&pass, &loss, false)
            })
        });
    }
    group.finish();
}

fn measurements(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let mut generator = Generator::named("bench", 0);
    let network = network(&mut generator);
    let images = generator.uniform(&[BATCH, 784], 1.7, Kind::Float);
    let labels = generator.labels(BATCH as usize, 10);
    let mut pass = Pass::evaluation();
    let loss = cross_entropy(&network.forward(&images, &mut pass), &labels);
    let graph = pass.into_trace(network.layers());
    let gradients = gradients(network.layers(), &loss, true);
    let deltas = deltas(&graph, &loss, labels.size()[0]);
    let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();

    let mut group = criterion.benchmark_group("measurement");
    group.bench_function("per-sample variance, all layers", |bencher| {
        bencher.iter(|| -> f64 {
            (0..3).map(|l| noise_variance(&trace[l], deltas[l].as_ref().expect("no batch norm"), &gradients[l])).sum()
        })
    });
    group.bench_function("layer curvature, all layers", |bencher| {
        let view = UpdateView {
            model: &network,
            inputs: &images,
            labels: &labels,
            trace: &trace,
            deltas: &deltas,
            cross_entropy_gradients: &gradients,
            total_gradients: &gradients,
            optimizer: &Adam::new(AdamOptions::default(), WeightDecay::None, network.layers()),
            learning_rates: &[1e-3; 3],
            penalties: &[],
        };
        bencher.iter(|| layer_curvatures(&view, LanczosOptions::default(), &mut generator.0).len())
    });
    group.finish();

    let hessian = Hessian::of(&network, .., &images, &labels, &[]);
    let gradients = [LayerGradient { sq_norm: 1.0, noise_variance: Some(1.0) }; 3];
    // A new one for each measurement: it keeps what indicators share.
    let observation = || Observation {
        layers: network.layers(),
        trace: &trace,
        deltas: Some(&deltas),
        gradients: Some(&gradients),
        update: Some(UpdateSummary { mean_absolute_update: 1e-3, mean_absolute_weight: 0.1 }),
        losses: Some([2.3, 2.2]),
        initial: Some(network.layers()),
        tangent_kernels: None,
        hessian: Some(&hessian),
        lanczos: LanczosOptions::default(),
        spectrum: SpectrumOptions { starts: 1, products: 40 },
        shared: Shared::default(),
    };
    let mut group = criterion.benchmark_group("indicator");
    for indicator in INDICATORS {
        group.bench_function(indicator.definition().name, |bencher| {
            bencher.iter(|| indicator.measure(&observation(), &mut generator.0))
        });
    }
    group.finish();
}

fn penalties(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    let network = network(&mut Generator::named("bench", 1));
    let zeros = |tensor: &Tensor| tensor.detach().zeros_like();
    let mut group = criterion.benchmark_group("penalty gradient");
    for part in PARTS {
        let (contribution, _) = part.build(part.default_options()).expect("defaults build");
        let Contribution::Penalty(mut penalty) = contribution else { continue };
        penalty.begin(network.layers());
        let mut gradients: Vec<Vec<Tensor>> =
            network.layers().iter().map(|layer| layer.parameters.iter().map(|p| zeros(&p.value)).collect()).collect();
        group.bench_function(part.name, |bencher| {
            bencher.iter(|| {
                penalty.add_gradient(network.layers(), &mut gradients);
                black_box(&gradients);
            })
        });
    }
    group.finish();
}

criterion_group!(benches, updates, training_passes, measurements, penalties);
criterion_main!(benches);
