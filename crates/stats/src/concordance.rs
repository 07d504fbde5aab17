//! The matched concordance: does an indicator order different seeds of one arm, at the same task, by how well they will fare?
//!
//! Two seeds of one arm at one task have the same method, rate and age, so that none of these can help: a clock scores one half
//! exactly. A pair counts by how far apart the two seeds' later healths are, and ties of the indicator count half. What is kept are
//! sums, of each family of methods and of each of its seeds, so that leaving out a family or a seed is a subtraction.

use super::estimate::{Share, Undefined};
use super::jackknife::Jackknife;

/// One run as the concordance sees it, its tasks in order.
#[derive(Clone, Debug)]
pub struct SeedCourse {
    /// The family of its method, from 0.
    pub family: usize,
    /// Its arm: runs of the same arm are compared.
    pub arm: usize,
    /// The number of its seed, from 0 without gaps. The same seed in two arms is deleted from both.
    pub seed: usize,
    /// The indicator at each task, `None` where it is undefined; infinity is a value.
    pub indicator: Vec<Option<f64>>,
    /// The health at each task.
    pub health: Vec<Option<f64>>,
}

/// Which pairs count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairRule {
    /// Tasks looked ahead, at least 1.
    pub horizon: usize,
    /// The least difference in later health.
    pub at_least: f64,
    /// The largest difference in present health.
    pub now_within: f64,
    /// Whether an arm's rows are paired whatever their tasks and seeds, those of one run too: not matched, so that age helps.
    pub any_rows: bool,
}

impl Default for PairRule {
    /// The next task, and every pair.
    fn default() -> Self {
        PairRule { horizon: 1, at_least: 0.0, now_within: f64::INFINITY, any_rows: false }
    }
}

/// Which values of an indicator are read as announcing good health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// High ones.
    HighIsGood,
    /// Low ones.
    LowIsGood,
    /// For each family those that go with good health in all other families.
    AsOthersTeach,
}

/// Weights summed over tasks, of one pair of seeds or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct PairSums {
    /// Of pairs in which the higher indicator goes with the better health, ties counting half.
    concordant: f64,
    /// Of all pairs.
    all: f64,
    /// Of pairs in which the indicator ties.
    tied: f64,
}

impl PairSums {
    fn add(&mut self, other: PairSums) {
        self.concordant += other.concordant;
        self.all += other.all;
        self.tied += other.tied;
    }

    fn less(self, other: PairSums) -> PairSums {
        PairSums {
            concordant: self.concordant - other.concordant,
            all: self.all - other.all,
            tied: self.tied - other.tied,
        }
    }

    fn concordance(self) -> Result<f64, Undefined> {
        // What a subtraction leaves of nothing is rounding.
        if self.all > 1e-12 { Ok(self.concordant / self.all) } else { Err(Undefined::NoPairs) }
    }

    /// Whether high values go with good health; `None` where there is no telling.
    fn direction(self) -> Option<bool> {
        let beyond_half = self.concordance().ok()? - 0.5;
        (beyond_half.abs() > 1e-9).then_some(beyond_half > 0.0)
    }
}

/// All pairs of one indicator.
#[derive(Clone, Debug)]
pub struct Concordance {
    /// By family: all its pairs, and those of each seed.
    families: Vec<FamilyPairs>,
    /// The number of seeds.
    pub seeds: usize,
    /// How many pairs count.
    pub pairs: usize,
    /// Rows with an outcome at which the indicator is undefined.
    pub missing: Share,
}

#[derive(Clone, Debug)]
struct FamilyPairs {
    whole: PairSums,
    of_seed: Vec<PairSums>,
}

impl FamilyPairs {
    fn without(&self, seed: Option<usize>) -> PairSums {
        seed.map_or(self.whole, |seed| self.whole.less(self.of_seed[seed]))
    }
}

