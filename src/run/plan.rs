//! What a run is to do, with every option resolved.

use serde_json::Value;
use trainability_baselines::activation::Widths;
use trainability_baselines::method::Method;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;

use super::device::DeviceOption;
use crate::data::{DataOptions, ImageSet};
use crate::learner::Training;
use crate::model::{Architecture, NetworkOptions};
use crate::probe::ProbeOptions;
use crate::schedule::Resolved;
use crate::stream::{Lengths, StreamOptions};

/// A method of the sweep: its parts with every option resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodPlan {
    /// Its folder and its name in tables.
    pub label: String,
    /// The parts' names and all their options.
    pub parts: Vec<(String, Value)>,
    /// Whether schedules other than `constant` make sense with it.
    pub schedulable: bool,
}

impl MethodPlan {
    /// Builds the parts, fresh.
    pub fn build(&self) -> Method {
        let contributions: Vec<Contribution> = self
            .parts
            .iter()
            .map(|(name, options)| {
                let part = part(name).expect("a planned part is in the registry");
                part.build(options.clone()).expect("planned options have been checked").0
            })
            .collect();
        Method::of(contributions).expect("planned parts do not contradict each other")
    }
}

/// One run: method, schedule and seed with every option resolved.
#[derive(Clone)]
pub struct RunPlan {
    /// The method.
    pub method: MethodPlan,
    /// The schedule's label.
    pub schedule: String,
    /// The schedule's options, and how it is built.
    pub resolved: Resolved,
    /// The seed.
    pub seed: u64,
    /// The device that it is trained on.
    pub device: DeviceOption,
    /// The images, their number resolved.
    pub data: DataOptions,
    /// Images of each group of classes, where tasks show one each.
    pub(crate) groups: Vec<usize>,
    /// The tasks.
    pub stream: StreamOptions,
    /// The network.
    pub network: NetworkOptions,
    /// The training.
    pub training: Training,
    /// The measurements.
    pub measure: ProbeOptions,
    /// All of the above as one JSON object.
    pub options: Value,
    /// SHA-256 of `options`.
    pub hash: String,
}

impl RunPlan {
    /// Images of the run.
    pub fn images(&self) -> usize {
        self.data.images.expect("resolved by the plan")
    }

    /// The lengths of its tasks.
    pub fn lengths(&self) -> Lengths {
        self.stream.lengths(self.images(), &self.groups, self.training.batch_size, self.seed)
    }

    /// The network for images of that set, with the method's activation, widths and normalisation.
    pub fn architecture(&self, set: &ImageSet, method: &Method) -> Architecture {
        let given = self.network.architecture(set.shape(), i64::from(set.classes), self.training.precision.kind());
        match method.widths {
            Widths::AsGiven => given,
            Widths::MatchParameters => given.matched(method),
        }
    }

    /// Updates of the whole run.
    pub fn updates(&self) -> u64 {
        self.lengths().updates()
    }

    /// `METHOD/SCHEDULE/seed-N`, the run's place in the sweep's folder and its name in messages.
    pub fn name(&self) -> String {
        format!("{}/{}/seed-{}", self.method.label, self.schedule, self.seed)
    }
}
