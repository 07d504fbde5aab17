//! Does an indicator say more about two seeds of an arm than how they fare at present?
//!
//! Present health repeats itself: it orders the next task's health well, and so does whatever goes with it. In each arm a
//! logistic regression without intercept therefore predicts which of two seeds fares better on the next task, from the
//! present and the last task's health alone. The score of an indicator is how often it orders rightly less how often that
//! regression expects it to, pairs being those of the matched concordance with the same weights. What is a function of present health scores zero by the regression's own equations, up to its ridge.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::concordance::{Concordance, SeedCourse, at};
use super::estimate::Undefined;
use super::jackknife::Jackknife;
use super::logistic::solve;

/// Seeds below which the regression follows single seeds, and a repeat of accuracy is called more than that.
const FEWEST_SEEDS_BEYOND: usize = 10;

/// What the regression knows of a pair.
const FEATURES: usize = 12;
/// On the coefficients of features of mean square 1, pairs having a mean weight of 1. The order, now and at the last task, is all but
/// free: accuracy and what orders runs as it does then score zero, and not what a ridge leaves of them.
const RIDGE: [f64; FEATURES] = [1.0, 1.0, 1.0, 1.0, FREE, 1.0, 1.0, FREE, 1.0, 1.0, 1.0, 1.0];
/// Keeps the coefficient finite where the order never errs.
const FREE: f64 = 1e-8;
/// Scores up to which there is nothing but that.
const NOTHING: f64 = 1e-7;
/// Newton steps, which are at their end after six.
const MOST_STEPS: usize = 50;

/// The score of each indicator over all pairs, with its jackknife over seeds; in each copy without a seed the regressions and
/// the directions are fitted anew. `of_indicator[i]` are all runs as indicator i has them, in the same order and with the same
/// health for all i; `primary[i]` is the matched concordance of the same, from which each family's direction is learnt.
///
/// # Errors
/// [`Undefined`] below [`FEWEST_SEEDS_BEYOND`] seeds, without pairs, and where a single family has pairs.
///
/// # Panics
/// When the lists differ in length.
pub fn beyond_present(of_indicator: &[&[SeedCourse]], primary: &[Concordance]) -> Vec<Result<Jackknife, Undefined>> {
    assert_eq!(of_indicator.len(), primary.len(), "every indicator has its concordance");
    let Some(courses) = of_indicator.first() else { return Vec::new() };
    let seeds = courses.iter().map(|course| course.seed + 1).max().unwrap_or(0);
    if seeds < FEWEST_SEEDS_BEYOND {
        let reason = Undefined::TooFew { have: seeds, need: FEWEST_SEEDS_BEYOND };
        return vec![Err(reason); of_indicator.len()];
    }
    let arms = arms(courses);
    // Without one seed the coefficients are close to those with all.
    let with_all: Vec<[f64; FEATURES]> =
        arms.par_iter().map(|arm| ArmRegression::of(courses, arm, None).fit([0.0; FEATURES])).collect();
    let copies = std::iter::once(None).chain((0..seeds).map(Some)).collect::<Vec<Option<usize>>>();
    // By copy, then by indicator.
    let scores: Vec<Vec<Result<f64, Undefined>>> = copies
        .into_par_iter()
        .map(|without| {
            let of_arm = |(arm, start): (&Vec<usize>, &[f64; FEATURES])| {
                ArmRegression::of(courses, arm, without).surprises(*start)
            };
            let surprises: Vec<Surprise> = arms.iter().zip(&with_all).flat_map(of_arm).collect();
            let score =
                |(courses, primary): (&&[SeedCourse], &Concordance)| score(courses, &surprises, primary, without);
            of_indicator.iter().zip(primary).map(score).collect()
        })
        .collect();
    let of = |indicator: usize| {
        primary[indicator].needs_other_families()?;
        Jackknife::of(seeds, |without| scores[without.map_or(0, |seed| seed + 1)][indicator])
    };
    (0..of_indicator.len()).map(of).collect()
}

/// Two runs at a task, and what the regression did not expect.
struct Surprise {
    /// The places of the two in the list of runs.
    pair: (usize, usize),
    task: usize,
    weight: f64,
    /// 1 or 0 as the first fares better on the next task or not, less the probability of it by the regression.
    residual: f64,
}

fn score(
    courses: &[SeedCourse],
    surprises: &[Surprise],
    primary: &Concordance,
    without: Option<usize>,
) -> Result<f64, Undefined> {
    let directions = primary.directions(without);
    let (mut sum, mut all) = (0.0, 0.0);
    for surprise in surprises {
        let (one, other) = (&courses[surprise.pair.0], &courses[surprise.pair.1]);
        let values = (at(&one.indicator, surprise.task), at(&other.indicator, surprise.task));
        let (Some(x), Some(y)) = values else { continue };
        all += surprise.weight;
        if let Some(high_is_good) = directions[one.family].filter(|_| x != y) {
            let sign = if (x > y) == high_is_good { 1.0 } else { -1.0 };
            sum += surprise.weight * sign * surprise.residual;
        }
    }
    match sum / all {
        _ if all == 0.0 => Err(Undefined::NoPairs),
        score if score.abs() < NOTHING => Ok(0.0),
        score => Ok(score),
    }
}

