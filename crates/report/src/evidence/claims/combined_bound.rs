//! Claim (b): does the combined bound say more than either of its parts, and than any single indicator?
//!
//! By the matched concordance of [`crate::evidence::ordering`], on the same pairs of seeds for both sides. The bounds are compared in
//! one form, effective step over bound, in theory's direction: high announces the loss. They must have one formula in all arms: pooled
//! over arms with several, the combined bound was once found far ahead of the noise bound, because the formulas told the arms
//! apart. A single indicator is read as the other families of methods teach.

use trainability_record::glossary::IndicatorRole;
use trainability_stats::concordance::{Concordance, Orientation, PairRule, SeedCourse};
use trainability_stats::gaps::defined;
use trainability_stats::jackknife::Jackknife;
use trainability_stats::paired_tests::holm_defined;
use trainability_stats::{Estimate, Interval, Undefined};

use crate::evidence::claims::finding::{Claim, Finding, LEVEL, Verdict, difference};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::health::{HealthyArms, HealthyRun};
use crate::evidence::ordering::courses;
use crate::evidence::predictiveness::ONLINE_ACCURACY;
use crate::plot::axis::short;

const COMBINED: &str = "step_over_combined_bound";
const PARTS: [&str; 2] = ["step_over_noise_bound", "step_over_volatility_bound"];
/// A difference of concordances that is too small to matter, whatever its p.
const NEGLIGIBLE: f64 = 0.01;
/// Differences of two shares.
const RANGE: Interval = Interval { low: -1.0, high: 1.0 };

pub(super) fn findings(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let of_role = |role| inputs.indicators.iter().filter(move |i| i.role == role).map(|i| i.name.as_str());
    let singles: Vec<&str> = of_role(IndicatorRole::Rejected).chain([ONLINE_ACCURACY]).collect();
    vec![
        finding(inputs.arms, "against its parts", &PARTS, Orientation::LowIsGood),
        finding(inputs.arms, "against single indicators and accuracy", &singles, Orientation::AsOthersTeach),
    ]
}

/// Every rival must be beaten: the largest p decides, and the closest difference is the evidence.
fn finding(arms: &HealthyArms<'_>, subject: &str, rivals: &[&str], orientation: Orientation) -> Finding {
    let told = |verdict, evidence: String| Finding::new(Claim::CombinedBoundPredicts, subject, verdict, evidence);
    if !arms.one_formula() {
        let why = "the combined bound has several formulas in these arms, which would tell them apart";
        return told(Verdict::NotTested, why.to_owned());
    }
    let compared: Vec<(&str, Result<Jackknife, Undefined>)> =
        rivals.iter().map(|rival| (*rival, ahead(arms, rival, orientation))).collect();
    let known = compared.iter().filter_map(|(rival, ahead)| Some((*rival, ahead.as_ref().ok()?)));
    let Some((rival, closest)) = known.clone().min_by(|a, b| a.1.point.total_cmp(&b.1.point)) else {
        let reason = compared.iter().find_map(|(_, ahead)| ahead.as_ref().err());
        return told(Verdict::NotTested, reason.map_or_else(|| "nothing to compare".to_owned(), ToString::to_string));
    };
    let ahead: Vec<_> =
        compared.iter().map(|(_, ahead)| ahead.as_ref().map_err(|reason| *reason)?.p_above(0.0)).collect();
    let behind: Vec<_> = known.clone().map(|(_, ahead)| ahead.p_above(0.0).map(|p| 1.0 - p)).collect();
    let largest = ahead.iter().copied().reduce(|a, b| Ok(a?.max(b?))).unwrap_or(Err(Undefined::NoValues));
    let lost = holm_defined(&behind).into_iter().any(|p| p.is_ok_and(|p| p < LEVEL));
    let estimate = closest.estimate(RANGE);
    let verdict = if closest.p(0.0).is_err_and(|reason| matches!(reason, Undefined::TooFew { .. })) {
        Verdict::Undecided
    } else if is_negligible(&estimate) {
        Verdict::Negligible
    } else if lost {
        Verdict::Contradicted
    } else if largest.is_ok_and(|p| p < LEVEL) {
        Verdict::Supported
    } else {
        Verdict::Undecided
    };
    let p = largest.map_or_else(|reason| reason.to_string(), short);
    let mut evidence = format!(
        "closest or worst against {rival}, concordance {} (n = {} seeds); largest one-sided p {p}",
        difference(&estimate),
        estimate.n(),
    );
    if let Ok(smallest) = closest.smallest_detectable(LEVEL) {
        evidence.push_str(&format!("; so many seeds find a difference of {smallest:.3} in four cases of five"));
    }
    if let Ok(Some(seeds)) = closest.seeds_for(0.05, LEVEL, 10_000) {
        evidence.push_str(&format!(", and {seeds} seeds one of 0.050"));
    }
    if let Some(apart) = median_distance(arms).filter(|_| orientation == Orientation::LowIsGood) {
        evidence.push_str(&format!(
            "; in the median task the combined bound is {:.2} % from the noise bound",
            100.0 * apart
        ));
    }
    told(verdict, evidence)
}

/// Whether the whole interval, or where all copies agree the difference itself, lies so close to zero that it does not matter.
fn is_negligible(difference: &Estimate) -> bool {
    let ends = difference.interval().map_or([difference.point(); 2], |interval| [interval.low, interval.high]);
    ends.iter().all(|end| end.abs() < NEGLIGIBLE)
}

/// How much higher the concordance of the combined bound is than a rival's, where both are defined.
fn ahead(arms: &HealthyArms<'_>, rival: &str, orientation: Orientation) -> Result<Jackknife, Undefined> {
    let (mut ours, mut theirs) = (courses(arms, COMBINED), courses(arms, rival));
    for (one, other) in ours.iter_mut().zip(&mut theirs) {
        keep_common(one, other);
    }
    let [ours, theirs] = [ours, theirs].map(|courses| Concordance::of(&courses, PairRule::default()));
    Jackknife::of(ours.seeds, |without| {
        Ok(ours.value(Orientation::LowIsGood, without)? - theirs.value(orientation, without)?)
    })
}

fn keep_common(one: &mut SeedCourse, other: &mut SeedCourse) {
    let length = one.indicator.len().max(other.indicator.len());
    one.indicator.resize(length, None);
    other.indicator.resize(length, None);
    for (a, b) in one.indicator.iter_mut().zip(&mut other.indicator) {
        if defined(*a).is_none() || defined(*b).is_none() {
            (*a, *b) = (None, None);
        }
    }
}

/// The median over rows of how far the combined bound is from the noise bound, as a share of it.
fn median_distance(arms: &HealthyArms<'_>) -> Option<f64> {
    let of_run = |run: &HealthyRun<'_>| {
        let [combined, noise] = ["combined_bound", "noise_bound"].map(|name| run.run.series.column(name).to_vec());
        let both = combined.into_iter().zip(noise).filter_map(|(a, b)| defined(a).zip(defined(b)));
        both.map(|(a, b)| (a / b - 1.0).abs()).filter(|apart| apart.is_finite()).collect::<Vec<f64>>()
    };
    let mut all: Vec<f64> = arms.runs.iter().flat_map(of_run).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