/// The concordance in the direction that the other families teach.
#[derive(Clone, Debug, PartialEq)]
pub struct Oriented {
    /// Over all pairs, with its jackknife over seeds.
    pub score: Jackknife,
    /// The mean over families with equal weight.
    pub by_family: Jackknife,
    /// For each family, whether high values are read as announcing good health; `None` where the others do not tell.
    pub high_is_good: Vec<Option<bool>>,
    /// Copies without one seed in which a family's direction is another than with all seeds.
    pub flips: Share,
}

impl Concordance {
    /// Collects the pairs: the two seeds at task k, weighted by the difference of their health at task k + horizon.
    pub fn of(courses: &[SeedCourse], rule: PairRule) -> Concordance {
        let count = |of: fn(&SeedCourse) -> usize| courses.iter().map(|course| of(course) + 1).max().unwrap_or(0);
        let (families, seeds) = (count(|course| course.family), count(|course| course.seed));
        let empty = FamilyPairs { whole: PairSums::default(), of_seed: vec![PairSums::default(); seeds] };
        let mut found = Concordance { families: vec![empty; families], seeds, pairs: 0, missing: Share::default() };
        let of_arm = by_arm(courses);
        // Courses of each arm that need no further partner.
        let mut done = vec![0; of_arm.len()];
        for one in courses {
            let rows = (0..one.health.len()).filter(|task| at(&one.health, task + rule.horizon).is_some());
            let (mut whole, mut part) = (0, 0);
            for task in rows {
                whole += 1;
                part += usize::from(at(&one.indicator, task).is_none());
            }
            found.missing = Share { part: found.missing.part + part, whole: found.missing.whole + whole };
            let mut add = |(sums, pairs): (PairSums, usize), seeds: &[usize]| {
                found.pairs += pairs;
                let family = &mut found.families[one.family];
                family.whole.add(sums);
                seeds.iter().for_each(|seed| family.of_seed[*seed].add(sums));
            };
            if rule.any_rows {
                add(within(one, rule), &[one.seed]);
            }
            done[one.arm] += 1;
            for other in of_arm[one.arm][done[one.arm]..].iter().filter(|other| other.seed != one.seed) {
                add(between(one, other, rule), &[one.seed, other.seed]);
            }
        }
        found
    }

    /// The weight of pairs in which the indicator ties, as a share.
    pub fn tied(&self) -> Option<f64> {
        let all = self.total(None);
        (all.all > 0.0).then(|| all.tied / all.all)
    }

    /// The concordance over all families with an indicator read in this way, without one seed or with all.
    ///
    /// # Errors
    /// [`Undefined`] without pairs.
    pub fn value(&self, orientation: Orientation, without: Option<usize>) -> Result<f64, Undefined> {
        let directions = match orientation {
            Orientation::HighIsGood => vec![Some(true); self.families.len()],
            Orientation::LowIsGood => vec![Some(false); self.families.len()],
            Orientation::AsOthersTeach => {
                self.needs_other_families()?;
                self.directions(without)
            }
        };
        let mut all = PairSums::default();
        let families = self.families.iter().map(|family| family.without(without));
        families.zip(directions).for_each(|(family, direction)| all.add(read(family, direction)));
        all.concordance()
    }

    /// The concordance in directions that are learnt: each family's from the pairs of all other families, anew in each copy
    /// of the jackknife. A family of which the others tell nothing counts one half.
    ///
    /// # Errors
    /// [`Undefined`] without pairs, and where a single family has pairs.
    pub fn oriented(&self) -> Result<Oriented, Undefined> {
        self.needs_other_families()?;
        let directions = |seed| self.directions(seed);
        let score = Jackknife::of(self.seeds, |seed| self.value(Orientation::AsOthersTeach, seed))?;
        let by_family = Jackknife::of(self.seeds, |seed| {
            let families = self.families.iter().map(|family| family.without(seed)).zip(directions(seed));
            let scores: Vec<f64> =
                families.filter_map(|(family, direction)| read(family, direction).concordance().ok()).collect();
            if scores.is_empty() {
                Err(Undefined::NoPairs)
            } else {
                Ok(scores.iter().sum::<f64>() / scores.len() as f64)
            }
        })?;
        let high_is_good = directions(None);
        let mut flips = Share::default();
        for copy in (0..self.seeds).map(|seed| directions(Some(seed))) {
            flips.whole += copy.len();
            flips.part += copy.iter().zip(&high_is_good).filter(|(copy, all)| copy != all).count();
        }
        Ok(Oriented { score, by_family, high_is_good, flips })
    }

