//! How trainable a network still is: it and a fresh one of the same shape learn the same new task.

use trainability_baselines::penalty::Penalty;

use super::Foreign;
use crate::model::{Network, correct, cross_entropy, logits};
use crate::optimizer::Adam;
use trainability_tensor::Generator;
use crate::stream::{Lengths, Start, Stream};

/// The new task: random labels on the batch's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Labels, order and the fresh network's parameters follow from it.
    pub seed: u64,
    /// Passes over the images.
    pub epochs: usize,
    /// Images in a minibatch; the last of an epoch may be shorter.
    pub batch_size: usize,
}

/// Online accuracy: the mean over minibatches of the accuracy before their update. Undefined from the epoch on in which
/// the loss left the real numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Over the whole task.
    pub online_accuracy: Option<f64>,
    /// Over each epoch.
    pub by_epoch: Vec<Option<f64>>,
}

/// The two networks on the same task.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The network that was read.
    pub checkpoint: Curve,
    /// The fresh one, with this program's own initialisation: Kaiming-uniform weights and zero biases.
    pub fresh: Curve,
}

impl Comparison {
    /// Checkpoint minus fresh network: below 0, trainability is lost.
    pub fn difference(&self) -> Curve {
        let minus = |(of, fresh): (&Option<f64>, &Option<f64>)| of.zip(*fresh).map(|(of, fresh)| of - fresh);
        Curve {
            online_accuracy: minus((&self.checkpoint.online_accuracy, &self.fresh.online_accuracy)),
            by_epoch: self.checkpoint.by_epoch.iter().zip(&self.fresh.by_epoch).map(minus).collect(),
        }
    }
}

/// Trains both, each with an Adam without a past and the method's penalties and decay, on the same labels in the same
/// order of minibatches. Afterwards the foreign network is the one that has learnt the task.
pub fn compare(foreign: &mut Foreign, task: NewTask) -> Comparison {
    let Foreign { network, penalties: own_penalties, images, weight_decay, reading, .. } = foreign;
    let method = reading.method.build();
    let shape = network.shape().clone();
    let mut penalties = method.penalties;
    let mut fresh = Network::new(shape, method.activation, &mut Generator::named("initialisation", task.seed));
    penalties.iter_mut().for_each(|penalty| penalty.begin(&fresh.layers));
    let learn_task = |network: &mut Network, penalties: &mut [Box<dyn Penalty>]| {
        let lengths = Lengths::equal(1, task.epochs, images.size()[0] as usize, task.batch_size);
        let (images, classes) = (images.shallow_clone(), network.shape().outputs);
        let stream = Stream::new(Start::random_labels(images, classes, lengths, task.seed));
        let optimizer = Adam::new(reading.adam, *weight_decay, &network.layers);
        learn(network, penalties, optimizer, reading.learning_rate, stream, task.epochs)
    };
    let fresh = learn_task(&mut fresh, &mut penalties);
    Comparison { checkpoint: learn_task(network, own_penalties), fresh }
}

fn learn(
    network: &mut Network,
    penalties: &mut [Box<dyn Penalty>],
    mut optimizer: Adam,
    learning_rate: f64,
    mut stream: Stream,
    epochs: usize,
) -> Curve {
    let rates = vec![learning_rate; network.layers.len()];
    let updates = stream.lengths().updates_per_epoch();
    let mut curve = Curve { online_accuracy: None, by_epoch: vec![None; epochs] };
    let mut sum = 0.0;
    stream.begin_task();
    for epoch in 0..epochs {
        let mut of_epoch = 0.0;
        for _ in 0..updates {
            let batch = stream.next_minibatch();
            let trace = network.forward(&stream.images().index_select(0, &batch.rows));
            let loss = cross_entropy(logits(&trace), &batch.labels);
            if !loss.double_value(&[]).is_finite() {
                return curve;
            }
            of_epoch += correct(logits(&trace), &batch.labels) as f64 / batch.labels.size()[0] as f64;
            let mut gradients = network.gradients(&loss, false);
            for penalty in penalties.iter_mut() {
                penalty.add_gradient(&network.layers, &mut gradients);
            }
            optimizer.step(&mut network.layers, &gradients, &rates, false);
        }
        sum += of_epoch;
        curve.by_epoch[epoch] = Some(of_epoch / updates as f64);
    }
    curve.online_accuracy = Some(sum / (updates * epochs as u64) as f64);
    curve
}
