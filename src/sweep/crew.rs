//! Which runs are trained together.

use std::collections::BTreeMap;

use super::memory::Places;
use super::options::SweepOptions;
use super::run_state::place;
use crate::data::ImageSet;
use crate::learner::follows_together;
use crate::run::RunPlan;

/// Runs in lock step, at most: on a processor, which gains little by many and keeps all of them in memory; and on a GPU.
const MOST: [usize; 2] = [8, 128];

/// Why a run cannot be trained in lock step with others, a part of a sentence.
pub(super) fn is_single(run: &RunPlan) -> Option<&'static str> {
    if run.network.sees_pixels() {
        return Some("their networks are no perceptrons");
    }
    let normalization = run.method.build().normalization;
    normalization.filter(|rule| rule.couples_samples()).map(|_| "their networks normalise over the minibatch")
}

/// Whether a run is trained in lock step.
pub(super) fn joins(run: &RunPlan, options: &SweepOptions) -> bool {
    options.in_lockstep && is_single(run).is_none()
}

/// The runs that a thread takes at a time: one, or, in lock step, as many as are alike. They come in the order of the plan,
/// by the first of each.
pub(super) fn crews<'a>(runs: &[&'a RunPlan], set: &ImageSet, options: &SweepOptions) -> Vec<Vec<&'a RunPlan>> {
    let mut alike: BTreeMap<String, Vec<(u64, usize)>> = BTreeMap::new();
    let mut crews: Vec<Vec<usize>> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        if joins(run, options) {
            let (_, made) = place(&options.out.join("runs").join(run.name()));
            alike.entry(likeness(run, set)).or_default().push((made, index));
        } else {
            crews.push(vec![index]);
        }
    }
    // Every thread has work, and no crew is much larger than another.
    let [host, device] = MOST;
    for own in alike.into_values().flat_map(|own| abreast(own, runs)) {
        let most = if runs[own[0]].device.is_cpu() { host } else { device };
        let count = own.len().div_ceil(most).max(options.jobs.clamp(1, own.len()));
        crews.extend(own.chunks(own.len().div_ceil(count)).map(<[usize]>::to_vec));
    }
    crews.sort_by_key(|crew| crew[0]);
    crews.into_iter().map(|crew| crew.into_iter().map(|index| runs[index]).collect()).collect()
}

/// The share of a run that others wait for it to catch up with them: more, and they go on without it.
const CATCHING_UP: f64 = 0.05;

/// Parts of the runs, each with the updates that it has made, that are about as far as each other; each part in the order of the
/// plan.
fn abreast(mut own: Vec<(u64, usize)>, runs: &[&RunPlan]) -> Vec<Vec<usize>> {
    own.sort_unstable();
    let is_near = |a: &(u64, usize), b: &(u64, usize)| (b.0 - a.0) as f64 <= CATCHING_UP * runs[a.1].updates() as f64;
    let part = |part: &[(u64, usize)]| {
        let mut indices: Vec<usize> = part.iter().map(|(_, index)| *index).collect();
        indices.sort_unstable();
        indices
    };
    own.chunk_by(is_near).map(part).collect()
}

/// How many runs are at work at the same time.
pub(super) fn places(runs: &[&RunPlan], set: &ImageSet, options: &SweepOptions) -> Places {
    let abreast = match options.in_lockstep {
        true => crews(runs, set, options).iter().map(Vec::len).max().unwrap_or(1),
        false => 1,
    };
    Places { jobs: options.jobs, abreast }
}

