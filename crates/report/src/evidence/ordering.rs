//! Which indicator orders two seeds of an arm by how they will fare, and which says more than present health does.
//!
//! The two endpoints of docs/statistics.md. Every column is scored alike: in the direction that other families of methods teach,
//! over the same pairs, and with one correction over all columns for each endpoint. Controls stand among them: the clock, accuracy
//! itself, and a column of noise.

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use trainability_record::glossary::{DescribedIndicator, IndicatorRole, Level};
use trainability_stats::beyond_present::beyond_present;
use trainability_stats::concordance::{Concordance, Orientation, Oriented, PairRule, SeedCourse};
use trainability_stats::jackknife::Jackknife;
use trainability_stats::paired_tests::{benjamini_hochberg, holm_defined};
use trainability_stats::{Estimate, Interval, Share, Undefined};

use crate::evidence::health::{HealthyArms, HealthyRun};
use crate::evidence::onset::{COLLAPSE, lost};

/// The level of both endpoints, after correction.
pub(crate) const LEVEL: f64 = 0.05;

/// What is said of an indicator, by a rule that was there before the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// It orders, and says more than present health: it predicts.
    Predicts,
    /// It orders seeds rightly, as whatever goes with present health does.
    Orders,
    /// It orders them wrongly in the direction that other methods teach: its sign does not transfer.
    WrongSign,
    /// Neither is shown.
    Nothing,
}

impl Power {
    /// As tables and the CSV name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Power::Predicts => "predicts",
            Power::Orders => "orders",
            Power::WrongSign => "wrong sign",
            Power::Nothing => "not shown",
        }
    }
}

