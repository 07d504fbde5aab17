//! Claim (a): no single indicator orders runs alike in all methods.
//!
//! In each family of methods the indicator has a matched concordance with health, before any direction is learnt. It is inconsistent
//! if the next family may be expected on either side of one half, and there is significantly a family on each side; it is
//! consistent if the next family may be expected on one side alone. By chance a worthless indicator has families on both sides, but rarely
//! far: whole courses of it, exchanged among the seeds, tell how rarely.

use rayon::prelude::*;
use trainability_record::glossary::{DescribedIndicator, IndicatorRole};
use trainability_stats::concordance::{Concordance, PairRule};
use trainability_stats::exchange::contradiction;
use trainability_stats::jackknife::{FEWEST_SEEDS, Jackknife};
use trainability_stats::paired_tests::holm_defined;
use trainability_stats::random_effects::RandomEffects;
use trainability_stats::{Estimate, Interval, Undefined};

use crate::evidence::claims::claim::{Claim, Finding, LEVEL, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::ordering::courses;

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "a",
    title: "single indicators are inconsistent",
    statement: "no single indicator predicts reliably: in some methods it orders runs rightly, in others wrongly",
    source: "arXiv 2509.19698, abstract and Figures 1 and 2",
    refuted_by: "an indicator that is consistent: the next family of methods may be expected on one side of .5 alone",
    endpoint: "the indicator's matched concordance in each family of methods, high values read as good; random effects over \
               families, the interval being that in which the next family is to be expected",
    test: "inconsistent: that interval holds .5, families lie significantly on both sides (Holm), and at least 1,999 exchanges of \
           whole courses among seeds, the same in all arms, rarely make as strong a case, on either side; the largest p over \
           indicators. Consistent: the larger p of t over families (Hartung and Knapp) and of the jackknife over seeds of their \
           mean, against .5",
    null: 0.5,
    margin: 0.0,
    range: Interval::SHARE,
    rule: Rule::Every,
    examine,
};

/// Exchanges of courses among the seeds.
const EXCHANGES: usize = 1999;
/// The least standard error that a family's concordance is believed to have.
const FLOOR: f64 = 0.01;

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let rejected: Vec<&DescribedIndicator> =
        inputs.indicators.iter().filter(|indicator| indicator.role == IndicatorRole::Rejected).collect();
    let findings = rejected.par_iter().filter_map(|indicator| finding(inputs, indicator));
    findings.collect()
}

fn finding(inputs: &ClaimInputs<'_>, indicator: &DescribedIndicator) -> Option<Finding> {
    let courses = courses(inputs.arms, &indicator.name);
    if !courses.iter().any(|course| course.indicator.iter().any(Option::is_some)) {
        return None;
    }
    let found = Concordance::of(&courses, PairRule::default());
    let families: Vec<(usize, Jackknife)> =
        found.of_families().into_iter().enumerate().filter_map(|(place, score)| Some((place, score.ok()?))).collect();
    let points: Vec<(f64, f64)> = families.iter().map(|(_, score)| (score.point, score.error.unwrap_or(0.0))).collect();
    let effects = match RandomEffects::of(&points, FLOOR) {
        Ok(effects) if found.seeds >= FEWEST_SEEDS => effects,
        Ok(_) => return Some(unjudged(indicator, Undefined::TooFew { have: found.seeds, need: FEWEST_SEEDS })),
        Err(_) => return Some(unjudged(indicator, Undefined::SingleFamily)),
    };
    let next = effects.prediction(Interval::SHARE);
    let holm = holm_defined(&families.iter().map(|(_, score)| score.p(0.5)).collect::<Vec<_>>());
    let is_sided = |above: bool| {
        let mut both = families.iter().zip(&holm);
        both.any(|((_, score), p)| p.is_ok_and(|p| p < LEVEL) && (score.point > 0.5) == above)
    };
    let is_inconsistent = next.contains(0.5) && is_sided(true) && is_sided(false);
    let p_for = match contradiction(&courses, EXCHANGES, 0) {
        Ok(p) if is_inconsistent => Ok(p),
        Ok(_) => Ok(1.0),
        Err(reason) => Err(reason),
    };
    // Families share seeds, which t over families does not know, and t over seeds takes the families as given: both must hold.
    let over_seeds = found.mean_of_families().and_then(|mean| mean.p(0.5));
    let consistent = || Ok(effects.p(0.5)?.max(over_seeds?));
    let p_against = if next.contains(0.5) { Ok(1.0) } else { consistent() };
    let told = families.iter().map(|(place, score)| {
        let name = inputs.arms.judged.families.get(*place).map_or("", String::as_str);
        format!("{name} {:.2}", score.point)
    });
    Some(Finding {
        subject: indicator.title.clone(),
        effect: Ok(Estimate::new(effects.mean, Ok(next), found.seeds)),
        p_for,
        p_against,
        power: typical(&families),
        note: told.collect::<Vec<_>>().join(", "),
    })
}

fn unjudged(indicator: &DescribedIndicator, reason: Undefined) -> Finding {
    Finding::not_tested(indicator.title.clone(), reason, "")
}

/// The family whose error is the middle one: what a single family could show.
fn typical(families: &[(usize, Jackknife)]) -> Result<Jackknife, Undefined> {
    let mut known: Vec<(f64, Jackknife)> =
        families.iter().filter_map(|(_, score)| Some((score.error.ok()?, *score))).collect();
    known.sort_by(|one, other| one.0.total_cmp(&other.0));
    known.get(known.len() / 2).map(|(_, score)| *score).ok_or(Undefined::NoSpread)
}
