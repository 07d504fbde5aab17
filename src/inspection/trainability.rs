//! How trainable a network still is: it and a fresh one of the same shape learn the same new task.

use std::sync::Arc;

use trainability_baselines::method::Rules;
use trainability_baselines::penalty::Penalty;
use trainability_tensor::{Generator, Layer};

use super::foreign::Foreign;
use crate::learner::{Learner, LearnerOptions, Task};
use crate::model::{Inputs, Model};
use crate::optimizer::Adam;
use crate::probe::ProbeOptions;
use crate::schedule::constant::constant;
use crate::schedule::{BoundOptions, Progress};
use crate::stream::{Lengths, Stream, StreamStart};

/// The new task: random labels on the batch's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewTask {
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
pub(crate) struct Curve {
    /// Over the whole task.
    pub online_accuracy: Option<f64>,
    /// Over each epoch.
    pub by_epoch: Vec<Option<f64>>,
}

/// The two networks on the same task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The network that was read.
    pub checkpoint: Curve,
    /// The fresh one, with this program's own initialisation: Kaiming-uniform weights and zero biases.
    pub fresh: Curve,
}

impl Comparison {
    /// Checkpoint minus fresh network: below 0, trainability is lost.
    pub(crate) fn difference(&self) -> Curve {
        let minus = |(of, fresh): (&Option<f64>, &Option<f64>)| of.zip(*fresh).map(|(of, fresh)| of - fresh);
        Curve {
            online_accuracy: minus((&self.checkpoint.online_accuracy, &self.fresh.online_accuracy)),
            by_epoch: self.checkpoint.by_epoch.iter().zip(&self.fresh.by_epoch).map(minus).collect(),
        }
    }
}

/// Trains both, each with an Adam without a past and the method's penalties, decay and gradient rule, on the same labels in
/// the same order of minibatches.
pub(crate) fn compare(foreign: Foreign, task: NewTask) -> Comparison {
    let Foreign { network, architecture, mut rules, images, reading, .. } = foreign;
    let penalties = std::mem::take(&mut rules.penalties);
    let fresh = reading.method.build();
    let mut initialisation = Generator::named("initialisation", task.seed);
    let device = images.device();
    let fresh_network = architecture.build(fresh.activation, None, device, &mut initialisation);
    let adam = reading.adam;
    let learn_task = |network: Box<dyn Model>, own_penalties: Option<Vec<Box<dyn Penalty>>>, rules: Rules| {
        let lengths = Lengths::equal(1, task.epochs, images.size()[0] as usize, task.batch_size);
        let classes = network.layers().last().map_or(0, Layer::units);
        let stream = Stream::new(StreamStart::random_labels(images.shallow_clone(), classes, lengths, task.seed));
        let options = LearnerOptions {
            rules,
            optimizer: Arc::new(move |weight_decay, layers| Box::new(Adam::new(adam, weight_decay, layers))),
            learning_rate: reading.learning_rate,
            schedule: constant(),
            bounds: BoundOptions::default(),
            measure: ProbeOptions { interval: 0, ..ProbeOptions::default() },
            seed: task.seed,
        };
        let generator = Generator::named("initialisation", task.seed);
        let mut learner = Learner::assemble(network, generator, options).expect("nothing acts on the network");
        if let Some(penalties) = own_penalties {
            learner.replace_penalties(penalties);
        }
        learn(learner, stream, task.epochs)
    };
    let fresh = learn_task(fresh_network, None, fresh.rules);
    Comparison { checkpoint: learn_task(network, Some(penalties), rules), fresh }
}

fn learn(mut learner: Learner, mut stream: Stream, epochs: usize) -> Curve {
    let updates = stream.lengths().updates_per_epoch(0);
    let mut curve = Curve { online_accuracy: None, by_epoch: vec![None; epochs] };
    let mut sum = 0.0;
    stream.begin_task();
    for epoch in 0..epochs {
        let mut of_epoch = 0.0;
        for _ in 0..updates {
            let batch = stream.next_minibatch();
            let progress = Progress::in_one_task(learner.updates(), stream.lengths().updates());
            let inputs = Inputs::Dense(stream.images().index_select(0, &batch.rows));
            let whole = Task { inputs: stream.images(), chosen: stream.chosen(), labels: stream.labels() };
            let Ok(update) = learner.update_in(inputs, &batch.labels, progress, whole) else { return curve };
            of_epoch += update.accuracy;
        }
        sum += of_epoch;
        curve.by_epoch[epoch] = Some(of_epoch / updates as f64);
    }
    curve.online_accuracy = Some(sum / (updates * epochs as u64) as f64);
    curve
}
