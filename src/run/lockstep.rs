//! Runs in lock step: their passes are a few batched products, and everything else of an update is each run's own.

use std::time::Instant;

use tch::{Kind, Tensor};

use super::training::{Advance, Run, RunDiverged, UpdateInputs};
use crate::learner::{Passed, Traced};
use crate::model::{CrossEntropy, LayerChain, Minibatches, Model, Stack, hits};

/// Runs whose networks have one shape, activation and normalisation, and whose streams are cut alike.
///
/// What one of them writes does not depend on the others, nor on how many they are.
#[derive(Debug)]
pub(crate) struct Lockstep {
    runs: Vec<Run>,
    /// The runs that are trained, those that are least far, and their networks.
    abreast: Option<(Vec<usize>, Stack)>,
    /// Those that have ended, one way or the other.
    has_ended: Vec<bool>,
}

impl Lockstep {
    /// Of runs that may be at different places; those behind catch up first.
    pub(crate) fn of(runs: Vec<Run>) -> Lockstep {
        let has_ended = runs.iter().map(Run::is_over).collect();
        Lockstep { runs, abreast: None, has_ended }
    }

    /// One of them.
    pub(crate) fn run_mut(&mut self, index: usize) -> &mut Run {
        &mut self.runs[index]
    }

    /// Trains one of them no further.
    pub(crate) fn leave(&mut self, index: usize) {
        self.has_ended[index] = true;
        self.abreast = None;
    }

    /// The next update of the runs that are least far, with their places; a run whose loss left the real numbers takes part in
    /// no further one.
    pub(crate) fn advance(&mut self) -> Vec<(usize, Result<Advance, RunDiverged>)> {
        let (members, stack) = self.abreast.take().unwrap_or_else(|| self.line_up());
        let advanced = self.update(&members, &stack);
        let mut stays = true;
        for (index, advance) in &advanced {
            self.has_ended[*index] = advance.is_err() || self.runs[*index].is_over();
            stays &= !self.has_ended[*index];
        }
        let place = self.runs[members[0]].learner().updates();
        let caught_up = |(index, run): (usize, &Run)| {
            run.learner().updates() == place && !self.has_ended[index] && !members.contains(&index)
        };
        if stays && !self.runs.iter().enumerate().any(caught_up) {
            self.abreast = Some((members, stack));
        }
        advanced
    }

    /// Stacks the networks of the runs that are least far.
    fn line_up(&mut self) -> (Vec<usize>, Stack) {
        let (runs, has_ended) = (&mut self.runs, &self.has_ended);
        let place = |run: &Run| run.learner().updates();
        let going = runs.iter().zip(has_ended).filter(|(_, ended)| !**ended);
        let least = going.map(|(run, _)| place(run)).min().unwrap_or_default();
        let mut members = Vec::new();
        let mut models: Vec<&mut dyn Model> = Vec::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if !has_ended[index] && place(run) == least {
                members.push(index);
                models.push(run.learner.model_mut());
            }
        }
        let stack = Stack::of(&mut models);
        (members, stack)
    }

    fn update(&mut self, members: &[usize], stack: &Stack) -> Vec<(usize, Result<Advance, RunDiverged>)> {
        let mut prepared = Vec::with_capacity(members.len());
        let mut minibatches = Minibatches { inputs: Vec::new(), of_network: Vec::new() };
        let mut measured = Vec::with_capacity(members.len());
        for &index in members {
            let run = &mut self.runs[index];
            run.begin_task_if_due();
            let UpdateInputs { inputs, labels, progress } = run.next_minibatch();
            measured.push(run.learner.begin_update(progress));
            minibatches.of_network.push(minibatches.inputs.len());
            minibatches.inputs.push(inputs);
            prepared.push((labels, progress));
        }
        let start = Instant::now();
        let chain = |&index: &usize| self.runs[index].learner().model().chain().expect("checked beforehand");
        let networks: Vec<LayerChain> = members.iter().map(chain).collect();
        let labels: Vec<&Tensor> = prepared.iter().map(|(labels, _)| labels).collect();
        let labels = Tensor::stack(&labels, 0);
        let pass = stack.forward(&networks, minibatches);
        let cross_entropy = CrossEntropy::of(pass.logits(), &labels);
        let (losses, hits) = (numbers(cross_entropy.mean()), numbers(&hits(pass.logits(), &labels)));
        let backward = stack.backward(&networks, &pass, &cross_entropy, measured.contains(&true));
        let seconds = start.elapsed().as_secs_f64() / members.len() as f64;
        let samples = labels.size()[1] as f64;
        let mut advanced = Vec::with_capacity(members.len());
        for (network, (&index, (labels, progress))) in members.iter().zip(&prepared).enumerate() {
            let run = &mut self.runs[index];
            let backward = backward.of(network, run.learner().model().layers());
            let passed = run.learner.check_loss(losses[network]).map(|loss| Passed {
                accuracy: hits[network] / samples,
                loss,
                gradients: backward.gradients,
                features: if run.learner.watches_features() { pass.features(network) } else { Vec::new() },
                traced: measured[network].then(|| {
                    let (inputs, trace) = pass.trace(network);
                    Traced { inputs, trace, deltas: backward.deltas }
                }),
                seconds,
            });
            advanced.push((index, run.finish_update(passed, labels, *progress)));
        }
        advanced
    }
}

/// The elements of a tensor, wherever it lies.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).to_device(tch::Device::Cpu)).expect("one dimension")
}
