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

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::estimate::Undefined;
use super::logistic::{Expansion, fit};
use super::pooled::Pooled;
use super::ranks::Order;

/// The penalty on the slopes, as in `LogisticRegression(C=1.0)`: a whisper against a hundred pairs.
pub(crate) const RIDGE: f64 = 1.0;

/// Both models, fitted without each family in turn, and what they say of it.
#[derive(Clone, Debug)]
pub struct HeldOut {
    folds: Vec<Fold>,
    /// Pairs of each run that have a baseline.
    pairs: Vec<f64>,
}

/// One family left out.
#[derive(Clone, Debug)]
struct Fold {
    /// Whether each run belongs to it.
    judged: Vec<bool>,
    alone: NestedModel<2>,
    whole: NestedModel<3>,
}

impl HeldOut {
    /// Fits both models, one family of methods left out at a time. `order` is that of the pairs' values; `baseline` has a value for
    /// each pair, NaN where there is none, and such pairs are left out. The baseline's models are those that are known, where they
    /// are of the same task pairs.
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
        baseline: &[f64],
        known: Option<&Baseline>,
    ) -> Result<Self, Undefined> {
        assert_eq!(pooled.pairs(), baseline.len(), "every pair needs its baseline");
        let kept: Vec<usize> = (0..pooled.pairs()).filter(|pair| !baseline[*pair].is_nan()).collect();
        let first = *kept.first().ok_or(Undefined::NoValues)?;
        if kept.iter().all(|&pair| pooled.values[pair] == baseline[pair]) {
            return Err(Undefined::IsBaseline);
        }
        if kept.iter().all(|&pair| pooled.values[pair] == pooled.values[first]) {
            return Err(Undefined::ConstantIndicator);
        }
        let family_of = |pair: usize| pooled.families[pooled.run_of[pair]];
        let families: BTreeSet<usize> = kept.iter().map(|pair| family_of(*pair)).collect();
        if families.len() < 2 {
            return Err(Undefined::SingleFamily);
        }
        let mut pairs = vec![0.0; pooled.runs()];
        kept.iter().for_each(|pair| pairs[pooled.run_of[*pair]] += 1.0);
        let known = known.filter(|known| known.pooled.same_pairs(pooled));
        let sorted;
        let baseline_order = match known {
            Some(known) => &known.order,
            None => {
                sorted = Order::of(baseline);
                &sorted
            }
        };
        let fold = |family: usize| {
            let scaled = |order: &Order| scaled_without(family, &kept, pooled, order);
            let (of_baseline, of_indicator) = (scaled(baseline_order), scaled(order));
            let judged: Vec<bool> = pooled.families.iter().map(|other| *other == family).collect();
            let rows: Vec<[f64; 3]> = of_baseline.iter().zip(of_indicator).map(|(x, y)| [1.0, *x, y]).collect();
            let alone = match known {
                Some(known) => known.alone.get(&family).ok_or(Undefined::NoValues)?.clone()?,
                None => alone(&of_baseline, &kept, pooled, &judged)?,
            };
            Ok(Fold { alone, whole: NestedModel::new(&rows, &kept, pooled, &judged)?, judged })
        };
        Ok(Self { folds: families.into_iter().map(fold).collect::<Result<_, _>>()?, pairs })
    }

    /// The gain, which is the mean fall of the log-loss a pair, with the runs weighted in fitting and in judging alike.
    ///
    /// # Errors
    /// [`Undefined::NoValues`] without weight.
    pub fn weighted(&self, run_weights: &[f64]) -> Result<f64, Undefined> {
        let pairs: f64 = self.pairs.iter().zip(run_weights).map(|(pairs, weight)| pairs * weight).sum();
        let fall = |fold: &Fold| {
            let loss = |model: Option<f64>| model.ok_or(Undefined::NoValues);
            Ok(loss(fold.alone.judge(&fold.judged, run_weights))? - loss(fold.whole.judge(&fold.judged, run_weights))?)
        };
        let falls: Result<f64, Undefined> = self.folds.iter().map(fall).sum();
        if pairs > 0.0 { Ok(falls? / pairs) } else { Err(Undefined::NoValues) }
    }

    /// Runs with a pair.
    pub fn runs(&self) -> usize {
        self.pairs.iter().filter(|pairs| **pairs > 0.0).count()
    }
}

/// The models of a baseline alone, fitted once for all indicators that have a value at all the pairs that it has.
pub struct Baseline {
    pooled: Pooled,
    /// The order of its values.
    order: Order,
    /// By the family that is left out.
    alone: BTreeMap<usize, Result<NestedModel<2>, Undefined>>,
}

impl Baseline {
    /// Fits the models; the pairs are those of the baseline, scored as an indicator itself.
    pub fn new(pooled: Pooled) -> Self {
        let kept: Vec<usize> = (0..pooled.pairs()).collect();
        let families: BTreeSet<usize> = pooled.families.iter().copied().collect();
        let order = Order::of(&pooled.values);
        let model = |family: usize| {
            let judged: Vec<bool> = pooled.families.iter().map(|other| *other == family).collect();
            (family, alone(&scaled_without(family, &kept, &pooled, &order), &kept, &pooled, &judged))
        };
        let alone = families.into_par_iter().map(model).collect();
        Self { pooled, order, alone }
    }
}

/// Fits the baseline's model.
fn alone(scaled: &[f64], kept: &[usize], pooled: &Pooled, judged: &[bool]) -> Result<NestedModel<2>, Undefined> {
    let rows: Vec<[f64; 2]> = scaled.iter().map(|value| [1.0, *value]).collect();
    NestedModel::new(&rows, kept, pooled, judged)
}

