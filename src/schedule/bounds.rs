//! The bounds on the effective step (docs/method.md, section 3), from a layer's statistics: one table, from which
//! columns, indicators, figures and limits derive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_tensor::{State, StateError, Stateful};

use crate::probe::LayerStatistics;

/// Which estimate of the squared gradient norm the combined bound uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// |g_hat|^2 as it is. It contains the batch's own noise, so that the ratio cannot fall much below 1.
    #[default]
    PlugIn,
    /// |g_hat|^2 - sigma2 / (B - 1), smoothed; or less n / (n - 1) sigma2 / B, where sigma2 is of n other samples.
    Debiased,
}

/// X in the combined bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CurvatureStatistic {
    /// Vol, as in the paper.
    #[default]
    Volatility,
    /// lambda_bar, as in the runs behind the paper with L2.
    NormalizedSharpness,
    /// (lambda_bar^2 / mu)^2, as in those with Wasserstein.
    SquaredRatio,
    /// (lambda_bar - mu)^2, as in those with CReLU at learning rate 1e-2.
    SquaredDeviation,
    /// lambda, not normalised, as in those with CReLU at learning rate 1e-3.
    Sharpness,
}

/// Named options of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BoundOptions {
    /// Estimate of the squared gradient norm in the combined bound.
    pub noise: Noise,
    /// Decay of the moving averages of the debiased bound's two parts; 0 is none.
    pub smoothing: f64,
    /// beta: weight of the curvature term in the combined bound.
    pub beta: f64,
    /// kappa of the volatility bound.
    pub kappa: f64,
    /// X of the combined bound.
    pub statistic: CurvatureStatistic,
}

impl Default for BoundOptions {
    fn default() -> Self {
        BoundOptions {
            noise: Noise::default(),
            smoothing: 0.0,
            beta: 1.0,
            kappa: 1.0,
            statistic: CurvatureStatistic::default(),
        }
    }
}

/// An upper bound on a layer's effective step: everything that is said of it anywhere.
#[derive(Debug)]
pub struct Bound {
    /// What the option `limit` calls it.
    pub name: &'static str,
    /// Its column in `controls.csv`, and in `tasks.csv` where it is the smallest over layers.
    pub column: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its formula, as a part of a sentence.
    pub text: &'static str,
    /// The colour of its line in figures, such as `#0072b2`.
    pub colour: &'static str,
    /// The width of that line in pixels of a figure 1,600 wide.
    pub width: f64,
    /// The value at a measured update; `None` is undefined, infinity is no constraint.
    value: fn(&BoundInputs) -> Option<f64>,
    /// What a schedule holds the step below, where that is not the value itself.
    limit: Option<fn(&BoundInputs) -> Option<f64>>,
}

impl PartialEq for Bound {
    fn eq(&self, other: &Bound) -> bool {
        self.name == other.name
    }
}

/// alpha_g = B |g|^2 / sigma2 (docs/method.md, equation (13)). As a limit it is the estimate that the options choose,
/// smoothed if they say so.
pub(crate) const NOISE: Bound = Bound {
    name: "noise",
    column: "noise_bound",
    title: "noise bound",
    text: "B |g|^2 / sigma2",
    colour: "#0072b2",
    width: 3.5,
    value: |measured| measured.noise_bound(measured.plug_in?),
    limit: Some(|measured| measured.noise_bound(measured.chosen?)),
};

/// The noise bound without the batch's own noise (docs/method.md, equation (15)), of this batch alone.
pub(crate) const NOISE_DEBIASED: Bound = Bound {
    name: "noise_debiased",
    column: "noise_bound_debiased",
    title: "debiased noise bound",
    text: "the noise bound without the batch's own noise",
    colour: "#56b4e9",
    width: 3.0,
    value: |measured| measured.noise_bound(measured.debiased?.cut_off()),
    limit: None,
};

/// alpha_vol = 1 / (kappa Vol) (docs/method.md, equation (16)).
pub(crate) const VOLATILITY: Bound = Bound {
    name: "volatility",
    column: "volatility_bound",
    title: "volatility bound",
    text: "1 / (kappa Vol)",
    colour: "#e69f00",
    width: 3.0,
    value: |measured| ratio(1.0, measured.options.kappa * measured.statistics.volatility?),
    limit: None,
};

