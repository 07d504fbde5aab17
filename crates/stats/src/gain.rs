//! What an indicator adds to a predictor that costs nothing: nested logistic models, judged on methods they have not seen.
//!
//! Both models foretell the event, one from the baseline alone, the other from baseline and indicator. One family of methods after
//! the other is left out; both models are fitted to all others and asked about the one left out. The **gain** is the mean fall of the
//! log-loss over all task pairs, in nats a pair: above zero, the indicator tells something about a new method that the
//! baseline does not; below zero, believing it does harm there. Arms of a family stay together, because they
//! resemble each other far more than those of a new one would.
//!
//! Both predictors enter as ranks among the fitted pairs, scaled to unit variance: like AUROC, the gain then does not depend on an
//! indicator's unit, and infinite values are ordinary. With them the ridge of [`RIDGE`] is scikit-learn's default.
//!
//! The interval leaves a seed out of what models are judged on together with what they are fitted to. Refitting all models for every
//! seed would take minutes, so each takes one Newton step from its fit to all seeds, which is as good to the order that matters
//! (D. W. K. Andrews, *Econometrica* 70, 2002), and losses are carried along to second order. The ranks stay those of all seeds.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::estimate::Undefined;
use super::logistic::{BLOCK, Expansion, RegressionRows, fit};
use super::pooled::Pooled;
use super::ranks::Order;

/// The penalty on the slopes, as in `LogisticRegression(C=1.0)`: a whisper against a hundred pairs.
pub(crate) const RIDGE: f64 = 1.0;

/// Both models, fitted without each family in turn, and what they say of it.
#[derive(Clone, Debug)]
pub struct HeldOut {
    folds: Vec<Fold>,
    /// For each seed a run of it, and the pairs of all of its runs that have a baseline.
    seeds: Vec<(usize, f64)>,
    /// Runs with such a pair.
    pub runs: usize,
}

/// One family left out.
#[derive(Clone, Debug)]
struct Fold {
    alone: NestedModel<2>,
    whole: NestedModel<3>,
}

