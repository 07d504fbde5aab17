//! Schedules: plain decays against closed forms and PyTorch's values, the ablations of the controller, and the scope
//! `network` against a slow, obvious computation in f64.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability::config::{Experiment, ImageFacts, Plan, RunPlan};
use trainability::data::ImageSet;
use trainability::network::{Network, Shape, cross_entropy, logits};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::probe::hessian::Hessian;
use trainability::probe::{LayerStatistics, Probe, ProbeOptions, Scene};
use trainability::random::Generator;
use trainability::schedule::{
    BoundEstimator, BoundOptions, Entry, Progress, RunFacts, SCHEDULES, Schedule, ScheduleError, Start,
};
use trainability::train::{ControlRow, Run};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::lanczos::SymmetricOperator;
use trainability_baselines::method::WeightDecay;
use trainability_baselines::{LayerTrace, State};

const BASE: f64 = 1e-3;

fn schedule(name: &str, own: Value) -> Result<Box<dyn Schedule>, ScheduleError> {
    let facts = RunFacts { parts: &[], learning_rate: BASE };
    let resolved = (Entry::named(name).unwrap().resolve)(&json!({}), &own, facts)?;
    Ok((resolved.factory)(Start { learning_rate: BASE, layers: 2 }))
}

fn at(update: u64, tasks: u64, updates_in_task: u64) -> Progress {
    let (task, update_in_task) = (update / updates_in_task, update % updates_in_task);
    Progress { update, updates: tasks * updates_in_task, task, update_in_task, updates_in_task }
}

/// The rate of every update of a run, the same for both layers.
fn rates(name: &str, own: Value, tasks: u64, updates_in_task: u64) -> Vec<f64> {
    let mut schedule = schedule(name, own).unwrap();
    let rate = |update| {
        schedule.begin_update(at(update, tasks, updates_in_task));
        let rates = schedule.learning_rates();
        assert!(rates.len() == 2 && rates[0] == rates[1]);
        rates[0]
    };
    (0..tasks * updates_in_task).map(rate).collect()
}