/// tau = 2 mu / (s2 + mu^2) (docs/method.md, equation (17)).
pub(crate) const LEVEL: Bound = Bound {
    name: "level",
    column: "level_bound",
    title: "level bound",
    text: "2 mu / (s2 + mu^2)",
    colour: "#cc79a7",
    width: 3.0,
    value: |measured| {
        let (mean, deviation_sq) = (measured.statistics.sharpness_mean?, measured.statistics.deviation_sq?);
        ratio(2.0 * mean, deviation_sq + mean * mean)
    },
    limit: None,
};

/// alpha_safe = B |g|^2 / (sigma2 + beta |g|^2 X) (docs/method.md, equation (18)).
pub const COMBINED: Bound = Bound {
    name: "combined",
    column: "combined_bound",
    title: "combined bound",
    text: "alpha_safe by the run's options",
    colour: "#d55e00",
    width: 8.0,
    value: |measured| {
        let Noisy { signal, variance } = measured.chosen?;
        let x = curvature_statistic(measured.statistics, measured.options.statistic)?;
        ratio(measured.batch * signal, variance + measured.options.beta * signal * x)
    },
    limit: None,
};

/// Every bound, in the order of the columns.
pub const BOUNDS: [&Bound; 5] = [&NOISE, &NOISE_DEBIASED, &VOLATILITY, &LEVEL, &COMBINED];

/// All bounds on one layer's effective step at a measured update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    values: [Option<f64>; BOUNDS.len()],
    limits: [Option<f64>; BOUNDS.len()],
}

impl Bounds {
    /// One of them; `None` is undefined, infinity is no constraint.
    pub fn of(&self, bound: &Bound) -> Option<f64> {
        self.values[place(bound)]
    }

    /// What a schedule holds the effective step below.
    pub fn limit(&self, bound: &Bound) -> Option<f64> {
        self.limits[place(bound)]
    }

    /// All of them under their columns.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Option<f64>)> {
        BOUNDS.iter().map(|bound| bound.column).zip(self.values)
    }
}

fn place(bound: &Bound) -> usize {
    BOUNDS.iter().position(|known| *known == bound).expect("a bound is in the table")
}

/// A quotient of a nonnegative signal by a limit on it: infinite without a limit, undefined if both vanish.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    if denominator > 0.0 {
        Some(numerator / denominator)
    } else {
        (denominator == 0.0 && numerator > 0.0).then_some(f64::INFINITY)
    }
}

/// A bias-corrected exponential moving average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct MovingAverage {
    sum: f64,
    weight: f64,
}

impl MovingAverage {
    fn push(&mut self, value: f64, decay: f64) -> f64 {
        self.sum = decay * self.sum + (1.0 - decay) * value;
        self.weight = decay * self.weight + (1.0 - decay);
        self.sum / self.weight
    }
}

/// A squared gradient norm and the per-sample variance beside it.
#[derive(Clone, Copy)]
struct Noisy {
    signal: f64,
    variance: f64,
}

impl Noisy {
    /// A squared norm is not negative, whatever an unbiased estimate of it says.
    fn cut_off(self) -> Noisy {
        Noisy { signal: self.signal.max(0.0), ..self }
    }
}

/// What bounds are made of.
struct BoundInputs<'a> {
    /// B.
    batch: f64,
    plug_in: Option<Noisy>,
    /// Of this batch alone.
    debiased: Option<Noisy>,
    /// By the options.
    chosen: Option<Noisy>,
    statistics: &'a LayerStatistics,
    options: BoundOptions,
}

impl BoundInputs<'_> {
    fn noise_bound(&self, Noisy { signal, variance }: Noisy) -> Option<f64> {
        ratio(self.batch * signal, variance)
    }
}

/// Turns one layer's statistics into bounds, smoothing where the options say so.
#[derive(Clone, Debug)]
pub struct BoundEstimator {
    options: BoundOptions,
    signal: MovingAverage,
    variance: MovingAverage,
}

impl BoundEstimator {
    /// Without a past.
    pub fn new(options: BoundOptions) -> BoundEstimator {
        BoundEstimator { options, signal: MovingAverage::default(), variance: MovingAverage::default() }
    }

    /// Forgets the averages, as for a network that has no past.
    pub fn clear(&mut self) {
        *self = BoundEstimator::new(self.options);
    }