/// The scores of one column.
#[derive(Clone, Debug)]
pub(crate) struct Ordering {
    /// The column.
    pub indicator: DescribedIndicator,
    /// The matched concordance at the next task, in the direction of the other families.
    pub concordance: Result<Estimate, Undefined>,
    /// Its two-sided p against one half.
    pub p: Result<f64, Undefined>,
    /// The same, corrected by Benjamini and Hochberg over all columns.
    pub p_corrected: Result<f64, Undefined>,
    /// The mean over families with equal weight.
    pub by_family: Result<Estimate, Undefined>,
    /// The concordance in each family of methods that has one, by name, high values read as good, and its two-sided p
    /// corrected by Holm over the families.
    pub families: Vec<(String, Estimate, Result<f64, Undefined>)>,
    /// The same over all pairs in the direction that theory gives, where it gives one.
    pub by_theory: Option<Result<Estimate, Undefined>>,
    /// How much oftener it orders rightly than present health lets expect.
    pub added: Result<Estimate, Undefined>,
    /// Its two-sided p against zero.
    pub p_added: Result<f64, Undefined>,
    /// The same, corrected over all columns.
    pub p_added_corrected: Result<f64, Undefined>,
    /// In how many families, of those that have a direction, high values are read as good.
    pub high_is_good: Share,
    /// Directions that turn when one seed is left out.
    pub flips: Share,
    /// The share of weight in which it ties.
    pub tied: Option<f64>,
    /// Rows in which it is undefined.
    pub missing: Share,
    /// Pairs of seeds at a task.
    pub pairs: usize,
    /// Companions of the primary, without a p, by the last part of their column.
    pub companions: Vec<(&'static str, Result<Estimate, Undefined>)>,
    /// The smallest distance from one half that as many seeds find in 80 % of cases, uncorrected.
    pub detectable: Result<f64, Undefined>,
}

impl Ordering {
    /// The verdict.
    pub(crate) fn power(&self) -> Power {
        let is_shown = |p: Result<f64, Undefined>| p.is_ok_and(|p| p < LEVEL);
        let is_above = |estimate: Result<Estimate, Undefined>, null| estimate.is_ok_and(|e| e.point() > null);
        let adds = is_shown(self.p_added_corrected) && is_above(self.added, 0.0);
        match (is_shown(self.p_corrected), is_above(self.concordance, 0.5)) {
            (true, true) if adds => Power::Predicts,
            (true, true) => Power::Orders,
            (true, false) => Power::WrongSign,
            (false, _) => Power::Nothing,
        }
    }
}

/// The column of noise.
pub(crate) fn noise_column() -> DescribedIndicator {
    DescribedIndicator {
        name: "noise".to_owned(),
        title: "noise (control)".to_owned(),
        role: IndicatorRole::Trivial,
        loss_follows: None,
        text: "a number drawn anew for each run and task, which nobody measured: a control of the tests".to_owned(),
    }
}

/// Scores every column of the glossary that has a value anywhere, and the column of noise, in this order. The runs whose schedule
/// reacts to what is measured are a companion of their own.
pub(crate) fn order_indicators(
    arms: &HealthyArms<'_>,
    reacting: &HealthyArms<'_>,
    indicators: &[DescribedIndicator],
) -> Vec<Ordering> {
    let columns: Vec<(DescribedIndicator, Vec<SeedCourse>)> = indicators
        .iter()
        .cloned()
        .chain([noise_column()])
        .map(|indicator| (indicator.clone(), courses(arms, &indicator.name)))
        .filter(|(_, courses)| courses.iter().any(|course| course.indicator.iter().any(Option::is_some)))
        .collect();
    let primary: Vec<Concordance> =
        columns.par_iter().map(|(_, courses)| Concordance::of(courses, PairRule::default())).collect();
    let all: Vec<&[SeedCourse]> = columns.iter().map(|(_, courses)| &courses[..]).collect();
    let added = beyond_present(&all, &primary);
    let oriented: Vec<Result<Oriented, Undefined>> = primary.par_iter().map(Concordance::oriented).collect();
    let counts_once = repeats(&all);
    let p: Vec<_> = oriented.iter().map(|oriented| oriented.as_ref().map_err(|reason| *reason)?.score.p(0.5)).collect();
    let p_added: Vec<_> = added.iter().map(|added| added.as_ref().map_err(|reason| *reason)?.p(0.0)).collect();
    let (corrected, added_corrected) = (correct(&p, &counts_once), correct(&p_added, &counts_once));
    let score = |place: usize| {
        let estimate = |jackknife: Result<&Jackknife, &Undefined>, range| {
            jackknife.map(|jackknife| jackknife.estimate(range)).map_err(|reason| *reason)
        };
        let (oriented, concordance) = (oriented[place].as_ref(), &primary[place]);
        let known = oriented.map_or(&[][..], |oriented| &oriented.high_is_good);
        let told = known.iter().flatten();
        Ordering {
            indicator: columns[place].0.clone(),
            concordance: estimate(oriented.map(|oriented| &oriented.score), Interval::SHARE),
            p: p[place],
            p_corrected: corrected[place],
            by_family: estimate(oriented.map(|oriented| &oriented.by_family), Interval::SHARE),
            families: by_family(concordance, &arms.judged.families),
            by_theory: columns[place].0.loss_follows.map(|loss_follows| {
                let orientation = match loss_follows {
                    Level::Low => Orientation::HighIsGood,
                    Level::High => Orientation::LowIsGood,
                };
                let score = Jackknife::of(concordance.seeds, |seed| concordance.value(orientation, seed));
                score.map(|score| score.estimate(Interval::SHARE))
            }),
            added: estimate(added[place].as_ref(), Interval::DIFFERENCE),
            p_added: p_added[place],
            p_added_corrected: added_corrected[place],
            high_is_good: Share { part: told.clone().filter(|high| **high).count(), whole: told.count() },
            flips: oriented.map_or(Share::default(), |oriented| oriented.flips),
            tied: concordance.tied(),
            missing: concordance.missing,
            pairs: concordance.pairs,
            companions: companions(&columns[place].1, &courses(reacting, &columns[place].0.name)),
            detectable: oriented
                .map_err(|reason| *reason)
                .and_then(|oriented| oriented.score.smallest_detectable(LEVEL)),
        }
    };
    (0..columns.len()).into_par_iter().map(score).collect()
}

/// Each family's own concordance.
fn by_family(concordance: &Concordance, names: &[String]) -> Vec<(String, Estimate, Result<f64, Undefined>)> {
    let found = concordance.of_families().into_iter().zip(names).filter_map(|(score, name)| Some((name, score.ok()?)));
    let found: Vec<(&String, Jackknife)> = found.collect();
    let p = holm_defined(&found.iter().map(|(_, score)| score.p(0.5)).collect::<Vec<_>>());
    let named = found.iter().zip(p);
    named.map(|((name, score), p)| ((*name).clone(), score.estimate(Interval::SHARE), p)).collect()
}

/// Further horizons, pairs that are far apart later or alike now, and who has collapsed; then what is not matched, and what reacts.
fn companions(courses: &[SeedCourse], reacting: &[SeedCourse]) -> Vec<(&'static str, Result<Estimate, Undefined>)> {
    let usual = PairRule::default();
    let rules = [
        ("three_tasks_ahead", PairRule { horizon: 3, ..usual }),
        ("five_tasks_ahead", PairRule { horizon: 5, ..usual }),
        ("apart_by_05", PairRule { at_least: 0.05, ..usual }),
        ("alike_within_02", PairRule { now_within: 0.02, ..usual }),
    ];
    let score = |courses: &[SeedCourse], rule| {
        Concordance::of(courses, rule).oriented().map(|oriented| oriented.score.estimate(Interval::SHARE))
    };
    let mut found: Vec<_> = rules.into_iter().map(|(name, rule)| (name, score(courses, rule))).collect();
    found.push(("of_collapse", score(&of_collapse(courses), usual)));
    found.push(("any_rows", score(courses, PairRule { any_rows: true, ..usual })));
    found.push(("reacting", score(reacting, usual)));
    found
}

/// The same courses with the state of collapse in place of health: 0 in it, 1 out of it.
fn of_collapse(courses: &[SeedCourse]) -> Vec<SeedCourse> {
    let state = |course: &SeedCourse| SeedCourse {
        health: lost(&course.health, COLLAPSE).into_iter().map(|lost| Some(f64::from(!lost?))).collect(),
        ..course.clone()
    };
    courses.iter().map(state).collect()
}

/// For each column, the place of the first that has the same values everywhere: copies are tested once.
fn repeats(all: &[&[SeedCourse]]) -> Vec<usize> {
    let same =
        |one: &[SeedCourse], other: &[SeedCourse]| one.iter().zip(other).all(|(a, b)| a.indicator == b.indicator);
    (0..all.len()).map(|place| (0..place).find(|first| same(all[*first], all[place])).unwrap_or(place)).collect()
}

/// Corrects over those that are first of their kind; a copy has the p of its first.
fn correct(p: &[Result<f64, Undefined>], first: &[usize]) -> Vec<Result<f64, Undefined>> {
    let tested: Vec<usize> = (0..p.len()).filter(|place| first[*place] == *place).collect();
    let corrected = benjamini_hochberg(&tested.iter().map(|place| p[*place]).collect::<Vec<_>>());
    let of = |place: &usize| corrected[tested.iter().position(|known| known == place).unwrap_or(0)];
    first.iter().map(of).collect()
}

fn distinct_seeds(arms: &HealthyArms<'_>) -> Vec<u64> {
    let mut seeds: Vec<u64> = arms.runs.iter().map(|run| run.run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// The runs with one column.
pub(crate) fn courses(arms: &HealthyArms<'_>, column: &str) -> Vec<SeedCourse> {
    let seeds = distinct_seeds(arms);
    let course = |run: &HealthyRun<'_>| SeedCourse {
        family: run.family,
        arm: run.arm,
        seed: seeds.partition_point(|seed| *seed < run.run.seed),
        indicator: match column {
            "noise" => (0..run.health.len()).map(|task| Some(noise(run, task))).collect(),
            _ => run.run.series.column(column).to_vec(),
        },
        health: run.health.clone(),
    };
    arms.runs.iter().map(course).collect()
}

/// A number from 0 to 1 that follows from the run's name and the task.
fn noise(run: &HealthyRun<'_>, task: usize) -> f64 {
    let digest = Sha256::digest(format!("{} {} {task}", run.run.arm, run.run.seed));
    let (first, _) = digest.as_slice().split_at(4);
    f64::from(u32::from_be_bytes(first.try_into().unwrap_or_default())) / f64::from(u32::MAX)
}
