//! What each schedule of a sweep is to the claims.

use std::collections::BTreeMap;

use crate::results::{RecordedRun, RecordedSweep};
use crate::series::CONTROL;

/// What a schedule is to the claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScheduleRole {
    /// The per-layer scheduler as the paper has it, in its text or behind its figures.
    Scheduler,
    /// A constant learning rate other than the base one.
    OtherConstant,
    /// A decay by the calendar.
    Decay,
    /// A cap on the effective step that asks for no bound.
    Cap,
    /// Anything else: the base constant, ablations and variants, which the claims are not about.
    Other,
}

impl ScheduleRole {
    /// The role of a schedule by the name of its registry entry, its `limit` if it has one, and its label.
    pub(crate) fn of(name: &str, limit: Option<&str>, label: &str) -> Self {
        match (name, limit) {
            ("floor_only", _) | (_, Some("floor_only")) => Self::Cap,
            ("paper" | "as_run", None | Some("combined")) if label == name => Self::Scheduler,
            ("constant", _) if label != CONTROL => Self::OtherConstant,
            ("linear" | "exponential" | "cosine" | "step" | "inverse_square_root" | "warmup_stable_decay", _) => {
                Self::Decay
            }
            _ => Self::Other,
        }
    }
}

/// What each schedule is to the claims, by its label.
pub(crate) fn roles(sweep: &RecordedSweep) -> BTreeMap<String, ScheduleRole> {
    let role = |run: &RecordedRun| {
        let label = run.arm.schedule.as_str();
        let options = run.record.as_ref().and_then(|record| record.options.get("schedule"));
        let text = |key| options.and_then(|options| options.get(key)?.as_str());
        let name = text("name").unwrap_or(label);
        (label.to_owned(), ScheduleRole::of(name, text("limit"), label))
    };
    sweep.finished().map(role).collect()
}
