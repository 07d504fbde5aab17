//! Putting a learner together, for a network, an optimizer and a loop of one's own.

use std::sync::Arc;

use tch::{Kind, Tensor};
use trainability_baselines::method::Rules;
use trainability_baselines::options::OptionError;
use trainability_tensor::Generator;

use super::learning::{Learner, LearnerError, LearnerOptions};
use super::update::{Diverged, Task, Update};
use crate::model::Model;
use crate::optimizer::{OptimizerFactory, OptimizerOptions};
use crate::probe::ProbeOptions;
use crate::schedule::{Progress, ScheduleChoice};

/// A learner in the making: [`Learner::new`] begins one, [`LearnerBuilder::build`] ends it. Without further words the rate is
/// constant, 1e-3, and every 40th update is measured.
#[derive(Debug)]
pub struct LearnerBuilder {
    model: Box<dyn Model>,
    options: LearnerOptions,
    schedule: Option<ScheduleChoice>,
    initialises: bool,
    tasks: Option<(u64, u64)>,
    /// What cannot be of the optimizer's options.
    refused: Option<OptionError>,
}

impl Learner {
    /// Begins a learner of this network, whose parameters stay as they are, under one of our optimizers.
    // A builder is what is new here.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: impl Into<Box<dyn Model>>, optimizer: impl OptimizerOptions) -> LearnerBuilder {
        let refused = optimizer.check().err();
        let builder = Learner::with_optimizer(model, Arc::new(move |decay, layers| optimizer.build(decay, layers)));
        LearnerBuilder { refused, ..builder }
    }

    /// The same under an optimizer of one's own: `factory` builds it for the layers of a network.
    pub fn with_optimizer(model: impl Into<Box<dyn Model>>, factory: OptimizerFactory) -> LearnerBuilder {
        LearnerBuilder {
            model: model.into(),
            options: LearnerOptions { optimizer: factory, ..LearnerOptions::default() },
            schedule: None,
            initialises: false,
            tasks: None,
            refused: None,
        }
    }

    /// Makes an update on a minibatch (B x .. inputs; B labels, Int64), and says what happened and, if it was due, what was
    /// measured and done in each layer.
    ///
    /// # Errors
    /// The loss left the real numbers: no parameter has changed.
    ///
    /// # Panics
    /// Labels are not one class of type Int64 for each input, or no class of the network; logits are not B x classes.
    pub fn update(&mut self, inputs: &Tensor, labels: &Tensor) -> Result<Update, Diverged> {
        assert!(
            labels.kind() == Kind::Int64 && labels.size() == inputs.size()[..1],
            "labels are {:?} of type {:?}, expected a class of type Int64 for each of {:?} inputs",
            labels.size(),
            labels.kind(),
            inputs.size()
        );
        let (task, made) = (Task { inputs, chosen: None, labels }, self.updates());
        let progress = match self.tasks {
            // Who goes on has more tasks than was said.
            Some((tasks, updates)) => Progress::in_tasks(made, tasks.max(made / updates + 1), updates),
            // No part of a task or a run is known to be over, nor the first part of a task to last.
            None => Progress { updates: u64::MAX, updates_in_epoch: u64::MAX, ..Progress::in_tasks(made, 1, made + 1) },
        };
        if self.tasks.is_some() && progress.update_in_task == 0 {
            self.begin_task(progress.task as usize, task);
        }
        self.update_in(inputs, labels, progress, task)
    }
}

impl LearnerBuilder {
    /// The base learning rate of every layer.
    pub fn learning_rate(mut self, rate: f64) -> LearnerBuilder {
        self.options.learning_rate = rate;
        self
    }

    /// Who sets the rates: [`NoiseCurvature::debiased`](crate::schedule::NoiseCurvature::debiased), or a schedule by its name.
    pub fn schedule(mut self, schedule: impl Into<ScheduleChoice>) -> LearnerBuilder {
        self.schedule = Some(schedule.into());
        self
    }

    /// Measures, and lets the schedule act, after every so many updates; 0: never.
    pub fn every(mut self, interval: u64) -> LearnerBuilder {
        self.options.measure.interval = interval;
        self
    }

    /// What is measured; [`LearnerBuilder::every`] says how often and comes after it.
    pub fn measure(mut self, options: ProbeOptions) -> LearnerBuilder {
        self.options.measure = options;
        self
    }

    /// Penalties, weight decay, gradient rule and surgery, as
    /// [`Method::of`](trainability_baselines::method::Method::of) reads them.
    pub fn rules(mut self, rules: Rules) -> LearnerBuilder {
        self.options.rules = rules;
        self
    }

    /// How long the run is: so many tasks of so many updates each. A schedule by the clock has to know, and so has a scheduler that
    /// raises rates at a task's beginning; without it none is raised but before the second update.
    pub fn tasks(mut self, tasks: u64, updates: u64) -> LearnerBuilder {
        self.tasks = Some((tasks, updates.max(1)));
        self
    }

    /// Everything that is drawn follows from it.
    pub fn seed(mut self, seed: u64) -> LearnerBuilder {
        self.options.seed = seed;
        self
    }

    /// Draws the network's parameters anew first, by the seed.
    pub fn initialised(mut self) -> LearnerBuilder {
        self.initialises = true;
        self
    }

    /// The learner before its first update.
    ///
    /// # Errors
    /// A method or a schedule that the model or the optimizer cannot serve, or options that cannot be.
    pub fn build(self) -> Result<Learner, LearnerError> {
        let LearnerBuilder { mut model, mut options, schedule, initialises, tasks, refused } = self;
        refused
            .map_or(Ok(()), Err)
            .and_then(|()| options.measure.check())
            .map_err(|error| LearnerError::Option(error.to_string()))?;
        let rate = options.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(LearnerError::LearningRate(rate.to_string()));
        }
        if let Some(choice) = schedule {
            let updates = tasks.map(|(tasks, updates)| tasks * updates);
            let resolved = choice.resolve(rate, updates).map_err(|error| LearnerError::Schedule(error.to_string()))?;
            (options.schedule, options.bounds) = (resolved.factory, resolved.bounds);
        }
        let mut generator = Generator::named("initialisation", options.seed);
        if initialises {
            model.initialise(&mut generator);
        }
        let mut learner = Learner::assemble(model, generator, options)?;
        learner.tasks = tasks;
        match learner.surgeries.first() {
            Some(surgery) if tasks.is_none() => Err(LearnerError::NeedsTasks(surgery.name())),
            _ => Ok(learner),
        }
    }
}
