//! Experiments that cannot be: refused in one sentence with file, key, what was there and what would be right.

use serde_json::{Value, json};

use super::workdir::Workdir;

/// An experiment with these values must be refused with these parts.
fn refuse(changes: &[(&str, Value)], parts: &[&str]) {
    let work = Workdir::new();
    work.experiment(changes);
    work.refuse_sweep(&[], &[&["tiny.json: "], parts].concat());
}

/// The same for values out of range: key, value, what would be right.
fn refuse_value(key: &str, value: Value, named: &str, expected: &str) {
    let found = format!("`{named}` is {value}, expected {expected}");
    refuse(&[(key, value)], &[&found]);
}

#[test]
fn what_is_not_json() {
    let work = Workdir::new();
    for (text, reason) in [
        ("{\"stream\": {\"tasks\": 3,}", "trailing comma at line 1 column 24"),
        ("", "the file is empty"),
        ("tasks = 3", "line 1 column 2"),
        ("{\"seeds\": 1e999}", "number out of range"),
    ] {
        work.write("tiny.json", text);
        work.refuse_sweep(&[], &["tiny.json is not valid JSON", reason]);
    }
    work.write("tiny.json", b"\xff\xfe");
    work.refuse_sweep(&[], &["tiny.json", "UTF-8"]);
    work.write("tiny.json", "[1]");
    work.refuse_sweep(&[], &["tiny.json: `the whole file` is [1], expected an object"]);
    work.refuse(&["sweep", "nowhere.json"], &["cannot read the configuration nowhere.json", "No such file"]);
    work.refuse(&["sweep", "images"], &["cannot read the configuration images", "directory"]);
}

#[test]
fn unknown_and_missing_keys() {
    refuse(&[("stream.epoch", json!(3))], &["`stream.epoch`", "there is no key", "kind, tasks, epochs"]);
    refuse(&[("streams", json!({}))], &["`streams`", "there is no key", "did you mean stream?"]);
    refuse(
        &[("measure.lanczos", json!({ "product": 3 }))],
        &["`measure.lanczos.product`", "one of products, tolerance"],
    );
    refuse(&[("control.coool", json!(0.9))], &["`control.coool`", "there is no key", "cool"]);
    let schedules = json!(["constant", { "name": "paper", "coool": 0.5 }]);
    refuse(&[("schedules", schedules)], &["`schedules[1].coool`", "there is no key", "cool"]);
    let constant = json!([{ "name": "constant", "cool": 0.5 }]);
    refuse(&[("schedules", constant)], &["`schedules[0].cool`", "there is no key", "learning_rate"]);
    let rise = json!([{ "name": "warmup_stable_decay", "warmup": 0.1 }]);
    refuse(&[("schedules", rise)], &["`schedules[0].warmup`", "there is no key", "warmup_share"]);
    let methods = json!(["relu", { "name": "l2_loss", "coeff": 0.1 }]);
    refuse(&[("methods", methods)], &["`methods[1].coeff`", "there is no key", "coefficient"]);
    refuse(&[("methods", json!([{ "parts": ["relu"], "name": "x" }]))], &["`methods[0].name`", "label or parts"]);
    refuse(&[("methods", json!([{ "coefficient": 1 }]))], &["`methods[0].name` is missing"]);
    refuse(&[("schedules", json!([{ "cool": 0.9 }]))], &["`schedules[0].name` is missing"]);
    refuse(&[("stream", json!({ "tasks": 3 }))], &["at `stream.epochs`: this key is missing"]);
    let work = Workdir::new();
    work.write("tiny.json", "{}");
    work.refuse_sweep(&[], &["tiny.json: at `stream`: this key is missing"]);
}

