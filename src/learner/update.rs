//! One update: forward, backward, measurement and control, step.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::Tensor;
use trainability_baselines::penalty::Elapsed;
use trainability_record::LayerEvents;
use trainability_tensor::{Gradients, LayerDelta, LayerTrace, OuterGradient};

use super::learning::Learner;
use crate::model::{Backward, CrossEntropy, Inputs, TrainingPass, correct};
use crate::probe::{LayerStatistics, UpdateView};
use crate::schedule::{Action, Bounds, Progress, Scope};

/// A task's training set, which some interventions and indicators look at.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// M x inputs.
    pub inputs: &'a Tensor,
    /// Which of them the training set is, in its order, N, Int64; none where it is all of them as they lie.
    pub chosen: Option<&'a Tensor>,
    /// N, Int64.
    pub labels: &'a Tensor,
}

impl Task<'_> {
    /// How many inputs the training set has.
    pub(crate) fn count(&self) -> i64 {
        self.labels.size()[0]
    }

    /// `length` inputs and labels of the training set, from the `first` on.
    pub(crate) fn part(&self, first: i64, length: i64) -> (Tensor, Tensor) {
        let inputs = match self.chosen {
            None => self.inputs.narrow(0, first, length),
            Some(chosen) => self.inputs.index_select(0, &chosen.narrow(0, first, length)),
        };
        (inputs, self.labels.narrow(0, first, length))
    }

    /// The first of both, at most `count`.
    pub(super) fn beginning(&self, count: usize) -> (Tensor, Tensor) {
        self.part(0, self.count().min(count as i64))
    }
}

/// What happened at an update.
#[derive(Debug, Default)]
pub struct Update {
    /// The share of the minibatch that the network had right before the update.
    pub accuracy: f64,
    /// The mean cross-entropy of the minibatch before the update.
    pub loss: f64,
    /// What was measured, if the update was due for it.
    pub measured: Option<Measured>,
    /// Wall-clock seconds by part of the work.
    pub seconds: Seconds,
}

/// What was measured at an update.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Layer by layer.
    pub layers: Vec<LayerMeasurement>,
    /// The indicators that are read at such updates, by column.
    pub indicators: Vec<(&'static str, Option<f64>)>,
}

/// What was measured of one layer, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMeasurement {
    /// The layer's name.
    pub layer: String,
    /// Its statistics.
    pub statistics: LayerStatistics,
    /// The bounds on its effective step.
    pub bounds: Bounds,
    /// What the schedule did, if it takes decisions.
    pub action: Option<Action>,
}

/// Wall-clock seconds by part of the work.
pub(super) type Seconds = BTreeMap<&'static str, f64>;

/// The loss left the real numbers.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the loss is {value}; the last finite loss was {last_finite}")]
pub struct Diverged {
    /// The loss.
    pub value: f64,
    /// Cross-entropy of the last minibatch that had a finite one.
    pub last_finite: f64,
}

/// What the passes of an update found, whether the learner's network made them alone or beside others.
pub(crate) struct Passed {
    /// Of the minibatch.
    pub(crate) accuracy: f64,
    /// The mean cross-entropy, finite.
    pub(crate) loss: f64,
    /// Of the mean cross-entropy.
    pub(crate) gradients: Gradients,
    /// What each hidden layer passed on, where [`Learner::watches_features`].
    pub(crate) features: Vec<Tensor>,
    /// What a measurement needs, if the update is measured.
    pub(crate) traced: Option<Traced>,
    /// What went in, B x inputs, where [`Learner::passes_twice`].
    pub(crate) minibatch: Option<Tensor>,
    /// Wall-clock seconds of the passes.
    pub(crate) seconds: f64,
}

/// What a measurement needs of the passes beside their gradients.
pub(crate) struct Traced {
    /// B x inputs.
    pub(crate) inputs: Tensor,
    /// What the layers left behind, without a graph.
    pub(crate) trace: Vec<LayerTrace>,
    /// The gradients of each sample's own cross-entropy.
    pub(crate) deltas: Vec<Option<LayerDelta>>,
}

fn count(events: &mut LayerEvents, action: Action) {
    match action {
        Action::Cooled => events.cooled += 1,
        Action::Warmed => events.warmed += 1,
        Action::Held => events.held += 1,
        Action::Undefined => {
            events.held += 1;
            events.undefined += 1;
        }
    }
}

fn add_since(seconds: &mut Seconds, part: &'static str, start: Instant) {
    *seconds.entry(part).or_default() += start.elapsed().as_secs_f64();
}

