//! What a learner is made of.

use std::fmt;
use std::sync::Arc;

use tch::Kind;
use trainability_baselines::gradient_rule::GradientRule;
use trainability_baselines::method::Rules;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::second_pass::SecondPass;
use trainability_baselines::surgery::Surgery;
use trainability_record::LayerEvents;
use trainability_tensor::Generator;

use super::initial_parameters::InitialParameters;
use crate::model::Model;
use crate::optimizer::{Adam, AdamOptions, Optimizer, OptimizerFactory};
use crate::probe::{Probe, ProbeOptions};
use crate::schedule::{BoundEstimator, BoundOptions, Schedule, ScheduleFactory, Start, constant};

/// What a learner is built from, beside its model. The default is Adam at a constant rate of 1e-3, measured every 40 updates.
pub(crate) struct LearnerOptions {
    /// Penalties, weight decay, gradient rule, second pass and surgery.
    pub(crate) rules: Rules,
    /// Builds the optimizer.
    pub(crate) optimizer: OptimizerFactory,
    /// The base learning rate.
    pub(crate) learning_rate: f64,
    /// Builds the schedule.
    pub(crate) schedule: ScheduleFactory,
    /// The bounds that are measured, and acted on if the schedule does.
    pub(crate) bounds: BoundOptions,
    /// What is measured, and how often.
    pub(crate) measure: ProbeOptions,
    /// Everything that is drawn follows from it.
    pub(crate) seed: u64,
}

impl Default for LearnerOptions {
    fn default() -> Self {
        LearnerOptions {
            rules: Rules::default(),
            optimizer: Arc::new(|weight_decay, layers| {
                Box::new(Adam::new(AdamOptions::default(), weight_decay, layers))
            }),
            learning_rate: 1e-3,
            schedule: constant::constant(),
            bounds: BoundOptions::default(),
            measure: ProbeOptions::default(),
            seed: 0,
        }
    }
}

impl fmt::Debug for LearnerOptions {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let LearnerOptions { learning_rate, measure, seed, .. } = self;
        let mut shown = f.debug_struct("LearnerOptions");
        shown.field("learning_rate", learning_rate).field("measure", measure).field("seed", seed);
        shown.finish_non_exhaustive()
    }
}