/// The values of the kept pairs as ranks among those of the families that are not left out, in one walk over all pairs in the order
/// of their values: the share of values below, ties counting half, less one half, over the standard deviation of a uniform variable.
fn scaled_without(family: usize, kept: &[usize], pooled: &Pooled, order: &Order) -> Vec<f64> {
    let mut is_fitted = vec![false; pooled.pairs()];
    kept.iter().for_each(|pair| is_fitted[*pair] = pooled.families[pooled.run_of[*pair]] != family);
    let fitted = is_fitted.iter().filter(|is_fitted| **is_fitted).count();
    let mut scaled = vec![0.0; pooled.pairs()];
    let mut below = 0;
    for group in order.groups() {
        let up_to = below + group.iter().filter(|pair| is_fitted[**pair]).count();
        let rank = (0.5 * (below + up_to) as f64 / fitted as f64 - 0.5) * 12_f64.sqrt();
        group.iter().for_each(|pair| scaled[*pair] = rank);
        below = up_to;
    }
    kept.iter().map(|pair| scaled[*pair]).collect()
}

/// A model by what it loses on each run, fitted or not, near its coefficients.
#[derive(Clone, Debug)]
struct NestedModel<const COEFFICIENTS: usize> {
    runs: Vec<Expansion<COEFFICIENTS>>,
    /// The sum over the fitted runs, with the ridge, and that over the judged ones.
    fitted: Expansion<COEFFICIENTS>,
    asked: Expansion<COEFFICIENTS>,
}

impl<const COEFFICIENTS: usize> NestedModel<COEFFICIENTS> {
    /// Fits to the pairs of the runs that are not judged; `pairs` are the rows' places in `pooled`.
    fn new(rows: &[[f64; COEFFICIENTS]], pairs: &[usize], pooled: &Pooled, judged: &[bool]) -> Result<Self, Undefined> {
        let known = rows.iter().zip(pairs).filter(|(_, pair)| !judged[pooled.run_of[**pair]]);
        let (known, events): (Vec<_>, Vec<_>) = known.map(|(row, pair)| (*row, pooled.events[*pair])).unzip();
        let coefficients = fit(&known, &events, RIDGE)?;
        let mut runs = vec![Expansion::default(); pooled.runs()];
        for (row, pair) in rows.iter().zip(pairs) {
            runs[pooled.run_of[*pair]].add_row(&coefficients, row, pooled.events[*pair]);
        }
        let (mut fitted, mut asked) = (Expansion::default(), Expansion::default());
        fitted.add_ridge(&coefficients, RIDGE);
        for (run, judged) in runs.iter().zip(judged) {
            let sum = if *judged { &mut asked } else { &mut fitted };
            sum.add(run, 1.0);
        }
        Ok(Self { runs, fitted, asked })
    }

    /// The weighted loss on the judged runs after one Newton step on the others; `None` where these determine no step.
    fn judge(&self, judged: &[bool], run_weights: &[f64]) -> Option<f64> {
        let (mut fitted, mut asked) = (self.fitted, self.asked);
        // A copy leaves out few runs: they are taken off.
        let left_out = |(_, weight): &(_, &f64)| **weight != 1.0;
        for ((run, judged), weight) in self.runs.iter().zip(judged).zip(run_weights).filter(left_out) {
            let sum = if *judged { &mut asked } else { &mut fitted };
            sum.add(run, weight - 1.0);
        }
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
            Self::beside(pooled, &Order::of(&pooled.values), baseline, None)
        }

        fn gain(&self) -> Result<f64, Undefined> {
            self.weighted(&vec![1.0; self.pairs.len()])
        }
    }

    fn pooled(values: &[f64], events: &[bool], arms: &[usize]) -> Pooled {
        let mut pooled = Pooled::default();
        pooled.values = values.to_vec();
        pooled.events = events.to_vec();
        (pooled.arms, pooled.families) = (arms.to_vec(), arms.to_vec());
        pooled.run_of = (0..values.len()).map(|pair| pair / 4).collect();
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
        assert_eq!(held_out.runs(), 3);
    }

    #[test]
    fn a_baseline_that_is_known_changes_no_bit() {
        let arms = [0, 1, 2];
        let known = Baseline::new(pooled(&BASE, &EVENTS, &arms));
        let indicator = pooled(&X, &EVENTS, &arms);
        let order = Order::of(&X);
        let gain = |known| HeldOut::beside(&indicator, &order, &BASE, known).unwrap().gain().unwrap().to_bits();
        assert_eq!(gain(Some(&known)), gain(None));
        // Of other pairs it is not believed.
        let other = Baseline::new(pooled(&BASE.map(|value| -value), &EVENTS.map(|event| !event), &arms));
        assert_eq!(gain(Some(&other)), gain(None));
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
                let found = scaled_without(family, &kept, &pooled, &Order::of(&values));
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
            HeldOut::new(&pooled, &pairs().map(|pair| baseline[pair]).collect::<Vec<f64>>()).unwrap()
        };
        let all: Vec<usize> = (0..12).collect();
        let drawn = [0, 0, 1, 2, 4, 5, 5, 5, 8, 9, 10, 10];
        let weights: Vec<f64> = all.iter().map(|run| drawn.iter().filter(|d| *d == run).count() as f64).collect();
        let (before, stepped) = (gain(&all).gain().unwrap(), gain(&all).weighted(&weights).unwrap());
        let refitted = gain(&drawn).gain().unwrap();
        assert!((stepped - refitted).abs() < 0.15 * (before - refitted).abs(), "{before} {stepped} {refitted}");
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
