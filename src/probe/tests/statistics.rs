//! `Probe::measure` against a second computation in plain numbers.

use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::{State, Stateful};

use super::plain::{COEFFICIENT, Terms, Unit, mean, square_sum};
use super::training::{ADAM, Training, parameters};
use crate::model::Model;
use crate::optimizer::{EffectiveStep, SharpnessScale};
use crate::probe::window::Volatility;
use crate::probe::{LayerStatistics, Probe, ProbeOptions};

/// Lanczos to the last digit.
fn exact() -> ProbeOptions {
    ProbeOptions { lanczos: LanczosOptions { products: 400, tolerance: 1e-12 }, ..ProbeOptions::default() }
}

/// `tolerance` is relative; an expected zero has to be met.
#[track_caller]
fn close(what: &str, found: impl Into<Option<f64>>, expected: f64, tolerance: f64) {
    let found = found.into().unwrap_or_else(|| panic!("{what} is undefined, expected {expected}"));
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what} is {found}, expected {expected}");
}

/// What differences of gradients allow.
const DIFFERENCES: f64 = 1e-6;
const ROUNDING: f64 = 1e-10;

#[test]
fn the_defaults_are_the_methods() {
    let options = ProbeOptions::default();
    assert_eq!((options.interval, options.window), (40, 30));
    assert_eq!(options.effective_step, EffectiveStep::Rms);
    assert_eq!(options.sharpness_scale, SharpnessScale::Layer);
    assert_eq!(options.volatility, Volatility::Instant);
}

#[test]
fn every_statistic_equals_a_recomputation_in_plain_numbers() {
    let cases = [
        (Unit::Relu, vec![5, 4], Terms::CrossEntropy),
        (Unit::Relu, vec![5, 4], Terms::Isotropic),
        (Unit::Crelu, vec![4, 3], Terms::Isotropic),
        // Neither linear between kinks nor with a shift for a Hessian: the blocks take two derivatives.
        (Unit::Tanh, vec![5, 4], Terms::CrossEntropy),
        (Unit::Relu, vec![4], Terms::Quartic),
        // Linear in its parameters.
        (Unit::Relu, vec![], Terms::CrossEntropy),
    ];
    for (seed, (unit, hidden, terms)) in cases.into_iter().enumerate() {
        let mut training = Training::new(unit, &hidden, terms, seed as u64);
        let layers = hidden.len() + 1;
        let mut probe = Probe::new(exact(), layers, 0);
        let mut windows = vec![Vec::new(); layers];
        training.train(2, 7);
        for _ in 0..3 {
            let update = training.begin(7);
            let found = training.measure(&update, &mut probe);
            assert_eq!(found.len(), layers);
            for (layer, found) in found.iter().enumerate() {
                let plain = &training.plain;
                assert_eq!((found.batch, found.learning_rate), (7, training.rates[layer]));
                let step = training.effective_step(layer, EffectiveStep::Rms);
                close("effective_step", found.effective_step, step, ROUNDING);
                let gradient = plain.total_gradient(&update.batch, layer);
                close("gradient_sq_norm", found.gradient_sq_norm, square_sum(&gradient), ROUNDING);
                let variance = plain.noise_variance(&update.batch, layer);
                close("noise_variance", found.noise_variance.unwrap(), variance, ROUNDING);
                let spectrum = plain.spectrum(&update.batch, layer);
                let (lambda, lambda_min) = (spectrum[spectrum.len() - 1], spectrum[0]);
                close("sharpness", found.sharpness, lambda, DIFFERENCES);
                let smallest = found.sharpness_min.unwrap();
                assert!((smallest - lambda_min).abs() <= DIFFERENCES * lambda, "{smallest} against {lambda_min}");
                assert!(found.sharpness_residual.unwrap() < 1e-5);
                let lambda_bar = lambda * training.scale(layer, SharpnessScale::Layer);
                close("normalized_sharpness", found.normalized_sharpness, lambda_bar, DIFFERENCES);
                windows[layer].push(lambda_bar);
                let mu = mean(&windows[layer]);
                close("sharpness_mean", found.sharpness_mean, mu, DIFFERENCES);
                let (deviation_sq, volatility) = (found.deviation_sq.unwrap(), found.volatility.unwrap());
                let expected = (lambda_bar - mu).powi(2);
                assert!((deviation_sq - expected).abs() <= DIFFERENCES * mu * mu, "{deviation_sq} against {expected}");
                let expected = expected / (mu + 1e-8);
                assert!((volatility - expected).abs() <= DIFFERENCES * mu, "{volatility} against {expected}");
            }
            training.end(&update);
        }
    }
}

#[test]
fn both_forms_of_the_effective_step_at_every_age_of_the_moments() {
    for form in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::Isotropic, 11);
        let mut probe = Probe::new(ProbeOptions { effective_step: form, ..exact() }, 3, 0);
        for _ in 0..30 {
            training.train(1, 7);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                close("effective_step", found.effective_step, training.effective_step(layer, form), ROUNDING);
            }
            // A controller changes rates on the way: the step is of the rate that stands.
            training.rates[1] *= 0.9;
        }
    }
}