/// Why a learner cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnerError {
    /// An intervention that has to know which weights a unit's output enters, on a model that does not tell.
    #[error("{0} needs a model that is a chain of layers")]
    NeedsChain(&'static str),
    /// An optimizer that cannot serve the network or the method.
    #[error("the optimizer does not fit: {0}")]
    UnfitOptimizer(&'static str),
    /// A schedule that acts on an effective step, with an optimizer that has none.
    #[error("the schedule acts on the effective step, which the optimizer has none of: {0}")]
    NoEffectiveStep(&'static str),
    /// A schedule that acts on what is measured, and nothing is.
    #[error("the schedule acts on what is measured, and `measure.interval` is 0, which is never; expected above 0")]
    NeverMeasured,
    /// Surgery, which may act where tasks begin, in a run of which that is not known.
    #[error("{0} may act where tasks begin, expected how long they are (`LearnerBuilder::tasks`)")]
    NeedsTasks(&'static str),
    /// An option of the optimizer or the measurement that cannot be.
    #[error("{0}")]
    Option(String),
    /// A base rate that cannot be.
    #[error("the learning rate is {0}, expected a finite number above 0")]
    LearningRate(String),
    /// A schedule that is not there, or with options that cannot be.
    #[error("{0}")]
    Schedule(String),
}

/// A model that learns, and everything that it carries from one update to the next.
#[derive(Debug)]
pub struct Learner {
    pub(super) model: Box<dyn Model>,
    pub(super) initialisation: Generator,
    pub(super) initial: InitialParameters,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) penalties: Vec<Box<dyn Penalty>>,
    pub(super) gradient_rule: Option<Box<dyn GradientRule>>,
    pub(super) second_pass: Option<Box<dyn SecondPass>>,
    pub(super) surgeries: Vec<Box<dyn Surgery>>,
    pub(super) surgery_generator: Generator,
    pub(super) measure: ProbeOptions,
    pub(super) probe: Probe,
    /// For what indicators draw at a task's end.
    pub(super) indicator_generator: Generator,
    /// For what they draw at its start, which moves no draw of the other's.
    pub(super) start_generator: Generator,
    /// One a layer, and the whole network's last.
    pub(super) bounds: Vec<BoundEstimator>,
    pub(super) schedule: Box<dyn Schedule>,
    beginning: FirstSchedule,
    pub(super) events: Vec<LayerEvents>,
    pub(super) updates: u64,
    pub(super) last_finite: f64,
    /// Tasks, and updates of each, where they are known beforehand.
    pub(super) tasks: Option<(u64, u64)>,
}

/// What the schedule begins with.
struct FirstSchedule {
    schedule: ScheduleFactory,
    start: Start,
}

impl fmt::Debug for FirstSchedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("FirstSchedule").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Learner {
    /// A learner before its first update. `initialisation` is the generator that has drawn the model's parameters: a reset
    /// draws the next from it.
    ///
    /// # Errors
    /// A method or a schedule that the model or the optimizer cannot serve.
    pub(crate) fn assemble(
        model: Box<dyn Model>,
        initialisation: Generator,
        options: LearnerOptions,
    ) -> Result<Learner, LearnerError> {
        let LearnerOptions { rules, optimizer, learning_rate, schedule, bounds, measure, seed } = options;
        if let Some(surgery) = rules.surgeries.iter().find(|surgery| surgery.needs_chain() && model.chain().is_none()) {
            return Err(LearnerError::NeedsChain(surgery.name()));
        }
        let mut penalties = rules.penalties;
        penalties.iter_mut().for_each(|penalty| penalty.begin(model.layers()));
        let mut surgeries = rules.surgeries;
        surgeries.iter_mut().for_each(|surgery| surgery.begin(model.layers()));
        let optimizer = optimizer(rules.weight_decay, model.layers());
        optimizer.fits().map_err(LearnerError::UnfitOptimizer)?;
        let layers = model.layers().len();
        let beginning = FirstSchedule { schedule, start: Start { learning_rate, layers } };
        let schedule = (beginning.schedule)(beginning.start);
        if let (true, Err(reason)) = (schedule.takes_decisions(), optimizer.has_effective_step()) {
            return Err(LearnerError::NoEffectiveStep(reason));
        }
        if schedule.takes_decisions() && measure.interval == 0 {
            return Err(LearnerError::NeverMeasured);
        }
        Ok(Learner {
            events: model
                .layers()
                .iter()
                .map(|layer| LayerEvents { layer: layer.name.clone(), ..LayerEvents::default() })
                .collect(),
            initialisation,
            initial: InitialParameters::of(model.layers()),
            optimizer,
            penalties,
            gradient_rule: rules.gradient_rule,
            second_pass: rules.second_pass,
            surgeries,
            surgery_generator: Generator::named("surgery", seed),
            measure,
            probe: Probe::new(measure, layers, seed),
            indicator_generator: Generator::named("indicators", seed),
            start_generator: Generator::named("indicators at start", seed),
            bounds: vec![BoundEstimator::new(bounds); layers + 1],
            schedule,
            beginning,
            updates: 0,
            last_finite: f64::NAN,
            tasks: None,
            model,
        })
    }

    /// Takes these penalties, which have seen other initial parameters, in the place of its own.
    pub(crate) fn replace_penalties(&mut self, penalties: Vec<Box<dyn Penalty>>) {
        self.penalties = penalties;
    }

    /// The network.
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// The network, to be stacked with others.
    pub(crate) fn model_mut(&mut self) -> &mut dyn Model {
        self.model.as_mut()
    }

    /// The element type that it is trained in.
    pub fn kind(&self) -> Kind {
        self.model.layers()[0].weight().kind()
    }

    /// The learning rate of each layer.
    pub fn learning_rates(&self) -> &[f64] {
        self.schedule.learning_rates()
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Whether the next update is measured.
    pub(crate) fn is_due(&self) -> bool {
        self.probe.is_due(self.updates)
    }

    /// Counts no more than so many updates: those after them were made of a network whose loss had left the real numbers.
    pub(crate) fn count_no_further_than(&mut self, updates: u64) {
        self.updates = self.updates.min(updates);
    }

    /// Cross-entropy of the last minibatch that had a finite one.
    pub fn last_finite_loss(&self) -> Option<f64> {
        Some(self.last_finite).filter(|loss| loss.is_finite())
    }

    /// What the schedule did, layer by layer; empty if it takes no decisions.
    pub fn events(&self) -> &[LayerEvents] {
        if self.schedule.takes_decisions() { &self.events } else { &[] }
    }

    /// Whether the schedule takes decisions by what is measured.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.schedule.takes_decisions()
    }

    /// Measured blocks with flat curvature, and those whose Lanczos iteration did not converge.
    pub(crate) fn curvature_events(&self) -> (u64, u64) {
        (self.probe.flat_events, self.probe.unconverged_events)
    }

    /// Forgets everything but the weights, as a learner does that is told that a new task begins.
    pub fn forget(&mut self) {
        self.schedule = (self.beginning.schedule)(self.beginning.start);
        self.optimizer.clear();
        self.bounds.iter_mut().for_each(BoundEstimator::clear);
        self.probe.clear();
    }
}
