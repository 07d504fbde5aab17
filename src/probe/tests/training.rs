//! A perceptron in training, formed as a learner forms its updates, with the optimizer's memory kept a second time in plain
//! numbers.

use tch::{Kind, Tensor};
use trainability_baselines::penalty::Penalty;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Generator, Gradients, LayerDelta, LayerTrace};

use super::plain::{Batch, CLASSES, INPUTS, Plain, Terms, Unit, mean};
use crate::model::{self, Chain, Model, Shape, cross_entropy};
use crate::optimizer::{Adam, AdamOptions, EffectiveStep, Optimizer, SharpnessScale};
use crate::probe::{LayerStatistics, Probe, UpdateView};
use crate::testing::networks::{chain, disturb, logits, numbers, traced};

/// Far from the usual constants, so that a correction or an epsilon left out shows.
pub(super) const ADAM: AdamOptions = AdamOptions { beta1: 0.8, beta2: 0.95, epsilon: 3e-3, beta_ramp: None };

/// A real training with the moments kept a second time in plain numbers.
pub(super) struct Training {
    pub network: Chain,
    penalties: Vec<Box<dyn Penalty>>,
    adam: Adam,
    pub rates: Vec<f64>,
    generator: Generator,
    pub plain: Plain,
    /// Adam's second moments of each layer, weight and bias.
    second: Vec<Vec<f64>>,
    steps: i32,
}

/// One update before its optimizer step.
pub(super) struct Update {
    images: Tensor,
    labels: Tensor,
    trace: Vec<LayerTrace>,
    deltas: Vec<Option<LayerDelta>>,
    cross_entropy: Gradients,
    total: Gradients,
    pub batch: Batch,
}

impl Training {
    pub(super) fn new(unit: Unit, hidden: &[i64], terms: Terms, seed: u64) -> Training {
        tch::set_num_threads(1);
        let shape = Shape {
            inputs: INPUTS as i64,
            convolutions: None,
            hidden: hidden.to_vec(),
            outputs: CLASSES as i64,
            kind: Kind::Double,
        };
        let mut generator = Generator::named("test", seed);
        let mut network = chain(shape, unit.activation(), &mut generator);
        let penalties = terms.penalties(&network);
        let mut plain = Plain {
            unit,
            terms,
            sizes: network
                .layers()
                .iter()
                .map(|l| (l.weight().size()[1] as usize, l.weight().size()[0] as usize))
                .collect(),
            parameters: Vec::new(),
            initial: parameters(&network),
        };
        // Away from the initial parameters, and from biases of zero.
        disturb(network.layers_mut(), 0.3, &mut generator);
        plain.parameters = parameters(&network);
        Training {
            penalties,
            adam: Adam::new(ADAM, WeightDecay::None, network.layers()),
            rates: (0..network.layers().len()).map(|layer| 0.01 * (1 + layer) as f64).collect(),
            generator,
            second: plain.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect(),
            network,
            plain,
            steps: 0,
        }
    }

    /// The next minibatch and its gradients, formed as a run forms them.
    pub(super) fn begin(&mut self, samples: usize) -> Update {
        let images = self.generator.uniform(&[samples as i64, INPUTS as i64], 2.0, Kind::Double);
        let labels = self.generator.labels(samples, CLASSES as i64);
        let trace = traced(&self.network, &images);
        let loss = cross_entropy(logits(&trace), &labels);
        let cross_entropy = model::gradients(self.network.layers(), &loss, true);
        let deltas = model::deltas(&trace, &loss, labels.size()[0]);
        let mut total: Gradients = cross_entropy.iter().map(|layer| layer.iter().map(Tensor::copy).collect()).collect();
        for penalty in &mut self.penalties {
            penalty.add_gradient(self.network.layers(), &mut total);
        }
        let classes: Vec<i64> = Vec::try_from(&labels).unwrap();
        let batch = Batch {
            images: numbers(&images).chunks(INPUTS).map(<[f64]>::to_vec).collect(),
            labels: classes.into_iter().map(|class| class as usize).collect(),
        };
        Update {
            trace: trace.iter().map(LayerTrace::detach).collect(),
            images,
            labels,
            deltas,
            cross_entropy,
            total,
            batch,
        }
    }

    pub(super) fn measure(&self, update: &Update, probe: &mut Probe) -> Vec<LayerStatistics> {
        let view = UpdateView {
            model: &self.network,
            inputs: &update.images,
            trace: &update.trace,
            labels: &update.labels,
            deltas: &update.deltas,
            cross_entropy_gradients: &update.cross_entropy,
            total_gradients: &update.total,
            optimizer: &self.adam,
            learning_rates: &self.rates,
            penalties: &self.penalties,
        };
        probe.measure(&view).0
    }

    /// The optimizer step, here and in plain numbers.
    pub(super) fn end(&mut self, update: &Update) {
        for (layer, second) in self.second.iter_mut().enumerate() {
            let gradient = self.plain.total_gradient(&update.batch, layer);
            for (v, g) in second.iter_mut().zip(gradient) {
                *v = ADAM.beta2 * *v + (1.0 - ADAM.beta2) * g * g;
            }
        }
        self.steps += 1;
        self.adam.step(self.network.layers_mut(), &update.total, &self.rates, false);
        self.plain.parameters = parameters(&self.network);
    }

    pub(super) fn train(&mut self, updates: usize, samples: usize) {
        for _ in 0..updates {
            let update = self.begin(samples);
            self.end(&update);
        }
    }

    /// v_rms: sqrt(mean(v) / (1 - beta2^t)) over the weight.
    fn weight_rms(&self, layer: usize) -> f64 {
        let weights = self.plain.sizes[layer].0 * self.plain.sizes[layer].1;
        (mean(&self.second[layer][..weights]) / (1.0 - ADAM.beta2.powi(self.steps))).sqrt()
    }

    pub(super) fn effective_step(&self, layer: usize, form: EffectiveStep) -> f64 {
        let step = |root: f64| self.rates[layer] / ((1.0 - ADAM.beta1.powi(self.steps)) * (root + ADAM.epsilon));
        match form {
            EffectiveStep::Rms => step(self.weight_rms(layer)),
            EffectiveStep::Elementwise => {
                let root = |v: &f64| (v / (1.0 - ADAM.beta2.powi(self.steps))).sqrt();
                mean(&self.second[layer].iter().map(|v| step(root(v))).collect::<Vec<_>>())
            }
        }
    }

    /// lambda_bar over lambda.
    pub(super) fn scale(&self, layer: usize, form: SharpnessScale) -> f64 {
        match form {
            SharpnessScale::Layer => self.rates[layer] / (self.weight_rms(layer) + ADAM.epsilon),
            SharpnessScale::Global => self.rates[0] / (mean(&self.second.concat()).sqrt() + ADAM.epsilon),
        }
    }
}

pub(super) fn parameters(network: &Chain) -> Vec<Vec<f64>> {
    network.layers().iter().map(|layer| layer.parameters.iter().flat_map(|p| numbers(&p.value)).collect()).collect()
}
