//! Counter-examples to a single indicator: two configurations in which it moves alike, while one loses trainability and the other
//! does not.
//!
//! Indicator and accuracy are looked at on the scale of their ranks among all tasks of all scored runs, from 0 to 1, so that no unit
//! matters and either's differences can be held against the other's. Two arms are a counter-example when, over at least two seeds that they share,
//!
//! - one has lost trainability by the last quarter of the tasks in every seed, the other in none (the event of [`EventOptions`],
//!   over the mean of these tasks);
//! - the indicator's courses correlate over tasks (Spearman) at [`ALIKE`] or more in every seed;
//! - its net move, from the mean of the first quarter of the tasks to that of the last, has one sign in all these runs, is at least
//!   [`LEAST_MOVE`] in the mean of either arm, and in the smaller at least half of the larger;
//! - it ends alike, in every seed: over the last quarter it differs by at most [`END_ALIKE`], while the accuracy differs by at least twice
//!   that. An indicator that is nothing but the accuracy upside down has no counter-example.
//!
//! [`EventOptions`]: crate::evidence::outcomes::EventOptions

use std::collections::{BTreeMap, BTreeSet};

use trainability_record::glossary::IndicatorRole;
use trainability_stats::aggregate::{last_quarter, mean};
use trainability_stats::correlation::{FEWEST_PAIRS, spearman};
use trainability_stats::gaps::defined;
use trainability_stats::ranks::Order;

use crate::evidence::claims::finding::{Claim, Finding, Verdict, signed};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::outcomes::{EventOptions, ScoredRun};
use crate::evidence::predictiveness::{ONLINE_ACCURACY, leading};
use crate::series::Arm;

/// The least correlation over tasks of courses that move alike.
pub(crate) const ALIKE: f64 = 0.7;
/// The least net move, on the scale of ranks from 0 to 1.
pub(crate) const LEAST_MOVE: f64 = 0.1;

/// The largest difference of what ends alike, on the scale of ranks from 0 to 1.
pub(crate) const END_ALIKE: f64 = 0.2;

/// Two configurations in which an indicator moves alike and accuracy does not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CounterExample {
    /// The arm that loses trainability.
    pub lost: Arm,
    /// The arm that keeps it.
    pub kept: Arm,
    /// Seeds that both have.
    pub seeds: usize,
    /// The least correlation of the two courses over these seeds.
    pub correlation: f64,
    /// Mean net move of the indicator in either arm, in ranks from 0 to 1.
    pub moves: [f64; 2],
    /// Mean distance between what the courses end at, in ranks from 0 to 1.
    pub end: f64,
    /// Mean distance between the courses, in ranks from 0 to 1.
    pub distance: f64,
    /// Accuracy over the last quarter of the tasks as a share of the reference's, mean over seeds, in either arm.
    pub accuracy: [f64; 2],
}

/// A run by what the comparison needs.
struct AccuracyCourse {
    /// The indicator's ranks, a task each.
    ranks: Vec<Option<f64>>,
    /// The accuracy's ranks.
    accuracy_ranks: Vec<Option<f64>>,
    /// Accuracy over the last quarter, as a share of the reference's.
    accuracy: f64,
}

