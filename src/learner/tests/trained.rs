//! A small network in training, in the hands of surgery, and its numbers one by one.

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu};
use trainability_baselines::normalization::Normalization;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_baselines::surgery::Surgery;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Generator, Gradients, Layer, LayerTrace};

use crate::learner::Task;
use crate::learner::initial_parameters::InitialParameters;
use crate::learner::surgery::InTraining;
use crate::model::{Chain, Model, Shape};
use crate::optimizer::{Adam, AdamOptions, Optimizer};
use crate::probe::{Probe, ProbeOptions};
use crate::testing::networks::{Moments, moments};

/// Steps that its optimizer has made.
pub(super) const STEPS: u64 = 7;
/// Units of its layers.
pub(super) const WIDTHS: [usize; 3] = [6, 4, 3];
/// The learning rates that surgery is told.
pub(super) const RATES: [f64; 3] = [0.1, 0.2, 0.3];
/// Images of its task.
pub(super) const IMAGES: usize = 12;

/// What hidden layers passed on in the pass that left this trace.
pub(super) fn hidden_activations(trace: &[LayerTrace]) -> Vec<Tensor> {
    trace[1..].iter().map(|layer| layer.input.detach()).collect()
}

/// The parts of a learner in f64 with 5 inputs, biases that are not zero, and moments that are not empty.
pub(super) struct Trained {
    pub images: Tensor,
    labels: Tensor,
    pub network: Chain,
    pub optimizer: Adam,
    pub initialisation: Generator,
    initial: InitialParameters,
    pub generator: Generator,
    probe: Probe,
    crelu: bool,
}

impl Trained {
    pub(super) fn new(crelu: bool, seed: u64) -> Trained {
        Trained::with_normalization(None, crelu, seed)
    }

    pub(super) fn with_normalization(rule: Option<Box<dyn Normalization>>, crelu: bool, seed: u64) -> Trained {
        let mut initialisation = Generator::named("initialisation", seed);
        let [a, b, outputs] = WIDTHS.map(|width| width as i64);
        let shape = Shape { inputs: 5, convolutions: None, hidden: vec![a, b], outputs, kind: Kind::Double };
        let activation: Box<dyn Activation> = if crelu { Box::new(Crelu) } else { Box::new(Relu) };
        let mut network = Chain::with_normalization(shape, activation, rule, Device::Cpu, &mut initialisation);
        for parameter in network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters[1..]) {
            let noise = initialisation.uniform(&parameter.value.size(), 0.5, Kind::Double);
            tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
        }
        let images = initialisation.uniform(&[IMAGES as i64, 5], 1.5, Kind::Double);
        let mut trained = Trained {
            images,
            labels: Tensor::zeros([IMAGES as i64], (Kind::Int64, Device::Cpu)),
            optimizer: Adam::new(AdamOptions::default(), WeightDecay::None, network.layers()),
            initial: InitialParameters::of(network.layers()),
            network,
            initialisation,
            generator: Generator::named("surgery", seed),
            probe: Probe::new(ProbeOptions::default(), 3, seed),
            crelu,
        };
        (0..STEPS).for_each(|_| trained.step(0.01));
        trained
    }

    pub(super) fn step(&mut self, learning_rate: f64) {
        let generator = &mut self.initialisation;
        let mut of = |tensor: &Tensor| generator.uniform(&tensor.size(), 1.0, Kind::Double);
        let gradients: Gradients =
            self.network.layers().iter().map(|l| l.parameters.iter().map(|p| of(&p.value)).collect()).collect();
        self.optimizer.step(self.network.layers_mut(), &gradients, &[learning_rate; 3], false);
    }

    /// What surgery reaches of it.
    pub(super) fn in_training(&mut self) -> InTraining<'_> {
        InTraining {
            task: Task { inputs: &self.images, chosen: None, labels: &self.labels },
            model: &mut self.network,
            optimizer: &mut self.optimizer,
            initialisation: &mut self.initialisation,
            initial: &mut self.initial,
            generator: &mut self.generator,
            learning_rates: &RATES,
            penalties: &mut [],
            probe: &mut self.probe,
            bounds: &mut [],
        }
    }

    pub(super) fn set(&mut self, layer: usize, parameter: usize, row: i64, factor: f64, offset: f64) {
        let mut row = self.network.layers()[layer].parameters[parameter].value.detach().get(row);
        let value = &row * factor + offset;
        row.copy_(&value);
    }

    pub(super) fn plain(&self) -> Vec<Plain> {
        let layers = self.network.layers().iter().zip(moments(&self.optimizer, self.network.layers()));
        layers.map(|(layer, moments)| Plain::of(layer, &moments)).collect()
    }

    /// The activations of hidden layers on some images, sample by sample.
    pub(super) fn activations(&self, images: &[Vec<f64>]) -> Vec<Vec<Vec<f64>>> {
        let layers = self.plain();
        let mut signals = images.to_vec();
        let mut hidden = Vec::new();
        for layer in &layers[..2] {
            for signal in &mut signals {
                let z: Vec<f64> = (layer.weight.iter().zip(&layer.bias))
                    .map(|(row, bias)| bias + row.iter().zip(&*signal).map(|(w, x)| w * x).sum::<f64>())
                    .collect();
                *signal = z.iter().map(|z| z.max(0.0)).collect();
                if self.crelu {
                    signal.extend(z.iter().map(|z| (-z).max(0.0)));
                }
            }
            hidden.push(signals.clone());
        }
        hidden
    }
}

/// A layer's numbers: weight by row and column, bias by row, each with first moment, second moment and restart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plain {
    pub weight: Vec<Vec<f64>>,
    pub bias: Vec<f64>,
    pub weight_moments: Vec<Vec<[f64; 3]>>,
    pub bias_moments: Vec<[f64; 3]>,
}

impl Plain {
    fn of(layer: &Layer, moments: &[Moments]) -> Plain {
        let restarts = |moments: &Moments| match &moments.restarts {
            Some(restarts) => restarts.to_kind(Kind::Double),
            None => moments.first.zeros_like(),
        };
        let all = |m: &Moments| Tensor::stack(&[&m.first, &m.second, &restarts(m)], -1);
        let rows: Vec<f64> = Vec::try_from(all(&moments[0]).flatten(0, -1)).unwrap();
        let columns = layer.weight().size()[1] as usize;
        let bias: Vec<f64> = Vec::try_from(all(&moments[1]).flatten(0, -1)).unwrap();
        let triples = |flat: &[f64]| -> Vec<[f64; 3]> { flat.chunks(3).map(|c| [c[0], c[1], c[2]]).collect() };
        Plain {
            weight: Vec::try_from(layer.weight()).unwrap(),
            bias: Vec::try_from(layer.bias().unwrap()).unwrap(),
            weight_moments: rows.chunks(3 * columns).map(triples).collect(),
            bias_moments: triples(&bias),
        }
    }
}

/// The surgery of that name.
pub(super) fn surgery(name: &str, options: Value) -> Box<dyn Surgery> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::Surgery(surgery) => surgery,
        other => panic!("{other:?} is no surgery"),
    }
}
