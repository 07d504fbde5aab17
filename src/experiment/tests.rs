//! What the section `network` may say, and that what it said before means the same.

use serde_json::{Value, json};

use super::{Experiment, ImageFacts, Plan};
use crate::data::ImageShape;
use crate::model::NetworkKind;
use crate::run::RunPlan;

fn plan(network: Value, grid: Value, shape: Option<[usize; 3]>) -> Result<Plan, String> {
    plan_of(network, json!("relu"), grid, shape)
}

fn plan_of(network: Value, method: Value, grid: Value, shape: Option<[usize; 3]>) -> Result<Plan, String> {
    let experiment = json!({
        "stream": { "tasks": 2, "epochs": 1 },
        "network": network,
        "methods": [method],
        "schedules": ["constant"],
        "seeds": 1,
        "grid": grid
    });
    let experiment = Experiment::from_value(experiment, "a.json", "a").map_err(|error| error.to_string())?;
    let shape = shape.map(|[channels, rows, columns]| ImageShape { channels, rows, columns });
    let facts = ImageFacts { shape, ..ImageFacts::bare(1000, "none") };
    Plan::new(experiment, &facts).map_err(|error| error.to_string())
}

const DIGITS: Option<[usize; 3]> = Some([1, 28, 28]);

#[test]
fn defaults_follow_the_kind_and_those_of_a_perceptron_are_written_as_ever() {
    let network = plan(json!({ "kind": "convolutional" }), json!({}), DIGITS).unwrap().runs[0].network.clone();
    assert_eq!(network.channels, Some(vec![16, 32, 64, 64]));
    assert_eq!((network.kind, network.hidden), (NetworkKind::Convolutional, vec![256]));
    for given in [json!({}), json!({ "kind": "mlp" }), json!({ "hidden": [256, 256] })] {
        let run = &plan(given, json!({}), None).unwrap().runs[0];
        assert_eq!(run.options["network"], json!({ "hidden": [256, 256] }));
        assert_eq!(run.hash, plan(json!({}), json!({}), DIGITS).unwrap().runs[0].hash);
    }
    let small = json!({ "kind": "convolutional", "channels": [4], "hidden": [] });
    let run = &plan(small.clone(), json!({}), DIGITS).unwrap().runs[0];
    assert_eq!(run.options["network"], small);
}

#[test]
fn the_examples_on_cifar_are_experiments() {
    let shape = Some(ImageShape { channels: 3, rows: 32, columns: 32 });
    let facts = ImageFacts { shape, ..ImageFacts::bare(50_000, "none") };
    for (name, kind) in [("cifar", "random_labels"), ("cifar-permuted", "label_permutation")] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{name}.json"));
        let plan = Plan::new(Experiment::load(&path, &[]).unwrap(), &facts).unwrap();
        assert_eq!(plan.runs.len(), 36);
        for run in plan.runs {
            assert_eq!((run.images(), run.stream.kind.as_str(), run.updates()), (50_000, kind, 3 * 20 * 196));
            assert_eq!(run.network.kind, NetworkKind::Convolutional);
        }
    }
}

#[test]
fn sizes_can_be_in_the_grid() {
    let grid = json!({ "network.channels": [[4], [4, 8]], "network.hidden": [[], [16]] });
    let runs = plan(json!({ "kind": "convolutional" }), grid, DIGITS).unwrap().runs;
    let labels: Vec<&str> = runs.iter().map(|run| run.method.label.as_str()).collect();
    let expected = ["4@hidden=", "4@hidden=16", "4x8@hidden=", "4x8@hidden=16"];
    assert_eq!(labels, expected.map(|label| format!("relu@channels={label}")));
}

