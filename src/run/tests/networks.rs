//! Residual networks, transformers, and convolutions of other filters: they are measured layer by layer, steered, penalised and
//! resumed as every network is.

use serde_json::{Value, json};
use trainability_tensor::Stateful;

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::run::RunPlan;
use crate::testing::runs::{self, begin, finish, state_of};

fn networks() -> [Value; 3] {
    [
        json!({ "kind": "convolutional", "channels": [3, 4], "hidden": [5], "filters": 5, "stride": 1 }),
        json!({ "kind": "residual", "channels": [2, 4], "hidden": [], "blocks": 1, "groups": 2 }),
        json!({ "kind": "transformer", "patch": 2, "width": 4, "heads": 2, "hidden": [6], "blocks": 1 }),
    ]
}

fn plan(network: &Value, settings: Value) -> (RunPlan, ImageSet) {
    let set = runs::images(48, [1, 4, 4], 0);
    let common = json!({ "stream": { "tasks": 2, "epochs": 2 }, "measure": { "interval": 2, "window": 3 } });
    let mut with_network = json!({ "network": network });
    with_network.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let mut plans = runs::plans(&ImageFacts::of(&set), &[&common, &with_network]);
    (plans.remove(0), set)
}

#[test]
fn every_layer_is_measured_and_steered() {
    for network in networks() {
        let settings = json!({ "schedules": ["debiased"], "methods": ["l2_adam"] });
        let (plan, set) = plan(&network, settings);
        let names: Vec<String> = plan.network.layer_names();
        let (tasks, controls) = finish(&mut begin(&plan, &set));
        assert_eq!(tasks.len(), 2);
        assert_eq!(controls.len() % names.len(), 0);
        for (row, name) in controls.iter().zip(names.iter().cycle()) {
            assert_eq!(&row.layer, name);
            for column in ["effective_step", "noise_variance", "sharpness", "combined_bound"] {
                let value = row.values.iter().find(|(known, _)| known == column).and_then(|(_, value)| *value);
                let value = value.unwrap_or_else(|| panic!("{column} of {name} is undefined: {row:?}"));
                assert!(value.is_finite(), "{column} of {name} is {value}");
            }
        }
    }
}

#[test]
fn a_restored_run_goes_on_with_the_same_bits_under_every_penalty() {
    for network in networks() {
        for method in ["wasserstein", "spectral", "l2_init", "shrink_perturb", "reset"] {
            let settings = json!({ "methods": [method] });
            let (plan, set) = plan(&network, settings);
            let expected = finish(&mut begin(&plan, &set));
            let mut first = begin(&plan, &set);
            for _ in 0..5 {
                first.advance().unwrap();
            }
            let saved = state_of(&first);
            let mut second = begin(&plan, &set);
            second.restore(&saved).unwrap();
            let rest = finish(&mut second);
            assert_eq!(rest.0.last(), expected.0.last(), "{method} of {network}");
            assert_eq!(rest.1.last(), expected.1.last(), "{method} of {network}");
        }
    }
}

#[test]
fn measuring_them_never_changes_training() {
    for network in networks() {
        let accuracies = |interval: u64| {
            let (plan, set) = plan(&network, json!({ "measure": { "interval": interval, "window": 3 } }));
            let (tasks, _) = finish(&mut begin(&plan, &set));
            super::accuracies(&tasks)
        };
        assert_eq!(accuracies(0), accuracies(1), "{network}");
    }
}
