//! `trainability probe`, on files as PyTorch's users would write them, and on those that nobody should.

use std::path::Path;

use serde_json::{Value, json};
use trainability::run::{columns, of_method};
use trainability_baselines::registry::INDICATORS;

use super::workdir::{Workdir, assert_contains};

/// A safetensors file by hand: a header of any kind, then data.
fn file(header: &Value, data: &[u8]) -> Vec<u8> {
    let text = header.to_string();
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), data].concat()
}

/// A tensor: its type, its shape, its bytes.
type Raw = (&'static str, Vec<usize>, Vec<u8>);

fn floats(shape: &[usize], values: impl IntoIterator<Item = f32>) -> Raw {
    ("F32", shape.to_vec(), values.into_iter().flat_map(f32::to_le_bytes).collect())
}

fn integers(values: &[i64]) -> Raw {
    ("I64", vec![values.len()], values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// Values that are all different.
fn some(shape: &[usize]) -> Raw {
    let count = shape.iter().product::<usize>();
    floats(shape, (0..count).map(|place| ((place * 37 + 11) % 101) as f32 / 101.0 - 0.45))
}

#[derive(Clone)]
struct Tensors(Vec<(&'static str, Raw)>);

impl Tensors {
    fn with(&self, name: &'static str, raw: Raw) -> Tensors {
        let rest = self.without(name);
        Tensors(rest.0.into_iter().chain([(name, raw)]).collect())
    }

    fn without(&self, name: &str) -> Tensors {
        Tensors(self.0.iter().filter(|(other, _)| *other != name).cloned().collect())
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut header, mut data) = (json!({}), Vec::new());
        for (name, (dtype, shape, bytes)) in &self.0 {
            let offsets = [data.len(), data.len() + bytes.len()];
            header[name] = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            data.extend(bytes);
        }
        file(&header, &data)
    }
}

fn network() -> Tensors {
    Tensors(vec![
        ("fc1.weight", some(&[4, 3])),
        ("fc1.bias", some(&[4])),
        ("fc2.weight", some(&[2, 4])),
        ("fc2.bias", some(&[2])),
    ])
}

fn batch() -> Tensors {
    Tensors(vec![("images", some(&[5, 3])), ("labels", integers(&[0, 1, 1, 0, 1]))])
}

fn state() -> Tensors {
    let ones = |shape: &[usize]| floats(shape, std::iter::repeat_n(0.25, shape.iter().product()));
    let moments = [
        ("fc1.weight.exp_avg_sq", vec![4, 3]),
        ("fc1.bias.exp_avg_sq", vec![4]),
        ("fc2.weight.exp_avg_sq", vec![2, 4]),
        ("fc2.bias.exp_avg_sq", vec![2]),
    ];
    let moments = moments.into_iter().map(|(name, shape)| (name, ones(&shape)));
    Tensors(moments.chain([("step", floats(&[], [10.0]))]).collect())
}

fn workdir() -> Workdir {
    let work = Workdir::new();
    work.write("net", network().bytes());
    work.write("batch", batch().bytes());
    work.write("state", state().bytes());
    work
}

const PROBE: [&str; 5] = ["probe", "--checkpoint", "net", "--batch", "batch"];
const WITH_STATE: [&str; 7] = ["probe", "--checkpoint", "net", "--batch", "batch", "--adam-state", "state"];

fn refuse(work: &Workdir, arguments: &[&str], parts: &[&str]) {
    work.refuse(&[&PROBE[..], arguments].concat(), parts);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_json_has_the_columns_of_a_runs_tables_as_its_keys() {
    let work = workdir();
    let said = work.run(&[&WITH_STATE[..], &["--json"]].concat()).succeeded();
    assert_eq!(said.stderr, "");
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(keys(&found), ["layers", "network", "precision"]);
    assert_eq!(keys(&found["layers"]), ["fc1", "fc2"]);
    let indicators = INDICATORS.iter().map(|indicator| indicator.definition().name);
    let of_method = of_method();
    let own = of_method.iter().map(|own| own.name);
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join(" ")
    };
    // Their order is that of `tasks.csv`, where what came later stands behind.
    let network = ["final_accuracy", "final_loss"].into_iter().chain(indicators).chain(own).collect();
    assert_eq!(sorted(keys(&found["network"])), sorted(network));
    let of_runs = ["task", "update", "layer", "samples", "action"];
    let layerwise = INDICATORS.iter().filter(|indicator| indicator.layerwise().is_some());
    let layer: Vec<&str> = columns()
        .controls
        .into_iter()
        .filter(|name| !of_runs.contains(name))
        .chain(layerwise.map(|indicator| indicator.definition().name))
        .collect();
    assert_eq!(keys(&found["layers"]["fc1"]), layer);
    assert_eq!(found["precision"], "f32");
    // v = 0.25 after ten steps: the effective step by hand.
    let rms = (0.25_f64 / (1.0 - 0.999_f64.powi(10))).sqrt() + 1e-8;
    let step = 1e-3 / ((1.0 - 0.9_f64.powi(10)) * rms);
    let found_step = found["layers"]["fc2"]["effective_step"].as_f64().unwrap();
    assert!((found_step / step - 1.0).abs() < 1e-6, "{found_step} against {step}");
    assert_eq!(found["network"]["update_norm"], Value::Null, "without first moments");
    assert_eq!(found["layers"]["fc1"]["volatility"], Value::Null);
}

#[test]
fn names_of_wrapped_and_numbered_networks_are_understood() {
    let work = workdir();
    let said = |arguments: &[&str]| work.run(&[arguments, &["--json"]].concat()).succeeded().stdout;
    let expected = said(&WITH_STATE);
    let renamed = |tensors: Tensors, rename: fn(&str) -> &'static str| {
        Tensors(tensors.0.into_iter().map(|(name, raw)| (rename(name), raw)).collect())
    };
    let wrapped = |name: &str| -> &'static str {
        if name == "step" { "step" } else { format!("module._orig_mod.{name}").leak() }
    };
    let numbered = |name: &str| -> &'static str {
        let (layer, role) = name.split_once('.').unwrap_or((name, ""));
        match layer {
            "fc1" => format!("net.0.{role}").leak(),
            "fc2" => format!("net.2.{role}").leak(),
            other => other.to_owned().leak(),
        }
    };
    for rename in [wrapped, numbered as fn(&str) -> &'static str] {
        work.write("net", renamed(network(), rename).bytes());
        work.write("state", renamed(state(), rename).bytes());
        assert_eq!(said(&WITH_STATE), expected);
    }
}

#[test]
fn what_torch_save_writes_is_named_with_the_lines_that_convert_it() {
    let work = workdir();
    for begin in [&b"PK\x03\x04"[..], &[0x80, 0x02]] {
        work.write("net", [begin, &[0; 40]].concat());
        let parts =
            ["net is a file of torch.save", "save_file(torch.load(\"net\"", "from safetensors.torch import save_file"];
        refuse(&work, &[], &parts);
    }
}

#[test]
fn a_kind_of_network_has_its_options() {
    let work = workdir();
    refuse(&work, &["--model", "residual"], &["`images` is of shape [5, 3]", "[N, channels, height, width]"]);
    refuse(&work, &["--model", "recurrent"], &["--model", "unknown variant `recurrent`"]);
    refuse(&work, &["--model", "residual", "--set", "patch=2"], &["`patch` is 2, expected left out"]);
    refuse(&work, &["--model", "residual", "--set", "blocks"], &["--set is \"blocks\"", "channels=[16,32]"]);
    refuse(&work, &["--set", "blocks=2"], &["--model"]);
}

#[test]
fn the_golden_files_are_read_by_the_program_as_by_the_library() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = |name: &str| golden.join(name).to_str().unwrap().to_owned();
    let (net, batch, state) = (path("net.safetensors"), path("batch.safetensors"), path("state.safetensors"));
    let work = Workdir::new();
    let arguments =
        ["probe", "--checkpoint", &net, "--batch", &batch, "--adam-state", &state, "--precision", "f64", "--json"];
    let found: Value = serde_json::from_str(&work.run(&arguments).succeeded().stdout).unwrap();
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(path("probe.json")).unwrap()).unwrap();
    for pointer in
        ["/network/update_norm", "/network/sharpness", "/layers/fc2/effective_step", "/layers/fc1/noise_variance"]
    {
        let [found, expected] =
            [&found, &expected["plain"]].map(|value| value.pointer(pointer).unwrap().as_f64().unwrap());
        assert!((found / expected - 1.0).abs() < 1e-9, "{pointer} is {found}, PyTorch has {expected}");
    }
}

