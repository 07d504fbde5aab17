//! What each schedule of a sweep is to the claims.

use std::collections::BTreeMap;

use crate::results::{RecordedRun, RecordedSweep};
use crate::series::CONTROL;

/// What a schedule is to the claims.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScheduleRole {
    /// The per-layer scheduler as the paper has it, in its text or behind its figures.
    Scheduler,
    /// The base constant learning rate.
    BaseConstant,
    /// A constant learning rate other than the base one.
    OtherConstant,
    /// A decay by the clock, whichever.
    Decay,
    /// A cap on the effective step that asks for no bound.
    Cap,
    /// The scheduler of that label, held below its noise bound alone.
    NoiseAlone(String),
    /// The rates of the schedule of that label, replayed whatever is measured.
    Replay(String),
    /// Each layer constant at the mean of that schedule's rates.
    Flat(String),
    /// A scheduler with other options, which no claim is about.
    Variant,
}

impl ScheduleRole {
    /// Whether a scheduler has to beat it: whatever asks for no bound.
    pub(crate) fn is_control(&self) -> bool {
        matches!(self, Self::BaseConstant | Self::OtherConstant | Self::Decay | Self::Cap | Self::Flat(_))
    }

    /// The role of a run's schedule: by the name of its registry entry, its options, and whether it takes decisions. Whatever
    /// takes none and is not constant goes by the clock.
    fn of(run: &RecordedRun) -> Self {
        let label = run.arm.schedule.as_str();
        // Where several sweeps have schedules of one name, theirs stands in front.
        let own_label = label.rsplit('/').next().unwrap_or(label);
        let options = run.record.as_ref().and_then(|record| record.options.get("schedule"));
        let text = |key: &str| options.and_then(|options| options.get(key)?.as_str());
        let name = text("name").unwrap_or(label);
        let takes_decisions = run.record.as_ref().is_some_and(|record| record.scheduled);
        match (name, text("limit")) {
            (CONTROL, _) if own_label == CONTROL => Self::BaseConstant,
            (CONTROL, _) => Self::OtherConstant,
            ("replay", _) => {
                let flat = options.and_then(|options| options.get("flat")?.as_bool()) == Some(true);
                // RESULTS/replay/METHOD/SCHEDULE/seed-N.csv
                let of = text("rates").and_then(|path| path.rsplit('/').nth(1)).unwrap_or_default().to_owned();
                if flat { Self::Flat(of) } else { Self::Replay(of) }
            }
            ("floor_only", _) | (_, Some("floor_only")) => Self::Cap,
            ("paper" | "as_run", Some("noise")) if own_label == format!("{name}-limit=noise") => {
                Self::NoiseAlone(label.replace("-limit=noise", ""))
            }
            ("paper" | "as_run", None | Some("combined")) if own_label == name => Self::Scheduler,
            _ if takes_decisions => Self::Variant,
            _ => Self::Decay,
        }
    }
}

/// What each schedule is to the claims, by its label.
pub(crate) fn roles(sweep: &RecordedSweep) -> BTreeMap<String, ScheduleRole> {
    sweep.finished().map(|run| (run.arm.schedule.clone(), ScheduleRole::of(run))).collect()
}
