//! A network under inspection has the method that it had in its run: every part that can be read is tried.

use tch::{Device, Kind, Tensor};
use trainability_baselines::method::Method;
use trainability_baselines::registry::PARTS;

use super::golden::{SAMPLES, fresh_with, images, reading, save, save_network};
use crate::inspection::{Foreign, NewTask, Reading, Sources, compare, measure};
use crate::learner::Precision;
use crate::optimizer::Adam;

/// The parts that `probe --method` takes: those that act on a network that is there, on its gradient or on its update.
fn readable() -> Vec<&'static str> {
    let parts = PARTS.iter().filter(|part| {
        let (contribution, _) = part.build(serde_json::json!({})).unwrap();
        let method = Method::of(vec![contribution]).unwrap();
        method.rules.surgeries.is_empty() && method.normalization.is_none()
    });
    parts.map(|part| part.name).collect()
}

/// The network that a new task of seed 5 begins its fresh one with, read with this part; its training began with the network of
/// seed `initial`.
fn read(part: &str, initial: u64) -> Foreign {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let [checkpoint, batch, began] = ["net", "batch", "initial"].map(|name| folder.path().join(name));
    let reading = Reading { learning_rate: 0.02, ..reading(&[part], Precision::F64) };
    save_network(&checkpoint, &fresh_with(reading.method.build().activation, 5));
    save_network(&began, &fresh_with(reading.method.build().activation, initial));
    let labels = Tensor::zeros([SAMPLES as i64], (Kind::Int64, Device::Cpu));
    save(&batch, &[("images", &images()), ("labels", &labels)]);
    let sources = Sources { checkpoint: &checkpoint, batch: &batch, adam_state: None, initial: Some(&began) };
    Foreign::read(sources, reading).unwrap()
}

/// A part that one side leaves out, or begins from other parameters than the other does, shows.
#[test]
fn a_fresh_network_learns_as_a_fresh_one_under_every_method() {
    let task = NewTask { seed: 5, epochs: 30, batch_size: 8 };
    let plain = compare(read("relu", 5), task).fresh;
    let mut different = 0;
    for part in readable() {
        let found = compare(read(part, 5), task);
        assert_eq!(found.checkpoint, found.fresh, "{part}");
        different += usize::from(found.fresh != plain);
    }
    assert!(different >= 6, "{different} methods learn otherwise than plain ReLU");
}

#[test]
fn the_initial_parameters_concern_the_methods_that_look_back_at_them_alone() {
    let mut looking_back = 0;
    for part in readable() {
        let [(stayed, none), (moved, distance)] = [5, 6].map(|initial| {
            let mut findings = measure(&mut read(part, initial), 0).unwrap();
            let mut distance = None;
            let tables = findings.layers.iter_mut().map(|(_, values)| values).chain([&mut findings.network]);
            for values in tables {
                values.retain(|(name, value)| {
                    let own = *name == "distance_from_initialisation";
                    distance = if own { *value } else { distance };
                    !own
                });
            }
            (findings, distance.unwrap())
        });
        assert!(none == 0.0 && distance > 0.5, "{part}: {none}, {distance}");
        let looks_back = read(part, 6).rules.penalties.iter().any(|penalty| penalty.needs_initial_parameters());
        // What is pulled back after a step alone shows in no measurement.
        assert!(looks_back || moved == stayed, "{part}");
        looking_back += usize::from(moved != stayed);
    }
    assert!(looking_back >= 1, "{looking_back}");
}

/// With a large epsilon Adam's steps are as large as the gradient that the rule lets through.
#[test]
fn a_gradient_rule_changes_the_next_update() {
    let update = |part: &str| {
        let mut foreign = read(part, 5);
        foreign.reading.adam.epsilon = 1e3;
        foreign.optimizer = Adam::new(foreign.reading.adam, foreign.rules.weight_decay, foreign.network.layers());
        foreign.has_first_moments = true;
        let findings = measure(&mut foreign, 0).unwrap();
        findings.network.iter().find(|(name, _)| *name == "update_to_weight").unwrap().1.unwrap()
    };
    let plain = update("relu");
    assert!((update("gradient_normalization") / plain - 1.0).abs() > 0.01);
}
