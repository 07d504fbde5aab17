//! Claims (b), (b') and (b''): does the combined bound say more than either of its parts, and than any single indicator?
//!
//! By the matched concordance of [`crate::evidence::ordering`], on the same pairs of seeds for both sides. The bounds are compared in
//! one form, effective step over bound, in theory's direction: high announces the loss. They must have one formula in all arms: pooled
//! over arms with several, the combined bound was once found far ahead of the noise bound, because the formulas told the arms
//! apart. A single indicator is read as the other families of methods teach.

use trainability_record::glossary::IndicatorRole;
use trainability_stats::concordance::{Concordance, Orientation, PairRule, SeedCourse};
use trainability_stats::gaps::defined;
use trainability_stats::jackknife::Jackknife;
use trainability_stats::{Interval, Undefined};

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::health::{HealthyArms, HealthyRun};
use crate::evidence::ordering::courses;
use crate::evidence::predictiveness::ONLINE_ACCURACY;
use crate::figures_bound::{STEP_OVER_CURVATURE_TERM, STEP_OVER_FIGURES_BOUND};

const COMBINED: &str = "step_over_combined_bound";
const PARTS: [&str; 2] = ["step_over_noise_bound", "step_over_volatility_bound"];

/// The claim against the bound's parts.
pub(super) const AGAINST_PARTS: Claim = Claim {
    letter: "b",
    title: "combined bound over its two parts",
    statement: "the combined bound predicts better than the noise bound alone and than the volatility bound alone",
    source: "arXiv 2509.19698, abstract and Figure 3",
    refuted_by: "a part that predicts significantly better, by .01 or more",
    endpoint: "matched concordance of effective step over bound, combined less part, on the same pairs of seeds",
    test: "jackknife t over seeds against 0; the larger p of the two parts",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine: |inputs| compare(&AGAINST_PARTS, inputs, COMBINED, &PARTS, Orientation::LowIsGood),
};

/// The claim with the weight behind the paper's figures, against parts and everything else.
pub(super) const OF_FIGURES: Claim = Claim {
    letter: "b''",
    title: "combined bound at the figures' weight",
    statement: "at the weight behind the paper's figures the combined bound beats its parts and every single indicator",
    source: "arXiv 2509.19698, Figure 3; beta = 20 and X = lambda_bar are those of its runs, not of its text",
    refuted_by: "a part, a single indicator or the present accuracy that predicts significantly better, by .01 or more",
    endpoint: "matched concordance of effective step over bound, combined less rival, on the same pairs of seeds; the direction of \
               single indicators is learnt from the other families",
    test: "jackknife t over seeds against 0; the largest p over rivals",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine: with_weight_of_figures,
};

/// The claim against everything else.
pub(super) const AGAINST_SINGLES: Claim = Claim {
    letter: "b'",
    title: "combined bound over single indicators",
    statement: "the combined bound predicts better than every single indicator, and than the present accuracy",
    source: "arXiv 2509.19698, abstract",
    refuted_by: "an indicator that predicts significantly better, by .01 or more",
    endpoint: "matched concordance, effective step over combined bound less indicator, on the same pairs of seeds; the indicator's \
               direction is learnt from the other families",
    test: "jackknife t over seeds against 0; the largest p over indicators",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine: against_singles,
};

fn against_singles(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    compare(&AGAINST_SINGLES, inputs, COMBINED, &singles(inputs), Orientation::AsOthersTeach)
}

fn with_weight_of_figures(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let against =
        |rivals: &[&str], orientation| compare(&OF_FIGURES, inputs, STEP_OVER_FIGURES_BOUND, rivals, orientation);
    let parts = against(&[PARTS[0], STEP_OVER_CURVATURE_TERM], Orientation::LowIsGood);
    parts.into_iter().chain(against(&singles(inputs), Orientation::AsOthersTeach)).collect()
}

/// The indicators that the paper rejects, and the present accuracy.
fn singles<'a>(inputs: &ClaimInputs<'a>) -> Vec<&'a str> {
    let rejected = inputs.indicators.iter().filter(|indicator| indicator.role == IndicatorRole::Rejected);
    rejected.map(|indicator| indicator.name.as_str()).chain([ONLINE_ACCURACY]).collect()
}

/// How far a bound is ahead of each rival.
fn compare(
    claim: &Claim,
    inputs: &ClaimInputs<'_>,
    bound: &str,
    rivals: &[&str],
    orientation: Orientation,
) -> Vec<Finding> {
    let arms = inputs.arms;
    let present = |column: &str| arms.runs.iter().any(|run| run.run.series.column(column).iter().any(Option::is_some));
    if !present(bound) {
        return Vec::new();
    }
    let title = |column: &str| {
        let known = inputs.indicators.iter().find(|indicator| indicator.name == column);
        let unknown = if column == STEP_OVER_CURVATURE_TERM { "step / curvature term" } else { column };
        known.map_or_else(|| unknown.to_owned(), |indicator| indicator.title.clone())
    };
    let finding = |rival: &&str| {
        // The bound of the figures is computed with one formula, whatever that of the run.
        if bound == COMBINED && !arms.one_formula() {
            let why = "the combined bound has several formulas in these arms, which would tell them apart";
            return Finding::not_tested(title(rival), Undefined::NoPairs, why);
        }
        let note = match median_distance(arms).filter(|_| bound == COMBINED && *rival == PARTS[0]) {
            Some(apart) => {
                format!("in the median task the combined bound is {:.2} % from the noise bound", 100.0 * apart)
            }
            None => String::new(),
        };
        Finding::above(claim, format!("over {}", title(rival)), ahead(arms, bound, rival, orientation), note)
    };
    rivals.iter().filter(|rival| present(rival)).map(finding).collect()
}

/// How much higher the concordance of a bound is than a rival's, where both are defined.
fn ahead(arms: &HealthyArms<'_>, bound: &str, rival: &str, orientation: Orientation) -> Result<Jackknife, Undefined> {
    let (mut ours, mut theirs) = (courses(arms, bound), courses(arms, rival));
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
