//! How well each indicator foretells the loss of trainability, at each horizon.
//!
//! AUROC is reported as it is (high values announce the event) and oriented: in the direction in which the indicator separates
//! over all data, which is then kept in every copy without a seed, so that the interval may reach below one half. Choosing the direction on
//! the data that are scored is optimistic, and most so for a worthless indicator: its oriented AUROC is above one half by
//! construction, and only its interval says that this is nothing. Average precision and the lead time take the same direction.

use rayon::prelude::*;
use trainability_record::glossary::{DescribedIndicator, IndicatorRole};
use trainability_stats::auroc::{Direction, auroc, weighted_auroc, weighted_average_precision};
use trainability_stats::correlation::{WeightedSpearman, spearman};
use trainability_stats::estimate::{Estimate, Interval, Share, Undefined};
use trainability_stats::gain::{Baseline, HeldOut};
use trainability_stats::jackknife::RunsBySeed;
use trainability_stats::kendall::kendall;
use trainability_stats::lead::threshold;
use trainability_stats::pooled::Outcome;
use trainability_stats::ranks::Order;

use crate::evidence::outcomes::{EventOptions, Reference, ScoredRun, Target, scored_runs};
use crate::evidence::pairs::{beside, leads, pairs_of};
use crate::series::Series;

/// The baseline that knows how many tasks there have been.
pub(crate) const TASK_AGE: &str = "task_age";
/// The baseline that knows how well the task just went.
pub(crate) const ONLINE_ACCURACY: &str = "online_accuracy";

/// What to score and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PredictivenessOptions {
    /// Horizons in tasks, each at least 1.
    pub horizons: Vec<usize>,
    /// The definition of the event and of the outcome.
    pub event: EventOptions,
}

impl Default for PredictivenessOptions {
    fn default() -> Self {
        Self { horizons: vec![1, 3, 5], event: EventOptions::default() }
    }
}

/// The scores of one indicator at one horizon. The n of an estimate counts runs; of the correlations within runs, those in which
/// the correlation is defined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Predictiveness {
    /// The indicator.
    pub indicator: DescribedIndicator,
    /// Tasks looked ahead.
    pub horizon: usize,
    /// Which of these tasks the outcome is taken from.
    pub target: Target,
    /// AUROC for the event, high values announcing it.
    pub auroc: Result<Estimate, Undefined>,
    /// The values that announce the event, by the AUROC over all data.
    pub direction: Option<Direction>,
    /// Average precision for the event, in this direction; chance is `events / pairs`.
    pub average_precision: Result<Estimate, Undefined>,
    /// Spearman's correlation with the outcome over the pairs of all runs.
    pub spearman_pooled: Result<Estimate, Undefined>,
    /// Spearman's correlation within a run, averaged over runs.
    pub spearman_within: Result<Estimate, Undefined>,
    /// Kendall's tau-b over the pairs of all runs; without interval, as Spearman's shows the same.
    pub kendall_pooled: Result<f64, Undefined>,
    /// Kendall's tau-b within a run, averaged over runs.
    pub kendall_within: Result<Estimate, Undefined>,
    /// Arms in which the correlation within runs has the pooled sign (Spearman).
    pub sign_consistency: Result<Share, Undefined>,
    /// Mean number of tasks from the first alarm to a run's first loss of trainability, at 10 % false alarms. See [`trainability_stats::lead`].
    pub lead_time: Result<Estimate, Undefined>,
    /// Runs that are warned before their first loss, of those that could be.
    pub warned: Result<Share, Undefined>,
    /// The mean lead on the same runs of alarms that are tossed with a chance of 10 %.
    pub lead_time_by_chance: Result<f64, Undefined>,
    /// Nats a task pair that the indicator adds to [`TASK_AGE`] on left-out configurations. See [`trainability_stats::gain`].
    pub gain_over_task_age: Result<Estimate, Undefined>,
    /// Nats a task pair that the indicator adds to [`ONLINE_ACCURACY`] on left-out configurations.
    pub gain_over_online_accuracy: Result<Estimate, Undefined>,
    /// Task pairs whose target is an event.
    pub events: usize,
    /// Task pairs with indicator and outcome.
    pub pairs: usize,
    /// Runs that these pairs come from.
    pub runs: usize,
    /// Different seeds among these runs.
    pub seeds: usize,
    /// Task pairs in which only the indicator is missing.
    pub undefined: Share,
    /// What the event is measured against; `None` without runs.
    pub reference: Option<Reference>,
}

