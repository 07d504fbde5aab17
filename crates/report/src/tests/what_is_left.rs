//! What is left at the last task, as a table.

use crate::evidence::Evidence;
use crate::views::table::Table;

/// One row an arm. Headings that begin with `#` are those of numbers.
pub(crate) fn what_is_left(evidence: &Evidence) -> Table {
    let note = "Online accuracy of the last task, mean over seeds; n is the number of finished seeds.";
    let mut table = Table::new("What is left", note, &["method", "schedule", "#n", "#accuracy"]);
    for summary in &evidence.summaries {
        let accuracy = summary.last_task_accuracy.map_or("–".into(), |accuracy| format!("{:.3}", accuracy.point()));
        let (arm, n) = (&summary.arm, summary.seeds.to_string());
        // Rows of the reset arm are set apart: the others are compared with it.
        table.push(vec![arm.method.clone(), arm.schedule.clone(), n, accuracy], evidence.is_ceiling(&arm.method));
    }
    table
}
