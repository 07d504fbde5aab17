//! The schedules that there are. To add one, write its file and name it here.

use super::definition::ScheduleKind;
use super::{constant, cosine, exponential, linear, noise_curvature, replay, stability_cap, step, warmup_stable_decay};

/// Every schedule that a configuration can name.
pub const SCHEDULES: &[&ScheduleKind] = &[
    &constant::KIND,
    &linear::KIND,
    &exponential::KIND,
    &cosine::KIND,
    &step::KIND,
    &warmup_stable_decay::KIND,
    &replay::KIND,
    &noise_curvature::KIND,
    &noise_curvature::PAPER,
    &noise_curvature::AS_RUN,
    &noise_curvature::DEBIASED,
    &noise_curvature::NOISE_ONLY,
    &noise_curvature::VOLATILITY_ONLY,
    &noise_curvature::LEVEL_ONLY,
    &noise_curvature::COOLING_ONLY,
    &noise_curvature::FLOOR_ONLY,
    &stability_cap::KIND,
];

/// The schedule of that name.
pub fn schedule(name: &str) -> Option<&'static ScheduleKind> {
    SCHEDULES.iter().copied().find(|kind| kind.name == name)
}
