//! The window of normalised sharpness, and the volatility of curvature.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_tensor::{State, StateError, Stateful};

/// Which spread of the normalised sharpness counts as its volatility.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Volatility {
    /// The squared distance of the newest value from the window's mean, over that mean.
    #[default]
    Instant,
    /// The variance of the window's values, over their mean.
    Window,
}

/// Keeps the mean from being divided by when the curvature vanishes (docs/method.md, equation (11)).
const MEAN_OFFSET: f64 = 1e-8;

/// The last W values of one layer's normalised sharpness.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SharpnessWindow {
    length: usize,
    values: VecDeque<f64>,
}

/// What a window says after a new value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// mu, the mean of the window, the newest value included.
    pub mean: f64,
    /// (lambda_bar - mu)^2.
    pub deviation_sq: f64,
    /// Vol.
    pub volatility: f64,
}

impl SharpnessWindow {
    /// An empty window of at most `length` values.
    pub(crate) fn new(length: usize) -> SharpnessWindow {
        SharpnessWindow { length, values: VecDeque::with_capacity(length) }
    }

    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }

    /// Takes in a value, the oldest falling out of a full window.
    pub(crate) fn push(&mut self, value: f64, volatility: Volatility) -> Spread {
        while self.values.len() >= self.length {
            self.values.pop_front();
        }
        self.values.push_back(value);
        let count = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / count;
        let deviation_sq = (value - mean).powi(2);
        let spread = match volatility {
            Volatility::Instant => deviation_sq,
            Volatility::Window => self.values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count,
        };
        Spread { mean, deviation_sq, volatility: spread / (mean + MEAN_OFFSET) }
    }
}

impl Stateful for SharpnessWindow {
    fn save(&self, state: &mut State) {
        state.put_numbers("values", self.values.iter().copied().collect::<Vec<_>>().as_slice());
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.values = state.numbers("values")?.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_volatility_by_hand() {
        let mut window = SharpnessWindow::new(3);
        let first = window.push(2.0, Volatility::Instant);
        assert_eq!((first.mean, first.deviation_sq, first.volatility), (2.0, 0.0, 0.0));
        window.push(4.0, Volatility::Instant);
        window.push(6.0, Volatility::Instant);
        // The 2 falls out: (4 + 6 + 11) / 3 = 7, (11 - 7)^2 / 7, and variance ((-3)^2 + 1 + 16) / 3.
        let mut other = window.clone();
        let instant = window.push(11.0, Volatility::Instant);
        assert!((instant.mean - 7.0).abs() < 1e-15 && (instant.volatility - 16.0 / 7.0).abs() < 1e-8);
        let whole = other.push(11.0, Volatility::Window);
        assert!((whole.volatility - 26.0 / 3.0 / 7.0).abs() < 1e-8);
        assert_eq!(whole.deviation_sq, 16.0);
    }

    #[test]
    fn a_restored_window_goes_on() {
        let mut window = SharpnessWindow::new(2);
        window.push(0.1, Volatility::Instant);
        window.push(0.2, Volatility::Instant);
        let mut state = State::default();
        window.save(&mut state);
        let mut other = SharpnessWindow::new(2);
        other.restore(&state).unwrap();
        assert_eq!(other.push(0.7, Volatility::Window), window.push(0.7, Volatility::Window));
    }
}
