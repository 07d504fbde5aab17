//! Runs in lock step: their passes are a few batched products, and everything else of an update is each run's own.

use std::time::Instant;

use tch::{Kind, Tensor};
use trainability_tensor::slices::on_host;

use super::training::{Advance, Run, RunDiverged, UpdateInputs};
use crate::learner::{Learner, Passed, RulesTogether, Traced, Update};
use crate::model::{CrossEntropy, LayerChain, Model, Stack, hits};
use crate::schedule::Progress;

/// Runs whose networks have one shape, activation and normalisation, and whose streams are cut alike.
///
/// What one of them writes does not depend on the others, nor on how many they are.
#[derive(Debug)]
pub(crate) struct Lockstep {
    /// None where a run has left.
    runs: Vec<Option<Run>>,
    abreast: Option<Abreast>,
}

/// The runs that are trained: those that are least far.
#[derive(Debug)]
struct Abreast {
    members: Vec<usize>,
    stack: Stack,
    /// Their rules in the present task, where tensors are out of reach of slices and all can be followed together.
    rules: Option<RulesTogether>,
}

impl Lockstep {
    /// Of runs that may be at different places; those behind catch up first.
    pub(crate) fn of(runs: Vec<Run>) -> Lockstep {
        Lockstep { runs: runs.into_iter().map(Some).collect(), abreast: None }
    }

    /// One of them.
    ///
    /// # Panics
    /// It has left.
    pub(crate) fn run_mut(&mut self, index: usize) -> &mut Run {
        run_mut(&mut self.runs, index)
    }

    /// Trains one of them no further, and forgets it.
    pub(crate) fn leave(&mut self, index: usize) {
        self.runs[index] = None;
        self.abreast = None;
    }

    /// The next update of the runs that are least far, with their places. A run that is over, or whose loss left the real numbers,
    /// has to leave before the next.
    ///
    /// # Panics
    /// All have left.
    pub(crate) fn advance(&mut self) -> Vec<(usize, Result<Advance, RunDiverged>)> {
        let mut abreast = self.abreast.take().unwrap_or_else(|| self.line_up());
        let advanced = self.update(&mut abreast);
        // Once they have caught up with others these join them.
        let place = self.run_mut(abreast.members[0]).learner().updates();
        let others = self.runs.iter().enumerate().filter(|(index, _)| !abreast.members.contains(index));
        if !others.flat_map(|(_, run)| run).any(|run| run.learner().updates() == place) {
            self.abreast = Some(abreast);
        }
        advanced
    }

    /// Stacks the networks of the runs that are least far.
    fn line_up(&mut self) -> Abreast {
        let place = |run: &Run| run.learner().updates();
        let least = self.runs.iter().flatten().map(place).min().expect("a run has not left");
        let mut members = Vec::new();
        let mut models: Vec<&mut dyn Model> = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            if let Some(run) = run.as_mut().filter(|run| place(run) == least) {
                members.push(index);
                models.push(run.learner.model_mut());
            }
        }
        let stack = Stack::of(&mut models);
        Abreast { members, stack, rules: None }
    }

    fn update(&mut self, abreast: &mut Abreast) -> Vec<(usize, Result<Advance, RunDiverged>)> {
        let Abreast { members, stack, rules } = abreast;
        let begins = self.run_mut(members[0]).begins_task();
        let mut prepared = Vec::with_capacity(members.len());
        let mut minibatches = Vec::with_capacity(members.len());
        let mut measured = Vec::with_capacity(members.len());
        for &index in &*members {
            let run = self.run_mut(index);
            run.begin_task_if_due();
            let UpdateInputs { inputs, labels, progress } = run.next_minibatch();
            measured.push(run.learner.begin_update(progress));
            minibatches.push(inputs);
            prepared.push((labels, progress));
        }
        let start = Instant::now();
        let own = self.runs.iter().enumerate().filter(|(index, _)| members.contains(index)).flat_map(|(_, run)| run);
        let networks: Vec<LayerChain> =
            own.map(|run| run.learner().model().chain().expect("networks in a stack are chains")).collect();
        let labels: Vec<&Tensor> = prepared.iter().map(|(labels, _)| labels).collect();
        let labels = Tensor::stack(&labels, 0);
        let pass = stack.forward(&networks, minibatches);
        let cross_entropy = CrossEntropy::of(pass.logits(), &labels);
        let (losses, hits) = (numbers(cross_entropy.mean()), numbers(&hits(pass.logits(), &labels)));
        let backward = stack.backward(&networks, &pass, &cross_entropy, measured.contains(&true));
        let is_linear = RulesTogether::measures(&networks);
        let share = members.len() as f64;
        let seconds = start.elapsed().as_secs_f64() / share;
        let samples = labels.size()[1] as f64;
        if !on_host(stack.rows()) {
            if begins || rules.is_none() {
                // A reset has other initial parameters.
                *rules = RulesTogether::of(&mut learners(&mut self.runs, members), stack);
            }
            let [none, all] = [false, true].map(|due| measured.iter().all(|measured| *measured == due));
            let follows = none || all && is_linear;
            if let (true, Some(rules)) = (follows && losses.iter().all(|loss| loss.is_finite()), rules) {
                let start = Instant::now();
                let mut learners = learners(&mut self.runs, members);
                let progress: Vec<Progress> = prepared.iter().map(|(_, progress)| *progress).collect();
                let mut found = if none {
                    rules.update(&mut learners, stack, backward.rows());
                    Vec::new()
                } else {
                    rules.measured_update(&mut learners, stack, (&pass, &backward), &progress)
                }
                .into_iter();
                // What is measured together is not told apart from the step.
                let rest = (if none { "optimizer" } else { "curvature" }, start.elapsed().as_secs_f64() / share);
                let finish = |(network, &index): (usize, &usize)| {
                    let run = self.run_mut(index);
                    let update = run.learner.check_loss(losses[network]).map(|loss| Update {
                        accuracy: hits[network] / samples,
                        loss,
                        measured: found.next(),
                        seconds: [("forward_backward", seconds), rest].into(),
                    });
                    (index, run.conclude(update))
                };
                return members.iter().enumerate().map(finish).collect();
            }
        }
        let mut advanced = Vec::with_capacity(members.len());
        for (network, (&index, (labels, progress))) in members.iter().zip(&prepared).enumerate() {
            let run = self.run_mut(index);
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

/// The learners of some runs.
fn learners<'a>(runs: &'a mut [Option<Run>], members: &[usize]) -> Vec<&'a mut Learner> {
    let own = runs.iter_mut().enumerate().filter(|(index, _)| members.contains(index));
    own.flat_map(|(_, run)| run).map(|run| &mut run.learner).collect()
}

fn run_mut(runs: &mut [Option<Run>], index: usize) -> &mut Run {
    runs[index].as_mut().expect("a run that has not left")
}

/// The elements of a tensor, wherever it lies.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).to_device(tch::Device::Cpu)).expect("one dimension")
}