#[test]
fn what_cannot_be_is_refused_in_one_sentence() {
    let refuse = |network: Value, grid: Value, shape, expected: &str| {
        let message = plan(network, grid, shape).err().expect("it must be refused");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains('\n'));
    };
    let conv = |key: &str, value: Value| {
        let mut network = json!({ "kind": "convolutional" });
        network[key] = value;
        network
    };
    let none = || json!({});
    refuse(
        json!({ "channels": [4] }),
        none(),
        DIGITS,
        "`network.channels` is [4], expected left out, or `network.kind`",
    );
    refuse(json!({ "kind": "recurrent" }), none(), DIGITS, "at `network.kind`: found `recurrent`");
    refuse(conv("channels", json!([])), none(), DIGITS, "`network.channels` is [], expected at least one number");
    refuse(conv("channels", json!([4, 0])), none(), DIGITS, "each from 1 to 4096");
    refuse(conv("channels", json!(4)), none(), DIGITS, "at `network.channels`");
    refuse(conv("channels", json!([4, "a"])), none(), DIGITS, "at `network.channels[1]`");
    refuse(
        conv("hidden", json!([0])),
        none(),
        DIGITS,
        "`network.hidden` is [0], expected widths, each from 1 to 65536",
    );
    refuse(conv("kernel", json!(5)), none(), DIGITS, "there is no key `kernel`");
    refuse(json!({ "hidden": [] }), none(), DIGITS, "`network.hidden` is [], expected at least one width");
    refuse(json!({ "kind": "convolutional" }), none(), None, "`network.kind` is convolutional, expected mlp, since");
    // 28, 14, 7, 4, 2, 1: a sixth would see one pixel.
    assert!(plan(conv("channels", json!([2, 2, 2, 2, 2])), none(), DIGITS).is_ok());
    refuse(conv("channels", json!([2, 2, 2, 2, 2, 2])), none(), DIGITS, "expected at most 5 convolutions for 28 x 28");
    refuse(conv("channels", json!([2])), none(), Some([1, 1, 1]), "expected at most 0 convolutions for 1 x 1");
    assert!(plan(conv("channels", json!([2, 2, 2])), none(), Some([1, 1, 8])).is_ok());
    for method in [json!("layer_norm"), json!("crelu+batch_norm")] {
        let message = plan_of(json!({ "kind": "convolutional" }), method.clone(), none(), DIGITS).err().unwrap();
        assert!(message.contains("`methods[0]` is ") && message.contains("without normalisation"), "{message}");
        assert!(plan_of(json!({}), method, none(), DIGITS).is_ok());
    }
    let with = |kind: &str, key: &str, value: Value| {
        let mut network = json!({ "kind": kind });
        network[key] = value;
        network
    };
    refuse(with("mlp", "filters", json!(5)), none(), DIGITS, "`network.filters` is 5, expected left out, or");
    refuse(conv("filters", json!(0)), none(), DIGITS, "`network.filters` is 0, expected a whole number from 1 to 256");
    refuse(with("residual", "hidden", json!([8])), none(), DIGITS, "`network.hidden` is [8], expected left out");
    refuse(
        with("residual", "groups", json!(3)),
        none(),
        DIGITS,
        "`network.groups` is 3, expected a number that divides",
    );
    refuse(
        with("transformer", "patch", json!(5)),
        none(),
        DIGITS,
        "`network.patch` is 5, expected a number that divides",
    );
    refuse(
        with("transformer", "heads", json!(7)),
        none(),
        DIGITS,
        "`network.heads` is 7, expected a number that divides",
    );
    refuse(json!({ "kind": "transformer" }), none(), None, "`network.kind` is transformer, expected mlp, since");
    for (kind, method) in [("residual", "crelu"), ("transformer", "redo"), ("residual", "batch_norm")] {
        let message = plan_of(json!({ "kind": kind }), json!(method), none(), DIGITS).err().unwrap();
        assert!(message.contains(&format!("`methods[0]` is \"{method}\", expected a method ")), "{message}");
    }
    refuse(json!({}), json!({ "network.kind": ["mlp", "convolutional"] }), DIGITS, "an experiment for each kind");
}