/// The places of each arm's runs in the list.
fn arms(courses: &[SeedCourse]) -> Vec<Vec<usize>> {
    let mut arms: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, course) in courses.iter().enumerate() {
        arms.entry(course.arm).or_default().push(place);
    }
    arms.into_values().collect()
}

/// The pairs of one arm's runs, and its regression.
struct ArmRegression {
    pairs: Vec<Pair>,
    /// Features with a mean square of 1.
    rows: Vec<[f64; FEATURES]>,
    /// What each feature was multiplied with for that.
    scale: [f64; FEATURES],
}

struct Pair {
    places: (usize, usize),
    task: usize,
    /// How far apart the two are on the next task.
    weight: f64,
    first_is_better: bool,
    features: [f64; FEATURES],
}

/// The pairs of one arm's runs whose health is known at the task and the next.
fn pairs_of(courses: &[SeedCourse], places: &[usize]) -> Vec<Pair> {
    let tasks = places.iter().map(|&place| courses[place].health.len()).max().unwrap_or(0);
    let mut pairs = Vec::new();
    // Of the last task: health and rank by run; nothing is known before the first.
    let mut before: Vec<Option<(f64, f64)>> = vec![None; places.len()];
    for task in 0..tasks {
        let now = ranked(&places.iter().map(|&place| at(&courses[place].health, task)).collect::<Vec<_>>());
        for (first, second) in (0..places.len()).flat_map(|i| (i + 1..places.len()).map(move |j| (i, j))) {
            let later = |run: usize| at(&courses[places[run]].health, task + 1);
            let (Some(mine), Some(theirs)) = (later(first), later(second)) else { continue };
            let (Some(present), true) = (now[first].zip(now[second]), mine != theirs) else { continue };
            pairs.push(Pair {
                places: (places[first], places[second]),
                task,
                weight: (mine - theirs).abs(),
                first_is_better: mine > theirs,
                features: features(present, before[first].zip(before[second])),
            });
        }
        before = now;
    }
    pairs
}

/// Each value with its rank from 0 to 1 among those that are defined, ties sharing the mean of theirs.
fn ranked(values: &[Option<f64>]) -> Vec<Option<(f64, f64)>> {
    let defined: Vec<f64> = values.iter().flatten().copied().collect();
    let rank = |value: f64| {
        let below = defined.iter().filter(|other| **other < value).count() as f64;
        let tied = defined.iter().filter(|other| **other == value).count() as f64;
        (below + 0.5 * (tied - 1.0)) / (defined.len() as f64 - 1.0).max(1.0)
    };
    values.iter().map(|value| value.map(|value| (value, rank(value)))).collect()
}

/// What the regression knows of a pair, each as a difference that turns its sign with the order of the two: present health as it is
/// and saturating beyond a small and a large difference, its rank and its order; the first three and the order also times the
/// pair's mean health; health, rank and order at the last task.
///
/// Without the saturating differences, log accuracy with a noise of sd .03 was called in a fifth of the worlds of
/// `tests/worlds.rs`: it orders well only those that are far apart, which a logit that is straight in the difference does not follow.
fn features(
    ((mine, my_rank), (theirs, their_rank)): ((f64, f64), (f64, f64)),
    before: Option<((f64, f64), (f64, f64))>,
) -> [f64; FEATURES] {
    let order = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
    let (health, mean) = (mine - theirs, 0.5 * (mine + theirs));
    let [near, far] = SATURATION.map(|scale| (health / scale).tanh());
    let (earlier, earlier_rank) = before.map_or((0.0, 0.0), |((a, rank_a), (b, rank_b))| (a - b, rank_a - rank_b));
    [
        health,
        near,
        far,
        my_rank - their_rank,
        order(health),
        earlier,
        earlier_rank,
        order(earlier),
        health * mean,
        near * mean,
        far * mean,
        order(health) * mean,
    ]
}

/// Differences in health beyond which a saturating one grows no more.
const SATURATION: [f64; 2] = [0.02, 0.1];

impl ArmRegression {
    fn of(courses: &[SeedCourse], places: &[usize], without: Option<usize>) -> ArmRegression {
        let kept: Vec<usize> = places.iter().copied().filter(|&place| Some(courses[place].seed) != without).collect();
        let pairs = pairs_of(courses, &kept);
        let scale: [f64; FEATURES] = std::array::from_fn(|i| {
            let square: f64 = pairs.iter().map(|pair| pair.features[i] * pair.features[i]).sum();
            if square > 0.0 { (pairs.len() as f64 / square).sqrt() } else { 0.0 }
        });
        let rows = pairs.iter().map(|pair| std::array::from_fn(|i| pair.features[i] * scale[i])).collect();
        ArmRegression { pairs, rows, scale }
    }