#[test]
fn values_of_the_wrong_type() {
    refuse(&[("stream.tasks", json!("three"))], &["`stream.tasks`", "\"three\"", "a whole number, 0 or above"]);
    refuse(&[("stream.tasks", json!(2.5))], &["`stream.tasks`", "2.5", "a whole number"]);
    refuse(&[("stream.tasks", json!(-1))], &["`stream.tasks`", "-1", "a whole number, 0 or above"]);
    refuse(&[("stream", json!(5))], &["`stream`", "5", "an object"]);
    refuse(&[("stream", json!(["random_labels", 3, 3]))], &["`stream` is", "expected an object"]);
    refuse(&[("network", json!([64, 64]))], &["`network` is [64,64], expected an object"]);
    refuse(&[("network.hidden", json!([12, "a"]))], &["`network.hidden[1]`", "\"a\"", "a whole number"]);
    refuse(&[("training.learning_rate", json!("fast"))], &["`training.learning_rate`", "\"fast\"", "a number"]);
    refuse(&[("training.precision", json!("f16"))], &["`training.precision`", "`f16`", "one of f32, f64"]);
    refuse(&[("seeds", json!("three"))], &["`seeds`", "\"three\"", "such as 3", "such as [0, 2, 3]"]);
    refuse(&[("seeds", json!([0, -1]))], &["`seeds`", "[0,-1]", "such as [0, 2, 3]"]);
    refuse(&[("methods", json!("relu"))], &["`methods`", "\"relu\"", "a list"]);
    refuse(&[("methods", json!([5]))], &["`methods[0]` is 5", "a name or an object"]);
    refuse(&[("methods", json!([{ "parts": 3 }]))], &["`methods[0].parts` is 3", "a list of parts"]);
    refuse(&[("schedules", json!([5]))], &["`schedules[0]` is 5", "a name or an object"]);
    refuse(&[("control", json!(5))], &["`control`", "5", "an object"]);
    refuse(&[("control.cool", json!("x"))], &["`control.cool`", "\"x\"", "a number"]);
    refuse(&[("schedules", json!([{ "name": "paper", "cool": "x" }]))], &["`schedules[0].cool`", "\"x\"", "a number"]);
    let coefficient = json!([{ "name": "l2_loss", "coefficient": "x" }]);
    refuse(&[("methods", coefficient)], &["`methods[0].coefficient`", "\"x\"", "a number"]);
    refuse(&[("grid", json!({ "stream.tasks": 3 }))], &["`grid.stream.tasks`", "3", "a list"]);
}

#[test]
fn values_out_of_range() {
    for key in ["stream.tasks", "stream.epochs", "training.batch_size", "measure.probe_images", "data.images"] {
        refuse_value(key, json!(0), key, "at least 1");
    }
    refuse_value("training.learning_rate", json!(-0.1), "training.learning_rate", "a finite number above 0");
    refuse_value("training.learning_rate", json!(0), "training.learning_rate", "a finite number above 0");
    refuse_value("training.beta1", json!(1), "training.beta1", "at least 0 and below 1");
    refuse_value("training.epsilon", json!(0), "training.epsilon", "a finite number above 0");
    refuse_value("training.batch_size", json!(49), "training.batch_size", "at most 48, the number of images");
    refuse_value("data.images", json!(49), "data.images", "at most 48, the images that the set idx has");
    refuse_value("measure.window", json!(1u64 << 60), "measure.window", "from 1 to 1000000");
    let spectrum = ("measure.spectrum", json!({ "starts": 1, "products": 0 }));
    refuse(&[spectrum], &["`measure.spectrum.products` is 0", "at least 1"]);
    refuse_value("network.hidden", json!([0]), "network.hidden", "at least one width");
    refuse_value("stream.kind", json!("random"), "stream.kind", "one of random_labels");
    refuse_value("name", json!("../x"), "name", "1 to 80 letters");
    refuse_value("control.cool", json!(1.5), "control.cool", "between 0 and 1, both excluded");
    refuse(&[("stream.tasks", json!(1u64 << 62))], &["`stream.tasks`", "at most 1000000000 updates in a run"]);
    refuse(&[("seeds", json!(1u64 << 62))], &["`seeds`", "4611686018427387904", "at most 10000"]);
    let cool = json!(["constant", { "name": "paper", "cool": 1.5 }]);
    refuse(&[("schedules", cool)], &["`schedules[1].cool` is 1.5, expected between 0 and 1, both excluded"]);
    let end = json!(["constant", { "name": "linear", "end_factor": 1.5 }]);
    refuse(&[("schedules", end)], &["`schedules[1].end_factor` is 1.5, expected at least 0 and below 1"]);
    let fall = json!([{ "name": "warmup_stable_decay", "warmup_share": 0.9 }]);
    refuse(&[("schedules", fall)], &["`schedules[0].decay_share` is 0.2", "what `warmup_share` leaves of 1"]);
    let zero = json!(["relu", { "name": "l2_loss", "coefficient": 0 }]);
    refuse(&[("methods", zero)], &["`methods[1].coefficient` is 0", "above 0", "leave the method out"]);
    let part = json!([{ "parts": ["crelu", { "name": "wasserstein", "coefficient": 0 }] }]);
    refuse(&[("methods", part)], &["`methods[0].parts[1].coefficient` is 0", "above 0"]);
    let never = &["`measure.interval` is 0, expected above 0", "`noise_curvature` acts on what is measured"];
    refuse(&[("measure.interval", json!(0)), ("schedules", json!(["noise_curvature"]))], never);
    let floor = [("control.statistic", json!("vol")), ("schedules", json!(["paper"]))];
    refuse(&floor, &["`control.statistic`", "`vol`", "did you mean volatility?"]);
}

