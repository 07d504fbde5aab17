//! Networks that PyTorch trained: every statistic against the values of `golden/probe.py`, what is undefined, and the new
//! task for which everything is known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use tch::{Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::relu::Relu;
use trainability_tensor::{Generator, State};

use crate::inspection::{Findings, Foreign, NewTask, Reading, Sources, compare, measure};
use crate::learner::Precision;
use crate::model::{Chain, Model, Shape, correct, cross_entropy};
use crate::optimizer::{AdamOptions, Optimizer};
use crate::run::MethodPlan;
use crate::testing::networks::{chain, logits, traced};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn values() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden("probe.json")).unwrap()).unwrap()
}

pub(super) fn reading(parts: &[&str], precision: Precision) -> Reading {
    let parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
    Reading {
        network: None,
        method: MethodPlan::with_activation(None, &parts, "the test").unwrap(),
        adam: AdamOptions::default(),
        learning_rate: 1e-3,
        precision: Some(precision),
        device: tch::Device::Cpu,
    }
}

fn read(parts: &[&str], precision: Precision, with_state: bool) -> Foreign {
    tch::set_num_threads(1);
    let (checkpoint, batch, state) =
        (golden("net.safetensors"), golden("batch.safetensors"), golden("state.safetensors"));
    let adam_state = with_state.then_some(state.as_path());
    let sources = Sources { checkpoint: &checkpoint, batch: &batch, adam_state, initial: None };
    Foreign::read(sources, reading(parts, precision)).unwrap()
}

/// The values of the network and of each layer, by name.
fn tables(findings: &Findings) -> BTreeMap<String, BTreeMap<&'static str, Option<f64>>> {
    let network = ("network".to_owned(), findings.network.clone());
    findings
        .layers
        .iter()
        .cloned()
        .chain([network])
        .map(|(name, values)| (name, values.into_iter().collect()))
        .collect()
}

/// Not columns, but what `probe.py` adds for the test of the spectrum.
const HELPERS: [&str; 2] = ["spectral_count", "parameters"];

#[track_caller]
fn compare_with_pytorch(parts: &[&str], case: &str, precision: Precision, tolerance: f64) {
    let expected = &values()[case];
    let found = tables(&measure(&mut read(parts, precision, true), 0).unwrap());
    let layers = expected["layers"].as_object().unwrap().iter().map(|(name, table)| (name.as_str(), table));
    for (place, table) in layers.chain([("network", &expected["network"])]) {
        let columns = table.as_object().unwrap().iter().filter(|(name, _)| !HELPERS.contains(&name.as_str()));
        for (name, expected) in columns {
            let found = found[place][name.as_str()];
            let expected = expected.as_f64().unwrap();
            let found = found.unwrap_or_else(|| panic!("{case}: {name} of {place} is undefined"));
            // An eigenvalue that is 0 is so up to rounding of the largest.
            let scale = if name == "sharpness_min" { 1.0 } else { expected.abs() };
            let error = (found - expected).abs();
            assert!(error <= tolerance * scale, "{case}: {name} of {place} is {found}, PyTorch has {expected}");
        }
    }
}