/// What is the same in runs whose passes can be made together, and on a GPU everything that follows them too: so what becomes
/// of a run does not depend on the others.
fn likeness(run: &RunPlan, set: &ImageSet) -> String {
    let method = run.method.build();
    let (shape, lengths) = (run.architecture(set, &method), run.lengths());
    let (activation, normalization) = (&method.activation, &method.normalization);
    let passes = format!("{shape:?} {activation:?} {normalization:?} {lengths:?} {}", run.device);
    let is_of_layers = run.resolved.options.get("scope").is_none_or(|scope| scope != "network");
    let (follows, measure) = (is_of_layers && follows_together(&method.rules), run.measure);
    format!(
        "{passes} {} {follows} {} {:?} {:?}",
        run.training.optimizer, measure.interval, measure.lanczos, measure.noise
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::testing::runs::{images, plans};

    fn crews_of(changes: &Value, in_lockstep: bool, jobs: usize) -> Vec<Vec<String>> {
        let set = images(40, [1, 4, 4], 0);
        let plans = plans(&ImageFacts::of(&set), &[changes]);
        let runs: Vec<&RunPlan> = plans.iter().collect();
        let options = SweepOptions { jobs, in_lockstep, ..SweepOptions::default() };
        let named = |crew: Vec<&RunPlan>| crew.into_iter().map(RunPlan::name).collect();
        crews(&runs, &set, &options).into_iter().map(named).collect()
    }

    #[test]
    fn runs_of_one_shape_are_together_whatever_their_method_schedule_and_seed() {
        let methods = json!(["relu", "l2_adam", "crelu", "tanh", "wasserstein", "batch_norm"]);
        let changes = json!({ "methods": methods, "schedules": ["constant", "as_run"], "seeds": 1 });
        let relu = ["relu", "l2_adam", "wasserstein"];
        let named = |methods: &[&str]| -> Vec<String> {
            let both = |method: &&str| ["constant", "as_run"].map(|schedule| format!("{method}/{schedule}/seed-0"));
            methods.iter().flat_map(both).collect()
        };
        let single = |schedule: &str| vec![format!("batch_norm/{schedule}/seed-0")];
        let expected = vec![named(&relu), named(&["crelu"]), named(&["tanh"]), single("constant"), single("as_run")];
        assert_eq!(crews_of(&changes, true, 1), expected);
        assert_eq!(crews_of(&changes, false, 1).len(), 12);
    }

    #[test]
    fn crews_are_small_enough_to_keep_every_thread_at_work() {
        let sizes = |seeds, jobs| -> Vec<usize> {
            crews_of(&json!({ "seeds": seeds }), true, jobs).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(5, 2), [3, 2]);
        assert_eq!(sizes(1, 2), [1]);
        assert_eq!(sizes(20, 1), [7, 7, 6]);
    }

    #[test]
    fn what_follows_the_passes_is_the_same_for_all_of_a_crew() {
        let of = |changes: Value| crews_of(&changes, true, 1).len();
        assert_eq!(of(json!({ "grid": { "training.optimizer": ["adam", "sgd"] } })), 2);
        assert_eq!(of(json!({ "grid": { "measure.interval": [2, 3] } })), 2);
        assert_eq!(of(json!({ "grid": { "measure.lanczos.products": [10, 20] } })), 2);
        assert_eq!(of(json!({ "methods": ["relu", "gradient_clipping", "redo"] })), 2);
        assert_eq!(
            of(json!({ "schedules": ["debiased", { "name": "debiased", "label": "whole", "scope": "network" }] })),
            2
        );
        assert_eq!(of(json!({ "grid": { "training.learning_rate": [0.1, 0.2] } })), 1);
    }

    #[test]
    fn runs_that_are_far_behind_are_not_waited_for() {
        let set = images(40, [1, 4, 4], 0);
        let plans = plans(&ImageFacts::of(&set), &[&json!({ "seeds": 5, "stream": { "tasks": 10, "epochs": 10 } })]);
        let runs: Vec<&RunPlan> = plans.iter().collect();
        assert_eq!(runs[0].updates(), 200);
        let made = vec![(100, 0), (0, 1), (110, 2), (0, 3), (121, 4)];
        assert_eq!(abreast(made, &runs), [vec![1, 3], vec![0, 2], vec![4]]);
    }

    #[test]
    fn tasks_of_other_lengths_are_other_work() {
        let changes = json!({ "stream": { "tasks": 3, "epochs": 6, "length_spread": 0.5 }, "seeds": 2 });
        assert_eq!(crews_of(&changes, true, 1).len(), 2);
    }
}