impl Predictiveness {
    /// Whether the indicator is one of the predictors that any other has to beat.
    pub(crate) fn is_trivial(&self) -> bool {
        self.indicator.role == IndicatorRole::Trivial
    }

    /// AUROC in the direction in which the indicator separates over all data. See the module's caution.
    pub(crate) fn auroc_oriented(&self) -> Result<Estimate, Undefined> {
        match self.direction {
            Some(Direction::Low) => self.auroc.map(|estimate| estimate.complement()),
            _ => self.auroc,
        }
    }
}

/// Scores every indicator at every horizon over all runs but those of the `reset` method: horizon by horizon, in the order given.
pub(crate) fn score_indicators(
    runs: &[Series],
    indicators: &[DescribedIndicator],
    options: &PredictivenessOptions,
) -> Vec<Predictiveness> {
    let scored = scored_runs(runs, &options.event);
    let reference = scored.iter().map(|run| run.reference).reduce(Reference::and);
    let at_horizon = |&horizon: &usize| {
        let outcomes: Vec<_> = scored.iter().map(|run| run.outcomes(horizon, &options.event)).collect();
        let baselines = [TASK_AGE, ONLINE_ACCURACY].map(|name| Baseline::new(pairs_of(name, &scored, &outcomes)));
        let pairs = Pairs { runs: &scored, outcomes: &outcomes, baselines: &baselines, reference };
        let score = |indicator: &DescribedIndicator| score(indicator, horizon, &pairs, options);
        indicators.par_iter().map(score).collect::<Vec<_>>()
    };
    options.horizons.par_iter().flat_map(at_horizon).collect()
}

/// What all indicators at a horizon are scored on.
struct Pairs<'a> {
    runs: &'a [ScoredRun<'a>],
    outcomes: &'a [Vec<Option<Outcome>>],
    /// Of [`TASK_AGE`] and of [`ONLINE_ACCURACY`].
    baselines: &'a [Baseline; 2],
    reference: Option<Reference>,
}

fn score(
    indicator: &DescribedIndicator,
    horizon: usize,
    pairs: &Pairs<'_>,
    options: &PredictivenessOptions,
) -> Predictiveness {
    let Pairs { runs, outcomes, baselines, reference } = *pairs;
    let pooled = pairs_of(&indicator.name, runs, outcomes);
    let runs_by_seed = RunsBySeed::new(&pooled.seeds);
    let direction = auroc(&pooled.values, &pooled.events).map(Direction::of);
    let (spearmans, kendalls) = (pooled.within_runs(spearman), pooled.within_runs(kendall));
    // The pairs are sorted once; a copy without a seed is then nothing but other weights.
    let order = Order::of(&pooled.values);
    let mut correlation = WeightedSpearman::new(&pooled.values, &pooled.accuracies);
    let mut weights = vec![0.0; pooled.pairs()];
    let (share, difference) = (Interval::SHARE, Interval::DIFFERENCE);
    let ranges = [share, share, difference, difference, difference];
    let [auroc, average_precision, spearman_pooled, spearman_within, kendall_within] =
        runs_by_seed.estimates(ranges, |run_weights| {
            pooled.spread(run_weights, &mut weights);
            let precise = |direction| weighted_average_precision(&order, &pooled.events, &weights, direction);
            [
                weighted_auroc(&order, &pooled.events, &weights),
                direction.and_then(precise),
                correlation.value(&weights),
                mean_defined(&spearmans, run_weights),
                mean_defined(&kendalls, run_weights),
            ]
        });
    // The direction is that over all data; the threshold is found anew in each copy.
    let mut warnings = || -> Result<(Estimate, Share, f64), Undefined> {
        let leads = leads(&indicator.name, &pooled, runs, &options.event, direction?)?;
        let laxest = |weights: &[f64]| threshold(&order, &pooled.values, &pooled.events, weights, direction?);
        let lead = Interval { low: 0.0, high: f64::INFINITY };
        let mean = runs_by_seed.estimate(lead, |run_weights| {
            pooled.spread(run_weights, &mut weights);
            leads.mean(laxest(&weights)?, run_weights)
        })?;
        let warned = leads.warned(laxest(&vec![1.0; pooled.pairs()])?);
        Ok((over(mean, leads.runs()), warned, leads.by_chance()))
    };
    let warnings = warnings();
    let gain_over = |name: &str, baseline: &Baseline| {
        let values = || beside(&pooled, name, runs);
        let held_out = HeldOut::beside(&pooled, &order, baseline, values)?;
        Ok(over(runs_by_seed.estimate(Interval::ALL, |weights| held_out.weighted(weights))?, held_out.runs))
    };
    let defined = |values: &[Result<f64, Undefined>]| values.iter().flatten().count();
    Predictiveness {
        indicator: indicator.clone(),
        horizon,
        target: options.event.target,
        auroc,
        direction: direction.ok(),
        average_precision,
        spearman_pooled,
        spearman_within: spearman_within.map(|mean| over(mean, defined(&spearmans))),
        kendall_pooled: kendall(&pooled.values, &pooled.accuracies),
        kendall_within: kendall_within.map(|mean| over(mean, defined(&kendalls))),
        sign_consistency: pooled.sign_consistency(&spearmans, spearman_pooled.map(|rho| rho.point())),
        lead_time: warnings.map(|(lead_time, _, _)| lead_time),
        warned: warnings.map(|(_, warned, _)| warned),
        lead_time_by_chance: warnings.map(|(_, _, by_chance)| by_chance),
        gain_over_task_age: gain_over(TASK_AGE, &baselines[0]),
        gain_over_online_accuracy: gain_over(ONLINE_ACCURACY, &baselines[1]),
        events: pooled.event_count(),
        pairs: pooled.pairs(),
        runs: pooled.runs(),
        seeds: pooled.different_seeds(),
        undefined: pooled.undefined,
        reference,
    }
}

