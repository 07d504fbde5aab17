//! Runs that share their images: the same memory, and the bits of runs alone.

use std::sync::Arc;

use serde_json::{Value, json};
use trainability_tensor::sparse_images::SparseImages;

use super::{digits, plans_of};
use crate::data::ImageSet;
use crate::run::{Run, SharedImages};
use crate::testing::runs::{begin, finish, first_difference};

/// Where a run's images lie, and what is left of them without their background.
fn memory(run: &Run) -> (usize, *const SparseImages) {
    let images = run.images.dense.data_ptr();
    assert_eq!(images, run.stream.images().data_ptr());
    (images as usize, Arc::as_ptr(run.images.sparse.as_ref().expect("most pixels are background")))
}

fn settings(images: Option<usize>) -> Value {
    json!({
        "data": { "images": images },
        "training": { "batch_size": 64 },
        "methods": ["relu", "redo"],
        "schedules": ["debiased"],
        "seeds": 2,
    })
}

#[test]
fn runs_on_the_whole_set_have_it_in_memory_once_and_runs_on_a_part_once_a_seed() {
    let set = digits();
    for (images, of_other_seeds) in [(None, true), (Some(80), false)] {
        let plans = plans_of(&set, settings(images));
        let shared = SharedImages::of(&set);
        let runs: Vec<Run> = plans.iter().map(|plan| Run::sharing(plan, &shared).unwrap()).collect();
        assert_eq!(runs.len(), 4);
        for (one, plan) in runs.iter().zip(&plans) {
            for (other, of_other) in runs.iter().zip(&plans) {
                let same = plan.seed == of_other.seed || of_other_seeds;
                assert_eq!(memory(one) == memory(other), same, "{} and {}", plan.name(), of_other.name());
            }
        }
    }
}

/// All runs in turn, an update each.
fn in_turn(set: &ImageSet, settings: Value) {
    let plans = plans_of(set, settings);
    let shared = SharedImages::of(set);
    let mut runs: Vec<Run> = plans.iter().map(|plan| Run::sharing(plan, &shared).unwrap()).collect();
    let mut written = vec![(Vec::new(), Vec::new()); runs.len()];
    while !runs[0].is_over() {
        for (run, (tasks, controls)) in runs.iter_mut().zip(&mut written) {
            let advance = run.advance().unwrap();
            tasks.extend(advance.task);
            controls.extend(advance.controls);
        }
    }
    for (plan, (tasks, controls)) in plans.iter().zip(written) {
        let expected = finish(&mut begin(plan, set));
        assert_eq!(first_difference(&tasks, &expected.0), None, "{}", plan.name());
        assert_eq!(controls, expected.1, "{}", plan.name());
    }
}

#[test]
fn runs_that_share_their_images_write_the_bits_of_runs_alone() {
    let test = ImageSet {
        labels: (0..30).map(|image| image % 10).collect(),
        ..crate::testing::runs::images(30, [1, 4, 4], 205)
    };
    let set = digits().with_test(test).unwrap();
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        for images in [None, Some(80)] {
            let mut settings = settings(images);
            settings["stream"] = json!({ "kind": kind, "transition": 0.5 });
            in_turn(&set, settings);
        }
    }
}