#[test]
fn everything_agrees_with_pytorch_in_double_precision() {
    compare_with_pytorch(&[], "plain", Precision::F64, 1e-9);
    compare_with_pytorch(&[r#"{"name": "l2_loss", "coefficient": 0.01}"#], "l2_loss", Precision::F64, 1e-9);
}

#[test]
fn everything_agrees_with_pytorch_in_single_precision_to_rounding() {
    compare_with_pytorch(&[], "plain", Precision::F32, 2e-5);
}

#[test]
fn the_spectral_rank_is_that_of_the_dense_hessian_up_to_its_random_starts() {
    for (parts, case) in [(&[] as &[&str], "plain"), (&[r#"{"name": "l2_loss", "coefficient": 0.01}"#], "l2_loss")] {
        let network = &values()[case]["network"];
        let share = network["spectral_count"].as_f64().unwrap() / network["parameters"].as_f64().unwrap();
        let mut foreign = read(parts, Precision::F64, true);
        let found: Vec<f64> = (0..8)
            .map(|seed| tables(&measure(&mut foreign, seed).unwrap())["network"]["hessian_spectral_rank"].unwrap())
            .collect();
        let mean = found.iter().sum::<f64>() / 8.0;
        // 32 starts on a count of tens: 4 %; four of them.
        assert!((mean / share - 1.0).abs() < 0.16, "{case}: {mean} against {share}");
    }
}

/// Names that are undefined in some table.
fn undefined(findings: &Findings, place: &str) -> Vec<&'static str> {
    tables(findings)[place].iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect()
}

#[test]
fn what_one_measurement_cannot_know_is_undefined_and_nothing_else() {
    let findings = measure(&mut read(&[], Precision::F64, true), 0).unwrap();
    // No parameters from which training began were given.
    let past = [
        "combined_bound",
        "distance_from_initialisation",
        "level_bound",
        "sharpness_mean",
        "volatility",
        "volatility_bound",
    ];
    assert_eq!(undefined(&findings, "fc1"), past);
    let hidden = [
        "dead_units",
        "dormant_units_0_01",
        "dormant_units_0_025",
        "dormant_units_0_1",
        "effective_rank",
        "feature_norm",
        "stable_rank",
        "unit_sign_entropy",
    ];
    let mut last: Vec<&str> = past.into_iter().chain(hidden).collect();
    last.sort_unstable();
    assert_eq!(undefined(&findings, "fc3"), last);
    let network = [
        "combined_bound",
        "distance_from_initialisation",
        "level_bound",
        "rho",
        "step_over_combined_bound",
        "step_over_level_bound",
        "step_over_volatility_bound",
        "volatility_bound",
    ];
    assert_eq!(undefined(&findings, "network"), network);

    let without = measure(&mut read(&[], Precision::F64, false), 0).unwrap();
    let mut expected: Vec<&str> = past.into_iter().chain(["effective_step", "normalized_sharpness"]).collect();
    expected.sort_unstable();
    assert_eq!(undefined(&without, "fc1"), expected);
    let steps = ["effective_step", "step_over_noise_bound", "step_over_noise_bound_debiased"];
    let of_update = ["sample_plasticity", "update_norm", "update_to_weight"];
    let mut expected: Vec<&str> = network.into_iter().chain(steps).chain(of_update).collect();
    expected.sort_unstable();
    assert_eq!(undefined(&without, "network"), expected);
    // What does not need the state is the same.
    assert_eq!(tables(&without)["fc2"]["sharpness"], tables(&findings)["fc2"]["sharpness"]);
}

/// What the next update would take away from the loss is tried on the network itself.
#[test]
fn a_network_is_as_before_once_it_has_been_measured() {
    for precision in [Precision::F64, Precision::F32] {
        let mut foreign = read(&[], precision, true);
        let parameters = |foreign: &Foreign| {
            let all = foreign.network.layers().iter().flat_map(|layer| &layer.parameters);
            all.map(|parameter| parameter.value.detach().copy()).collect::<Vec<Tensor>>()
        };
        let before = parameters(&foreign);
        let findings = measure(&mut foreign, 0).unwrap();
        assert_eq!(parameters(&foreign), before);
        assert_eq!(measure(&mut foreign, 0).unwrap(), findings);
        let plasticity = tables(&findings)["network"]["sample_plasticity"].unwrap();
        let gradients = |foreign: &Foreign| {
            let loss = cross_entropy(logits(&traced(foreign.network.as_ref(), &foreign.images)), &foreign.labels);
            (loss.double_value(&[]), crate::model::gradients(foreign.network.layers(), &loss, false))
        };
        let (loss, gradient) = gradients(&foreign);
        foreign.optimizer.step(foreign.network.layers_mut(), &gradient, &[1e-3; 3], false);
        let expected = (1.0 - gradients(&foreign).0 / loss).clamp(0.0, 1.0);
        assert!((plasticity - expected).abs() < 1e-6, "{plasticity}, expected {expected}");
    }
}

/// Writes tensors in safetensors format.
pub(super) fn save(path: &Path, tensors: &[(&str, &Tensor)]) {
    let raw: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let tensor = tensor.detach().contiguous();
            let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            let dtype = if tensor.kind() == Kind::Int64 { Dtype::I64 } else { Dtype::F64 };
            (*name, dtype, tensor.size().iter().map(|&length| length as usize).collect(), bytes)
        })
        .collect();
    let views = raw
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
}

/// Writes a network as a checkpoint.
pub(super) fn save_network(path: &Path, network: &Chain) {
    let mut state = State::default();
    network.save(&mut state);
    save(path, &state.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect::<Vec<_>>());
}

pub(super) const SAMPLES: usize = 40;

/// A network of 6-10-4 with the parameters that a new task of that seed begins its fresh one with.
fn fresh(seed: u64) -> Chain {
    fresh_with(Box::new(Relu), seed)
}

pub(super) fn fresh_with(activation: Box<dyn Activation>, seed: u64) -> Chain {
    let shape = Shape { inputs: 6, convolutions: None, hidden: vec![10], outputs: 4, kind: Kind::Double };
    chain(shape, activation, &mut Generator::named("initialisation", seed))
}

pub(super) fn images() -> Tensor {
    Generator::named("test images", 0).uniform(&[SAMPLES as i64, 6], 2.0, Kind::Double)
}

fn read_back(network: &Chain, samples: i64, learning_rate: f64) -> Foreign {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, batch) = (folder.path().join("net"), folder.path().join("batch"));
    save_network(&checkpoint, network);
    let labels = Tensor::zeros([samples], (Kind::Int64, tch::Device::Cpu));
    save(&batch, &[("images", &images().narrow(0, 0, samples)), ("labels", &labels)]);
    let sources = Sources { checkpoint: &checkpoint, batch: &batch, adam_state: None, initial: None };
    Foreign::read(sources, Reading { learning_rate, ..reading(&[], Precision::F64) }).unwrap()
}

