//! When trainability is lost: described, and no endpoint, for the task of an onset is a far less reliable number than the health of
//! all tasks.

use trainability_stats::Share;

use crate::evidence::health::{HealthyArms, HealthyRun};
use crate::series::Arm;

/// The health below which a task counts as lost.
pub(crate) const LOSS: f64 = 0.9;
/// The health below which a network counts as collapsed.
pub(crate) const COLLAPSE: f64 = 0.5;

/// When the runs of an arm first lose, and when they collapse.
#[derive(Clone, Debug)]
pub(crate) struct Onset {
    /// The arm.
    pub arm: Arm,
    /// The accuracy that its health is measured against.
    pub ceiling: f64,
    /// The first of two tasks in a row with a health below [`LOSS`].
    pub loss: FirstTask,
    /// The same below [`COLLAPSE`].
    pub collapse: FirstTask,
}

/// The first task at which something happens to the runs of an arm.
#[derive(Clone, Debug)]
pub(crate) struct FirstTask {
    /// The runs to which it happens, of all.
    pub runs: Share,
    /// Its task in each of these, counted from 1, in order.
    pub tasks: Vec<usize>,
}

impl FirstTask {
    /// The middle of them, or the later of two.
    pub(crate) fn median(&self) -> Option<usize> {
        self.tasks.get(self.tasks.len() / 2).copied()
    }
}

/// Every arm of these runs, in their order; their series begin with `first_task`, counted from 0.
pub(crate) fn onsets(arms: &HealthyArms<'_>, first_task: usize) -> Vec<Onset> {
    let of_arm = |runs: &[HealthyRun<'_>]| {
        let first = |level| {
            let found = |run: &HealthyRun<'_>| lost(&run.health, level).iter().position(|lost| *lost == Some(true));
            let mut tasks: Vec<usize> = runs.iter().filter_map(found).map(|task| first_task + task + 1).collect();
            tasks.sort_unstable();
            FirstTask { runs: Share { part: tasks.len(), whole: runs.len() }, tasks }
        };
        let HealthyRun { run, ceiling, .. } = &runs[0];
        Onset { arm: run.arm.clone(), ceiling: *ceiling, loss: first(LOSS), collapse: first(COLLAPSE) }
    };
    arms.runs.chunk_by(|one, other| one.arm == other.arm).map(of_arm).collect()
}

/// Whether each task is one of at least two in a row whose health is below the level.
pub(crate) fn lost(health: &[Option<f64>], level: f64) -> Vec<Option<bool>> {
    let below = |task: Option<usize>| task.and_then(|task| *health.get(task)?).is_some_and(|health| health < level);
    let state =
        |task: usize| health[task].map(|_| below(Some(task)) && (below(task.checked_sub(1)) || below(Some(task + 1))));
    (0..health.len()).map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_tasks_counted_from_one() {
        let run = crate::tests::synthetic::run("relu", "constant", 0, serde_json::json!({}));
        let of = |health: [f64; 4]| HealthyRun {
            run: &run,
            family: 0,
            arm: 0,
            health: health.map(Some).to_vec(),
            ceiling: 0.9,
        };
        let runs = vec![of([1.0, 0.8, 0.8, 0.4]), of([1.0, 1.0, 0.3, 0.3]), of([1.0, 0.3, 1.0, 1.0])];
        let arms = HealthyArms { runs, judged: Default::default() };
        let found = onsets(&arms, 10);
        assert_eq!((found.len(), found[0].ceiling), (1, 0.9));
        assert_eq!(found[0].loss.tasks, [12, 13], "the third run has one bad task alone");
        assert_eq!((found[0].loss.runs, found[0].loss.median()), (Share { part: 2, whole: 3 }, Some(13)));
        assert_eq!(found[0].collapse.tasks, [13]);
    }

    #[test]
    fn a_single_bad_task_is_no_loss() {
        let health = [1.0, 0.4, 0.8, 0.4, 0.3, 0.6].map(Some);
        let expected = [false, false, false, true, true, false].map(Some);
        assert_eq!(lost(&health, COLLAPSE), expected);
        assert_eq!(lost(&health, LOSS), [false, true, true, true, true, true].map(Some));
        assert_eq!(lost(&[Some(0.1), None, Some(0.1)], COLLAPSE), [Some(false), None, Some(false)]);
        assert_eq!(lost(&[Some(0.1)], COLLAPSE), [Some(false)], "one task tells of no two in a row");
    }
}
