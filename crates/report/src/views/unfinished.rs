//! Runs that have not finished, as far as they have come: to be looked at, and to count for nothing.

use serde_json::Value;

use crate::evidence::Evidence;
use crate::plot::axis::plain;
use crate::results::RecordedRun;
use crate::setting::option;
use crate::views::table::Table;
use crate::wording::counted;

/// What such a run has done, such as `4 of 40`.
fn done(evidence: &Evidence, run: &RecordedRun) -> String {
    let done = if run.tasks() > 0 { evidence.first_task + run.tasks() } else { 0 };
    match option(run, "stream.tasks").and_then(Value::as_u64) {
        Some(planned) => format!("{done} of {planned}"),
        None => done.to_string(),
    }
}

/// Rows of the table, for nobody reads thousands.
const MOST_ROWS: usize = 20;

/// A row a run, up to [`MOST_ROWS`]; none where all have finished.
pub(crate) fn table(evidence: &Evidence) -> Option<Table> {
    let note = "Runs that are under way or were interrupted, as far as their rows were written when they were read. They enter no \
                verdict, no mean, no interval and no other table but the comparison with a paper, where they are marked. A run \
                that goes on from its checkpoint writes the same numbers.";
    let mut table =
        Table::new("Unfinished runs", note, &["method", "schedule", "#seed", "#tasks done", "#last accuracy"]);
    let all = evidence.sweep.unfinished().count();
    if all > MOST_ROWS {
        let first = format!(" These are the first {MOST_ROWS} of {} such runs.", plain(all as f64, 0));
        table.note.push_str(&first);
    }
    for run in evidence.sweep.unfinished().take(MOST_ROWS) {
        let last = run.series.online_accuracy().last().copied().flatten();
        let cells = vec![
            run.arm.method.clone(),
            run.arm.schedule.clone(),
            run.seed.to_string(),
            done(evidence, run),
            last.map_or("–".into(), |accuracy| format!("{accuracy:.3}")),
        ];
        table.push(cells, false);
    }
    Some(table).filter(|table| !table.rows.is_empty())
}

/// What a report without a finished run begins with; nothing where one has finished.
pub(crate) fn nothing_has_finished(evidence: &Evidence) -> Option<String> {
    let runs = evidence.sweep.unfinished().count();
    evidence.series.is_empty().then(|| {
        let (are, have) = if runs == 1 { ("is under way or was", "has") } else { ("are under way or were", "have") };
        let runs = counted(runs, "run");
        format!(
            "No run has finished yet: this is how far {runs} that {are} interrupted {have} come, and nothing is concluded from it."
        )
    })
}
