//! What the noise bounds read when there is nothing but noise, and when there is a signal.

use tch::{Kind, Tensor};
use trainability_tensor::Generator;

use crate::probe::LayerStatistics;
use crate::schedule::bounds::{COMBINED, NOISE, NOISE_DEBIASED, Noise};
use crate::schedule::{Bound, BoundEstimator, BoundOptions};

const SAMPLES: i64 = 64;
const PARAMETERS: i64 = 300;

/// Statistics of synthetic per-sample gradients: `signal` in every entry plus independent noise of unit variance.
fn statistics(signal: f64, generator: &mut Generator) -> LayerStatistics {
    let rows = generator.uniform(&[SAMPLES, PARAMETERS], 3f64.sqrt(), Kind::Double) + signal;
    let mean = rows.mean_dim(0, true, Kind::Double);
    let variance = (&rows - &mean).square().sum(Kind::Double).double_value(&[]) / SAMPLES as f64;
    LayerStatistics {
        batch: SAMPLES as usize,
        learning_rate: 1e-3,
        effective_step: Some(1.0),
        gradient_sq_norm: Tensor::square(&mean).sum(Kind::Double).double_value(&[]),
        noise_variance: Some(variance),
        noise_samples: SAMPLES as usize,
        noise_undefined: None,
        sharpness: Some(1.0),
        sharpness_min: Some(0.0),
        sharpness_residual: Some(0.0),
        normalized_sharpness: Some(1.0),
        sharpness_mean: Some(1.0),
        deviation_sq: Some(0.0),
        volatility: Some(0.0),
    }
}

fn average(signal: f64, options: BoundOptions, bound: &Bound) -> f64 {
    let mut generator = Generator::named("noise", 1);
    let mut estimator = BoundEstimator::new(options);
    let values = (0..200).map(|_| estimator.push(&statistics(signal, &mut generator)).of(bound).unwrap());
    values.sum::<f64>() / 200.0
}

#[test]
fn pure_noise_reads_one_by_the_plug_in_bound_and_zero_by_the_debiased_one() {
    let plug_in = average(0.0, BoundOptions::default(), &NOISE);
    assert!((plug_in - 1.0).abs() < 0.05, "{plug_in}");
    let single = average(0.0, BoundOptions::default(), &NOISE_DEBIASED);
    assert!(single < 0.05, "{single}");
    let smoothed = BoundOptions { noise: Noise::Debiased, smoothing: 0.9, ..BoundOptions::default() };
    let smoothed = average(0.0, smoothed, &COMBINED);
    assert!(smoothed < 0.02, "{smoothed}");
}

#[test]
fn a_signal_reads_one_more_by_the_plug_in_bound_and_itself_by_the_debiased_one() {
    // B |g|^2 / sigma2 with g = 0.25 in every entry and unit variance.
    let expected = SAMPLES as f64 * 0.25f64.powi(2);
    let plug_in = average(0.25, BoundOptions::default(), &NOISE);
    let debiased = average(0.25, BoundOptions::default(), &NOISE_DEBIASED);
    assert!((plug_in - expected - 1.0).abs() < 0.15, "{plug_in}");
    assert!((debiased - expected).abs() < 0.15, "{debiased}");
}
