//! Runs in lock step: their passes are a few batched products, and everything else of an update is each run's own.

use std::iter::zip;
use std::rc::Rc;
use std::time::Instant;

use tch::{Device, Kind, Tensor};
use trainability_tensor::slices::on_host;

use super::training::{Advance, Run, RunDiverged};
use crate::learner::{Learner, Measured, Passed, RulesTogether, Traced, Update};
use crate::model::{CrossEntropy, Inputs, LayerChain, Model, Stack, StackedBackward, StackedPass, hits};
use crate::schedule::Progress;

/// Updates, at most, whose losses wait on the device.
const MOST_UNREAD: usize = 100;

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
    /// For each the place, among the members, of the first whose stream gives the same minibatches.
    suppliers: Vec<usize>,
    stack: Stack,
    /// Their rules in the present task, where tensors are out of reach of slices and all can be followed together.
    rules: Option<RulesTogether>,
}

/// What became of each run, by its place.
type Advances = Vec<(usize, Result<Advance, RunDiverged>)>;

/// An update of all members.
enum MadeTogether {
    /// Everything was taken note of.
    Noted(Advances),
    /// The networks have made their steps; what the passes found is still where it was computed.
    Unread(LossesTogether),
}

/// Losses and hits of an update of all members, R each.
struct LossesTogether {
    losses: Tensor,
    hits: Tensor,
    /// How many samples there were.
    samples: f64,
    /// Where the update stood, the same for all.
    progress: Progress,
    /// Seconds that the program spent on it: passes, and what follows them.
    seconds: [f64; 2],
}

/// What the passes of all members found.
struct Passes {
    forward: StackedPass,
    backward: StackedBackward,
    /// Which of them measure the update.
    measured: Vec<bool>,
    /// Each member's labels.
    labels: Vec<Tensor>,
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

    /// The next update of the runs that are least far, with their places; on a device that works behind the program's back all
    /// updates up to the next that is measured or ends a task, so that nothing waits for a loss. A run that is over, or whose
    /// loss left the real numbers, has to leave before the next.
    ///
    /// # Panics
    /// All have left.
    pub(crate) fn advance(&mut self) -> Advances {
        let mut abreast = self.abreast.take().unwrap_or_else(|| self.line_up());
        let mut unread = Vec::new();
        let advanced = loop {
            match self.update(&mut abreast) {
                MadeTogether::Noted(advanced) => break advanced,
                MadeTogether::Unread(outcome) => unread.push(outcome),
            }
            if unread.len() == MOST_UNREAD || self.has_to_read(&abreast.members) {
                break self.read(&abreast.members, &unread);
            }
        };
        // Once they have caught up with others these join them.
        if !self.have_caught_up(&abreast.members) {
            self.abreast = Some(abreast);
        }
        advanced
    }

    /// Whether something comes before the members' next update that asks for what they have found.
    fn has_to_read(&self, members: &[usize]) -> bool {
        let is_due = |run: &Run| run.has_made_task() || run.learner().is_due();
        members.iter().flat_map(|&index| &self.runs[index]).any(is_due) || self.have_caught_up(members)
    }

    /// Whether other runs are as far as these.
    fn have_caught_up(&self, members: &[usize]) -> bool {
        let place = |run: &Run| run.learner().updates();
        let own = members.iter().flat_map(|&index| &self.runs[index]).map(place).next();
        let others = self.runs.iter().enumerate().filter(|(index, _)| !members.contains(index));
        others.flat_map(|(_, run)| run).any(|run| Some(place(run)) == own)
    }

