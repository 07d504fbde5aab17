//! What a network, an optimizer and a loop of one's own need: `use trainability::prelude::*;`.

pub use crate::learner::{Diverged, LayerMeasurement, Learner, LearnerBuilder, LearnerError, Measured, Update};
pub use crate::model::{ClosureModel, Model, Pass};
pub use crate::optimizer::{
    AdamOptions, AdamWOptions, MuonOptions, Optimizer, OptimizerOptions, RmsPropOptions, SgdOptions,
};
pub use crate::probe::ProbeOptions;
pub use crate::schedule::{NoiseCurvature, ScheduleChoice};
pub use trainability_tensor::{Filters, Layer, NormalisedOver, Standardisation};