#[test]
fn an_elementwise_step_counts_units_without_gradient_at_the_rate_over_epsilon() {
    let mut training = Training::new(Unit::Relu, &[5], Terms::CrossEntropy, 12);
    kill_hidden_units(&mut training);
    training.train(3, 7);
    let rate_over_epsilon = training.rates[0] / ((1.0 - ADAM.beta1.powi(3)) * ADAM.epsilon);
    for effective_step in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        let update = training.begin(7);
        let mut probe = Probe::new(ProbeOptions { effective_step, ..exact() }, 2, 0);
        let found = training.measure(&update, &mut probe);
        close("effective_step", found[0].effective_step, rate_over_epsilon, ROUNDING);
        // The second layer's weight never had a gradient, its bias had: only the elementwise form can tell.
        match effective_step {
            EffectiveStep::Rms => assert_eq!(found[1].effective_step, found[0].effective_step.map(|step| 2.0 * step)),
            EffectiveStep::Elementwise => assert!(found[1].effective_step < found[0].effective_step.map(|s| 2.0 * s)),
        }
    }
}

#[test]
fn normalised_sharpness_of_the_layer_and_of_the_whole_network() {
    for scale in [SharpnessScale::Layer, SharpnessScale::Global] {
        let mut training = Training::new(Unit::Crelu, &[4, 3], Terms::Isotropic, 13);
        let mut probe = Probe::new(ProbeOptions { sharpness_scale: scale, ..exact() }, 3, 0);
        for _ in 0..5 {
            training.train(2, 7);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                let expected = found.sharpness.unwrap() * training.scale(layer, scale);
                close("normalized_sharpness", found.normalized_sharpness, expected, ROUNDING);
            }
            training.rates[0] *= 0.9;
        }
    }
}

#[test]
fn a_penalty_moves_the_gradient_and_the_curvature_but_not_the_noise() {
    let first = |terms: Terms| {
        let mut training = Training::new(Unit::Relu, &[5, 4], terms, 14);
        let update = training.begin(7);
        let found = training.measure(&update, &mut Probe::new(exact(), 3, 0));
        (training, update, found)
    };
    let (_, _, bare) = first(Terms::CrossEntropy);
    for terms in [Terms::Isotropic, Terms::Quartic] {
        let (training, update, found) = first(terms);
        for (layer, (found, bare)) in found.iter().zip(&bare).enumerate() {
            let total = square_sum(&training.plain.total_gradient(&update.batch, layer));
            close("gradient_sq_norm", found.gradient_sq_norm, total, ROUNDING);
            assert!((found.gradient_sq_norm / bare.gradient_sq_norm - 1.0).abs() > 1e-3);
            assert_eq!(found.noise_variance, bare.noise_variance);
            let (lambda, without) = (found.sharpness.unwrap(), bare.sharpness.unwrap());
            match terms {
                // Two penalties whose Hessian is twice the coefficient.
                Terms::Isotropic => close("sharpness", lambda - without, 4.0 * COEFFICIENT, 1e-9),
                _ => assert!(lambda > without),
            }
        }
    }
}

#[test]
fn mean_and_volatility_are_of_the_last_w_events_of_each_layer() {
    const W: usize = 3;
    for form in [Volatility::Instant, Volatility::Window] {
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 15);
        // So small that the 1e-8 beside the mean counts.
        training.rates[1] = 1e-9;
        let mut probe = Probe::new(ProbeOptions { window: W, volatility: form, ..exact() }, 3, 0);
        let mut all = [const { Vec::new() }; 3];
        for event in 1..=3 * W {
            training.train(1, 7);
            let update = training.begin(7);
            for (values, found) in all.iter_mut().zip(training.measure(&update, &mut probe)) {
                let newest = found.normalized_sharpness.unwrap();
                values.push(newest);
                let window = &values[values.len().saturating_sub(W)..];
                assert_eq!(window.len(), event.min(W));
                let mu = mean(window);
                let deviation_sq = (newest - mu).powi(2);
                let spread = match form {
                    Volatility::Instant => deviation_sq,
                    Volatility::Window => mean(&window.iter().map(|value| (value - mu).powi(2)).collect::<Vec<_>>()),
                };
                close("sharpness_mean", found.sharpness_mean, mu, 1e-12);
                close("deviation_sq", found.deviation_sq, deviation_sq, 1e-9);
                close("volatility", found.volatility, spread / (mu + 1e-8), 1e-9);
            }
        }
        assert!(mean(&all[1]) < 1e-7);
    }
}