    /// Stacks the networks of the runs that are least far.
    fn line_up(&mut self) -> Abreast {
        let place = |run: &Run| run.learner().updates();
        let least = self.runs.iter().flatten().map(place).min().expect("a run has not left");
        let is_least = |run: &Run| place(run) == least;
        let own: Vec<&Run> = self.runs.iter().flatten().filter(|run| is_least(run)).collect();
        let supplier = |run: &&Run| own.iter().position(|other| other.stream.is_alike(&run.stream));
        let suppliers = own.iter().map(|run| supplier(run).expect("a stream is like itself")).collect();
        let mut members = Vec::new();
        let mut models: Vec<&mut dyn Model> = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            if let Some(run) = run.as_mut().filter(|run| is_least(run)) {
                members.push(index);
                models.push(run.learner.model_mut());
            }
        }
        let stack = Stack::of(&mut models);
        Abreast { members, suppliers, stack, rules: None }
    }

    /// Each member's minibatch. Those whose streams are alike have one.
    fn minibatches(&mut self, abreast: &Abreast) -> (Vec<Rc<Inputs>>, Vec<Tensor>) {
        let (mut inputs, mut labels): (Vec<Rc<Inputs>>, Vec<Tensor>) = (Vec::new(), Vec::new());
        for (place, (&index, &supplier)) in zip(&abreast.members, &abreast.suppliers).enumerate() {
            if supplier < place {
                let within_task = self.run_mut(abreast.members[supplier]).stream.within_task();
                self.run_mut(index).stream.follow(within_task);
                inputs.push(Rc::clone(&inputs[supplier]));
                labels.push(labels[supplier].shallow_clone());
            } else {
                let own = self.run_mut(index).next_minibatch();
                inputs.push(Rc::new(own.inputs));
                labels.push(own.labels);
            }
        }
        (inputs, labels)
    }

    fn update(&mut self, abreast: &mut Abreast) -> MadeTogether {
        let begins = self.run_mut(abreast.members[0]).begins_task();
        let begin = |&index: &usize| {
            let run = self.run_mut(index);
            run.begin_task_if_due();
            let progress = run.next_progress();
            (run.learner.begin_update(progress), progress)
        };
        let (measured, progress): (Vec<bool>, Vec<Progress>) = abreast.members.iter().map(begin).unzip();
        let (inputs, labels) = self.minibatches(abreast);
        let Abreast { members, stack, rules, .. } = abreast;
        let start = Instant::now();
        let together = Tensor::stack(&labels, 0);
        let (passes, is_linear, losses, hits) = {
            let networks = networks(&self.runs, members);
            let forward = stack.forward(&networks, inputs);
            let cross_entropy = CrossEntropy::of(forward.logits(), &together);
            let backward = stack.backward(&networks, &forward, &cross_entropy, measured.contains(&true));
            let (losses, hits) = (cross_entropy.mean().shallow_clone(), hits(forward.logits(), &together));
            let of_minibatch =
                |index: &usize| self.runs[*index].as_ref().is_some_and(|run| run.learner().measures_minibatch());
            let is_linear = RulesTogether::measures(&networks) && members.iter().all(of_minibatch);
            (Passes { forward, backward, measured, labels }, is_linear, losses, hits)
        };
        let samples = together.size()[1] as f64;
        let mut outcome = LossesTogether {
            losses,
            hits,
            samples,
            progress: progress[0],
            seconds: [start.elapsed().as_secs_f64(), 0.0],
        };
        if on_host(stack.rows()) {
            return MadeTogether::Noted(self.finish_apart(members, &passes, &outcome));
        }
        if begins || rules.is_none() {
            // A reset has other initial parameters.
            *rules = RulesTogether::of(&mut learners(&mut self.runs, members), stack);
        }
        let Some(rules) = rules else { return MadeTogether::Noted(self.finish_apart(members, &passes, &outcome)) };
        if !passes.measured.contains(&true) {
            let start = Instant::now();
            rules.update(&mut learners(&mut self.runs, members), stack, passes.backward.rows());
            outcome.seconds[1] = start.elapsed().as_secs_f64();
            return MadeTogether::Unread(outcome);
        }
        let numbers = outcome.numbers();
        let is_finite = numbers.iter().all(|(loss, _)| loss.is_finite());
        if is_linear && !passes.measured.contains(&false) && is_finite {
            let start = Instant::now();
            let mut own = learners(&mut self.runs, members);
            let both = (&passes.forward, &passes.backward);
            let measured = rules.measured_update(&mut own, stack, both, &together, outcome.progress);
            outcome.seconds[1] = start.elapsed().as_secs_f64();
            return MadeTogether::Noted(self.conclude_measured(members, &outcome, numbers, measured));
        }
        MadeTogether::Noted(self.finish_apart(members, &passes, &outcome))
    }

    /// What follows the passes of an update, run by run.
    fn finish_apart(&mut self, members: &[usize], passes: &Passes, outcome: &LossesTogether) -> Advances {
        let Passes { forward, backward, measured, labels } = passes;
        let seconds = outcome.seconds[0] / members.len() as f64;
        let finish = |(network, (&index, (loss, accuracy))): (usize, (&usize, (f64, f64)))| {
            let run = self.run_mut(index);
            let backward = backward.of(network, run.learner().model().layers());
            let passed = run.learner.check_loss(loss).map(|loss| Passed {
                accuracy,
                loss,
                gradients: backward.gradients,
                features: if run.learner.watches_features() { forward.features(network) } else { Vec::new() },
                traced: measured[network].then(|| {
                    let (inputs, trace) = forward.trace(network);
                    Traced { inputs, trace, deltas: backward.deltas }
                }),
                minibatch: run.learner.passes_twice().then(|| forward.inputs(network)),
                seconds,
            });
            (index, run.finish_update(passed, &labels[network], outcome.progress))
        };
        zip(members, outcome.numbers()).enumerate().map(finish).collect()
    }

    /// Takes note of an update that all have measured, from its losses and accuracies.
    fn conclude_measured(
        &mut self,
        members: &[usize],
        outcome: &LossesTogether,
        numbers: Vec<(f64, f64)>,
        measured: Vec<Measured>,
    ) -> Advances {
        // What is measured together is not told apart from the step.
        let seconds = outcome.share("curvature", members.len());
        let conclude = |((&index, (loss, accuracy)), measured)| {
            let run = self.run_mut(index);
            let update = run.learner.check_loss(loss).map(|loss| Update {
                accuracy,
                loss,
                measured: Some(measured),
                seconds: seconds.into(),
            });
            (index, run.conclude(update, outcome.progress))
        };
        zip(zip(members, numbers), measured).map(conclude).collect()
    }

    /// Takes note of updates whose losses have not been looked at.
    fn read(&mut self, members: &[usize], unread: &[LossesTogether]) -> Advances {
        let start = Instant::now();
        let numbers = numbers(unread);
        let waited = start.elapsed().as_secs_f64() / members.len() as f64;
        let conclude = |(network, &index): (usize, &usize)| {
            let run = self.run_mut(index);
            run.add_seconds("forward_backward", waited);
            for (part, seconds) in unread.iter().flat_map(|outcome| outcome.share("optimizer", members.len())) {
                run.add_seconds(part, seconds);
            }
            (index, run.conclude_all(numbers.iter().map(|of_update| of_update[network]), unread[0].progress))
        };
        members.iter().enumerate().map(conclude).collect()
    }
}