#[test]
fn options_of_streams_that_cannot_be_or_do_nothing() {
    let refuse_stream = |options: Value, named: &str, parts: &[&str]| {
        let mut stream = json!({ "tasks": 3, "epochs": 3 });
        stream.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        refuse(&[("stream", stream)], &[&[&*format!("`stream.{named}` is ")], parts].concat());
    };
    for fraction in [json!(0), json!(-0.5), json!(1.5)] {
        refuse_stream(json!({ "fraction": fraction }), "fraction", &["expected above 0 and at most 1"]);
    }
    refuse_stream(json!({ "fraction": 0.001 }), "fraction", &["0.001", "redraws at least one label of 48 images"]);
    for kind in ["label_permutation", "pixel_permutation"] {
        let fraction = json!({ "kind": kind, "fraction": 0.5 });
        refuse_stream(fraction, "fraction", &["0.5, expected left out", "an option of random_labels and not of", kind]);
    }
    for cycle in [1, 3, 4] {
        refuse_stream(json!({ "recurring": cycle }), "recurring", &["at least 2 tasks and fewer than `stream.tasks`"]);
    }
    for transition in [1.5, -0.1] {
        refuse_stream(json!({ "transition": transition }), "transition", &["expected from 0 to 1"]);
    }
    for spread in [json!(1), json!(-0.1)] {
        refuse_stream(json!({ "length_spread": spread }), "length_spread", &["expected at least 0 and below 1"]);
    }
    refuse_stream(json!({ "length_spread": 0.1 }), "length_spread", &["with which 3 epochs become more or fewer"]);
    refuse_stream(json!({ "tasks": 2_000_000, "length_spread": 0.5 }), "tasks", &["at most 1000000 where"]);
    for option in [json!({ "fraction": 0.5 }), json!({ "transition": 0.5 }), json!({ "announce_boundaries": true })] {
        let mut stream = option;
        stream["tasks"] = json!(1);
        refuse_stream(stream, "tasks", &["1, expected at least 2 where"]);
    }
    refuse(
        &[("stream.announce_boundaries", json!("yes"))],
        &["`stream.announce_boundaries`", "\"yes\"", "true or false"],
    );
    refuse(&[("grid", json!({ "stream.recurring": [0, 1] }))], &["`stream.recurring` is 1, expected 0 for never"]);
    let most = [("stream", json!({ "tasks": 1_000_000, "epochs": 300, "length_spread": 0.9 }))];
    refuse(&most, &["`stream.tasks`", "at most 1000000000 updates in a run"]);
}