#[test]
fn a_step_over_a_bound_of_zero_is_infinite_and_dead_units_have_no_rank() {
    let work = workdir();
    let zeros = |shape: &[usize]| floats(shape, std::iter::repeat_n(0.0, shape.iter().product()));
    let mut dead = network();
    for (_, raw) in &mut dead.0 {
        *raw = zeros(&raw.1.clone());
    }
    work.write("net", dead.bytes());
    // Two samples that pull the only parameters that matter in opposite directions.
    work.write("batch", Tensors(vec![("images", some(&[2, 3])), ("labels", integers(&[0, 1]))]).bytes());
    let said = work.run(&[&WITH_STATE[..], &["--json"]].concat()).succeeded();
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(found["layers"]["fc2"]["noise_bound"], 0.0);
    assert_eq!(found["network"]["step_over_noise_bound"], "inf");
    assert_eq!((&found["network"]["dead_units"], &found["network"]["effective_rank"]), (&json!(1.0), &Value::Null));
    work.run(&WITH_STATE).succeeded().tells(&["step_over_noise_bound inf"]);
}

#[test]
fn without_json_there_are_tables() {
    let work = workdir();
    let said = work.run(&WITH_STATE).succeeded();
    assert_contains(&said.stdout, &["The network on the batch", "effective_rank", "Its layers", "statistic fc1 fc2"]);
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 100), "{}", said.stdout);
    let line = said.stdout.lines().find(|line| line.starts_with("volatility ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["volatility", "-", "-"]);
    let said = work.run(&[&PROBE[..], &["--trainability", "--epochs", "3"]].concat()).succeeded();
    assert_contains(&said.stdout, &["A new task", "epoch checkpoint fresh difference"]);
}

#[test]
fn trainability_is_the_same_for_the_same_seed() {
    let work = workdir();
    let run = |seed: &str| {
        let task = ["--trainability", "--epochs", "4", "--batch-size", "2", "--seed", seed, "--json"];
        let said = work.run(&[&PROBE[..], &task].concat()).succeeded();
        serde_json::from_str::<Value>(&said.stdout).unwrap()
    };
    let first = run("1");
    assert_eq!(first, run("1"));
    let task = &first["trainability"];
    assert_eq!((&task["seed"], &task["epochs"], &task["batch_size"]), (&json!(1), &json!(4), &json!(2)));
    for curve in ["checkpoint", "fresh", "difference"] {
        assert_eq!(task[curve]["by_epoch"].as_array().unwrap().len(), 4);
        assert!(task[curve]["online_accuracy"].is_f64());
    }
    assert_ne!(task["fresh"], run("2")["trainability"]["fresh"]);
}

#[test]
fn penalties_enter_the_loss_and_wasserstein_needs_the_initial_parameters() {
    let work = workdir();
    let run = |arguments: &[&str]| {
        let said = work.run(&[&PROBE[..], arguments, &["--json"]].concat()).succeeded();
        serde_json::from_str::<Value>(&said.stdout).unwrap()["network"]["gradient_norm"].as_f64().unwrap()
    };
    let plain = run(&[]);
    assert_ne!(run(&["--method", r#"{"name": "l2_loss", "coefficient": 0.1}"#]), plain);
    assert_eq!(run(&["--method", "adamw"]), plain, "a decay is no part of the loss");
    refuse(&work, &["--device", "cuda:99"], &["--device is cuda:99, expected cpu", "GPU"]);
    refuse(&work, &["--method", "wasserstein"], &["the method's `wasserstein`", "--initial"]);
    assert_eq!(run(&["--method", "wasserstein", "--initial", "net"]), plain, "at no distance");
    work.write("first", network().with("fc1.bias", floats(&[4], [1.0, -2.0, 3.0, -4.0])).bytes());
    assert_ne!(run(&["--method", "wasserstein", "--initial", "first"]), plain);
    work.write("wider", Tensors(vec![("fc1.weight", some(&[2, 3])), ("fc1.bias", some(&[2]))]).bytes());
    refuse(&work, &["--method", "wasserstein", "--initial", "wider"], &["wider: `fc1.weight`", "[[4, 3], [2, 4]]"]);
}

#[test]
fn crelu_doubles_the_next_layers_inputs() {
    let work = workdir();
    refuse(&work, &["--activation", "crelu"], &["net: `fc2.weight` is of shape [2, 4], expected [2, 8]", "8 features"]);
    work.write("net", network().with("fc2.weight", some(&[2, 8])).bytes());
    work.run(&[&PROBE[..], &["--activation", "crelu"]].concat()).succeeded();
    refuse(&work, &[], &["net: `fc2.weight` is of shape [2, 8], expected [2, 4]"]);
}

#[test]
fn bad_methods_and_numbers_are_refused() {
    let work = workdir();
    refuse(&work, &["--method", "reset"], &["`reset` acts on training alone"]);
    refuse(&work, &["--method", "layer_norm"], &["the method's `layer_norm` is not read from a checkpoint"]);
    refuse(&work, &["--method", "l2_los"], &["the command line: `--method` is \"l2_los\"", "did you mean l2_loss?"]);
    for (part, complaint) in [
        (
            r#"{"name": "l2_loss", "coefficient": 0}"#,
            "`--method l2_loss.coefficient` is 0, expected a finite number above 0",
        ),
        (r#"{"name": "l2_loss", "coefficient": "a"}"#, "at `--method l2_loss.coefficient`: found \"a\""),
        (r#"{"coefficient": 0.1}"#, "`--method.name` is missing, expected a name in quotes"),
    ] {
        refuse(&work, &["--method", "adamw", "--method", part], &["the command line", complaint]);
    }
    refuse(&work, &["--method", "{"], &["is not valid JSON"]);
    refuse(&work, &["--activation", "l2_loss"], &["`--activation` is \"l2_loss\", expected one of relu, crelu"]);
    refuse(&work, &["--activation", "relu", "--method", "crelu"], &["one activation, not two"]);
    refuse(&work, &["--learning-rate", "0"], &["--learning-rate", "above 0"]);
    refuse(&work, &["--beta2", "1"], &["--beta2", "below 1"]);
    refuse(&work, &["--precision", "f16"], &["--precision", "f32 or f64"]);
    refuse(&work, &["--trainability", "--epochs", "0"], &["--epochs", "from 1"]);
    refuse(&work, &["--epochs", "3"], &["--trainability"]);
}

#[test]
fn bad_files_are_refused() {
    let work = workdir();
    let good = network().bytes();
    let damaged = ["damaged or not a safetensors file"];
    for (content, parts) in [
        (Vec::new(), &damaged[..]),
        (b"{}".to_vec(), &damaged),
        ((1u64 << 63).to_le_bytes().to_vec(), &damaged),
        ([&(1u64 << 63).to_le_bytes()[..], &good[8..]].concat(), &damaged),
        ([&[0xff; 8][..], &good[8..]].concat(), &damaged),
        (good[..good.len() - 1].to_vec(), &damaged),
        (good[..20].to_vec(), &damaged),
        (
            file(&json!({ "fc1.weight": { "dtype": "F32", "shape": [u64::MAX, 8], "data_offsets": [0, 0] } }), &[]),
            &damaged,
        ),
        (file(&json!({}), &[]), &["net has no `fc1.weight`"]),
        (network().without("fc2.bias").bytes(), &["net has no `fc2.bias`"]),
        (network().without("fc1.weight").bytes(), &["net has no `fc1.weight`"]),
        (network().without("fc2.weight").bytes(), &["net: `fc2.bias` is no tensor of"]),
        (
            network().with("conv1.weight", some(&[4, 1, 3, 3])).bytes(),
            &["net: `conv1.weight` is of shape [4, 1, 3, 3], expected a multi-layer perceptron", "no convolutions"],
        ),
        (network().with("norm.weight", some(&[4])).bytes(), &["net: `norm.weight` is no tensor of"]),
        (network().with("fc2.weight", some(&[2, 5])).bytes(), &["`fc2.weight` is of shape [2, 5], expected [2, 4]"]),
        (network().with("fc1.weight", some(&[12])).bytes(), &["`fc1.weight` is of shape [12], expected a matrix"]),
        (network().with("fc1.weight", some(&[0, 3])).bytes(), &["`fc1.weight` is of shape [0, 3]"]),
        (network().with("fc1.weight", some(&[4, 3, 1])).bytes(), &["`fc1.weight` is of shape [4, 3, 1]"]),
        (network().with("fc1.bias", some(&[1])).bytes(), &["`fc1.bias` is of shape [1], expected [4]"]),
        (
            network().with("fc1.bias", floats(&[4], [0.0, f32::NAN, 0.0, 0.0])).bytes(),
            &["`fc1.bias` has 1 values of 4"],
        ),
        (
            network().with("fc1.bias", ("F16", vec![4], vec![0; 8])).bytes(),
            &["`fc1.bias` is of type F16, expected F32 or F64"],
        ),
        (network().with("fc1.bias", integers(&[0; 4])).bytes(), &["`fc1.bias` is of type I64"]),
        (
            network()
                .with("fc1.weight", floats(&[4, 3], [1e38; 12]))
                .with("fc2.weight", floats(&[2, 4], [1e38; 8]))
                .bytes(),
            &["more than f32 can hold", "--precision f64"],
        ),
    ] {
        work.write("net", content);
        refuse(&work, &[], parts);
    }
    std::fs::remove_file(work.path("net")).unwrap();
    refuse(&work, &[], &["cannot read net"]);
}

#[test]
fn bad_batches_are_refused() {
    let work = workdir();
    for (content, parts) in [
        (batch().without("images"), &["batch has no `images`"][..]),
        (batch().without("labels"), &["batch has no `labels`"]),
        (batch().with("images", some(&[5, 4])), &["`images` is of shape [5, 4], expected [N, 3]"]),
        (batch().with("images", some(&[5, 1, 4])), &["`images` is of shape [5, 1, 4]"]),
        (batch().with("images", some(&[0, 3])), &["`images` is of shape [0, 3]", "at least 1"]),
        (batch().with("images", floats(&[5, 3], [f32::INFINITY; 15])), &["`images` has 15 values of 15"]),
        (batch().with("labels", integers(&[0, 1])), &["`labels` is of shape [2], expected [5]"]),
        (batch().with("labels", some(&[5])), &["`labels` is of type F32, expected I64"]),
        (
            batch().with("labels", integers(&[0, 1, 2, 0, 0])),
            &["`labels` goes from 0 to 2, expected classes from 0 to 1"],
        ),
        (batch().with("labels", integers(&[0, -1, 1, 0, 0])), &["`labels` goes from -1 to 1"]),
        (
            batch().with("labels", integers(&[i64::MIN, 1, i64::MAX, 0, 0])),
            &["`labels` goes from -9223372036854775808"],
        ),
    ] {
        work.write("batch", content.bytes());
        refuse(&work, &[], parts);
    }
}

#[test]
fn bad_adam_states_are_refused() {
    let work = workdir();
    let name = "fc2.weight.exp_avg_sq";
    for (content, parts) in [
        (state().without("step"), &["state has no `step`"][..]),
        (state().without(name), &["state has no `fc2.weight.exp_avg_sq`"]),
        (state().with("step", floats(&[], [0.0])), &["`step` is 0, expected a whole number"]),
        (state().with("step", floats(&[], [2.5])), &["`step` is 2.5"]),
        (state().with("step", floats(&[], [f32::NAN])), &["`step` is NaN"]),
        (state().with("step", integers(&[-3])), &["`step` is -3"]),
        (state().with("step", integers(&[1, 2])), &["`step` is of shape [2], expected one number"]),
        (state().with(name, some(&[2, 3])), &["`fc2.weight.exp_avg_sq` is of shape [2, 3], expected [2, 4]"]),
        (state().with(name, floats(&[2, 4], [-0.5; 8])), &["goes down to -0.5, expected means of squares"]),
        (state().with(name, floats(&[2, 4], [f32::NAN; 8])), &["`fc2.weight.exp_avg_sq` has 8 values of 8"]),
        (state().with("fc1.bias.exp_avg", some(&[4])), &["state has no `fc1.weight.exp_avg`"]),
    ] {
        work.write("state", content.bytes());
        work.refuse(&WITH_STATE, parts);
    }
}