#[test]
fn tasks_of_a_part_of_the_images_have_one_and_there_are_no_more_of_them_than_groups_of_classes() {
    let plan = |stream: Value| {
        let experiment = json!({
            "stream": stream, "training": { "batch_size": 16 }, "methods": ["relu"], "schedules": ["constant"], "seeds": [3]
        });
        let experiment = Experiment::from_value(experiment, "a.json", "a").map_err(|error| error.to_string())?;
        let labels: Vec<u8> = (0..1000).map(|image| [0, 1, 2, 4, 5, 6, 7][image % 7]).collect();
        let facts = ImageFacts { labels: labels.into(), ..ImageFacts::bare(1000, "none") };
        let mut plan = Plan::new(experiment, &facts).map_err(|error| error.to_string())?;
        Ok::<_, String>(plan.runs.remove(0))
    };
    let lengths = |stream: Value| {
        let lengths = plan(stream).unwrap().lengths();
        (0..lengths.tasks()).map(|task| lengths.images_of(task)).collect::<Vec<_>>()
    };
    let of = |more: Value| {
        let mut stream = json!({ "kind": "class_incremental", "tasks": 4, "epochs": 1 });
        stream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stream
    };
    assert_eq!(lengths(of(json!({}))).iter().sum::<usize>(), 1000, "every image is shown once");
    assert_eq!(
        lengths(of(json!({ "tasks": 9, "recurring": 3 })))[..3],
        lengths(of(json!({ "tasks": 9, "recurring": 3 })))[6..]
    );
    assert_eq!(lengths(of(json!({ "sample": 100, "classes_per_task": 2, "tasks": 4 }))), [100; 4]);
    assert_eq!(lengths(json!({ "tasks": 2, "epochs": 1, "sample": 17 })), [17; 2]);
    let refuse = |stream: Value, said: &str| {
        let message = plan(stream).err().unwrap();
        assert!(message.contains(said), "{message}");
    };
    refuse(
        of(json!({ "tasks": 5 })),
        "`stream.tasks` is 5, expected at most 4, since 2 of the classes in seed 3's images",
    );
    refuse(of(json!({ "tasks": 9, "recurring": 5 })), "`stream.recurring` is 5, expected at most 4");
    refuse(of(json!({ "transition": 0.5 })), "`stream.transition` is 0.5, expected 0 with class_incremental");
    refuse(of(json!({ "classes_per_task": 0 })), "`stream.classes_per_task` is 0, expected at least 1");
    refuse(of(json!({ "sample": 200 })), "`stream.sample` is 200, expected at most 14");
    refuse(json!({ "tasks": 2, "epochs": 1, "sample": 1001 }), "`stream.sample` is 1001, expected at most 1000");
    refuse(json!({ "tasks": 2, "epochs": 1, "sample": 0 }), "`stream.sample` is 0, expected at least 1");
    refuse(
        json!({ "tasks": 2, "epochs": 1, "sample": 9 }),
        "`training.batch_size` is 16, expected at most 9, the number of images of a task",
    );
    let other = json!({ "tasks": 2, "epochs": 1, "classes_per_task": 3 });
    refuse(other, "`stream.classes_per_task` is 3, expected left out, since it is an option of class_incremental");
}

#[test]
fn what_comes_first_is_trained_first_and_the_rest_keeps_its_order() {
    let names = |first: Value| {
        let experiment = json!({
            "stream": { "tasks": 2, "epochs": 1 }, "methods": ["relu", "crelu"], "schedules": ["constant", "cosine"],
            "seeds": 2, "first": first
        });
        let experiment = Experiment::from_value(experiment, "a.json", "a").map_err(|error| error.to_string())?;
        let plan = Plan::new(experiment, &ImageFacts::bare(1000, "none")).map_err(|error| error.to_string())?;
        Ok::<_, String>(plan.runs.iter().map(RunPlan::name).collect::<Vec<_>>())
    };
    let usual = names(json!([])).unwrap();
    assert_eq!(&usual[..2], ["relu/constant/seed-0", "relu/cosine/seed-0"]);
    let found = names(json!(["crelu/cosine/*", "*/constant/seed-1", "nowhere/*"])).unwrap();
    let expected = ["crelu/cosine/seed-0", "crelu/cosine/seed-1", "relu/constant/seed-1", "crelu/constant/seed-1"];
    assert_eq!(&found[..4], expected);
    let rest: Vec<&String> = usual.iter().filter(|name| !expected.contains(&name.as_str())).collect();
    assert_eq!(found[4..].iter().collect::<Vec<_>>(), rest);
    let message = names(json!(["relu/*", "["])).unwrap_err();
    assert!(message.contains("`first[1]` is [, expected a pattern such as l2_adam/*/seed-0"), "{message}");
}
