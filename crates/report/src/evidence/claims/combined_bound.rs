//! Claim (b): the combined bound against its parts and against single indicators, by differences of AUROC on the same task pairs.
//!
//! The bounds are compared in one form, effective step over bound, in the direction that the method claims: high announces the loss. A
//! single indicator is read in its better direction, which flatters it, so that a victory over it is worth more. Every comparison must
//! be won; one that is lost beyond an interval corrected (Bonferroni) for the number of comparisons contradicts.

use trainability_record::glossary::IndicatorRole;
use trainability_stats::auroc::{Direction, weighted_auroc};
use trainability_stats::bootstrap::{Bootstrap, BootstrapOptions, CONFIDENCE};
use trainability_stats::estimate::{Estimate, Undefined};
use trainability_stats::pooled::Pooled;
use trainability_stats::ranks::Order;

use crate::evidence::claims::finding::{Claim, Finding, Verdict, difference};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::outcomes::ScoredRun;
use crate::evidence::pairs::{beside, pairs_of};
use crate::evidence::predictiveness::ONLINE_ACCURACY;

const COMBINED: &str = "step_over_combined_bound";
const PARTS: [&str; 2] = ["step_over_noise_bound", "step_over_volatility_bound"];

/// One comparison: how much higher the AUROC of the combined bound is.
struct BoundComparison<'r> {
    rival: &'r str,
    /// With its 95 % interval.
    difference: Estimate,
    /// Whether the difference is below zero beyond the corrected interval.
    lost: bool,
}

impl BoundComparison<'_> {
    fn won(&self) -> bool {
        self.difference.interval().is_ok_and(|interval| interval.low > 0.0)
    }
}

pub(super) fn findings(inputs: &ClaimInputs<'_>, runs: &[ScoredRun<'_>]) -> Vec<Finding> {
    let singles: Vec<&str> = inputs
        .scores
        .iter()
        .filter(|score| {
            score.horizon == 1 && [IndicatorRole::Rejected, IndicatorRole::Compared].contains(&score.indicator.role)
        })
        .map(|score| score.indicator.name.as_str())
        .collect();
    vec![
        finding(inputs, runs, "against its parts", &PARTS, Some(Direction::High)),
        finding(inputs, runs, "against single indicators", &singles, None),
    ]
}

fn finding(
    inputs: &ClaimInputs<'_>,
    runs: &[ScoredRun<'_>],
    subject: &str,
    rivals: &[&str],
    direction: Option<Direction>,
) -> Finding {
    let outcomes: Vec<_> = runs.iter().map(|run| run.outcomes(1, inputs.event)).collect();
    let pooled = pairs_of(COMBINED, runs, &outcomes);
    let compared: Vec<(&str, Result<BoundComparison<'_>, Undefined>)> =
        rivals.iter().map(|rival| (*rival, compare(rival, &pooled, runs, direction, rivals.len()))).collect();
    let comparisons: Vec<&BoundComparison<'_>> =
        compared.iter().filter_map(|(_, comparison)| comparison.as_ref().ok()).collect();
    let undefined = compared.iter().find_map(|(rival, comparison)| Some((rival, comparison.as_ref().err()?)));
    let verdict = if comparisons.is_empty() {
        Verdict::NotTested
    } else if comparisons.iter().any(|comparison| comparison.lost) {
        Verdict::Contradicted
    } else if undefined.is_none() && comparisons.iter().all(|comparison| comparison.won()) {
        Verdict::Supported
    } else {
        Verdict::Undecided
    };
    let mut evidence = match comparisons.iter().min_by(|a, b| a.difference.point().total_cmp(&b.difference.point())) {
        None => format!("no AUROC of {COMBINED} to compare"),
        Some(worst) => {
            let won = comparisons.iter().filter(|comparison| comparison.won()).count();
            let lost = comparisons.iter().filter(|comparison| comparison.lost).count();
            format!(
                "wins {won}, loses {lost} of {} comparisons; closest or worst against {}, AUROC {}; n = {} runs, {} seeds",
                rivals.len(),
                worst.rival,
                difference(&worst.difference),
                worst.difference.n(),
                pooled.seeds(),
            )
        }
    };
    if let Some((rival, reason)) = undefined.filter(|_| !comparisons.is_empty()) {
        evidence.push_str(&format!("; {rival}: {reason}"));
    }
    Finding::new(Claim::CombinedBoundPredicts, subject, verdict, evidence)
}

fn compare<'r>(
    rival: &'r str,
    pooled: &Pooled,
    runs: &[ScoredRun<'_>],
    direction: Option<Direction>,
    comparisons: usize,
) -> Result<BoundComparison<'r>, Undefined> {
    debug_assert_ne!(rival, ONLINE_ACCURACY, "the trivial predictors are no rivals here");
    let theirs = beside(pooled, rival, runs);
    let kept: Vec<usize> = (0..pooled.pairs()).filter(|pair| !theirs[*pair].is_nan()).collect();
    let pick = |values: &[f64]| kept.iter().map(|pair| values[*pair]).collect::<Vec<f64>>();
    let events: Vec<bool> = kept.iter().map(|pair| pooled.events[*pair]).collect();
    let (ours, theirs) = (Order::of(&pick(&pooled.values)), Order::of(&pick(&theirs)));
    let ones = vec![1.0; kept.len()];
    let direction = direction.map_or_else(|| weighted_auroc(&theirs, &events, &ones).map(Direction::of), Ok)?;
    let difference = |weights: &[f64]| {
        let rival = weighted_auroc(&theirs, &events, weights)?;
        let rival = if direction == Direction::Low { 1.0 - rival } else { rival };
        Ok(weighted_auroc(&ours, &events, weights)? - rival)
    };
    let point = difference(&ones)?;
    let spread = |run_weights: &[f64]| kept.iter().map(|pair| run_weights[pooled.run_of[*pair]]).collect::<Vec<f64>>();
    let over_seeds = |confidence: f64| {
        let bootstrap = Bootstrap::at_confidence(&pooled.arms, BootstrapOptions::default(), confidence);
        bootstrap.interval(|run_weights| difference(&spread(run_weights)))
    };
    let corrected = over_seeds(1.0 - (1.0 - CONFIDENCE) / comparisons as f64);
    Ok(BoundComparison {
        rival,
        difference: Estimate::new(point, over_seeds(CONFIDENCE), pooled.runs()),
        lost: corrected.is_ok_and(|interval| interval.high < 0.0),
    })
}