#[test]
fn one_sample_has_no_noise() {
    let findings = measure(&mut read_back(&fresh(0), 1, 1e-3), 0).unwrap();
    let tables = tables(&findings);
    for name in ["noise_variance", "noise_bound", "noise_bound_debiased", "gradient_confidence"] {
        assert_eq!(tables["fc1"][name], None, "{name}");
    }
    assert!(tables["fc1"]["gradient_sq_norm"].is_some_and(|square| square > 0.0));
}

#[test]
fn a_network_without_a_past_is_as_trainable_as_a_fresh_one() {
    let task = NewTask { seed: 5, epochs: 30, batch_size: 16 };
    let comparison = compare(read_back(&fresh(5), SAMPLES as i64, 1e-2), task);
    assert_eq!(comparison.checkpoint, comparison.fresh);
    assert!(comparison.difference().by_epoch.iter().all(|difference| *difference == Some(0.0)));
    let [first, last] = [0, 29].map(|epoch| comparison.fresh.by_epoch[epoch].unwrap());
    assert!(last > first + 0.2, "it learns: {first} to {last}");
    let mean = comparison.fresh.by_epoch.iter().map(|value| value.unwrap()).sum::<f64>() / 30.0;
    assert!((comparison.fresh.online_accuracy.unwrap() - mean).abs() < 1e-12);
    // The labels are new ones: another seed, another curve.
    let other = compare(read_back(&fresh(5), SAMPLES as i64, 1e-2), NewTask { seed: 6, ..task });
    assert_ne!(other.checkpoint, other.fresh);
}

#[test]
fn the_first_pass_over_one_minibatch_is_the_accuracy_of_the_untrained_network() {
    let network = fresh(1);
    let task = NewTask { seed: 2, epochs: 1, batch_size: SAMPLES };
    let comparison = compare(read_back(&network, SAMPLES as i64, 1e-2), task);
    let labels = Generator::named("labels", 2).labels(SAMPLES, 4);
    let accuracy = |network: &Chain| correct(logits(&traced(network, &images())), &labels) as f64 / SAMPLES as f64;
    assert_eq!(comparison.checkpoint.online_accuracy, Some(accuracy(&network)));
    assert_eq!(comparison.fresh.online_accuracy, Some(accuracy(&fresh(2))));
}

#[test]
fn a_dead_network_has_lost_its_trainability_and_a_diverging_one_its_curve() {
    let dead = fresh(3);
    let mut bias = dead.layers()[0].parameters[1].value.detach();
    let _ = bias.fill_(-1000.0);
    let task = NewTask { seed: 3, epochs: 60, batch_size: 10 };
    let comparison = compare(read_back(&dead, SAMPLES as i64, 1e-2), task);
    let difference = comparison.difference();
    assert!(difference.by_epoch[59].unwrap() < -0.2, "{difference:?}");

    let comparison = compare(read_back(&fresh(3), SAMPLES as i64, 1e200), task);
    assert_eq!(comparison.checkpoint.online_accuracy, None);
    assert_eq!(comparison.difference().by_epoch[59], None);
}

#[test]
fn damaged_bytes_are_an_error_or_harmless_and_never_a_panic() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, batch) = (folder.path().join("net"), golden("batch.safetensors"));
    let good = std::fs::read(golden("net.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let read = |bytes: &[u8]| {
        std::fs::write(&checkpoint, bytes).unwrap();
        let sources = Sources { checkpoint: &checkpoint, batch: &batch, adam_state: None, initial: None };
        Foreign::read(sources, reading(&[], Precision::F64)).map(|_| ())
    };
    read(&good).unwrap();
    for length in (0..good.len()).step_by(7) {
        assert!(read(&good[..length]).is_err(), "cut at {length}");
    }
    let mut refused = 0;
    for place in 0..header {
        for change in [1, 0x20, 0x80] {
            let mut bytes = good.clone();
            bytes[place] ^= change;
            refused += usize::from(read(&bytes).is_err());
        }
    }
    // All but blanks between the header's end and the data.
    assert!(refused > 3 * (header - 16), "{refused} of {}", 3 * header);
}

#[test]
fn extreme_weights_are_measured_or_refused() {
    let mut outcomes = [0, 0];
    for exponent in [-320, -200, -100, -30, 0, 30, 70, 100, 150, 200, 300] {
        for layer in 0..3 {
            let mut foreign = read(&[], Precision::F64, true);
            let mut weight = foreign.network.layers()[layer].parameters[0].value.detach();
            let _ = weight.g_mul_scalar_(10_f64.powi(exponent));
            outcomes[usize::from(measure(&mut foreign, 0).is_ok())] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 3), "{outcomes:?} refused and measured");
}
