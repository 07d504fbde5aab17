//! What a schedule is, what it is built from, and how a configuration names it.

use std::fmt::Debug;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use trainability_baselines::part::PartError as ScheduleError;
use trainability_tensor::Stateful;

use super::bounds::{BoundOptions, Bounds};
use crate::probe::LayerStatistics;

/// Where in its run an update stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The update, counted from 0 over the run.
    pub update: u64,
    /// Updates of the whole run.
    pub updates: u64,
    /// The task, counted from 0.
    pub task: u64,
    /// The update, counted from 0 within its task.
    pub update_in_task: u64,
    /// Updates of its task.
    pub updates_in_task: u64,
    /// Updates of an epoch of it; 1 where there are none.
    pub updates_in_epoch: u64,
}

impl Progress {
    /// The share of its task's epochs that is over: 0 to below 1.
    pub(crate) fn share_of_epochs(self) -> f64 {
        (self.update_in_task - self.update_in_task % self.updates_in_epoch) as f64 / self.updates_in_task as f64
    }

    /// An update, counted from 0 over a run of equally long tasks without epochs.
    pub fn in_tasks(update: u64, tasks: u64, updates_in_task: u64) -> Progress {
        let (task, update_in_task) = (update / updates_in_task, update % updates_in_task);
        Progress {
            update,
            updates: tasks * updates_in_task,
            task,
            update_in_task,
            updates_in_task,
            updates_in_epoch: 1,
        }
    }

    /// An update, counted from 0, of a run that is one task of so many.
    pub(crate) fn in_one_task(update: u64, updates: u64) -> Progress {
        Progress::in_tasks(update, 1, updates)
    }
}

/// What a schedule did to a layer at a control event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Lowered its learning rate.
    Cooled,
    /// Raised it.
    Warmed,
    /// Left it alone.
    Held,
    /// Left it alone since the bound or the effective step was undefined.
    Undefined,
}

impl Action {
    /// The word in `controls.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Action::Cooled => "cooled",
            Action::Warmed => "warmed",
            Action::Held => "held",
            Action::Undefined => "undefined",
        }
    }
}

/// Whose statistics decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each layer's own, as in the method.
    #[default]
    Layer,
    /// Those of the whole network, as if it were one layer; all layers keep the same rate. The network's sharpness is
    /// the largest of the layers' (that of the block-diagonal Hessian), a lower bound on that of the full Hessian.
    Network,
}

/// Sets learning rates, one a layer.
pub trait Schedule: Stateful + Debug + Send {
    /// The rates of the coming update.
    fn learning_rates(&self) -> &[f64];

    /// Told of every update before it begins, measured or not: a schedule by the clock sets its rates here.
    fn begin_update(&mut self, _progress: Progress) {}

    /// Whose statistics and bounds [`Schedule::control`] is given.
    fn scope(&self) -> Scope {
        Scope::Layer
    }

    /// Acts on a measured update, between its backward pass and its step; one action a layer, or none at all from a
    /// schedule that takes no decisions. Under the scope `network` every layer's statistics and bounds are the network's.
    fn control(&mut self, _progress: Progress, _statistics: &[LayerStatistics], _bounds: &[Bounds]) -> Vec<Action> {
        Vec::new()
    }

    /// Whether it takes decisions by what is measured.
    fn takes_decisions(&self) -> bool {
        false
    }
}

/// What a schedule is built from.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The base learning rate.
    pub learning_rate: f64,
    /// The number of layers.
    pub layers: usize,
}

/// What a schedule may know of its run while its options are resolved. Outside of an experiment only the first two are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunFacts<'a> {
    /// Names of the method's parts.
    pub parts: &'a [String],
    /// The base learning rate.
    pub learning_rate: f64,
    /// The method's label.
    pub method: &'a str,
    /// The seed.
    pub seed: u64,
    /// The names of the network's layers, in order.
    pub layers: &'a [String],
    /// Updates of the whole run.
    pub updates: u64,
}

/// Builds a schedule at the start of a run.
pub type ScheduleFactory = Arc<dyn Fn(Start) -> Box<dyn Schedule> + Send + Sync>;

/// A schedule with every option resolved.
#[derive(Clone)]
pub struct Resolved {
    /// All options with the values that are used, for the run's record.
    pub options: Value,
    /// The bounds that are recorded, and acted on if the schedule does.
    pub bounds: BoundOptions,
    /// Builds it.
    pub factory: ScheduleFactory,
}

/// Resolves options: the configuration's `control` section, then the schedule's own keys over it.
pub(super) type Resolve = fn(control: &Value, own: &Value, facts: RunFacts) -> Result<Resolved, ScheduleError>;

/// A schedule that a configuration can name.
#[derive(Debug)]
pub struct ScheduleKind {
    /// The name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Whether it needs measurements.
    pub needs_measurement: bool,
    /// What options it has, a JSON Schema.
    pub schema: fn() -> Value,
    /// Resolves its options: the configuration's `control` section, then the entry's own keys over it.
    pub resolve: Resolve,
}