    /// The bounds after this measurement. One sample has no variance, so that nothing is known of its noise, and neither is
    /// anything where samples are coupled.
    pub fn push(&mut self, statistics: &LayerStatistics) -> Bounds {
        let (batch, samples) = (statistics.batch as f64, statistics.noise_samples as f64);
        let variance = statistics.noise_variance.filter(|_| statistics.noise_samples > 1);
        let plug_in = variance.map(|variance| Noisy { signal: statistics.gradient_sq_norm, variance });
        // The minibatch's own noise in |g|^2. Of its own samples the second form is the first, but for rounding.
        let own_noise = |variance: f64| match statistics.noise_samples == statistics.batch {
            true => variance / (batch - 1.0),
            false => variance * samples / ((samples - 1.0) * batch),
        };
        let debiased =
            plug_in.map(|Noisy { signal, variance }| Noisy { signal: signal - own_noise(variance), variance });
        let chosen = match self.options.noise {
            Noise::PlugIn => plug_in,
            // Averaged before it is cut off at 0: the other order would bring back a part of the bias.
            Noise::Debiased => debiased.map(|Noisy { signal, variance }| {
                let signal = self.signal.push(signal, self.options.smoothing);
                Noisy { signal, variance: self.variance.push(variance, self.options.smoothing) }.cut_off()
            }),
        };
        let measured = BoundInputs { batch, plug_in, debiased, chosen, statistics, options: self.options };
        Bounds {
            values: BOUNDS.map(|bound| (bound.value)(&measured)),
            limits: BOUNDS.map(|bound| bound.limit.unwrap_or(bound.value)(&measured)),
        }
    }
}

fn curvature_statistic(statistics: &LayerStatistics, which: CurvatureStatistic) -> Option<f64> {
    match which {
        CurvatureStatistic::Volatility => statistics.volatility,
        CurvatureStatistic::NormalizedSharpness => statistics.normalized_sharpness,
        CurvatureStatistic::SquaredDeviation => statistics.deviation_sq,
        CurvatureStatistic::Sharpness => statistics.sharpness,
        CurvatureStatistic::SquaredRatio => {
            let (sharpness, mean) = (statistics.normalized_sharpness?, statistics.sharpness_mean?);
            (mean != 0.0).then(|| (sharpness * sharpness / mean).powi(2))
        }
    }
}

