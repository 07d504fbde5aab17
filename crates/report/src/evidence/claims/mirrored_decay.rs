//! Claim (e): the course of each layer's learning rate under the scheduler against the canonical decays.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use trainability_stats::decay::{DecayFit, Family, fits};

use crate::evidence::claims::finding::{Claim, Finding, Verdict};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::trajectory::Trajectory;
use crate::series::Arm;
use crate::wording::{counted, distinct};

/// The R2 from which a course counts as mirroring a decay.
pub(crate) const MIRRORED: f64 = 0.9;

/// One finding an arm: every layer has to mirror a decay in every seed; a layer that does in none contradicts. One seed decides nothing.
pub(super) fn findings(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let best = |trajectory: &Trajectory| fits(&trajectory.points).first().copied();
    let fitted: Vec<Option<DecayFit>> = inputs.trajectories.par_iter().map(best).collect();
    let mut arms: BTreeMap<&Arm, BTreeMap<&str, Vec<DecayFit>>> = BTreeMap::new();
    let mut seeds: BTreeMap<&Arm, BTreeSet<u64>> = BTreeMap::new();
    for (trajectory, fit) in inputs.trajectories.iter().zip(fitted) {
        let layers = arms.entry(&trajectory.arm).or_default();
        layers.entry(&trajectory.layer).or_default().extend(fit);
        seeds.entry(&trajectory.arm).or_default().insert(trajectory.seed);
    }
    let finding = |(arm, layers): (&Arm, BTreeMap<&str, Vec<DecayFit>>)| {
        let n = seeds[arm].len();
        let mirrors = |fit: &DecayFit| fit.family != Family::Constant && fit.r2 >= MIRRORED;
        let verdict = if n < 2 {
            Verdict::Undecided
        } else if layers.values().all(|fits| !fits.is_empty() && fits.iter().all(mirrors)) {
            Verdict::Supported
        } else if layers.values().any(|fits| !fits.is_empty() && !fits.iter().any(mirrors)) {
            Verdict::Contradicted
        } else {
            Verdict::Undecided
        };
        let told: Vec<String> = layers.iter().map(|(layer, fits)| format!("{layer} {}", courses(fits))).collect();
        let evidence = format!("{}; n = {}", told.join("; "), counted(n, "seed"));
        Finding::new(Claim::RatesMirrorDecay, arm, verdict, evidence)
    };
    let mut findings: Vec<Finding> = arms.into_iter().map(finding).collect();
    if findings.is_empty() {
        let evidence = "this sweep has no run under the scheduler";
        findings.push(Finding::new(Claim::RatesMirrorDecay, "learning rates", Verdict::NotTested, evidence));
    }
    findings
}

/// The families that fit best over seeds and the range of their R2, like `step or cosine, R2 0.81 to 0.93`.
fn courses(fits: &[DecayFit]) -> String {
    let families = distinct(fits.iter().map(|fit| fit.family.name()));
    let low = fits.iter().map(|fit| fit.r2).fold(f64::INFINITY, f64::min);
    let high = fits.iter().map(|fit| fit.r2).fold(f64::NEG_INFINITY, f64::max);
    if families == ["constant"] {
        return "falls like none".to_owned();
    }
    let families: Vec<&str> = families.into_iter().map(|name| if name == "constant" { "none" } else { name }).collect();
    let range = if high - low < 0.005 { format!("{high:.2}") } else { format!("{low:.2} to {high:.2}") };
    format!("{}, R2 {range}", families.join(" or "))
}
