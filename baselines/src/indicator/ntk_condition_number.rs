//! How unevenly fast the network can fit different directions.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct NtkConditionNumber;

impl Indicator for NtkConditionNumber {
    fn definition(&self) -> Definition {
        Definition {
            name: "ntk_condition_number",
            title: "NTK condition number",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "largest over smallest eigenvalue of the empirical neural tangent kernel (Jacot et al., arXiv 1806.07572; its diagonal blocks averaged over classes) on m images of the probe batch, at most 100, at the end of the task; 2^52 / m, the most that double precision tells apart, where the kernel is singular; undefined where single samples have no gradient",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        condition_number(&observation.kernel_spectrum(..)?)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for NtkConditionNumber {
    /// Of the kernel that the layer's parameters alone would give.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        condition_number(&observation.kernel_spectrum(index..=index)?)
    }
}

/// Of eigenvalues of a positive semidefinite matrix, in ascending order. Those below m epsilon times the largest are rounding.
/// Undefined of a matrix of zeros.
fn condition_number(values: &[f64]) -> Option<f64> {
    let (smallest, largest) = (*values.first()?, *values.last()?);
    let rounding = values.len() as f64 * f64::EPSILON * largest;
    (largest > 0.0).then(|| largest / smallest.max(rounding))
}