impl Learner {
    /// Makes an update on a minibatch with these labels (B, Int64). `progress` is where it stands in the run; `task` is the
    /// training set that the minibatch comes from.
    ///
    /// # Errors
    /// The loss left the real numbers: no parameter has changed.
    pub fn update_in(
        &mut self,
        inputs: impl Into<Inputs>,
        labels: &Tensor,
        progress: Progress,
        task: Task,
    ) -> Result<Update, Diverged> {
        let start = Instant::now();
        let measures = self.begin_update(progress);
        let pass = self.model.training_pass(inputs.into());
        let accuracy = correct(&pass.logits, labels) as f64 / labels.size()[0] as f64;
        let cross_entropy = CrossEntropy::of(&pass.logits, labels);
        let loss = self.check_loss(cross_entropy.mean().double_value(&[]))?;
        if !measures && self.takes_outer_gradients() && labels.size()[0] == 1 {
            let outer = self.model.backward_of_one(&pass, &cross_entropy);
            let seconds = start.elapsed().as_secs_f64();
            if let Some(outer) = outer
                && let Some(update) = self.finish_update_of_one(&pass, &outer, (accuracy, loss, seconds), task)
            {
                return Ok(update);
            }
        }
        let Backward { gradients, deltas } = self.model.backward(&pass, &cross_entropy, measures);
        self.model.follow(&pass);
        let features = if self.watches_features() { pass.features() } else { Vec::new() };
        let minibatch = self.passes_twice().then(|| pass.inputs.dense());
        let traced = measures.then(|| {
            let (inputs, trace) = pass.into_trace();
            Traced { inputs, trace, deltas }
        });
        drop(cross_entropy);
        let seconds = start.elapsed().as_secs_f64();
        let passed = Passed { accuracy, loss, gradients, features, traced, minibatch, seconds };
        Ok(self.finish_update(passed, labels, progress, task))
    }

    /// What comes before the passes of an update; returns whether it is measured.
    pub(crate) fn begin_update(&mut self, progress: Progress) -> bool {
        self.schedule.begin_update(progress);
        self.optimizer.begin_update(progress.share_of_epochs());
        self.is_due()
    }

    /// Whether surgery looks at what hidden layers pass on in an update.
    pub(crate) fn watches_features(&self) -> bool {
        !self.surgeries.is_empty()
    }

    /// Whether the method sends an update's minibatch through the network once more.
    pub(crate) fn passes_twice(&self) -> bool {
        self.second_pass.is_some()
    }