impl HeldOut {
    /// Fits both models, one family of methods left out at a time. `order` is that of the pairs' values. The models of the baseline
    /// are those that are known, where they are of the same task pairs; of others, `values` has the baseline for each pair, NaN
    /// where there is none, and such pairs are left out.
    ///
    /// # Errors
    /// [`Undefined`] with fewer than two families, when the models are the same or the indicator is constant, or when the
    /// events of the other families are all of one class.
    ///
    /// # Panics
    /// When the lists differ in length.
    pub fn beside(
        pooled: &Pooled,
        order: &Order,
        known: &Baseline,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self, Undefined> {
        if known.pooled.same_pairs(pooled) {
            return Self::over(known, pooled, order);
        }
        Self::over(&Baseline::new(pooled.with_values(values())), pooled, order)
    }

    /// The same over the baseline of these pairs.
    fn over(baseline: &Baseline, pooled: &Pooled, order: &Order) -> Result<Self, Undefined> {
        let (values, layout) = (&baseline.pooled.values, &baseline.layout);
        let mut kept = (0..pooled.pairs()).filter(|pair| layout.row_of[*pair].is_some());
        let first = kept.clone().next().ok_or(Undefined::NoValues)?;
        if kept.clone().all(|pair| pooled.values[pair] == values[pair]) {
            return Err(Undefined::IsBaseline);
        }
        if kept.all(|pair| pooled.values[pair] == pooled.values[first]) {
            return Err(Undefined::ConstantIndicator);
        }
        if layout.families.len() < 2 {
            return Err(Undefined::SingleFamily);
        }
        let order = RowOrder::new(order, layout);
        let mut rows = layout.rows::<3>(pooled);
        let fold = |(blocks, known): (&Range<usize>, &BaselineFold)| {
            let alone = known.alone.clone()?;
            rows.set_all(1, &known.scaled);
            rows.set_all(2, &order.scaled_without(blocks, &rows));
            Ok(Fold { alone, whole: NestedModel::new(&rows, blocks, layout)? })
        };
        let folds = layout.families.values().zip(&baseline.folds).map(fold).collect::<Result<_, _>>()?;
        Ok(Self { folds, seeds: layout.seeds.clone(), runs: layout.runs })
    }

    /// The gain, which is the mean fall of the log-loss a pair, with the runs weighted in fitting and in judging alike. Runs of
    /// a seed have the same weight.
    ///
    /// # Errors
    /// [`Undefined::NoValues`] without weight.
    pub fn weighted(&self, run_weights: &[f64]) -> Result<f64, Undefined> {
        let weights: Vec<f64> = self.seeds.iter().map(|(run, _)| run_weights[*run]).collect();
        let pairs: f64 = self.seeds.iter().zip(&weights).map(|((_, pairs), weight)| pairs * weight).sum();
        let fall = |fold: &Fold| {
            let loss = |model: Option<f64>| model.ok_or(Undefined::NoValues);
            Ok(loss(fold.alone.judge(&weights))? - loss(fold.whole.judge(&weights))?)
        };
        let falls: Result<f64, Undefined> = self.folds.iter().map(fall).sum();
        if pairs > 0.0 { Ok(falls? / pairs) } else { Err(Undefined::NoValues) }
    }
}

/// The models of a baseline alone, fitted once for all indicators that have a value at all the pairs that it has.
pub struct Baseline {
    /// The pairs with its values.
    pooled: Pooled,
    /// Where the pairs stand at which it has a value.
    layout: RowLayout,
    /// One for each family.
    folds: Vec<BaselineFold>,
}

/// A baseline without one family.
struct BaselineFold {
    /// Its values as they enter the models, by row.
    scaled: Vec<f64>,
    alone: Result<NestedModel<2>, Undefined>,
}

impl Baseline {
    /// Fits the models; the pairs are those of the baseline, scored as an indicator itself. Where its value is NaN they are left out.
    pub fn new(pooled: Pooled) -> Self {
        let kept: Vec<usize> = (0..pooled.pairs()).filter(|pair| !pooled.values[*pair].is_nan()).collect();
        let layout = RowLayout::new(&kept, &pooled);
        let order = RowOrder::new(&Order::of(&pooled.values), &layout);
        let fold = |blocks: &Range<usize>| {
            let mut rows = layout.rows::<2>(&pooled);
            let scaled = order.scaled_without(blocks, &rows);
            rows.set_all(1, &scaled);
            BaselineFold { scaled, alone: NestedModel::new(&rows, blocks, &layout) }
        };
        let folds = layout.families.values().collect::<Vec<_>>().into_par_iter().map(fold).collect();
        Self { pooled, layout, folds }
    }
}

/// Where the task pairs stand as rows of a regression: family after family, seed after seed, each seed at the beginning of a block.
struct RowLayout {
    /// The row of each pair; none of pairs that are left out.
    row_of: Vec<Option<usize>>,
    /// The blocks of each family.
    families: BTreeMap<usize, Range<usize>>,
    /// The blocks of each family's runs of a seed, by the place of the seed among `seeds`.
    groups: Vec<(usize, Range<usize>)>,
    /// For each seed a run of it, and the pairs of all of its runs.
    seeds: Vec<(usize, f64)>,
    /// Runs with a pair.
    runs: usize,
}

impl RowLayout {
    /// The kept pairs are in ascending order.
    fn new(kept: &[usize], pooled: &Pooled) -> Self {
        let runs = || kept.chunk_by(|one, other| pooled.run_of[*one] == pooled.run_of[*other]);
        let mut of_seed: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
        let mut of_group: BTreeMap<(usize, u64), Vec<usize>> = BTreeMap::new();
        for pairs in runs() {
            let run = pooled.run_of[pairs[0]];
            of_seed.entry(pooled.seeds[run]).or_insert((run, 0.0)).1 += pairs.len() as f64;
            of_group.entry((pooled.families[run], pooled.seeds[run])).or_default().extend(pairs);
        }
        let mut layout = RowLayout {
            row_of: vec![None; pooled.pairs()],
            families: BTreeMap::new(),
            groups: Vec::new(),
            seeds: of_seed.values().copied().collect(),
            runs: runs().count(),
        };
        let seeds: Vec<u64> = of_seed.into_keys().collect();
        let mut block = 0;
        for ((family, seed), pairs) in of_group {
            pairs.iter().zip(block * BLOCK..).for_each(|(pair, row)| layout.row_of[*pair] = Some(row));
            let blocks = block..block + pairs.len().div_ceil(BLOCK);
            block = blocks.end;
            layout.families.entry(family).or_insert(blocks.clone()).end = block;
            layout.groups.push((seeds.partition_point(|other| *other < seed), blocks));
        }
        layout
    }