impl LossesTogether {
    /// The loss and the accuracy of each member.
    fn numbers(&self) -> Vec<(f64, f64)> {
        numbers(std::slice::from_ref(self)).remove(0)
    }

    /// The seconds of each of so many runs; `rest` is the part of the work that follows the passes.
    fn share(&self, rest: &'static str, runs: usize) -> [(&'static str, f64); 2] {
        let [passes, follows] = self.seconds.map(|seconds| seconds / runs as f64);
        [("forward_backward", passes), (rest, follows)]
    }
}

/// Loss and accuracy of each member at each update, brought to the host at once.
fn numbers(outcomes: &[LossesTogether]) -> Vec<Vec<(f64, f64)>> {
    let of_all = |of: fn(&LossesTogether) -> &Tensor| {
        Tensor::stack(&outcomes.iter().map(of).collect::<Vec<&Tensor>>(), 0).to_kind(Kind::Double)
    };
    let both = Tensor::stack(&[of_all(|outcome| &outcome.losses), of_all(|outcome| &outcome.hits)], -1);
    let both = Vec::<Vec<Vec<f64>>>::try_from(both.to_device(Device::Cpu)).expect("updates x runs x 2");
    let of_update = |(outcome, runs): (&LossesTogether, Vec<Vec<f64>>)| {
        runs.iter().map(|run| (run[0], run[1] / outcome.samples)).collect()
    };
    zip(outcomes, both).map(of_update).collect()
}

/// The networks of some runs.
fn networks<'a>(runs: &'a [Option<Run>], members: &[usize]) -> Vec<LayerChain<'a>> {
    let own = members.iter().flat_map(|&index| &runs[index]);
    own.map(|run| run.learner().model().chain().expect("networks in a stack are chains")).collect()
}

/// The learners of some runs.
fn learners<'a>(runs: &'a mut [Option<Run>], members: &[usize]) -> Vec<&'a mut Learner> {
    let own = runs.iter_mut().enumerate().filter(|(index, _)| members.contains(index));
    own.flat_map(|(_, run)| run).map(|run| &mut run.learner).collect()
}

fn run_mut(runs: &mut [Option<Run>], index: usize) -> &mut Run {
    runs[index].as_mut().expect("a run that has not left")
}
