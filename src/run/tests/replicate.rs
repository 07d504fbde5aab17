//! Replicates: one last bit a layer, and nothing else.

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_tensor::State;

use super::{begin, finish, images, plans, state_of};
use crate::experiment::{Experiment, ImageFacts, Plan};
use crate::run::RunPlan;

const WEIGHTS: [&str; 3] = ["network/fc1.weight", "network/fc2.weight", "network/fc3.weight"];

/// The run of a replicate; without one, of an experiment that says nothing of replicates.
fn plan(replicate: Option<u64>, precision: &str) -> RunPlan {
    let mut training = json!({ "batch_size": 20, "learning_rate": 0.01, "precision": precision });
    if let Some(replicate) = replicate {
        training["replicate"] = json!(replicate);
    }
    // A penalty that remembers where training began, and a normalised network, whose gains are no weights.
    plans(json!({ "training": training, "methods": ["layer_norm+l2_init"] })).remove(0)
}

fn initial(replicate: Option<u64>, precision: &str) -> State {
    state_of(begin(&plan(replicate, precision), &images()).learner())
}

/// The bits of every element, as whole numbers.
fn bits(tensor: &Tensor) -> Vec<u64> {
    let flat = tensor.view([-1]);
    match tensor.kind() {
        Kind::Float => Vec::<f32>::try_from(flat).unwrap().iter().map(|value| u64::from(value.to_bits())).collect(),
        _ => Vec::<f64>::try_from(flat).unwrap().iter().map(|value| value.to_bits()).collect(),
    }
}

#[test]
fn a_replicate_changes_the_last_bit_of_one_weight_of_each_layer() {
    for precision in ["f32", "f64"] {
        let plain = initial(None, precision);
        for replicate in [1, 2, 25, 1000] {
            let found = initial(Some(replicate), precision);
            assert_eq!(found.values, plain.values);
            // There is no loss yet, which is not a number.
            for (name, expected) in plain.tensors.iter().filter(|(name, _)| *name != "last_finite") {
                let is_weight = WEIGHTS.contains(&name.as_str());
                // l2_init is drawn to where this run began, and keeps its weights as well.
                if !is_weight && !name.contains(".weight") {
                    assert_eq!(found.tensors[name], *expected, "{name}");
                }
                if is_weight {
                    let (found, mut expected) = (bits(&found.tensors[name]), bits(expected));
                    let place = (replicate as usize - 1) % expected.len();
                    expected[place] ^= 1;
                    assert!(found == expected, "{precision} {name} of replicate {replicate}");
                }
            }
        }
    }
}

#[test]
fn replicate_0_is_the_run_as_it_is_and_others_are_runs_of_their_own() {
    let of = |replicate| {
        let plan = plan(replicate, "f32");
        let mut run = begin(&plan, &images());
        let found = finish(&mut run);
        (plan, found, state_of(run.learner()))
    };
    let ((none, plain, plain_end), (zero, found, _)) = (of(None), of(Some(0)));
    assert_eq!((&zero.hash, zero.options.to_string()), (&none.hash, none.options.to_string()));
    assert!(zero.options["training"].get("replicate").is_none());
    assert!(found == plain);
    let ((one, _, one_end), (two, _, two_end)) = (of(Some(1)), of(Some(2)));
    assert_eq!((&one.options["training"]["replicate"], &two.options["training"]["replicate"]), (&json!(1), &json!(2)));
    assert!(one.hash != none.hash && two.hash != none.hash && one.hash != two.hash);
    for name in WEIGHTS {
        let [plain, one, two] = [&plain_end, &one_end, &two_end].map(|state| bits(&state.tensors[name]));
        assert!(plain != one && plain != two && one != two, "the runs end with the same {name}");
    }
}

#[test]
fn replicates_can_be_in_the_grid() {
    let settings = json!({ "grid": { "training.replicate": [0, 1, 2] }, "seeds": 2 });
    let labels: Vec<String> = plans(settings).iter().map(RunPlan::name).collect();
    let of_seed = |seed| [0, 1, 2].map(|replicate| format!("relu@replicate={replicate}/constant/seed-{seed}"));
    assert_eq!(labels, [of_seed(0), of_seed(1)].concat());
}

/// What a run's record says of it must not change from one version to the next: finished runs would be trained anew.
/// From the `run.json` of `trainability sweep configs/smoke.json --seeds 1` at commit cee3ef4.
#[test]
fn hashes_are_those_of_earlier_versions() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/smoke.json");
    let facts = ImageFacts::bare(5000, "a0b84bcd607f7d99458c7cf2bd5b1f2eaa8e5b8d62daba0006c6cd2af3671428");
    let runs = Plan::new(Experiment::load(&path, &[]).unwrap(), &facts).unwrap().runs;
    for (name, hash) in [
        ("relu/constant/seed-1", "00e2c325dd33589f43ba59ec6de87194ed358feb8dc0fd9e49fc13bb2f19e42c"),
        ("relu/paper/seed-1", "bfd1c059f23e2b77fd796f9edb120399ee401ded48ab12f2513b2aca00bb0dc9"),
    ] {
        let run = runs.iter().find(|run| run.name() == name).unwrap();
        assert_eq!(run.hash, hash, "{name}: {}", run.options);
    }
}

#[test]
fn a_replicate_is_a_whole_number() {
    for bad in [json!(-1), json!(1.5), json!("one")] {
        let experiment: Value = json!({
            "stream": { "tasks": 1, "epochs": 1 }, "training": { "replicate": bad },
            "methods": ["relu"], "schedules": ["constant"], "seeds": 1
        });
        let message = Experiment::from_value(experiment, "a.json", "a").unwrap_err().to_string();
        assert!(message.contains("`training") && message.contains("a whole number, 0 or above"), "{message}");
    }
}