    /// The rows with their events.
    fn rows<const COEFFICIENTS: usize>(&self, pooled: &Pooled) -> RegressionRows<COEFFICIENTS> {
        let mut rows = RegressionRows::absent(self.families.values().map(|blocks| blocks.end).max().unwrap_or(0));
        for (row, event) in self.row_of.iter().zip(&pooled.events) {
            if let Some(row) = row {
                rows.add(*row, *event);
            }
        }
        rows
    }
}

/// The ascending order of the kept pairs, by their rows.
struct RowOrder {
    rows: Vec<u32>,
    /// Where each group of equal values ends in `rows`.
    ends: Vec<usize>,
}

impl RowOrder {
    fn new(order: &Order, layout: &RowLayout) -> Self {
        let (mut rows, mut ends) = (Vec::new(), Vec::new());
        for group in order.groups() {
            let row =
                |pair: &usize| layout.row_of[*pair].map(|row| u32::try_from(row).expect("a report has fewer rows"));
            rows.extend(group.iter().filter_map(row));
            ends.push(rows.len());
        }
        Self { rows, ends }
    }

    /// A number for each row, 0 where none is: its value's rank among those outside of these blocks, which is the share of values
    /// below, ties counting half, less one half, over the standard deviation of a uniform variable.
    fn scaled_without<const N: usize>(&self, blocks: &Range<usize>, rows: &RegressionRows<N>) -> Vec<f64> {
        let left_out = (blocks.start * BLOCK) as u32..(blocks.end * BLOCK) as u32;
        let is_fitted = |row: &&u32| !left_out.contains(row);
        let mut ranks = vec![0.0; rows.len()];
        let fitted = rows.rows_outside(blocks) as f64;
        let (mut start, mut below) = (0, 0);
        for end in &self.ends {
            let group = &self.rows[start..*end];
            let up_to = below + group.iter().filter(is_fitted).count();
            let rank = (0.5 * (below + up_to) as f64 / fitted - 0.5) * 12_f64.sqrt();
            group.iter().for_each(|row| ranks[*row as usize] = rank);
            (start, below) = (*end, up_to);
        }
        ranks
    }
}

/// A model by what it loses near its coefficients.
#[derive(Clone, Debug)]
struct NestedModel<const COEFFICIENTS: usize> {
    /// On all rows that it is fitted to, with the ridge, and on those that it is asked about.
    all: [Expansion<COEFFICIENTS>; 2],
    /// The same of each seed alone, without the ridge.
    of_seed: Vec<[Expansion<COEFFICIENTS>; 2]>,
}

impl<const COEFFICIENTS: usize> NestedModel<COEFFICIENTS> {
    /// Fits to all rows outside of these blocks, which it is asked about.
    fn new(rows: &RegressionRows<COEFFICIENTS>, asked: &Range<usize>, layout: &RowLayout) -> Result<Self, Undefined> {
        let coefficients = fit(rows, asked, RIDGE)?;
        let mut all = [Expansion::default(); 2];
        all[0].add_ridge(&coefficients, RIDGE);
        let mut of_seed = vec![[Expansion::default(); 2]; layout.seeds.len()];
        for (seed, blocks) in &layout.groups {
            let part = usize::from(asked.contains(&blocks.start));
            let expansion = rows.expansion(blocks.clone(), &coefficients);
            of_seed[*seed][part].add(&expansion, 1.0);
            all[part].add(&expansion, 1.0);
        }
        Ok(Self { all, of_seed })
    }