/// From PyTorch 2.13:
/// ```python
/// from torch.optim.lr_scheduler import *
/// def rates(make):
///     optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
///     schedule, rates = make(optimizer), []
///     for _ in range(8):
///         rates.append(optimizer.param_groups[0]["lr"]); optimizer.step(); schedule.step()
///     return rates
/// rates(lambda o: LinearLR(o, 1.0, 0.1, 8))
/// rates(lambda o: ExponentialLR(o, 0.1 ** (1 / 8)))
/// rates(lambda o: CosineAnnealingLR(o, 8, 1e-4))
/// rates(lambda o: CosineAnnealingWarmRestarts(o, 4, 1, 1e-4))
/// rates(lambda o: MultiStepLR(o, [2, 4, 6], 0.5))
/// rates(lambda o: StepLR(o, 4, 0.3))
/// rates(lambda o: SequentialLR(o, [LinearLR(o, 0.01, 1.0, 2), ConstantLR(o, 1.0, 1), LinearLR(o, 1.0, 0.1, 4)], [2, 4]))
/// ```
#[test]
fn plain_decays_equal_pytorchs() {
    let cosine = json!({ "end_factor": 0.1, "restart": "task" });
    let step = json!({ "factor": 0.3, "every_tasks": 2 });
    let rise = json!({ "start_factor": 0.01, "warmup_share": 0.25, "decay_share": 0.5, "end_factor": 0.1 });
    // Name, options, tasks, rates of eight updates in thousandths.
    let golden: [(&str, Value, u64, [f64; 8]); 7] = [
        ("linear", json!({}), 1, [1.0, 0.8875, 0.775, 0.6625, 0.55, 0.4375, 0.325, 0.2125]),
        (
            "exponential",
            json!({}),
            1,
            [
                1.0,
                0.7498942093324559,
                0.5623413251903491,
                0.4216965034285823,
                0.316227766016838,
                0.2371373705661656,
                0.17782794100389235,
                0.13335214321633248,
            ],
        ),
        (
            "cosine",
            json!({}),
            1,
            [
                1.0,
                0.965745789630079,
                0.8681980515339464,
                0.7222075445642906,
                0.55,
                0.37779245543570966,
                0.23180194846605365,
                0.13425421036992097,
            ],
        ),
        (
            "cosine",
            cosine,
            2,
            [1.0, 0.8681980515339464, 0.55, 0.23180194846605365, 1.0, 0.8681980515339464, 0.55, 0.23180194846605365],
        ),
        ("step", json!({}), 1, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
        ("step", step, 4, [1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 0.3, 0.3]),
        ("warmup_stable_decay", rise, 1, [0.01, 0.505, 1.0, 1.0, 1.0, 0.775, 0.55, 0.325]),
    ];
    for (name, own, tasks, expected) in golden {
        for (found, expected) in rates(name, own, tasks, 8 / tasks).into_iter().zip(expected) {
            assert!((found / (expected * 1e-3) - 1.0).abs() < 1e-13, "{name}: {found} against {expected} thousandths");
        }
    }
}

#[test]
fn a_rate_of_its_own_takes_the_place_of_the_base_rate() {
    assert_eq!(rates("constant", json!({}), 1, 2), [BASE; 2]);
    assert_eq!(rates("constant", json!({ "learning_rate": 3e-4 }), 1, 2), [3e-4; 2]);
    for name in ["linear", "exponential", "cosine", "step"] {
        let found = rates(name, json!({ "learning_rate": 2.0 * BASE }), 3, 4);
        let expected: Vec<f64> = rates(name, json!({}), 3, 4).iter().map(|rate| 2.0 * rate).collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(found[0], 2.0 * BASE);
    }
}

#[test]
fn a_restart_makes_every_task_a_run_of_its_own() {
    for name in ["linear", "exponential", "cosine", "warmup_stable_decay"] {
        let whole = rates(name, json!({ "restart": "task" }), 3, 20);
        let single = rates(name, json!({}), 1, 20);
        assert!(single.iter().any(|&rate| rate < 0.5 * BASE) && single.contains(&BASE));
        for task in whole.chunks(20) {
            assert_eq!(task, single, "{name}");
        }
    }
}

#[test]
fn milestones_are_met_at_the_update_that_they_name() {
    // 29 of 100 is below 0.29 * 100 in floating point.
    let found = rates("step", json!({ "milestones": [0.29, 0.58], "factor": 0.1 }), 1, 100);
    let changes: Vec<usize> = (1..100).filter(|&update| found[update] != found[update - 1]).collect();
    assert_eq!(changes, [29, 58]);
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let both = json!({ "milestones": [0.5], "every_tasks": 2 });
    for (name, own, key) in [
        ("constant", json!({ "learning_rate": 0.0 }), "learning_rate"),
        ("cosine", json!({ "learning_rate": -1.0 }), "learning_rate"),
        ("linear", json!({ "end_factor": 1.0 }), "end_factor"),
        ("linear", json!({ "end_factor": -0.1 }), "end_factor"),
        ("cosine", json!({ "end_factor": 1.0 }), "end_factor"),
        ("exponential", json!({ "end_factor": 0.0 }), "end_factor"),
        ("step", json!({ "factor": 1.0 }), "factor"),
        ("step", json!({ "every_tasks": 0 }), "every_tasks"),
        ("step", both, "every_tasks"),
        ("step", json!({ "milestones": [] }), "milestones"),
        ("step", json!({ "milestones": [0.5, 0.5] }), "milestones"),
        ("step", json!({ "milestones": [0.5, 1.0] }), "milestones"),
        ("warmup_stable_decay", json!({ "start_factor": 0.0 }), "start_factor"),
        ("warmup_stable_decay", json!({ "warmup_share": -0.1 }), "warmup_share"),
        ("warmup_stable_decay", json!({ "warmup_share": 0.81 }), "decay_share"),
        ("warmup_stable_decay", json!({ "warmup_share": 0, "decay_share": 0 }), "decay_share"),
        ("warmup_stable_decay", json!({ "end_factor": 1.0 }), "end_factor"),
    ] {
        match schedule(name, own.clone()) {
            Err(ScheduleError::Value(error)) => assert_eq!(error.key, key, "{name} with {own}: {error}"),
            other => panic!("{name} with {own}: {other:?}"),
        }
    }
    assert!(schedule("warmup_stable_decay", json!({ "warmup_share": 0.7, "decay_share": 0.3 })).is_ok());
}

proptest! {
    #[test]
    fn rates_lie_between_the_end_and_the_base(
        end in 0.001..0.999f64, base in 1e-6..1.0f64, tasks in 1u64..8, length in 1u64..60, restart in any::<bool>(),
    ) {
        let restart = if restart { "task" } else { "never" };
        let usual = json!({ "learning_rate": base, "end_factor": end, "restart": restart });
        let step = json!({ "learning_rate": base, "factor": end });
        for (name, own, lowest) in [
            ("linear", usual.clone(), end),
            ("exponential", usual.clone(), end),
            ("cosine", usual.clone(), end),
            ("warmup_stable_decay", usual, end.min(0.1)),
            ("step", step, end.powi(3)),
        ] {
            let found = rates(name, own, tasks, length);
            prop_assert!(found.iter().all(|&rate| rate > 0.0 && rate <= base), "{} {:?}", name, found);
            prop_assert!(found.iter().all(|&rate| rate >= base * lowest * (1.0 - 1e-15)), "{} {:?}", name, found);
            let falls = found.windows(2).all(|pair| pair[1] <= pair[0]);
            prop_assert!(falls || restart == "task" || name == "warmup_stable_decay", "{} {:?}", name, found);
        }
    }

    #[test]
    fn a_restored_schedule_goes_on_with_the_same_bits(stop in 0u64..30) {
        for name in ["constant", "linear", "exponential", "cosine", "step", "warmup_stable_decay"] {
            let (mut before, mut after) = (schedule(name, json!({})).unwrap(), schedule(name, json!({})).unwrap());
            before.begin_update(at(stop, 3, 10));
            after.begin_update(at(29 - stop, 3, 10));
            let mut state = State::default();
            before.save(&mut state);
            after.restore(&state).unwrap();
            prop_assert_eq!(before.learning_rates(), after.learning_rates());
            before.begin_update(at(stop / 2, 3, 10));
            after.begin_update(at(stop / 2, 3, 10));
            prop_assert_eq!(before.learning_rates(), after.learning_rates());
        }
    }
}

fn images() -> ImageSet {
    // As in a sweep: several threads in each of several tests only wait for each other.
    tch::set_num_threads(1);
    let pixels = Generator::named("pixels", 0).labels(48 * 16, 256);
    ImageSet {
        name: "synthetic".to_owned(),
        images: Vec::<i64>::try_from(pixels).unwrap().into_iter().map(|pixel| pixel as u8).collect(),
        labels: vec![0; 48],
        count: 48,
        rows: 4,
        columns: 4,
        channels: 1,
        classes: 10,
        checksum: "none".to_owned(),
    }
}

/// The base rate of the runs.
const RATE: f64 = 0.05;

/// A plan a schedule, by the schedule's label.
fn plans(schedules: Value) -> BTreeMap<String, RunPlan> {
    let experiment = json!({
        "stream": { "tasks": 3, "epochs": 12 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 16, "learning_rate": RATE },
        "measure": { "interval": 2, "window": 3, "probe_images": 16 },
        // With beta = 1 the volatility's term is too small to set the combined bound apart from the noise bound.
        "control": { "cool": 0.9, "beta": 50.0 },
        "methods": ["relu"],
        "schedules": schedules,
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
    let facts = ImageFacts { count: 48, checksum: "none".to_owned() };
    let runs = Plan::new(experiment, &facts).unwrap().runs;
    runs.into_iter().map(|run| (run.schedule.clone(), run)).collect()
}

#[test]
fn the_smoke_sweep_runs_every_schedule_and_the_controls_sweep_asks_what_it_says() {
    let labels = |name: &str| -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name);
        let experiment = Experiment::load(&path, &[]).unwrap();
        let facts = ImageFacts { count: 5000, checksum: "none".to_owned() };
        let runs = Plan::new(experiment, &facts).unwrap().runs;
        runs.into_iter().filter(|run| run.seed == 0 && run.method.label == "relu").map(|run| run.schedule).collect()
    };
    let smoke = labels("smoke-schedules.json");
    for entry in SCHEDULES {
        assert!(smoke.iter().any(|label| label == entry.name), "configs/smoke-schedules.json leaves out {}", entry.name);
    }
    let constants = ["0.0001", "0.0003", "0.0005"].map(|rate| format!("constant-learning_rate={rate}"));
    let expected = ["linear", "exponential", "cosine", "step", "warmup_stable_decay", "debiased", "paper", "as_run"];
    let expected =
        [&["constant"], &constants.each_ref().map(String::as_str)[..], &expected, &["floor_only", "cooling_only"]];
    assert_eq!(labels("controls.json"), expected.concat());
}

fn controls(plan: &RunPlan) -> Vec<ControlRow> {
    let mut run = Run::new(plan, &images());
    let mut rows = Vec::new();
    while !run.is_over() {
        rows.extend(run.advance().unwrap().controls);
    }
    rows
}

#[test]
fn a_run_trains_at_the_rates_of_its_decay_and_a_constant_keeps_its_own() {
    let schedules = json!(["constant", { "name": "constant", "learning_rate": 3e-4 }, "cosine", "step"]);
    let plans = plans(schedules);
    let expected: Vec<&str> = plans.keys().map(String::as_str).collect();
    assert_eq!(expected, ["constant", "constant-learning_rate=0.0003", "cosine", "step"]);
    let found = |label: &str| -> Vec<(u64, f64)> {
        let rows = controls(&plans[label]);
        assert!(rows.len() == 3 * 53 && rows.iter().all(|row| row.action.is_empty()));
        rows.iter().map(|row| (row.update, row.learning_rate)).collect()
    };
    assert!(found("constant").iter().all(|(_, rate)| *rate == RATE));
    assert!(found("constant-learning_rate=0.0003").iter().all(|(_, rate)| *rate == 3e-4));
    for name in ["cosine", "step"] {
        let expected = rates(name, json!({ "learning_rate": RATE }), 3, 36);
        // Updates are counted from 1 in the rows.
        assert!(found(name).iter().all(|&(update, rate)| rate == expected[update as usize - 1]), "{name}");
    }
    // The plain control says nothing of a rate; what it starts from is in the run's training options.
    assert!(plans["constant"].resolved.options.get("learning_rate").is_none());
    assert_eq!(plans["constant-learning_rate=0.0003"].resolved.options["learning_rate"], 3e-4);
}

#[test]
fn each_ablation_keeps_the_bound_that_its_name_says() {
    let names = ["noise_curvature", "noise_only", "volatility_only", "level_only", "cooling_only", "floor_only"];
    let plans = plans(json!(names));
    let mut seen = Vec::new();
    for name in names {
        let rows = controls(&plans[name]);
        let (mut cooled, mut held) = (0, 0);
        for row in &rows {
            let (step, bound) = (
                row.effective_step.unwrap(),
                match name {
                    "noise_only" => row.noise_bound,
                    "volatility_only" => row.volatility_bound,
                    "level_only" => row.level_bound,
                    "floor_only" => Some(0.0),
                    _ => row.combined_bound,
                },
            );
            // METHOD 4 with its constants; the first tenth of a task of 36 updates is its first four.
            let safe = 0.8 * bound.unwrap_or(f64::NAN);
            let window = (row.update - 1) % 36 < 4 && name != "cooling_only";
            let expected = match bound {
                None => "undefined",
                Some(_) if step > safe && step > 0.12 => "cooled",
                Some(_) if window && step < 0.3 * safe => "warmed",
                Some(_) => "held",
            };
            assert_eq!(row.action, expected, "{name}: {row:?}");
            cooled += u32::from(expected == "cooled");
            held += u32::from(expected == "held");
        }
        if name == "floor_only" {
            assert!(rows.iter().all(|row| (row.action == "cooled") == (row.effective_step.unwrap() > 0.12)));
        }
        assert!(cooled > 0, "{name} never cooled");
        assert!(rows.iter().any(|row| row.action == "warmed") || ["cooling_only", "floor_only"].contains(&name));
        assert!(held > 0, "{name} never held");
        seen.push(rows);
    }
    for (place, rows) in seen.iter().enumerate() {
        assert!(seen[..place].iter().all(|other| other != rows), "{} is another ablation once more", names[place]);
    }
}

#[test]
fn under_the_scope_network_all_layers_share_one_decision() {
    let plans =
        plans(json!(["noise_curvature", { "name": "noise_curvature", "scope": "network", "label": "network" }]));
    let (layer, network) = (controls(&plans["noise_curvature"]), controls(&plans["network"]));
    let together = |rows: &[ControlRow]| {
        let same = |layers: &[ControlRow]| {
            layers.iter().all(|row| row.learning_rate == layers[0].learning_rate && row.action == layers[0].action)
        };
        rows.chunks(3).all(same)
    };
    assert!(together(&network) && !together(&layer));
    assert!(network.iter().any(|row| row.action == "cooled"));
    // The rows still are the layers' own.
    assert!(network.chunks(3).any(|layers| layers[0].combined_bound != layers[1].combined_bound));
    assert_eq!(plans["network"].resolved.options["scope"], "network");
}

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

fn slow(network: &Network, images: &Tensor, labels: &Tensor) -> Slow {
    let loss = |images: &Tensor, labels: &Tensor| cross_entropy(logits(&network.forward(images)), labels);
    let rows = (0..images.size()[0])
        .map(|i| flat(&network.gradients(&loss(&images.narrow(0, i, 1), &labels.narrow(0, i, 1)), false)))
        .collect::<Vec<_>>();
    let rows = Tensor::stack(&rows, 0);
    let mean = rows.mean_dim(0, false, Kind::Double);
    let hessian = Hessian::of_network(network, images, labels, &[]);
    let size = hessian.size();
    let identity = Tensor::eye(size, (Kind::Double, Device::Cpu));
    let whole = Tensor::stack(&(0..size).map(|i| hessian.apply(&identity.get(i))).collect::<Vec<_>>(), 1);
    let mut mask = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
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
    let shape = Shape { inputs: 6, hidden: vec![5, 4], outputs: 3, kind: Kind::Double };
    let mut network = Network::new(shape, Box::new(Relu), &mut generator);
    let options = AdamOptions { beta1: 0.8, beta2: 0.9, epsilon: 1e-3 };
    let mut optimizer = Adam::new(options, WeightDecay::None, &network.layers);
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
        let trace = network.forward(&images);
        let loss = cross_entropy(logits(&trace), &labels);
        let gradients = network.gradients(&loss, true);
        let deltas = Network::deltas(&trace, &loss);
        let trace: Vec<LayerTrace> = trace.iter().map(LayerTrace::detach).collect();
        if step > 0 {
            let scene = Scene {
                network: &network,
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
                let layers = probe.measure(&scene).0;
                probe.measure_network(&scene, &layers)
            };
            let (found, other) = (whole(&mut rms), whole(&mut elementwise));
            let slow = slow(&network, &images, &labels);
            close(Some(found.gradient_sq_norm), slow.gradient_sq_norm);
            close(Some(found.noise_variance), slow.noise_variance);
            close(found.sharpness, slow.block_diagonal_sharpness);
            assert!(slow.whole_sharpness > 1.01 * slow.block_diagonal_sharpness, "a lower bound, and not an equal");

            let (correction1, correction2) = (1.0 - 0.8f64.powi(step), 1.0 - 0.9f64.powi(step));
            let moments = |weights_alone: bool| -> Vec<f64> {
                let parameters = optimizer.moments().iter().flat_map(|layer| layer.iter().enumerate());
                let tensors = parameters.filter(|(place, _)| *place == 0 || !weights_alone);
                tensors.flat_map(|(_, m)| Vec::<f64>::try_from(m.second.flatten(0, -1)).unwrap()).collect()
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
                close(bounds.combined, 8.0 * signal / slow.noise_variance);
            } else {
                let volatility = (normalized - mean).powi(2) / (mean + 1e-8);
                close(found.volatility, volatility);
                close(bounds.combined, 8.0 * signal / (slow.noise_variance + 3.0 * signal * volatility));
            }
        }
        optimizer.step(&mut network.layers, &gradients, &learning_rates, false);
    }
}