    /// The concordance of each family by itself, high values read as good: before any direction is learnt.
    pub fn of_families(&self) -> Vec<Result<Jackknife, Undefined>> {
        let of = |family: &FamilyPairs| Jackknife::of(self.seeds, |seed| family.without(seed).concordance());
        self.families.iter().map(of).collect()
    }

    /// The mean of these over families, each with equal weight.
    ///
    /// # Errors
    /// [`Undefined`] without pairs.
    pub fn mean_of_families(&self) -> Result<Jackknife, Undefined> {
        Jackknife::of(self.seeds, |seed| {
            let known: Vec<f64> =
                self.families.iter().filter_map(|family| family.without(seed).concordance().ok()).collect();
            if known.is_empty() { Err(Undefined::NoPairs) } else { Ok(known.iter().sum::<f64>() / known.len() as f64) }
        })
    }

    fn total(&self, without: Option<usize>) -> PairSums {
        let mut total = PairSums::default();
        self.families.iter().for_each(|family| total.add(family.without(without)));
        total
    }

    /// Whether at least two families have pairs, so that each has others to learn its direction from.
    pub(crate) fn needs_other_families(&self) -> Result<(), Undefined> {
        match self.families.iter().filter(|family| family.whole.concordance().is_ok()).count() {
            0 => Err(Undefined::NoPairs),
            1 => Err(Undefined::SingleFamily),
            _ => Ok(()),
        }
    }

    /// Each family's direction, by the pairs of the others.
    pub(crate) fn directions(&self, without: Option<usize>) -> Vec<Option<bool>> {
        let total = self.total(without);
        self.families.iter().map(|family| total.less(family.without(without)).direction()).collect()
    }
}

/// A family's pairs, read in a direction.
fn read(family: PairSums, high_is_good: Option<bool>) -> PairSums {
    let concordant = match high_is_good {
        Some(true) => family.concordant,
        Some(false) => family.all - family.concordant,
        None => 0.5 * family.all,
    };
    PairSums { concordant, ..family }
}

/// The value at a task, unless it is missing or no number.
pub(crate) fn at(values: &[Option<f64>], task: usize) -> Option<f64> {
    values.get(task).copied().flatten().filter(|value| !value.is_nan())
}

/// The courses of each arm, in their order.
pub(crate) fn by_arm(courses: &[SeedCourse]) -> Vec<Vec<&SeedCourse>> {
    let arms = courses.iter().map(|course| course.arm + 1).max().unwrap_or(0);
    let mut of_arm = vec![Vec::new(); arms];
    courses.iter().for_each(|course| of_arm[course.arm].push(course));
    of_arm
}

/// The pairs of two seeds, and their number: at the same task, or at any.
fn between(one: &SeedCourse, other: &SeedCourse, rule: PairRule) -> (PairSums, usize) {
    let mut found = (PairSums::default(), 0);
    for task in 0..one.health.len() {
        let tasks = if rule.any_rows { 0..other.health.len() } else { task..task + 1 };
        tasks.for_each(|at_other| add_pair(&mut found, (one, task), (other, at_other), rule));
    }
    found
}

/// The pairs of one run's rows, and their number.
fn within(run: &SeedCourse, rule: PairRule) -> (PairSums, usize) {
    let mut found = (PairSums::default(), 0);
    for task in 0..run.health.len() {
        (task + 1..run.health.len()).for_each(|later| add_pair(&mut found, (run, task), (run, later), rule));
    }
    found
}