#[test]
fn before_the_optimizers_first_step_only_what_needs_no_moments_is_defined() {
    for effective_step in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        for sharpness_scale in [SharpnessScale::Layer, SharpnessScale::Global] {
            let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 16);
            let mut probe = Probe::new(ProbeOptions { effective_step, sharpness_scale, ..exact() }, 3, 0);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                assert_eq!((found.effective_step, found.normalized_sharpness), (None, None));
                assert_eq!((found.sharpness_mean, found.deviation_sq, found.volatility), (None, None, None));
                let spectrum = training.plain.spectrum(&update.batch, layer);
                close("sharpness", found.sharpness, spectrum[spectrum.len() - 1], DIFFERENCES);
                let variance = training.plain.noise_variance(&update.batch, layer);
                close("noise_variance", found.noise_variance.unwrap(), variance, ROUNDING);
            }
            training.end(&update);
            let update = training.begin(7);
            for found in training.measure(&update, &mut probe) {
                assert!(found.effective_step.is_some() && found.normalized_sharpness.is_some());
                // The undefined value has not entered the window.
                assert_eq!(found.sharpness_mean, found.normalized_sharpness);
                assert_eq!(found.volatility, Some(0.0));
            }
        }
    }
}

#[test]
fn a_batch_of_one_has_a_gradient_and_curvature_but_no_noise() {
    let mut training = Training::new(Unit::Crelu, &[4, 3], Terms::Isotropic, 17);
    training.train(3, 7);
    let update = training.begin(1);
    let found = training.measure(&update, &mut Probe::new(exact(), 3, 0));
    for (layer, found) in found.iter().enumerate() {
        assert_eq!((found.batch, found.noise_variance), (1, None));
        assert_eq!(found.noise_undefined, Some("one sample has no variance"));
        let gradient = training.plain.total_gradient(&update.batch, layer);
        close("gradient_sq_norm", found.gradient_sq_norm, square_sum(&gradient), ROUNDING);
        let spectrum = training.plain.spectrum(&update.batch, layer);
        close("sharpness", found.sharpness, spectrum[spectrum.len() - 1], DIFFERENCES);
        close("effective_step", found.effective_step, training.effective_step(layer, EffectiveStep::Rms), ROUNDING);
    }
}

/// No unit of the first layer is ever on.
fn kill_hidden_units(training: &mut Training) {
    tch::no_grad(|| drop(training.network.layers_mut()[0].parameters[1].value.fill_(-100.0)));
    training.plain.parameters = parameters(&training.network);
}

#[test]
fn flat_and_unconverged_blocks_are_counted_and_are_no_errors() {
    let mut training = Training::new(Unit::Relu, &[5], Terms::CrossEntropy, 18);
    kill_hidden_units(&mut training);
    training.train(1, 7);
    let mut probe = Probe::new(exact(), 2, 0);
    for events in 1..=2 {
        let update = training.begin(7);
        let found = training.measure(&update, &mut probe);
        assert_eq!((found[0].sharpness, found[0].normalized_sharpness), (Some(0.0), Some(0.0)));
        // 0 / (0 + 1e-8).
        assert_eq!((found[0].sharpness_mean, found[0].volatility), (Some(0.0), Some(0.0)));
        assert!(found[1].sharpness > Some(0.01));
        assert_eq!((probe.flat_events, probe.unconverged_events), (events, 0));
    }
    let (mut state, mut restored) = (State::default(), Probe::new(exact(), 2, 0));
    probe.save(&mut state);
    restored.restore(&state).unwrap();
    assert_eq!((restored.flat_events, restored.unconverged_events), (2, 0));

    let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 18);
    training.train(1, 7);
    let hasty = LanczosOptions { products: 1, tolerance: 1e-12 };
    let mut probe = Probe::new(ProbeOptions { lanczos: hasty, ..exact() }, 3, 0);
    let update = training.begin(7);
    assert!(training.measure(&update, &mut probe).iter().all(|found| found.sharpness_residual > Some(0.01)));
    assert_eq!((probe.flat_events, probe.unconverged_events), (0, 3));
}

#[test]
fn a_restored_probe_goes_on_with_the_same_bits() {
    // Two products from a random start: the eigenvalues tell whether the generator was restored too.
    let lanczos = LanczosOptions { products: 2, tolerance: 1e-12 };
    for volatility in [Volatility::Instant, Volatility::Window] {
        let options = ProbeOptions { window: 4, volatility, lanczos, ..ProbeOptions::default() };
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::Isotropic, 19);
        let mut probe = Probe::new(options, 3, 1);
        let mut next = |probes: &mut [&mut Probe]| -> Vec<Vec<LayerStatistics>> {
            training.train(1, 7);
            let update = training.begin(7);
            probes.iter_mut().map(|probe| training.measure(&update, probe)).collect()
        };
        for _ in 0..3 {
            next(&mut [&mut probe]);
        }
        let mut state = State::default();
        probe.save(&mut state);
        // One that has seen other updates, with another seed: nothing of its own may be left.
        let mut restored = Probe::new(options, 3, 2);
        for _ in 0..5 {
            next(&mut [&mut restored]);
        }
        restored.restore(&state).unwrap();
        let mut fresh = Probe::new(options, 3, 1);
        for _ in 0..4 {
            let [expected, found, other] =
                <[_; 3]>::try_from(next(&mut [&mut probe, &mut restored, &mut fresh])).unwrap();
            assert_eq!(found, expected);
            assert_ne!(other, expected);
            assert_eq!(restored.flat_events, probe.flat_events);
            assert_eq!(restored.unconverged_events, probe.unconverged_events);
        }
        assert_eq!(probe.unconverged_events, 7 * 3);
    }
}
