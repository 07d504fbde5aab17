//! Rates of a file, update by update, and files that are none.

use std::fs;

use serde_json::{Value, json};
use trainability_tensor::State;

use crate::schedule::{Schedule, ScheduleChoice, ScheduleError};
use crate::testing::schedules::{UPDATES, at, schedule};

/// Two layers, measured at other updates each, and one that the network does not have.
const RATES: &str = "task,update,layer,learning_rate,action\n\
    0,1,fc1,0.1,held\n0,1,fc2,0.5,held\n0,1,other,-1,held\n\
    0,4,fc1,0.2,cooled\n\
    0,11,fc2,0.25,held\n0,11,fc1,0.3,warmed\n\
    0,31,fc1,0.4,\n1,700,fc2,0.125,\n";

/// The schedule of a file with this content.
fn replay(content: &[u8], own: Value) -> Result<Box<dyn Schedule>, ScheduleError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rates.csv");
    fs::write(&path, content).unwrap();
    let mut options = json!({ "rates": path });
    options.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    schedule("replay", options)
}

/// The rates of both layers at every update of the run.
fn rates(schedule: &mut dyn Schedule) -> Vec<[f64; 2]> {
    let rates = |update| {
        schedule.begin_update(at(update, 3, UPDATES / 3));
        schedule.learning_rates().try_into().unwrap()
    };
    (0..UPDATES).map(rates).collect()
}

#[test]
fn a_rate_is_that_of_the_steps_from_the_row_before_up_to_its_own() {
    let mut replay = replay(RATES.as_bytes(), json!({})).unwrap();
    let first = [replay.learning_rates()[0], replay.learning_rates()[1]];
    let found = rates(replay.as_mut());
    assert_eq!(first, found[0]);
    // Steps counted from 1. What stands at update 1 was never a step's rate: the decision at update 1 came before its step.
    for (step, [one, two]) in (1..).zip(found) {
        let expected = match step {
            1..4 => 0.2,
            4..11 => 0.3,
            _ => 0.4,
        };
        assert_eq!((one, two), (expected, if step < 11 { 0.25 } else { 0.125 }), "step {step}");
    }
    assert!(!replay.takes_decisions());
}

#[test]
fn from_the_last_row_on_its_rate_stays() {
    let mut replay = replay(b"update,layer,learning_rate\n5,fc1,0.1\n9,fc1,0.2\n3,fc2,0.3\n", json!({})).unwrap();
    let found = rates(replay.as_mut());
    assert_eq!([found[3], found[4], found[8], found[29]], [[0.1, 0.3], [0.2, 0.3], [0.2, 0.3], [0.2, 0.3]]);
}

#[test]
fn a_flat_replay_keeps_the_mean_over_the_updates_of_the_run() {
    for content in [RATES, "update,layer,learning_rate\n40,fc1,0.1\n2,fc2,0.3\n5,fc2,0.7\n"] {
        let course = rates(replay(content.as_bytes(), json!({})).unwrap().as_mut());
        let mean = |layer: usize| course.iter().map(|rates| rates[layer]).sum::<f64>() / UPDATES as f64;
        let flat = rates(replay(content.as_bytes(), json!({ "flat": true })).unwrap().as_mut());
        for rates in &flat {
            for layer in 0..2 {
                assert!((rates[layer] / mean(layer) - 1.0).abs() < 1e-14, "{rates:?}, expected {}", mean(layer));
            }
        }
    }
}

#[test]
fn a_restored_replay_goes_on_with_the_same_bits() {
    let (mut before, mut after) =
        (replay(RATES.as_bytes(), json!({})).unwrap(), replay(RATES.as_bytes(), json!({})).unwrap());
    before.begin_update(at(12, 3, 10));
    after.begin_update(at(2, 3, 10));
    assert_ne!(before.learning_rates(), after.learning_rates());
    let mut state = State::default();
    before.save(&mut state);
    after.restore(&state).unwrap();
    assert_eq!(before.learning_rates(), after.learning_rates());
}

#[test]
fn a_file_that_cannot_be_is_refused_in_one_sentence() {
    let refused = |content: &[u8], expected: &str| {
        let message = replay(content, json!({})).unwrap_err().to_string();
        assert!(message.starts_with("`rates` is \"") && message.contains("rates.csv\", expected "), "{message}");
        assert!(message.ends_with(expected) && !message.contains('\n'), "{message}");
    };
    let rows = |rows: &str| format!("update,layer,learning_rate\n{rows}\n").into_bytes();
    let columns = "expected a CSV file with the columns update, layer, learning_rate";
    refused(b"", columns);
    refused(b"update,layer,rate\n1,fc1,0.1\n", columns);
    for rate in ["0", "-0.1", "inf", "NaN", "", "fast"] {
        let expected = format!("expected a finite rate above 0 in line 3, which has {rate:?}");
        refused(&rows(&format!("1,fc2,0.1\n1,fc1,{rate}")), &expected);
    }
    for update in ["0", "-1", "1.5", ""] {
        let expected = format!("expected an update from 1 on in line 2, which has {update:?}");
        refused(&rows(&format!("{update},fc1,0.1")), &expected);
    }
    for update in [7, 6] {
        let expected = format!("expected updates that ascend: in line 4, fc1 has {update} after 7");
        refused(&rows(&format!("7,fc1,0.1\n2,fc2,0.1\n{update},fc1,0.1")), &expected);
    }
    refused(&rows("1,fc1,0.1\n1,fc3,0.1"), "expected rates of every layer of the network (fc1, fc2): fc2 has none");
    refused(&rows("1,fc1"), "found record with 2 fields, but the previous record has 3 fields)");
    assert!(replay(b"update,layer,learning_rate\n1,\xff,0.1\n", json!({})).is_err());
}

#[test]
fn a_path_leads_to_a_file_of_the_run() {
    let message = |own: Value| schedule("replay", own).unwrap_err().to_string();
    assert_eq!(message(json!({})), "`rates` is missing, expected the path of a CSV file of learning rates");
    let alone = ScheduleChoice::from("replay").with("rates", "a.csv").resolve(1e-3, Some(1)).err().unwrap().to_string();
    assert!(alone.starts_with("`rates` is \"a.csv\", expected left to experiments"), "{alone}");
    let nowhere = message(json!({ "rates": "nowhere/{method}/{seed}.csv" }));
    assert!(
        nowhere.starts_with("`rates` is \"nowhere//0.csv\", expected a file that can be read (No such"),
        "{nowhere}"
    );
    for braces in ["a/{schedule}.csv", "a/{seed.csv", "a/seed}.csv", "a/{}.csv"] {
        let expected = format!("`rates` is {braces:?}, expected no braces but those of {{method}} and {{seed}}");
        assert_eq!(message(json!({ "rates": braces })), expected);
    }
}