/// The same estimate, over so many runs.
fn over(estimate: Estimate, runs: usize) -> Estimate {
    Estimate::new(estimate.point(), estimate.interval(), runs)
}

/// The weighted mean of the defined values, or the first reason when there is none.
fn mean_defined(values: &[Result<f64, Undefined>], weights: &[f64]) -> Result<f64, Undefined> {
    let (mut sum, mut whole) = (0.0, 0.0);
    for (value, weight) in values.iter().zip(weights) {
        if let Ok(value) = value {
            sum += value * weight;
            whole += weight;
        }
    }
    if whole > 0.0 {
        return Ok(sum / whole);
    }
    Err(values.iter().find_map(|value| value.err()).unwrap_or(Undefined::NoValues))
}

/// The scores at a horizon from the best oriented AUROC to the worst, undefined ones last in their old order.
pub(crate) fn ranked(scores: &[Predictiveness], horizon: usize) -> Vec<&Predictiveness> {
    let oriented = |score: &Predictiveness| score.auroc_oriented().map_or(f64::NEG_INFINITY, |auroc| auroc.point());
    let mut ranked: Vec<&Predictiveness> = scores.iter().filter(|score| score.horizon == horizon).collect();
    ranked.sort_by(|left, right| oriented(right).total_cmp(&oriented(left)));
    ranked
}

/// The indicators at a horizon that beat the trivial ones beyond their intervals: the low end of the oriented AUROC lies above
/// one half and above the high end of every indicator of the role `trivial`. Best first.
///
/// Disjoint intervals are a stricter demand than a difference at 5 %, which leaves room for the many indicators that are tried and
/// for their directions being chosen on the same data. A trivial indicator that has an AUROC without interval can't be beaten.
pub(crate) fn leading(scores: &[Predictiveness], horizon: usize) -> Vec<&Predictiveness> {
    let (to_beat, candidates): (Vec<_>, Vec<_>) =
        ranked(scores, horizon).into_iter().partition(|score| score.is_trivial());
    let highs = to_beat.iter().filter_map(|score| score.auroc_oriented().ok());
    let bar = highs.map(|auroc| auroc.interval().map_or(1.0, |interval| interval.high)).fold(0.5, f64::max);
    let leads = |score: &&Predictiveness| {
        score.auroc_oriented().and_then(|auroc| auroc.interval()).is_ok_and(|interval| interval.low > bar)
    };
    candidates.into_iter().filter(leads).collect()
}
