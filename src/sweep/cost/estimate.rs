//! What runs cost, from what their parts cost: seconds, bytes on the disk, and how long they take several at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::kind::Left;
use crate::run::Parts;

/// Measured updates among the first so many of a run: the first after every `interval` others.
fn measured_among(updates: u64, interval: u64) -> u64 {
    updates.saturating_sub(1).checked_div(interval).unwrap_or(0)
}

/// Measured updates that are left.
pub(super) fn measured_left(left: &Left) -> u64 {
    let interval = left.run.measure.interval;
    measured_among(left.run.updates(), interval) - measured_among(left.updates.min(left.run.updates()), interval)
}

/// Tasks that are left, the one under way among them.
fn tasks_left(left: &Left) -> f64 {
    left.run.stream.tasks.saturating_sub(left.tasks) as f64
}

/// Seconds for which a run will be at work, its images being there.
pub(super) fn seconds(parts: &Parts, left: &Left) -> f64 {
    let measured = measured_left(left) as f64;
    let plain = left.updates_left() as f64 - measured;
    parts.set_up + tasks_left(left) * parts.task + plain * parts.plain + measured * parts.measured
}

/// Bytes that a run will add to the disk, its checkpoint apart, which goes when the run is over.
pub(super) fn bytes(parts: &Parts, left: &Left) -> f64 {
    /// Of run.json beside the options.
    const RECORD: f64 = 2e3;
    let rows = tasks_left(left) * parts.task_row + measured_left(left) as f64 * parts.control_rows;
    RECORD + left.run.options.to_string().len() as f64 + rows
}

/// Seconds until runs of these seconds are all over, each begun in this order as soon as one of `jobs` places is free.
pub(super) fn until_all_are_over(runs: impl IntoIterator<Item = f64>, jobs: usize) -> f64 {
    let mut free: BinaryHeap<Reverse<Moment>> = (0..jobs.max(1)).map(|_| Reverse(Moment(0.0))).collect();
    for seconds in runs {
        if let Some(Reverse(Moment(begin))) = free.pop() {
            free.push(Reverse(Moment(begin + seconds)));
        }
    }
    free.into_iter().map(|Reverse(Moment(end))| end).fold(0.0, f64::max)
}

/// A finite number of seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::run::RunPlan;
    use crate::testing::runs::{begin, finish, images, plans};

    #[test]
    fn measured_updates_are_those_that_a_run_measures() {
        let set = images(40, [1, 4, 4], 0);
        for interval in [0, 1, 2, 5, 6, 17, 18, 100] {
            // 3 tasks of 3 epochs of 2 minibatches.
            let changes = json!({ "measure": { "interval": interval }, "network": { "hidden": [4] } });
            let plan = &plans(&ImageFacts::of(&set), &[&changes])[0];
            let mut run = begin(plan, &set);
            let rows = |run: &mut _| finish(run).1.len() as u64 / 2;
            let whole = Left { run: plan, tasks: 0, updates: 0 };
            assert_eq!(measured_left(&whole), rows(&mut begin(plan, &set)), "every {interval}");
            let mut made = 0;
            for updates in 1..=8 {
                made += run.advance().unwrap().controls.len() as u64 / 2;
                let left = Left { run: plan, tasks: run.tasks(), updates };
                assert_eq!(measured_left(&left) + made, measured_left(&whole), "every {interval} after {updates}");
            }
            assert_eq!(measured_left(&Left { run: plan, tasks: 3, updates: 18 }), 0);
        }
    }

    fn parts() -> Parts {
        Parts {
            set_up: 1e6,
            task: 1e4,
            plain: 1.0,
            measured: 100.0,
            task_row: 7.0,
            control_rows: 1000.0,
            checkpoint: 1e9,
        }
    }

    #[test]
    fn seconds_and_bytes_by_hand() {
        let set = images(40, [1, 4, 4], 0);
        let plan = &plans(&ImageFacts::of(&set), &[&json!({ "measure": { "interval": 5 } })])[0];
        // 18 updates in 3 tasks; measured after 5, 10 and 15.
        let left = Left { run: plan, tasks: 0, updates: 0 };
        assert_eq!(seconds(&parts(), &left), 1e6 + 3e4 + 15.0 + 300.0);
        let own = |plan: &RunPlan| 2e3 + plan.options.to_string().len() as f64;
        assert_eq!(bytes(&parts(), &left), own(plan) + 21.0 + 3000.0);
        // The second task is under way, and the update after 10 others is made.
        let left = Left { run: plan, tasks: 1, updates: 11 };
        assert_eq!(seconds(&parts(), &left), 1e6 + 2e4 + 6.0 + 100.0);
        let over = Left { run: plan, tasks: 3, updates: 18 };
        assert_eq!(seconds(&parts(), &over), 1e6);
    }

    #[test]
    fn runs_begin_in_their_order_as_places_become_free() {
        let of = |runs: &[f64], jobs| until_all_are_over(runs.iter().copied(), jobs);
        assert_eq!(of(&[], 2), 0.0);
        assert_eq!(of(&[3.0, 1.0, 1.0], 1), 5.0);
        assert_eq!(of(&[3.0, 1.0, 1.0], 2), 3.0);
        assert_eq!(of(&[1.0, 1.0, 1.0, 5.0], 3), 6.0, "the last begins last and is the longest");
        assert_eq!(of(&[2.0, 2.0, 2.0], 2), 4.0);
        assert_eq!(of(&[2.0, 7.0], 8), 7.0, "more places than runs");
    }
}