    /// The weighted loss on the rows that it is asked about, after one Newton step on the others; `None` where these determine no
    /// step. The weights are those of the seeds.
    fn judge(&self, weights: &[f64]) -> Option<f64> {
        let mut sums = self.all;
        // A copy leaves out one: it is taken off.
        for (of_seed, weight) in self.of_seed.iter().zip(weights).filter(|(_, weight)| **weight != 1.0) {
            sums.iter_mut().zip(of_seed).for_each(|(sum, part)| sum.add(part, weight - 1.0));
        }
        let [fitted, asked] = sums;
        Some(asked.after(&fitted.newton_step()?))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    impl HeldOut {
        fn new(pooled: &Pooled, baseline: &[f64]) -> Result<Self, Undefined> {
            let baseline = Baseline::new(pooled.with_values(baseline.to_vec()));
            Self::over(&baseline, pooled, &Order::of(&pooled.values))
        }

        fn gain(&self) -> Result<f64, Undefined> {
            let runs = self.seeds.iter().map(|(run, _)| run + 1).max().unwrap_or(0);
            self.weighted(&vec![1.0; runs])
        }
    }

    fn pooled(values: &[f64], events: &[bool], arms: &[usize]) -> Pooled {
        let mut pooled = Pooled::default();
        pooled.values = values.to_vec();
        pooled.events = events.to_vec();
        (pooled.arms, pooled.families) = (arms.to_vec(), arms.to_vec());
        pooled.run_of = (0..values.len()).map(|pair| pair / 4).collect();
        pooled.seeds = (0..arms.len() as u64).collect();
        pooled
    }

    const X: [f64; 12] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0, f64::INFINITY];
    const BASE: [f64; 12] = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
    const EVENTS: [bool; 12] = [false, false, true, false, true, true, false, true, false, false, true, true];

    #[test]
    fn equals_scikit_learn() {
        // x = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, np.inf]); b = np.tile([1, 2, 3, 4], 3); arm = np.repeat([0, 1, 2], 4)
        // e = np.array([0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1]); total = 0
        // def z(fit, v): return (np.array([((fit < t).mean() + (fit <= t).mean()) / 2 for t in v]) - 0.5) * 12 ** 0.5
        // for a in range(3):
        //     f, j = arm != a, arm == a
        //     B, X = lambda k: z(b[f], b[k])[:, None], lambda k: z(x[f], x[k])[:, None]
        //     m = lambda F: LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(F(f), e[f]).predict_proba(F(j))
        //     both = lambda k: np.hstack([B(k), X(k)])
        //     total += log_loss(e[j], m(B), normalize=False, labels=[0, 1]) - log_loss(e[j], m(both), normalize=False, labels=[0, 1])
        // total / 12
        let held_out = HeldOut::new(&pooled(&X, &EVENTS, &[0, 1, 2]), &BASE).unwrap();
        let gain = held_out.gain().unwrap();
        assert!((gain - 0.3622413317779339).abs() < 1e-8, "{gain}");
        assert_eq!(held_out.runs, 3);
    }

    #[test]
    fn a_baseline_that_is_known_changes_no_bit() {
        let arms = [0, 1, 2];
        let indicator = pooled(&X, &EVENTS, &arms);
        let bits = |held_out: Result<HeldOut, Undefined>| held_out.unwrap().gain().unwrap().to_bits();
        let beside = |known: &Baseline| bits(HeldOut::beside(&indicator, &Order::of(&X), known, || BASE.to_vec()));
        let alone = bits(HeldOut::new(&indicator, &BASE));
        assert_eq!(beside(&Baseline::new(pooled(&BASE, &EVENTS, &arms))), alone);
        // Of other pairs it is not believed.
        let other = Baseline::new(pooled(&BASE.map(|value| -value), &EVENTS.map(|event| !event), &arms));
        assert_eq!(beside(&other), alone);
    }