/// All counter-examples to an indicator, the closest courses first.
pub(crate) fn counter_examples(indicator: &str, runs: &[ScoredRun<'_>], event: &EventOptions) -> Vec<CounterExample> {
    let mut arms: BTreeMap<&Arm, BTreeMap<u64, AccuracyCourse>> = BTreeMap::new();
    let ranks = pooled_ranks(indicator, runs).into_iter().zip(pooled_ranks(ONLINE_ACCURACY, runs));
    for (run, (ranks, accuracy_ranks)) in runs.iter().zip(ranks) {
        if let Some(accuracy) = run.late_accuracy() {
            let course = AccuracyCourse { ranks, accuracy_ranks, accuracy };
            arms.entry(&run.series.arm).or_default().insert(run.series.seed, course);
        }
    }
    let lost = |course: &AccuracyCourse| course.accuracy < 1.0 - event.loss;
    let all = |holds: &dyn Fn(&AccuracyCourse) -> bool| -> Vec<&Arm> {
        arms.iter().filter(|(_, seeds)| seeds.values().all(holds)).map(|(arm, _)| *arm).collect()
    };
    let (losing, keeping) = (all(&lost), all(&|course| !lost(course)));
    let pairs = losing.iter().flat_map(|lost| keeping.iter().map(move |kept| (*lost, *kept)));
    let mut found: Vec<_> =
        pairs.filter_map(|(lost, kept)| compare((lost, &arms[lost]), (kept, &arms[kept]))).collect();
    found.sort_by(|left, right| left.distance.total_cmp(&right.distance));
    found
}

fn compare(
    (lost, losing): (&Arm, &BTreeMap<u64, AccuracyCourse>),
    (kept, keeping): (&Arm, &BTreeMap<u64, AccuracyCourse>),
) -> Option<CounterExample> {
    let shared: BTreeSet<u64> = losing.keys().filter(|seed| keeping.contains_key(seed)).copied().collect();
    if shared.len() < 2 {
        return None;
    }
    let (mut correlation, mut ends, mut distances, mut moves, mut accuracy) =
        (1.0_f64, Vec::new(), Vec::new(), [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for seed in &shared {
        let (left, right) = (&losing[seed], &keeping[seed]);
        let tasks = left.ranks.iter().zip(&right.ranks).filter_map(|(left, right)| (*left).zip(*right));
        let (x, y): (Vec<f64>, Vec<f64>) = tasks.unzip();
        if x.len() < FEWEST_PAIRS {
            return None;
        }
        correlation = correlation.min(spearman(&x, &y).ok()?);
        distances.push(x.iter().zip(&y).map(|(x, y)| (x - y).abs()).sum::<f64>() / x.len() as f64);
        moves[0].push(net_move(&x)?);
        moves[1].push(net_move(&y)?);
        let gap = end_gap(&left.ranks, &right.ranks)?;
        if gap > END_ALIKE || end_gap(&left.accuracy_ranks, &right.accuracy_ranks)? < 2.0 * END_ALIKE {
            return None;
        }
        ends.push(gap);
        accuracy[0].push(left.accuracy);
        accuracy[1].push(right.accuracy);
    }
    let all_moves = || moves.iter().flatten();
    let one_sign = all_moves().all(|moved| *moved > 0.0) || all_moves().all(|moved| *moved < 0.0);
    let mean_moves = [mean(&moves[0]).ok()?, mean(&moves[1]).ok()?];
    let sizes = mean_moves.map(f64::abs);
    let (small, large) = (sizes[0].min(sizes[1]), sizes[0].max(sizes[1]));
    let alike = correlation >= ALIKE && one_sign && small >= LEAST_MOVE && small >= 0.5 * large;
    alike.then_some(CounterExample {
        lost: lost.clone(),
        kept: kept.clone(),
        seeds: shared.len(),
        correlation,
        moves: mean_moves,
        end: mean(&ends).ok()?,
        distance: mean(&distances).ok()?,
        accuracy: [mean(&accuracy[0]).ok()?, mean(&accuracy[1]).ok()?],
    })
}

/// How far apart the means over the last quarter of the tasks are.
fn end_gap(left: &[Option<f64>], right: &[Option<f64>]) -> Option<f64> {
    let end =
        |ranks: &[Option<f64>]| mean(&last_quarter(ranks).iter().filter_map(|rank| *rank).collect::<Vec<f64>>()).ok();
    Some((end(left)? - end(right)?).abs())
}

/// From the mean of the first quarter to that of the last.
fn net_move(values: &[f64]) -> Option<f64> {
    let quarter = values.len().div_ceil(4);
    Some(mean(last_quarter(values)).ok()? - mean(&values[..quarter]).ok()?)
}

/// The indicator of each run as ranks from 0 to 1 among the values of all runs.
fn pooled_ranks(indicator: &str, runs: &[ScoredRun<'_>]) -> Vec<Vec<Option<f64>>> {
    let columns: Vec<Vec<Option<f64>>> =
        runs.iter().map(|run| run.series.column(indicator).iter().copied().map(defined).collect()).collect();
    let values: Vec<f64> = columns.iter().flatten().filter_map(|value| *value).collect();
    let mut ranks = vec![0.0; values.len()];
    Order::of(&values).mid_ranks(&vec![1.0; values.len()], &mut ranks);
    let mut next = ranks.into_iter().map(|rank| rank / values.len() as f64);
    columns.iter().map(|column| column.iter().map(|value| value.and_then(|_| next.next())).collect()).collect()
}

/// Claim (a): a counter-example to each rejected indicator. Without one, an indicator that leads the trivial ones and never changes sign
/// contradicts its rejection; anything less is undecided, since a pair may be missing from the sweep.
pub(super) fn findings(inputs: &ClaimInputs<'_>, runs: &[ScoredRun<'_>]) -> Vec<Finding> {
    let rejected =
        inputs.scores.iter().filter(|score| score.horizon == 1 && score.indicator.role == IndicatorRole::Rejected);
    let leaders = leading(inputs.scores, 1);
    let arms = runs.iter().map(|run| &run.series.arm).collect::<BTreeSet<_>>().len();
    let finding = |score: &super::Predictiveness| {
        let name = &score.indicator.name;
        let found = counter_examples(name, runs, inputs.event);
        let (verdict, evidence) = match found.first() {
            Some(example) => (Verdict::Supported, told(example, found.len())),
            None => {
                let steady = score.sign_consistency.is_ok_and(|share| share.whole > 1 && share.part == share.whole);
                let leads = leaders.iter().any(|leader| leader.indicator.name == *name);
                let verdict = if steady && leads { Verdict::Contradicted } else { Verdict::Undecided };
                let signs = score.sign_consistency.map_or_else(|reason| reason.to_string(), |share| share.to_string());
                (verdict, format!("no counter-example among {arms} configurations; sign consistency {signs}"))
            }
        };
        Finding::new(Claim::IndicatorsUnreliable, name, verdict, evidence)
    };
    rejected.map(finding).collect()
}

fn told(example: &CounterExample, pairs: usize) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let more = if pairs > 1 { format!("; {} more such pairs", pairs - 1) } else { String::new() };
    format!(
        "moves {} of its ranks in {} and {} in {} (courses correlate at {:.2} or more and end {:.2} apart), where accuracy ends at {} and {} of the \
         reference; n = {} seeds{more}",
        signed(example.moves[0], 2),
        example.lost,
        signed(example.moves[1], 2),
        example.kept,
        example.correlation,
        example.end,
        percent(example.accuracy[0]),
        percent(example.accuracy[1]),
        example.seeds,
    )
}
