//! Sharpness-aware minimisation (Foret et al., arXiv 2010.01412): the gradient is taken not where the network stands but
//! where the cross-entropy is about largest within a ball around it, at theta + rho g / |g|.
//!
//! The ball is that of the cross-entropy alone: penalties join with their gradient at theta, and a weight decay in the
//! optimizer. Every update costs two forward and two backward passes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::Gradients;

use super::{MinibatchGradients, SecondPass};
use crate::gradient_rule::global_norm;
use crate::options::{OptionError, check_positive};
use crate::part::{Contribution, Part, PartOptions};

/// `sharpness_aware`: the gradient at the worst place nearby.
pub(crate) const PART: Part = Part::of::<SharpnessAware>(
    "sharpness_aware",
    "SAM: the gradient at theta + rho g / |g| in the place of that at theta",
);

/// The cross-entropy's gradient at theta + rho g / |g|, the norm being over all parameters of the network.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SharpnessAware {
    /// The radius of the ball.
    pub rho: f64,
}

impl Default for SharpnessAware {
    fn default() -> Self {
        SharpnessAware { rho: 0.05 }
    }
}

impl PartOptions for SharpnessAware {
    fn build(self) -> Result<Contribution, OptionError> {
        check_positive("rho", self.rho)?;
        Ok(Contribution::SecondPass(Box::new(self)))
    }
}

impl SecondPass for SharpnessAware {
    fn change(&self, cross_entropy: &Gradients, minibatch: &mut dyn MinibatchGradients) -> Gradients {
        let norm = global_norm(cross_entropy);
        // Where there is no slope there is no worst direction.
        let factor = if norm > 0.0 { self.rho / norm } else { 0.0 };
        let scaled = |gradient: &Tensor| gradient * factor;
        let displacement = cross_entropy.iter().map(|layer| layer.iter().map(scaled).collect()).collect();
        let there = minibatch.gradients_at(&displacement);
        let pairs = there.iter().zip(cross_entropy);
        pairs.map(|(there, here)| there.iter().zip(here).map(|(there, here)| there - here).collect()).collect()
    }
}