    /// The definition, by sorting the values of the other families and looking up each.
    fn slowly_scaled(family: usize, kept: &[usize], pooled: &Pooled, values: &[f64]) -> Vec<f64> {
        let fitted = kept.iter().filter(|pair| pooled.families[pooled.run_of[**pair]] != family);
        let mut sorted: Vec<f64> = fitted.map(|pair| values[*pair]).collect();
        sorted.sort_by(f64::total_cmp);
        let scaled = |value: f64| {
            let below = sorted.partition_point(|other| *other < value);
            let up_to = sorted.partition_point(|other| *other <= value);
            (0.5 * (below + up_to) as f64 / sorted.len() as f64 - 0.5) * 12_f64.sqrt()
        };
        kept.iter().map(|pair| scaled(values[*pair])).collect()
    }

    #[test]
    fn a_walk_scales_as_looking_up_does_to_the_last_bit() {
        let pooled = pooled(&X, &EVENTS, &[0, 1, 2]);
        let with_gaps = [1.0, f64::NAN, 3.0, 4.0, -0.0, 2.0, 0.0, f64::NAN, 1.0, f64::INFINITY, 3.0, -4.0];
        for values in [X, BASE, with_gaps] {
            let kept: Vec<usize> = (0..values.len()).filter(|pair| !values[*pair].is_nan()).collect();
            for family in 0..3 {
                let layout = RowLayout::new(&kept, &pooled);
                let rows = layout.rows::<2>(&pooled);
                let order = RowOrder::new(&Order::of(&values), &layout);
                let scaled = order.scaled_without(&layout.families[&family], &rows);
                let found: Vec<f64> = kept.iter().map(|pair| scaled[layout.row_of[*pair].unwrap()]).collect();
                assert_eq!(found, slowly_scaled(family, &kept, &pooled, &values));
            }
        }
    }

    #[test]
    fn monotone_maps_change_nothing() {
        let mapped = X.map(|value| -1.0 / (1.0 + value));
        let gain = |values: &[f64]| HeldOut::new(&pooled(values, &EVENTS, &[0, 1, 2]), &BASE).unwrap().gain();
        assert_eq!(gain(&X), gain(&mapped));
    }

    #[test]
    fn other_weights_are_close_to_a_refit() {
        // Twelve runs of noise in three arms; the weights are repetitions of runs.
        let mut generator = ChaCha8Rng::seed_from_u64(3);
        let events: Vec<bool> = (0..240).map(|_| generator.random::<f64>() < 0.4).collect();
        let value = |event: &bool| generator.random::<f64>() + if *event { 0.3 } else { 0.0 };
        let values: Vec<f64> = events.iter().map(value).collect();
        let baseline: Vec<f64> = (0..240).map(|pair| f64::from(pair % 20)).collect();
        let gain = |runs: &[usize]| {
            let pairs = || runs.iter().flat_map(|run| 20 * run..20 * run + 20);
            let mut pooled = Pooled::default();
            pooled.values = pairs().map(|pair| values[pair]).collect();
            pooled.events = pairs().map(|pair| events[pair]).collect();
            pooled.run_of = (0..20 * runs.len()).map(|pair| pair / 20).collect();
            pooled.families = runs.iter().map(|run| run / 4).collect();
            pooled.arms = pooled.families.clone();
            pooled.seeds = (0..runs.len() as u64).collect();
            HeldOut::new(&pooled, &pairs().map(|pair| baseline[pair]).collect::<Vec<f64>>()).unwrap()
        };
        let all: Vec<usize> = (0..12).collect();
        let drawn = [0, 0, 1, 2, 4, 5, 5, 5, 8, 9, 10, 10];
        let weights: Vec<f64> = all.iter().map(|run| drawn.iter().filter(|d| *d == run).count() as f64).collect();
        let (before, stepped) = (gain(&all).gain().unwrap(), gain(&all).weighted(&weights).unwrap());
        let refitted = gain(&drawn).gain().unwrap();
        assert!((stepped - refitted).abs() < 0.15 * (before - refitted).abs(), "{before} {stepped} {refitted}");
    }