#[test]
fn test_images_that_cannot_be_or_say_nothing() {
    let stream = ("stream.kind", json!("label_permutation"));
    let held_out = |count: usize| ("data.test_images", json!(count));
    refuse(&[stream.clone(), held_out(0)], &["`data.test_images` is 0, expected at least 1"]);
    refuse(&[stream.clone(), held_out(48)], &["`data.test_images` is 48, expected fewer than the 48 images"]);
    let both = [stream.clone(), held_out(20), ("data.images", json!(30))];
    refuse(&both, &["`data.images` is 30, expected at most 28", "beside `data.test_images`"]);
    refuse(&[held_out(8)], &["`data.test_images` is 8, expected left out, since labels of random_labels say nothing"]);
    let work = Workdir::new();
    for (from, to) in
        [("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"), ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")]
    {
        std::fs::copy(work.path(format!("images/{from}")), work.path(format!("images/{to}"))).unwrap();
    }
    work.experiment(&[stream.clone(), held_out(8)]);
    work.refuse_sweep(
        &[],
        &["`data.test_images` is 8, expected left out, since the set idx has test images of its own"],
    );
    // Its own are used.
    work.experiment(&[stream, ("schedules", json!(["constant"]))]);
    work.sweep("out", &["--jobs", "1"]).succeeded();
    let tasks = work.read("out/runs/relu/constant/seed-0/tasks.csv");
    let mut rows = tasks.lines().map(|row| row.split(',').collect::<Vec<_>>());
    assert_eq!(rows.next().unwrap()[3..6], ["final_accuracy", "final_loss", "test_accuracy"]);
    // They are the training images once more.
    assert!(rows.all(|row| row[3] == row[5] && !row[5].is_empty()));
}

#[test]
fn empty_lists() {
    refuse(&[("methods", json!([]))], &["`methods` is [], expected at least one method"]);
    refuse(&[("schedules", json!([]))], &["`schedules` is [], expected at least one schedule"]);
    refuse(&[("seeds", json!([]))], &["`seeds` is [], expected a number above 0 or a list of seeds"]);
    refuse(&[("seeds", json!(0))], &["`seeds` is 0, expected a number above 0 or a list of seeds"]);
    refuse(&[("network.hidden", json!([]))], &["`network.hidden` is [], expected at least one width"]);
    refuse(&[("methods", json!([{ "parts": [] }]))], &["`methods[0].parts` is [], expected at least one part"]);
    refuse(&[("grid", json!({ "stream.tasks": [] }))], &["`grid.stream.tasks` is [], expected at least one value"]);
}

#[test]
fn unknown_names() {
    let methods = json!(["relu", "waserstein"]);
    refuse(&[("methods", methods)], &["`methods[1]` is \"waserstein\"", "one of relu", "did you mean wasserstein?"]);
    refuse(&[("methods", json!(["relu+foo"]))], &["`methods[0]` is \"foo\"", "one of relu"]);
    refuse(&[("schedules", json!(["papr"]))], &["`schedules[0]` is \"papr\"", "did you mean paper?"]);
    refuse(&[("data.set", json!("mnists"))], &["`data`", "no image set `mnists`", "`mnist-5k`", "`idx`"]);
}

#[test]
fn things_that_are_there_twice_or_contradict_each_other() {
    refuse(&[("methods", json!(["relu", "crelu", "relu"]))], &["`methods[2]` is \"relu\" a second time", "`label`"]);
    refuse(&[("schedules", json!(["paper", "paper"]))], &["`schedules[1]` is \"paper\" a second time", "`label`"]);
    refuse(&[("seeds", json!([1, 1]))], &["`seeds` is [1, 1], expected each seed once"]);
    refuse(&[("methods", json!(["relu+crelu"]))], &["`methods[0]` is \"relu+crelu\"", "one activation, not two"]);
    let decays = json!([{ "parts": ["l2_adam", "adamw"] }]);
    refuse(&[("methods", decays)], &["`methods[0]` is", "one weight decay, not two"]);
    refuse(&[("grid", json!({ "stream.tasks": [2, 2] }))], &["`grid`", "\"relu@tasks=2\" twice", "once"]);
    let both = [("data.images", json!(10)), ("data.images_at_most", json!(10))];
    refuse(&both, &["`data.images_at_most` is 10", "left out where `data.images` is given"]);
}

#[test]
fn labels_that_lead_elsewhere_or_pass_for_something_else() {
    let named = |name: &str, label: &str| json!([{ "name": name, "label": label }]);
    for label in ["../x", "a/b", "", "..", "-rf", "a b"] {
        let found = format!("`methods[0].label` is {label:?}, expected 1 to 80 letters");
        refuse(&[("methods", named("relu", label))], &[&found]);
    }
    refuse(&[("schedules", named("paper", "../x"))], &["`schedules[0].label` is \"../x\", expected 1 to 80"]);
    let slower = json!([{ "name": "constant", "learning_rate": 1e-4, "label": "constant" }]);
    refuse(&[("schedules", slower)], &["`schedules[0].label` is \"constant\"", "something else"]);
    refuse(&[("schedules", named("paper", "constant"))], &["`schedules[0].label` is \"constant\"", "something else"]);
    refuse(&[("methods", named("relu", "reset"))], &["`methods[0].label` is \"reset\"", "something else"]);
}

#[test]
fn grids_over_what_cannot_vary() {
    refuse(&[("grid", json!({ "stream.task": [1, 2] }))], &["`stream.task`", "there is no key", "did you mean tasks?"]);
    refuse(&[("grid", json!({ "stream.tasks": [1, 0] }))], &["`stream.tasks` is 0, expected at least 1"]);
    for key in ["seeds", "methods", "data.folder", "grid"] {
        refuse(&[("grid", json!({ key: [1, 2] }))], &["`grid` is over", key, "`data.images` or a key of stream"]);
    }
}

#[test]
fn every_refusal_comes_before_a_folder_is_made_by_default_too() {
    let work = Workdir::new();
    work.experiment(&[("stream.tasks", json!(0))]);
    work.refuse(&["sweep", "tiny.json"], &["`stream.tasks` is 0"]);
}
