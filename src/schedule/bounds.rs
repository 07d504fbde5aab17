//! The bounds on the effective step (docs/method.md, section 3), from a layer's statistics.

use serde::{Deserialize, Serialize};
use trainability_baselines::{State, StateError, Stateful};

use crate::probe::LayerStatistics;

/// Which estimate of the squared gradient norm the combined bound uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// |g_hat|^2 as it is, which contains the batch's own noise: its ratio cannot read below about 1.
    #[default]
    PlugIn,
    /// |g_hat|^2 - sigma2 / (B - 1), smoothed.
    Debiased,
}

/// X in the combined bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurvatureStatistic {
    /// Vol: the paper.
    #[default]
    Volatility,
    /// lambda_bar: as run with L2.
    NormalizedSharpness,
    /// (lambda_bar^2 / mu)^2: as run with Wasserstein.
    SquaredRatio,
    /// (lambda_bar - mu)^2: as run with CReLU at learning rate 1e-2.
    SquaredDeviation,
    /// lambda, not normalised: as run with CReLU at learning rate 1e-3.
    Sharpness,
}

/// Named options of the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// All bounds on one layer's effective step. `None` is undefined, infinity is no constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// alpha_g = B |g|^2 / sigma2.
    pub noise: Option<f64>,
    /// The same without the batch's own noise, of this batch alone.
    pub noise_debiased: Option<f64>,
    /// The noise bound that the options choose, smoothed if they say so: the first part of the combined bound.
    pub noise_chosen: Option<f64>,
    /// alpha_vol = 1 / (kappa Vol).
    pub volatility: Option<f64>,
    /// tau = 2 mu / (s2 + mu^2).
    pub level: Option<f64>,
    /// alpha_safe = B |g|^2 / (sigma2 + beta |g|^2 X).
    pub combined: Option<f64>,
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
        let batch = statistics.batch as f64;
        let variance = statistics.noise_variance.filter(|_| statistics.batch > 1);
        let plug_in = variance.map(|variance| (statistics.gradient_sq_norm, variance));
        let raw = plug_in.map(|(signal, variance)| (signal - variance / (batch - 1.0), variance));
        let chosen = match self.options.noise {
            Noise::PlugIn => plug_in,
            // Averaged before it is cut off at 0: the other order would bring back a part of the bias.
            Noise::Debiased => raw.map(|(signal, variance)| {
                let signal = self.signal.push(signal, self.options.smoothing).max(0.0);
                (signal, self.variance.push(variance, self.options.smoothing))
            }),
        };
        let noise_bound = |(signal, variance): (f64, f64)| ratio(batch * signal, variance);
        let combined =
            |(signal, variance): (f64, f64), x: f64| ratio(batch * signal, variance + self.options.beta * signal * x);
        let curvature = curvature_statistic(statistics, self.options.statistic);
        Bounds {
            noise: plug_in.and_then(noise_bound),
            noise_debiased: raw.and_then(|(signal, variance)| noise_bound((signal.max(0.0), variance))),
            noise_chosen: chosen.and_then(noise_bound),
            volatility: statistics.volatility.and_then(|volatility| ratio(1.0, self.options.kappa * volatility)),
            level: level_bound(statistics),
            combined: chosen.zip(curvature).and_then(|(noise, x)| combined(noise, x)),
        }
    }
}

fn level_bound(statistics: &LayerStatistics) -> Option<f64> {
    let (mean, deviation_sq) = (statistics.sharpness_mean?, statistics.deviation_sq?);
    ratio(2.0 * mean, deviation_sq + mean * mean)
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
        let saved = state.numbers_of_length("averages", 4)?;
        self.signal = MovingAverage { sum: saved[0], weight: saved[1] };
        self.variance = MovingAverage { sum: saved[2], weight: saved[3] };
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn statistics(batch: usize, gradient_sq_norm: f64, noise_variance: f64) -> LayerStatistics {
        LayerStatistics {
            batch,
            learning_rate: 1e-3,
            effective_step: Some(1.0),
            gradient_sq_norm,
            noise_variance: Some(noise_variance),
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
        close(bounds.noise, 60.0 / 18.0);
        close(bounds.noise_debiased, 10.0 * (6.0 - 2.0) / 18.0);
        close(bounds.volatility, 1.0);
        close(bounds.level, 4.0 / (1.0 + 4.0));
        close(bounds.combined, 60.0 / (18.0 + 0.8 * 6.0 * 0.5));
        // The same as 1 / (1 / alpha_g + beta X / B).
        close(bounds.combined, 1.0 / (1.0 / bounds.noise.unwrap() + 0.8 * 0.5 / 10.0));
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
            close(bounds.combined, 60.0 / (18.0 + 20.0 * 6.0 * x));
        }
    }

    #[test]
    fn the_debiased_choice_enters_the_combined_bound_and_is_smoothed() {
        let options = BoundOptions { noise: Noise::Debiased, smoothing: 0.9, ..BoundOptions::default() };
        let mut estimator = BoundEstimator::new(options);
        close(estimator.push(&statistics(10, 6.0, 18.0)).combined, 40.0 / (18.0 + 4.0 * 0.5));
        // Bias-corrected averages of 4 then 1, and of 18 then 9: (0.9 * 4 + 1) / 1.9 and (0.9 * 18 + 9) / 1.9.
        let second = estimator.push(&statistics(10, 2.0, 9.0));
        close(second.noise_chosen, 10.0 * (0.9 * 4.0 + 1.0) / (0.9 * 18.0 + 9.0));
        // The recorded bound is this batch's alone, the same in every arm.
        close(second.noise_debiased, 10.0 / 9.0);
    }

    #[test]
    fn limits_are_infinite_and_nonsense_is_undefined() {
        let mut estimator = BoundEstimator::new(BoundOptions::default());
        let still = LayerStatistics { volatility: Some(0.0), ..statistics(4, 1.0, 0.0) };
        let bounds = estimator.push(&still);
        assert_eq!(
            (bounds.noise, bounds.volatility, bounds.combined),
            (Some(f64::INFINITY), Some(f64::INFINITY), Some(f64::INFINITY))
        );
        let nothing = estimator.push(&statistics(4, 0.0, 0.0));
        assert_eq!((nothing.noise, nothing.combined), (None, None));
        let negative =
            LayerStatistics { volatility: Some(-1.0), sharpness_mean: Some(-2.0), ..statistics(4, 1.0, 1.0) };
        assert_eq!(estimator.push(&negative).volatility, None);
        let one = estimator.push(&statistics(1, 1.0, 0.0));
        assert_eq!((one.noise, one.noise_debiased, one.combined), (None, None, None));
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