    /// The coefficients, on the features as they are, by Newton's method from those of a regression nearby.
    fn fit(&self, start: [f64; FEATURES]) -> [f64; FEATURES] {
        let total: f64 = self.pairs.iter().map(|pair| pair.weight).sum();
        let mean = total / self.pairs.len() as f64;
        let mut b: [f64; FEATURES] =
            std::array::from_fn(|i| if self.scale[i] > 0.0 { start[i] / self.scale[i] } else { 0.0 });
        for _ in 0..MOST_STEPS {
            let mut slope: [f64; FEATURES] = std::array::from_fn(|i| RIDGE[i] * b[i]);
            let mut curvature: [[f64; FEATURES]; FEATURES] =
                std::array::from_fn(|i| std::array::from_fn(|j| if i == j { RIDGE[i] } else { 0.0 }));
            for (row, pair) in self.rows.iter().zip(&self.pairs) {
                let (p, weight) = (chance(row, &b), pair.weight / mean);
                let error = weight * (p - f64::from(u8::from(pair.first_is_better)));
                let spread = weight * p * (1.0 - p);
                for (i, (slope, curvature)) in slope.iter_mut().zip(&mut curvature).enumerate() {
                    *slope += error * row[i];
                    curvature.iter_mut().zip(row).for_each(|(cell, value)| *cell += spread * row[i] * value);
                }
            }
            let Some(step) = solve(curvature, slope) else { break };
            // A step where the losses are flat may be far too long.
            let largest = step.iter().fold(0.0, |largest: f64, step| largest.max(step.abs()));
            let share = if largest > MOST_STEP { MOST_STEP / largest } else { 1.0 };
            b.iter_mut().zip(step).for_each(|(b, step)| *b -= share * step);
            if largest < 1e-9 {
                break;
            }
        }
        std::array::from_fn(|i| b[i] * self.scale[i])
    }

    /// Every pair with what the regression did not expect.
    fn surprises(self, start: [f64; FEATURES]) -> Vec<Surprise> {
        let coefficients = self.fit(start);
        let surprise = |pair: Pair| Surprise {
            pair: pair.places,
            task: pair.task,
            weight: pair.weight,
            residual: f64::from(u8::from(pair.first_is_better)) - chance(&pair.features, &coefficients),
        };
        self.pairs.into_iter().map(surprise).collect()
    }
}

/// The largest change of a coefficient in a Newton step.
const MOST_STEP: f64 = 5.0;

fn chance(row: &[f64; FEATURES], coefficients: &[f64; FEATURES]) -> f64 {
    1.0 / (1.0 + (-row.iter().zip(coefficients).map(|(x, b)| x * b).sum::<f64>()).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concordance::PairRule;

    /// The numbers of scripts/verify_ordering.py, which follows the definitions with numpy and scipy, on the same courses:
    /// health 0.5 + 0.4 sin(1.7 seed + 0.9 task + 2.3 arm), and cos(2.1 seed + 0.7 task + arm) added to it as the indicator.
    #[test]
    fn equals_the_second_implementation() {
        let course = |arm: usize, seed: usize| {
            let health: Vec<f64> = (0..6)
                .map(|task| 0.5 + 0.4 * (1.7 * seed as f64 + 0.9 * f64::from(task) + 2.3 * arm as f64).sin())
                .collect();
            let wave = |task: usize| (2.1 * seed as f64 + 0.7 * task as f64 + arm as f64).cos();
            let indicator = health.iter().enumerate().map(|(task, health)| Some(wave(task) + health)).collect();
            SeedCourse { family: arm / 2, arm, seed, indicator, health: health.into_iter().map(Some).collect() }
        };
        let courses: Vec<SeedCourse> = (0..3).flat_map(|arm| (0..10).map(move |seed| course(arm, seed))).collect();
        let primary = Concordance::of(&courses, PairRule::default());
        let concordance = primary.oriented().unwrap().score;
        assert!((concordance.point - 0.6970915187593848).abs() < 1e-12, "{concordance:?}");
        assert!((concordance.p(0.5).unwrap() - 0.0018841392614437266).abs() < 1e-10);
        let added = beyond_present(&[&courses], &[primary]).remove(0).unwrap();
        assert!((added.point - 0.008137606206692303).abs() < 1e-8, "{added:?}");
        assert!((added.error.unwrap() - 0.009812926723871525).abs() < 1e-8, "{added:?}");
        assert!((added.p(0.0).unwrap() - 0.4283948645570844).abs() < 1e-6);
    }

    #[test]
    fn few_seeds_have_no_score() {
        let courses: Vec<SeedCourse> = (0..9)
            .map(|seed| SeedCourse {
                family: 0,
                arm: 0,
                seed,
                indicator: vec![Some(1.0); 3],
                health: vec![Some(0.5); 3],
            })
            .collect();
        let found = beyond_present(&[&courses], &[Concordance::of(&courses, PairRule::default())]);
        assert_eq!(found[0], Err(Undefined::TooFew { have: 9, need: 10 }));
    }
}