    /// The loss, if it is finite.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check_loss(&mut self, loss: f64) -> Result<f64, Diverged> {
        if !loss.is_finite() {
            return Err(Diverged { value: loss, last_finite: self.last_finite });
        }
        self.last_finite = loss;
        Ok(loss)
    }

    /// What comes after the passes of an update: penalties, measurement and control, the optimizer's step, surgery.
    pub(crate) fn finish_update(&mut self, passed: Passed, labels: &Tensor, progress: Progress, task: Task) -> Update {
        let Passed { accuracy, loss, mut gradients, features, traced, minibatch, seconds } = passed;
        let mut seconds = Seconds::from([("forward_backward", seconds)]);
        let start = Instant::now();
        let second = minibatch.map(|inputs| self.make_second_pass(&inputs, labels, &gradients));
        add_since(&mut seconds, "forward_backward", start);
        let start = Instant::now();
        let copies = |layer: &Vec<Tensor>| layer.iter().map(Tensor::copy).collect();
        let traced = traced.map(|traced| (traced, gradients.iter().map(copies).collect::<Gradients>()));
        let share = |passed: u64, whole: u64| passed as f64 / whole as f64;
        let elapsed = Elapsed {
            of_run: share(progress.update, progress.updates),
            of_task: share(progress.update_in_task, progress.updates_in_task),
        };
        for penalty in &mut self.penalties {
            penalty.begin_update(elapsed);
            penalty.add_gradient(self.model.layers(), &mut gradients);
        }
        add_since(&mut seconds, "penalty", start);
        let layers = traced.as_ref().map(|(traced, cross_entropy)| {
            self.measure(traced, labels, [cross_entropy, &gradients], (progress, task), &mut seconds)
        });

        let start = Instant::now();
        if let Some(change) = second {
            let both = gradients.iter_mut().flatten().zip(change.iter().flatten());
            both.for_each(|(gradient, change)| drop(gradient.g_add_(change)));
        }
        if let Some(rule) = &self.gradient_rule {
            rule.apply(&mut gradients);
        }
        if self.surgeries.iter().any(|surgery| surgery.looks_before_steps()) {
            self.intervene(task, |surgery, network| surgery.before_step(&gradients, network));
        }
        let rates = self.schedule.learning_rates();
        let summary = self.optimizer.step(self.model.layers_mut(), &gradients, rates, layers.is_some());
        self.penalties.iter().for_each(|penalty| penalty.after_step(self.model.layers_mut()));
        self.updates += 1;
        add_since(&mut seconds, "optimizer", start);

        let measured = traced.zip(layers).map(|((traced, _), layers)| {
            let start = Instant::now();
            let gradients: Vec<_> = layers.iter().map(|layer| layer.statistics.gradient()).collect();
            let losses = [loss, self.loss_of(&traced.inputs, labels)];
            let indicators = self.read_measured_indicators(&traced.trace, &traced.deltas, &gradients, summary, losses);
            add_since(&mut seconds, "indicators", start);
            Measured { layers, indicators }
        });
        self.intervene_after(&features, task, &mut seconds);
        Update { accuracy, loss, measured, seconds }
    }

    /// Whether nothing but the optimizer asks for the gradient of an update that is not measured.
    fn takes_outer_gradients(&self) -> bool {
        self.penalties.is_empty()
            && self.gradient_rule.is_none()
            && self.second_pass.is_none()
            && !self.surgeries.iter().any(|surgery| surgery.looks_before_steps())
    }

    /// What comes after the passes of one sample, where nothing but the optimizer asks for its gradient; none if the optimizer
    /// wants it written out. `made` is accuracy, loss, and seconds so far.
    fn finish_update_of_one(
        &mut self,
        pass: &TrainingPass,
        gradients: &[OuterGradient],
        made: (f64, f64, f64),
        task: Task,
    ) -> Option<Update> {
        let (accuracy, loss, seconds) = made;
        let mut seconds = Seconds::from([("forward_backward", seconds)]);
        let start = Instant::now();
        if !self.optimizer.step_of_one(self.model.layers_mut(), gradients, self.schedule.learning_rates()) {
            return None;
        }
        self.updates += 1;
        add_since(&mut seconds, "optimizer", start);
        let features = if self.watches_features() { pass.features() } else { Vec::new() };
        self.intervene_after(&features, task, &mut seconds);
        Some(Update { accuracy, loss, measured: None, seconds })
    }

    /// Lets surgery act after an update.
    fn intervene_after(&mut self, features: &[Tensor], task: Task, seconds: &mut Seconds) {
        if !self.surgeries.is_empty() {
            let start = Instant::now();
            let update = self.updates;
            self.intervene(task, |surgery, network| surgery.after_update(update, features, network));
            add_since(seconds, "surgery", start);
        }
    }

    /// Measures every layer, forms the bounds, and lets the schedule act.
    fn measure(
        &mut self,
        traced: &Traced,
        labels: &Tensor,
        [cross_entropy_gradients, total_gradients]: [&Gradients; 2],
        (progress, task): (Progress, Task),
        seconds: &mut Seconds,
    ) -> Vec<LayerMeasurement> {
        let view = UpdateView {
            model: self.model.as_ref(),
            inputs: &traced.inputs,
            labels,
            trace: &traced.trace,
            deltas: &traced.deltas,
            cross_entropy_gradients,
            total_gradients,
            optimizer: self.optimizer.as_ref(),
            learning_rates: self.schedule.learning_rates(),
            penalties: &self.penalties,
        };
        let (mut statistics, spent) = self.probe.measure(&view);
        if !self.measures_minibatch() {
            let start = Instant::now();
            self.take_noise_of_probe(task, &mut statistics);
            add_since(seconds, "variance", start);
        }
        let whole = self.schedule.scope() == Scope::Network;
        let network = whole.then(|| self.probe.measure_network(&view, &statistics));
        for (part, spent) in spent {
            *seconds.entry(part).or_default() += spent;
        }
        self.control(statistics, network, progress)
    }

    /// Forms the bounds from every layer's statistics, or the whole network's where the schedule goes by those, and lets the
    /// schedule act.
    pub(super) fn control(
        &mut self,
        statistics: Vec<LayerStatistics>,
        network: Option<LayerStatistics>,
        progress: Progress,
    ) -> Vec<LayerMeasurement> {
        let bounds: Vec<Bounds> =
            self.bounds.iter_mut().zip(&statistics).map(|(estimator, layer)| estimator.push(layer)).collect();
        let actions = match network {
            None => self.schedule.control(progress, &statistics, &bounds),
            Some(network) => {
                let layers = statistics.len();
                let bounds = self.bounds[layers].push(&network);
                self.schedule.control(progress, &vec![network; layers], &vec![bounds; layers])
            }
        };
        self.events.iter_mut().zip(&actions).for_each(|(events, action)| count(events, *action));
        let names = self.model.layers().iter().map(|layer| layer.name.clone());
        let measured = names.zip(statistics).zip(bounds).enumerate();
        measured
            .map(|(index, ((layer, statistics), bounds))| {
                let action = actions.get(index).copied();
                LayerMeasurement { layer, statistics, bounds, action }
            })
            .collect()
    }
}