impl Stateful for BoundEstimator {
    fn save(&self, state: &mut State) {
        state.put_numbers("averages", &[self.signal.sum, self.signal.weight, self.variance.sum, self.variance.weight]);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let mut saved = [0.0; 4];
        state.numbers_into("averages", &mut saved)?;
        self.signal = MovingAverage { sum: saved[0], weight: saved[1] };
        self.variance = MovingAverage { sum: saved[2], weight: saved[3] };
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn bounds(combined: Option<f64>) -> Bounds {
        let mut bounds = Bounds::default();
        (bounds.values[place(&COMBINED)], bounds.limits[place(&COMBINED)]) = (combined, combined);
        bounds
    }

    pub(crate) fn statistics(batch: usize, gradient_sq_norm: f64, noise_variance: f64) -> LayerStatistics {
        LayerStatistics {
            batch,
            learning_rate: 1e-3,
            effective_step: Some(1.0),
            gradient_sq_norm,
            noise_variance: Some(noise_variance),
            noise_samples: batch,
            noise_undefined: None,
            sharpness: Some(5.0),
            sharpness_min: Some(0.0),
            sharpness_residual: Some(0.0),
            normalized_sharpness: Some(3.0),
            sharpness_mean: Some(2.0),
            deviation_sq: Some(1.0),
            volatility: Some(0.5),
        }
    }

    fn close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() / expected - 1.0).abs() < 1e-14, "{found:?} against {expected}");
    }

    #[test]
    fn every_bound_by_hand() {
        let options = BoundOptions { beta: 0.8, kappa: 2.0, ..BoundOptions::default() };
        let bounds = BoundEstimator::new(options).push(&statistics(10, 6.0, 18.0));
        close(bounds.of(&NOISE), 60.0 / 18.0);
        close(bounds.of(&NOISE_DEBIASED), 10.0 * (6.0 - 2.0) / 18.0);
        close(bounds.of(&VOLATILITY), 1.0);
        close(bounds.of(&LEVEL), 4.0 / (1.0 + 4.0));
        close(bounds.of(&COMBINED), 60.0 / (18.0 + 0.8 * 6.0 * 0.5));
        // The same as 1 / (1 / alpha_g + beta X / B).
        close(bounds.of(&COMBINED), 1.0 / (1.0 / bounds.of(&NOISE).unwrap() + 0.8 * 0.5 / 10.0));
    }

    #[test]
    fn a_variance_of_other_samples_than_the_minibatchs_by_hand() {
        // B = 1: the variance of the minibatch's gradient is sigma2 itself, without the bias of 5 samples' own mean.
        let of_five = LayerStatistics { batch: 1, ..statistics(5, 60.0, 18.0) };
        let bounds = BoundEstimator::new(BoundOptions::default()).push(&of_five);
        close(bounds.of(&NOISE), 60.0 / 18.0);
        close(bounds.of(&NOISE_DEBIASED), (60.0 - 18.0 * 5.0 / 4.0) / 18.0);
        close(bounds.of(&COMBINED), 60.0 / (18.0 + 60.0 * 0.5));
        // As many samples as the minibatch has, and one more: nearly the same.
        let near = |samples: usize| {
            let statistics = LayerStatistics { batch: 1000, ..statistics(samples, 6.0, 18.0) };
            BoundEstimator::new(BoundOptions::default()).push(&statistics).of(&NOISE_DEBIASED).unwrap()
        };
        assert!((near(1000) / near(1001) - 1.0).abs() < 1e-5 && near(1000) != near(1001));
    }

    #[test]
    fn every_statistic_by_hand() {
        for (statistic, x) in [
            (CurvatureStatistic::Volatility, 0.5),
            (CurvatureStatistic::NormalizedSharpness, 3.0),
            (CurvatureStatistic::SquaredRatio, 81.0 / 4.0),
            (CurvatureStatistic::SquaredDeviation, 1.0),
            (CurvatureStatistic::Sharpness, 5.0),
        ] {
            let options = BoundOptions { statistic, beta: 20.0, ..BoundOptions::default() };
            let bounds = BoundEstimator::new(options).push(&statistics(10, 6.0, 18.0));
            close(bounds.of(&COMBINED), 60.0 / (18.0 + 20.0 * 6.0 * x));
        }
    }

    #[test]
    fn the_debiased_choice_enters_the_combined_bound_and_is_smoothed() {
        let options = BoundOptions { noise: Noise::Debiased, smoothing: 0.9, ..BoundOptions::default() };
        let mut estimator = BoundEstimator::new(options);
        close(estimator.push(&statistics(10, 6.0, 18.0)).of(&COMBINED), 40.0 / (18.0 + 4.0 * 0.5));
        // Bias-corrected averages of 4 then 1, and of 18 then 9: (0.9 * 4 + 1) / 1.9 and (0.9 * 18 + 9) / 1.9.
        let second = estimator.push(&statistics(10, 2.0, 9.0));
        close(second.limit(&NOISE), 10.0 * (0.9 * 4.0 + 1.0) / (0.9 * 18.0 + 9.0));
        // The recorded bound is this batch's alone, the same in every arm.
        close(second.of(&NOISE_DEBIASED), 10.0 / 9.0);
    }

    #[test]
    fn limits_are_infinite_and_nonsense_is_undefined() {
        let mut estimator = BoundEstimator::new(BoundOptions::default());
        let still = LayerStatistics { volatility: Some(0.0), ..statistics(4, 1.0, 0.0) };
        let bounds = estimator.push(&still);
        assert_eq!(
            (bounds.of(&NOISE), bounds.of(&VOLATILITY), bounds.of(&COMBINED)),
            (Some(f64::INFINITY), Some(f64::INFINITY), Some(f64::INFINITY))
        );
        let nothing = estimator.push(&statistics(4, 0.0, 0.0));
        assert_eq!((nothing.of(&NOISE), nothing.of(&COMBINED)), (None, None));
        let negative =
            LayerStatistics { volatility: Some(-1.0), sharpness_mean: Some(-2.0), ..statistics(4, 1.0, 1.0) };
        assert_eq!(estimator.push(&negative).of(&VOLATILITY), None);
        let one = estimator.push(&statistics(1, 1.0, 0.0));
        assert_eq!((one.of(&NOISE), one.of(&NOISE_DEBIASED), one.of(&COMBINED)), (None, None, None));
    }

    #[test]
    fn a_restored_estimator_goes_on() {
        let options = BoundOptions { noise: Noise::Debiased, smoothing: 0.7, ..BoundOptions::default() };
        let mut before = BoundEstimator::new(options);
        before.push(&statistics(8, 3.0, 5.0));
        let mut state = State::default();
        before.save(&mut state);
        let mut after = BoundEstimator::new(options);
        after.restore(&state).unwrap();
        assert_eq!(before.push(&statistics(8, 1.0, 2.0)), after.push(&statistics(8, 1.0, 2.0)));
    }
}
