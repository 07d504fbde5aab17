//! Checkpoints that are whole and lie: what they say cannot be of the run that they are restored into.

use serde_json::{Value, json};
use tch::Tensor;
use trainability::run::{Run, checkpoint};
use trainability_baselines::State;

use super::inputs::{tiny_checkpoint, tiny_run};

/// Restores the checkpoint after a change.
fn restore(change: impl FnOnce(&mut State)) -> Result<Run, String> {
    let (plan, set) = tiny_run();
    let mut state = checkpoint::from_bytes(&tiny_checkpoint()).unwrap();
    change(&mut state);
    let mut run = Run::new(&plan.runs[0], &set);
    state.restore_part("run", &mut run).map(|()| run).map_err(|error| error.to_string())
}

fn refuse_value(name: &str, value: Value, part: &str) {
    let change = |state: &mut State| {
        assert!(state.values.insert(name.to_owned(), value.clone()).is_some(), "no {name}");
    };
    let refusal = restore(change).map(|run| run.updates()).unwrap_err();
    assert!(refusal.contains(&format!("`{name}`")) && refusal.contains(part), "{name} = {value}: {refusal}");
}

fn refuse_tensor(name: &str, tensor: &Tensor, part: &str) {
    let change = |state: &mut State| {
        assert!(state.tensors.insert(name.to_owned(), tensor.copy()).is_some(), "no {name}");
    };
    let refusal = restore(change).map(|run| run.updates()).unwrap_err();
    assert!(refusal.contains(&format!("`{name}`")) && refusal.contains(part), "{name}: {refusal}");
}

#[test]
fn a_whole_checkpoint_goes_on_to_the_end() {
    let mut run = restore(|_| ()).unwrap();
    assert_eq!((run.tasks(), run.updates()), (1, 3));
    while !run.is_over() {
        run.advance().unwrap();
    }
    assert_eq!(run.updates(), 6);
}

#[test]
fn a_place_beyond_the_run_is_refused() {
    // Three tasks of two updates: a run at a fourth would never be over.
    refuse_value("run/task", json!(4), "at most 3");
    refuse_value("run/task", json!(-1), "invalid value");
    let elsewhere = restore(|state| drop(state.values.insert("run/task".to_owned(), json!(2))));
    assert!(elsewhere.is_err_and(|refusal| refusal.contains("`run/update` is 3, expected 5")));
    refuse_value("run/update_in_task", json!(2), "at most 1");
    refuse_value("run/update", json!(u64::MAX), "which task and update_in_task make");
    refuse_value("run/stream/given", json!(3), "at most 2");
    refuse_value("run/stream/given", json!(2), "is 2, expected 1, which task and update_in_task make");
    refuse_value("run/stream/begun", json!(4), "at most 3");
    refuse_value("run/stream/begun", json!(1), "is 1, expected 2, which task and update_in_task make");
}

#[test]
fn counts_that_would_wrap_are_refused() {
    for name in [
        "optimizer/steps",
        "probe/flat_events",
        "probe/unconverged_events",
        "summary/accuracy_count",
        "summary/measured",
    ] {
        refuse_value(&format!("run/{name}"), json!(u64::MAX), "at most 9007199254740992");
    }
    refuse_value("run/events", json!([]), "an entry a layer");
    let events = |held: u64| {
        let layer = |layer| json!({ "layer": layer, "cooled": 0, "warmed": 0, "held": held, "undefined": 0 });
        json!([layer("fc1"), layer("fc2")])
    };
    assert!(restore(|state| drop(state.values.insert("run/events".to_owned(), events(3)))).is_ok());
    refuse_value("run/events", events(4), "no more events than updates");
}

#[test]
fn indices_beyond_the_images_are_refused() {
    refuse_tensor("run/stream/order", &Tensor::from_slice(&[0i64, 1, 2, 3, 4, 6]), "from 0 to below 6");
    refuse_tensor("run/stream/order", &Tensor::from_slice(&[0i64, 1, 2, 3, 4, -1]), "from 0 to below 6");
    refuse_tensor("run/stream/order", &Tensor::from_slice(&[0i64, 1, 2, 3, 4, 4]), "each of 0 to below 6 once");
    refuse_tensor("run/stream/task/labels", &Tensor::from_slice(&[0i64, 1, 2, 0, 1, 3]), "from 0 to below 3");
    refuse_tensor("run/stream/task/labels", &Tensor::from_slice(&[0.0f64; 6]), "Double [6]");
}

#[test]
fn headers_that_announce_too_much_cost_nothing() {
    for length in [u64::MAX, 1 << 63, 1 << 40, 100_000_001] {
        let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
        assert!(checkpoint::from_bytes(&bytes).is_err(), "a header of {length} bytes");
    }
    let file = |entry: &str| {
        let digest = "0".repeat(64);
        let header = format!(r#"{{"__metadata__":{{"values":"{digest}{{}}"}},"x":{entry}}}"#);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    };
    assert!(checkpoint::from_bytes(&file(r#"{"dtype":"F64","shape":[0],"data_offsets":[0,0]}"#)).is_ok());
    for entry in [
        r#"{"dtype":"F64","shape":[0,9223372036854775808],"data_offsets":[0,0]}"#,
        r#"{"dtype":"F64","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}"#,
        r#"{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}"#,
        r#"{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F64","shape":[1],"data_offsets":[8,0]}"#,
        r#"{"dtype":"BOOL","shape":[0],"data_offsets":[0,0]}"#,
    ] {
        assert!(checkpoint::from_bytes(&file(entry)).is_err(), "{entry}");
    }
}