    /// Twelve runs of four seeds in three families, each of 70 pairs: more than a block has rows.
    #[test]
    fn a_seed_is_left_out_of_all_families() {
        let mut generator = ChaCha8Rng::seed_from_u64(4);
        let draw = |generator: &mut ChaCha8Rng| -> (f64, f64, bool) {
            let event = generator.random::<f64>() < 0.4;
            let shift = if event { 0.4 } else { 0.0 };
            (generator.random::<f64>() + shift, generator.random::<f64>() + shift, event)
        };
        let mut drawn: Vec<(f64, f64, bool)> = (0..12 * 70).map(|_| draw(&mut generator)).collect();
        drawn.iter_mut().step_by(9).for_each(|pair| pair.1 = f64::NAN);
        let of_runs = |runs: &[usize]| {
            let pairs: Vec<_> = runs.iter().flat_map(|run| &drawn[70 * run..70 * run + 70]).collect();
            let mut pooled = Pooled::default();
            pooled.values = pairs.iter().map(|pair| pair.0).collect();
            pooled.events = pairs.iter().map(|pair| pair.2).collect();
            pooled.run_of = (0..pairs.len()).map(|pair| pair / 70).collect();
            // Families and seeds are not in the order of the runs.
            pooled.families = runs.iter().map(|run| run % 3).collect();
            pooled.arms = pooled.families.clone();
            pooled.seeds = runs.iter().map(|run| 3 - (run / 3) as u64).collect();
            HeldOut::new(&pooled, &pairs.iter().map(|pair| pair.1).collect::<Vec<f64>>()).unwrap()
        };
        let all: Vec<usize> = (0..12).collect();
        let whole = of_runs(&all);
        for seed in 0..4 {
            let is_left = |run: &usize| 3 - run / 3 != seed;
            let weights: Vec<f64> = all.iter().map(|run| if is_left(run) { 1.0 } else { 0.0 }).collect();
            let stepped = whole.weighted(&weights).unwrap();
            let others: Vec<usize> = all.iter().copied().filter(is_left).collect();
            let (before, refitted) = (whole.gain().unwrap(), of_runs(&others).gain().unwrap());
            // The step leaves the ranks as they are.
            assert!((stepped - refitted).abs() < 0.5 * (before - refitted).abs(), "{before} {stepped} {refitted}");
        }
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let gain = |values: &[f64], events: &[bool], arms: &[usize], base: &[f64]| {
            HeldOut::new(&pooled(values, events, arms), base).unwrap_err()
        };
        assert_eq!(gain(&BASE, &EVENTS, &[0, 1, 2], &BASE), Undefined::IsBaseline);
        assert_eq!(gain(&[7.0; 12], &EVENTS, &[0, 1, 2], &BASE), Undefined::ConstantIndicator);
        assert_eq!(gain(&X, &EVENTS, &[0, 0, 0], &BASE), Undefined::SingleFamily);
        assert_eq!(gain(&X, &EVENTS, &[0, 1, 2], &[f64::NAN; 12]), Undefined::NoValues);
        assert_eq!(gain(&X, &[false; 12], &[0, 1, 2], &BASE), Undefined::NoEvent);
        // Without the second and third run's events nothing is left to fit when the first is left out.
        let mut first_alone = [false; 12];
        first_alone[0] = true;
        assert_eq!(gain(&X, &first_alone, &[0, 1, 2], &BASE), Undefined::NoEvent);
    }
}