/// Adds the pair of two rows, a run at a task each, if it counts.
fn add_pair(
    (sums, pairs): &mut (PairSums, usize),
    (one, task): (&SeedCourse, usize),
    (other, at_other): (&SeedCourse, usize),
    rule: PairRule,
) {
    let both = |values: fn(&SeedCourse) -> &[Option<f64>], ahead| {
        Some((at(values(one), task + ahead)?, at(values(other), at_other + ahead)?))
    };
    let later = both(|course| &course.health, rule.horizon);
    let (Some((x, y)), Some((mine, theirs))) = (both(|course| &course.indicator, 0), later) else { return };
    if rule.now_within.is_finite() {
        let near = |(a, b): (f64, f64)| (a - b).abs() <= rule.now_within;
        if !both(|course| &course.health, 0).is_some_and(near) {
            return;
        }
    }
    let weight = (mine - theirs).abs();
    if weight < rule.at_least || weight == 0.0 {
        return;
    }
    *pairs += 1;
    sums.all += weight;
    if x == y {
        sums.tied += weight;
        sums.concordant += 0.5 * weight;
    } else if (x > y) == (mine > theirs) {
        sums.concordant += weight;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn course(family: usize, arm: usize, seed: usize, indicator: &[f64], health: &[f64]) -> SeedCourse {
        let values = |values: &[f64]| values.iter().map(|value| Some(*value)).collect();
        SeedCourse { family, arm, seed, indicator: values(indicator), health: values(health) }
    }

    /// The definition, run by run and task by task: every pair twice, and without any sum kept.
    fn slow(courses: &[SeedCourse], family: Option<usize>, without: Option<usize>, rule: PairRule) -> Option<f64> {
        let (mut concordant, mut all) = (0.0, 0.0);
        for one in courses.iter().filter(|c| Some(c.seed) != without && family.is_none_or(|f| c.family == f)) {
            for other in courses.iter().filter(|c| c.arm == one.arm && c.seed != one.seed && Some(c.seed) != without) {
                for k in 0..one.health.len() {
                    let later = k + rule.horizon;
                    let (Some(&Some(mine)), Some(&Some(theirs))) = (one.health.get(later), other.health.get(later))
                    else {
                        continue;
                    };
                    let (Some(x), Some(y)) = (one.indicator[k], other.indicator[k]) else { continue };
                    let apart_now = one.health[k].zip(other.health[k]).map(|(mine, theirs)| (mine - theirs).abs());
                    if apart_now.is_none_or(|apart| apart > rule.now_within) && rule.now_within.is_finite()
                        || (mine - theirs).abs() < rule.at_least
                    {
                        continue;
                    }
                    let agreement = (x.partial_cmp(&y).unwrap() as i32) * (mine.partial_cmp(&theirs).unwrap() as i32);
                    concordant += (mine - theirs).abs() * (0.5 + 0.5 * f64::from(agreement));
                    all += (mine - theirs).abs();
                }
            }
        }
        (all > 0.0).then(|| concordant / all)
    }

    /// Two seeds, by hand: the indicator orders task 2 rightly (weight 0.4) and task 3 wrongly (0.1).
    #[test]
    fn two_seeds_by_hand() {
        let courses =
            [course(0, 0, 0, &[3.0, 1.0, 9.0], &[0.9, 0.8, 0.6]), course(0, 0, 1, &[2.0, 2.0, 9.0], &[0.9, 0.4, 0.5])];
        let found = Concordance::of(&courses, PairRule::default());
        let whole = found.families[0].whole;
        assert!((whole.concordant - 0.4).abs() < 1e-15 && (whole.all - 0.5).abs() < 1e-15, "{whole:?}");
        assert_eq!((found.pairs, found.tied(), found.missing), (2, Some(0.0), Share { part: 0, whole: 4 }));
        let coarse = Concordance::of(&courses, PairRule { at_least: 0.2, ..PairRule::default() });
        assert_eq!(coarse.families[0].whole.concordance(), Ok(1.0));
        let far = Concordance::of(&courses, PairRule { horizon: 2, ..PairRule::default() });
        assert_eq!((far.pairs, far.families[0].whole.concordance()), (1, Ok(1.0)));
        let near = Concordance::of(&courses, PairRule { now_within: 0.02, ..PairRule::default() });
        assert_eq!(near.pairs, 1, "only at task 1 the two are alike");
    }

    #[test]
    fn a_missing_value_is_left_out_and_infinity_is_a_value() {
        let mut courses = vec![
            course(0, 0, 0, &[f64::INFINITY, 1.0, 0.0], &[0.9, 0.8, 0.6]),
            course(0, 0, 1, &[2.0, f64::NAN, 0.0], &[0.9, 0.4, 0.5]),
        ];
        let found = Concordance::of(&courses, PairRule::default());
        assert_eq!((found.pairs, found.missing), (1, Share { part: 1, whole: 4 }));
        assert_eq!(found.families[0].whole.concordance(), Ok(1.0), "infinity is above 2");
        courses[1].indicator[0] = Some(f64::INFINITY);
        assert_eq!(Concordance::of(&courses, PairRule::default()).tied(), Some(1.0));
        courses[1].health[1] = None;
        assert_eq!(Concordance::of(&courses, PairRule::default()).pairs, 0);
    }

    /// In family 0 low values are good, and high ones in families 1 and 2: the direction for family 0 is learnt from the others.
    #[test]
    fn a_sign_that_does_not_transfer_scores_below_one_half() {
        let mut courses = Vec::new();
        for (family, sign) in [(0, -1.0), (1, 1.0), (2, 1.0)] {
            for seed in 0..6 {
                let health: Vec<f64> =
                    (0..5).map(|k| 0.5 + 0.01 * f64::from(seed) + 0.001 * f64::from(seed * k)).collect();
                let indicator: Vec<f64> = health.iter().map(|h| sign * h).collect();
                courses.push(course(family, family, seed as usize, &indicator, &health));
            }
        }
        let found = Concordance::of(&courses, PairRule::default());
        let oriented = found.oriented().unwrap();
        assert_eq!(oriented.high_is_good, [Some(true), None, None], "for 1 and 2 the others contradict each other");
        let expected = (0.0 + 0.5 + 0.5) / 3.0;
        assert!((oriented.score.point - expected).abs() < 1e-12 && (oriented.by_family.point - expected).abs() < 1e-12);
        let of_family = |family: usize| found.families[family].whole.concordance();
        assert_eq!((of_family(0), of_family(1)), (Ok(0.0), Ok(1.0)));
        let alone: Vec<SeedCourse> = courses.iter().filter(|course| course.family == 0).cloned().collect();
        assert_eq!(Concordance::of(&alone, PairRule::default()).oriented().err(), Some(Undefined::SingleFamily));
    }

    /// Health that falls is foretold by the clock wherever rows of other tasks are compared.
    #[test]
    fn unmatched_a_clock_orders() {
        let clock = [0.0, 1.0, 2.0, 3.0];
        let of = |arm: usize, seed: usize| course(arm, arm, seed, &clock, &[0.9, 0.7, 0.5, 0.3]);
        let courses = [of(0, 0), of(0, 1), of(1, 0), of(1, 1)];
        let rule = PairRule { any_rows: true, ..PairRule::default() };
        assert_eq!(Concordance::of(&courses, rule).value(Orientation::AsOthersTeach, None), Ok(1.0));
    }

    fn courses() -> impl Strategy<Value = Vec<SeedCourse>> {
        let value = || prop_oneof![6 => (0..6).prop_map(|v| Some(f64::from(v) / 4.0)), 1 => Just(None)];
        let row = move || prop::collection::vec((value(), value()), 5);
        prop::collection::vec(row(), 3 * 2 * 6).prop_map(|rows| {
            let places = rows.into_iter().enumerate().map(|(place, row)| {
                let (indicator, health) = row.into_iter().unzip();
                SeedCourse { family: place / 12, arm: place / 6, seed: place % 6, indicator, health }
            });
            places.collect()
        })
    }

    proptest! {
        /// Sums kept by seed and subtracted, against every copy counted anew.
        #[test]
        fn equals_the_definition(courses in courses(), horizon in 1..3_usize, at_least in prop_oneof![Just(0.0), Just(0.5)]) {
            let rule = PairRule { horizon, at_least, ..PairRule::default() };
            let found = Concordance::of(&courses, rule);
            let close = |left: f64, right: f64| (left - right).abs() < 1e-9;
            for without in [None, Some(0), Some(3), Some(5)] {
                for family in 0..3 {
                    let ours = found.families[family].without(without).concordance().ok();
                    let theirs = slow(&courses, Some(family), without, rule);
                    prop_assert!(ours.is_some() == theirs.is_some());
                    prop_assert!(ours.zip(theirs).is_none_or(|(ours, theirs)| close(ours, theirs)));
                }
                let (ours, theirs) = (found.total(without).concordance(), slow(&courses, None, without, rule));
                prop_assert!(ours.ok().zip(theirs).is_none_or(|(ours, theirs)| close(ours, theirs)));
            }
            if let Ok(oriented) = found.oriented() {
                let mut expected = (0.0, 0.0);
                for family in 0..3 {
                    let others: Vec<SeedCourse> = courses.iter().filter(|c| c.family != family).cloned().collect();
                    let direction = slow(&others, None, None, rule).map(|c| c - 0.5).filter(|c| c.abs() > 1e-9);
                    let own = found.families[family].whole;
                    let score = slow(&courses, Some(family), None, rule).unwrap_or(0.5);
                    expected.0 += own.all * direction.map_or(0.5, |d| if d > 0.0 { score } else { 1.0 - score });
                    expected.1 += own.all;
                }
                prop_assert!(close(oriented.score.point, expected.0 / expected.1));
            }
        }

        /// Rows of an arm whatever their tasks: every two rows by the definition, with all seeds and without one.
        #[test]
        fn unmatched_equals_the_definition(courses in courses(), horizon in 1..3_usize) {
            let found = Concordance::of(&courses, PairRule { horizon, any_rows: true, ..PairRule::default() });
            for without in [None, Some(0), Some(4)] {
                let kept = courses.iter().filter(|c| Some(c.seed) != without);
                let rows: Vec<(usize, f64, f64)> = kept
                    .flat_map(|c| (0..5).map(move |k| (c, k)))
                    .filter_map(|(c, k)| Some((c.arm, c.indicator[k]?, (*c.health.get(k + horizon)?)?)))
                    .collect();
                let (mut concordant, mut all) = (0.0, 0.0);
                for (arm, x, mine) in &rows {
                    for (_, y, theirs) in rows.iter().filter(|row| row.0 == *arm) {
                        let agreement = (x.partial_cmp(y).unwrap() as i32) * (mine.partial_cmp(theirs).unwrap() as i32);
                        concordant += (mine - theirs).abs() * (0.5 + 0.5 * f64::from(agreement));
                        all += (mine - theirs).abs();
                    }
                }
                match found.total(without).concordance() {
                    Ok(ours) => prop_assert!((ours - concordant / all).abs() < 1e-9),
                    Err(_) => prop_assert!(all < 1e-9),
                }
            }
        }

        /// Whatever grows or falls with age alone orders nothing.
        #[test]
        fn a_clock_scores_one_half(mut courses in courses()) {
            courses.iter_mut().for_each(|c| c.indicator = (0..5).map(|k| Some(f64::from(k))).collect());
            let found = Concordance::of(&courses, PairRule::default());
            prop_assert!(found.tied().is_none_or(|tied| tied == 1.0));
            if let Ok(oriented) = found.oriented() {
                prop_assert_eq!(oriented.score.point, 0.5);
                prop_assert_eq!(oriented.score.p(0.5), Err(Undefined::NoSpread));
            }
        }
    }
}
