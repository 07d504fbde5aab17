//! The same networks in plain numbers.

use crate::model::{Chain, Model};
use crate::testing::normalised::numbers;

/// What stands before the activation.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Over the units of each sample.
    Layer,
    /// Over the samples at hand.
    Batch,
    /// By the mean and variance of each unit, a pair of lists for each hidden layer.
    Running(Vec<[Vec<f64>; 2]>),
}

/// A network's numbers.
#[derive(Clone)]
pub(super) struct Plain {
    pub(super) rule: Rule,
    pub(super) unit: fn(f64) -> Vec<f64>,
    /// Of each layer the parameters in their order, flattened.
    pub(super) layers: Vec<Vec<Vec<f64>>>,
}

pub(super) const EPSILON: f64 = 1e-5;

impl Plain {
    pub(super) fn of(network: &Chain, rule: Rule, unit: fn(f64) -> Vec<f64>) -> Plain {
        let layers = network.layers().iter();
        let layers = layers.map(|layer| layer.parameters.iter().map(|p| numbers(&p.value)).collect()).collect();
        Plain { rule, unit, layers }
    }

    /// The logits of each image, and the pre-activations of each hidden layer and image.
    pub(super) fn logits(&self, images: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<Vec<Vec<f64>>>) {
        let (mut signals, mut hidden) = (images.to_vec(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            let (weight, bias) = (&layer[0], &layer[1]);
            let inputs = signals[0].len();
            let linear = |signal: &Vec<f64>| -> Vec<f64> {
                let rows = weight.chunks(inputs).zip(bias);
                rows.map(|(row, bias)| bias + row.iter().zip(signal).map(|(w, x)| w * x).sum::<f64>()).collect()
            };
            signals = signals.iter().map(linear).collect();
            if index + 1 == self.layers.len() {
                break;
            }
            hidden.push(signals.clone());
            let standardised = self.standardise(index, &signals);
            let (gain, shift) = (&layer[2], &layer[3]);
            let affine = |sample: &Vec<f64>| -> Vec<f64> {
                sample.iter().zip(gain.iter().zip(shift)).map(|(z, (gain, shift))| gain * z + shift).collect()
            };
            // All first features, then all second ones.
            let pass_on = |sample: Vec<f64>| -> Vec<f64> {
                let features: Vec<Vec<f64>> = sample.into_iter().map(self.unit).collect();
                (0..features[0].len()).flat_map(|place| features.iter().map(move |unit| unit[place])).collect()
            };
            signals = standardised.iter().map(affine).map(pass_on).collect();
        }
        (signals, hidden)
    }

    fn standardise(&self, layer: usize, z: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (samples, units) = (z.len(), z[0].len());
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
        };
        let by = |sample: usize, unit: usize| match &self.rule {
            Rule::Layer => moments(&z[sample]),
            Rule::Batch => moments(&z.iter().map(|sample| sample[unit]).collect::<Vec<_>>()),
            Rule::Running(layers) => (layers[layer][0][unit], layers[layer][1][unit]),
        };
        let of = |sample: usize, unit: usize| {
            let (mean, variance) = by(sample, unit);
            (z[sample][unit] - mean) / (variance + EPSILON).sqrt()
        };
        (0..samples).map(|sample| (0..units).map(|unit| of(sample, unit)).collect()).collect()
    }

    /// The mean cross-entropy.
    pub(super) fn loss(&self, images: &[Vec<f64>], labels: &[i64]) -> f64 {
        let (logits, _) = self.logits(images);
        let of = |(logits, &label): (&Vec<f64>, &i64)| {
            logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[label as usize]
        };
        logits.iter().zip(labels).map(of).sum::<f64>() / labels.len() as f64
    }

    /// Its gradient at all parameters by central differences.
    pub(super) fn gradient(&self, images: &[Vec<f64>], labels: &[i64]) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let mut gradient = Vec::new();
        let mut moved = self.clone();
        for layer in 0..self.layers.len() {
            for parameter in 0..self.layers[layer].len() {
                for element in 0..self.layers[layer][parameter].len() {
                    let start = self.layers[layer][parameter][element];
                    let mut at = |value: f64| {
                        moved.layers[layer][parameter][element] = value;
                        moved.loss(images, labels)
                    };
                    gradient.push((at(start + STEP) - at(start - STEP)) / (2.0 * STEP));
                    at(start);
                }
            }
        }
        gradient
    }
}
