//! What one update, one measurement and one task's end take in the reference setting.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;
use tch::{Kind, Tensor};
use trainability::data::ImageSet;
use trainability::model::{Pass, cross_entropy, deltas};
use trainability::probe::hessian::Hessian;
use trainability::run::Run;
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_baselines::registry::part;
use trainability_tensor::lanczos::{Ends, LanczosOptions, extreme_eigenvalues};
use trainability_tensor::{Generator, LayerTrace, State, Stateful, mkl};

use crate::reference::{Setting, digits, run};
use crate::timing::{Updates, time};

/// Prints one JSON object: medians in milliseconds, the processor, and whether MKL takes its fast paths.
pub(crate) fn measure() -> Result<()> {
    let set = digits()?;
    let mut plain = trained(Setting::default(), &set)?;
    let step_relu = Updates::until(&mut plain, |done| done.counts().0 == 400)?.update();

    let mut probed = trained(Setting { interval: 5, ..Setting::default() }, &set)?;
    let before = probed.seconds().clone();
    let updates = Updates::until(&mut probed, |done| done.counts().1 == 60)?;
    let seconds_of = |name: &str| {
        let seconds = |all: &BTreeMap<&str, f64>| all.get(name).copied().unwrap_or_default();
        1e3 * (seconds(probed.seconds()) - seconds(&before)) / updates.counts().1 as f64
    };

    let mut result = json!({
        "processor": processor_says("model name"),
        "vendor": processor_says("vendor_id"),
        "mkl_fast_paths": mkl::mkl_serv_intel_cpu_true() == 1,
        "sgemm_gflops": sgemm_gflops(),
        "step_relu": step_relu,
        "measurement": updates.measurement(),
        "measurement_variance": seconds_of("variance"),
        "measurement_curvature": seconds_of("curvature"),
    });
    for method in ["wasserstein", "spectral"] {
        if part(method).is_some() {
            let mut run = trained(Setting { method, ..Setting::default() }, &set)?;
            let step = Updates::until(&mut run, |done| done.counts().0 == 200)?.update();
            result[format!("step_{method}")] = json!(step);
        }
    }
    let [sharpness, rank] = task_end(&mut plain, &set)?;
    result["task_end"] = json!(sharpness + rank);
    result["task_end_sharpness"] = json!(sharpness);
    result["task_end_rank"] = json!(rank);
    for optimizer in ["sgd", "adam"] {
        let setting = Setting { optimizer, hidden: vec![300, 150], batch: 1, ..Setting::default() };
        let mut run = run(&setting, &set)?;
        let step = Updates::until(&mut run, |done| done.counts().0 == 3000)?.update();
        result[format!("step_of_one_{optimizer}")] = json!(step);
    }
    let set = at_scale(set);
    let setting = Setting { images: set.count, ..Setting::default() };
    for (name, interval) in [("", 0), ("_measured", 40)] {
        let mut run = run(&Setting { interval, ..setting.clone() }, &set)?;
        let updates = Updates::until(&mut run, |done| done.all() == 2 * set.count.div_ceil(setting.batch))?;
        result[format!("epoch_of_60000{name}")] = json!(updates.total() / 2.0);
        if interval == 0 {
            result["step_of_60000"] = json!(updates.update());
        }
    }
    println!("{result}");
    Ok(())
}

/// As many images as MNIST has, each where no other is in memory: those of the set twelve times.
fn at_scale(set: ImageSet) -> ImageSet {
    let times = 60_000 / set.count;
    ImageSet { images: set.images.repeat(times), labels: set.labels.repeat(times), count: times * set.count, ..set }
}

/// A run that has learnt its first task and begun the second.
fn trained(setting: Setting, set: &ImageSet) -> Result<Run> {
    let mut run = run(&setting, set)?;
    while run.advance()?.task.is_none() {}
    run.advance()?;
    Ok(run)
}

/// The whole network's sharpness and its Fisher rank proxy, on the probe batch at the end of a task.
fn task_end(run: &mut Run, set: &ImageSet) -> Result<[f64; 2]> {
    while run.advance()?.task.is_none() {}
    let mut state = State::default();
    run.save(&mut state);
    let batch = Setting::default().batch;
    let labels = state.tensor("stream/task/labels")?.narrow(0, 0, batch as i64);
    let images = probe_images(set, batch);
    let network = run.learner().model();
    let mut generator = Generator::named("bench", 0);

    let sharpness = time(15, || {
        let hessian = Hessian::of(network, .., &images, &labels, &[]);
        extreme_eigenvalues(&hessian, Ends::Largest, LanczosOptions::default(), &mut generator.0)
    });
    let rank = time(15, || {
        let mut pass = Pass::evaluation();
        let loss = cross_entropy(&network.forward(&images, &mut pass), &labels);
        let graph = pass.into_trace(network.layers());
        let deltas = deltas(&graph, &loss, labels.size()[0]);
        let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
        fisher_rank(&trace, &deltas)
    });
    Ok([sharpness, rank])
}

/// The first images of the run with seed 0, as the run itself has them.
fn probe_images(set: &ImageSet, count: usize) -> Tensor {
    let order = Generator::named("images", 0).permutation(set.count);
    let all = Tensor::from_slice(&set.images).view([set.count as i64, 784]).to_kind(Kind::Float);
    let normalised = (&all - all.mean(Kind::Float)) / all.std(false);
    normalised.index_select(0, &order.narrow(0, 0, count as i64))
}

/// Speed of a product of two matrices of 1024 x 1024, which tells what the processor can do.
fn sgemm_gflops() -> f64 {
    let matrix = Generator::named("bench", 1).uniform(&[1024, 1024], 1.0, Kind::Float);
    2.0 * 1024f64.powi(3) / (1e6 * time(20, || matrix.mm(&matrix)))
}

/// A line of `/proc/cpuinfo`; empty where there is none.
fn processor_says(key: &str) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = info.lines().find_map(|line| line.strip_prefix(key)?.split(':').nth(1).map(str::trim));
    value.unwrap_or_default().to_owned()
}
