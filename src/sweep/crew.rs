//! Which runs are trained together.

use std::collections::BTreeMap;

use super::memory::Places;
use super::options::SweepOptions;
use crate::data::ImageSet;
use crate::run::RunPlan;

/// Runs in lock step, at most: on a processor, which gains little by many and keeps all of them in memory; and on a GPU.
const MOST: [usize; 2] = [8, 128];

/// Why a run cannot be trained in lock step with others, a part of a sentence.
pub(super) fn is_single(run: &RunPlan) -> Option<&'static str> {
    if run.network.channels.is_some() {
        return Some("their networks have convolutions");
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
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let jobs = options.jobs.max(1);
    for (index, run) in runs.iter().enumerate() {
        let key = if joins(run, options) { likeness(run, set) } else { format!("alone {index}") };
        alike.entry(key).or_default().push(index);
    }
    // Every thread has work, and no crew is much larger than another.
    let [host, device] = MOST;
    let mut found: Vec<&[usize]> = Vec::new();
    for own in alike.values() {
        let most = if runs[own[0]].device.is_cpu() { host } else { device };
        let count = own.len().div_ceil(most).max(jobs.min(own.len()));
        found.extend(own.chunks(own.len().div_ceil(count)));
    }
    found.sort_by_key(|crew| crew[0]);
    found.into_iter().map(|crew| crew.iter().map(|&index| runs[index]).collect()).collect()
}

/// How many runs are at work at the same time.
pub(super) fn places(runs: &[&RunPlan], set: &ImageSet, options: &SweepOptions) -> Places {
    let abreast = crews(runs, set, options).iter().map(Vec::len).max().unwrap_or(1);
    Places { jobs: options.jobs, abreast }
}

/// What is the same in runs whose passes can be made together.
fn likeness(run: &RunPlan, set: &ImageSet) -> String {
    let method = run.method.build();
    let (shape, lengths) = (run.shape(set, &method), run.lengths());
    format!("{shape:?} {:?} {:?} {lengths:?} {}", method.activation, method.normalization, run.device)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::sweep::{Shard, Signals};
    use crate::testing::runs::{images, plans};

    fn crews_of(changes: &Value, in_lockstep: bool, jobs: usize) -> Vec<Vec<String>> {
        let set = images(40, [1, 4, 4], 0);
        let plans = plans(&ImageFacts::of(&set), &[changes]);
        let runs: Vec<&RunPlan> = plans.iter().collect();
        let options = SweepOptions {
            out: "unused".into(),
            jobs,
            only: None,
            shard: Shard::default(),
            in_lockstep,
            fail_fast: false,
            retry_failed: false,
            fork_of: None,
            tensorboard: false,
            checkpoint_every: Duration::from_secs(60),
            signals: Signals::default(),
        };
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
    fn tasks_of_other_lengths_are_other_work() {
        let changes = json!({ "stream": { "tasks": 3, "epochs": 6, "length_spread": 0.5 }, "seeds": 2 });
        assert_eq!(crews_of(&changes, true, 1).len(), 2);
    }
}
