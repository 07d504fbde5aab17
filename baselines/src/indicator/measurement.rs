//! What an indicator is: a measurement of a network at some moment.

use rand_chacha::ChaCha8Rng;

use super::definition::Definition;
use super::observation::Observation;

/// The moment at which an indicator is read, which is also its cost class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once a task, on the probe batch, after relabelling and before the first update.
    TaskStart,
    /// At each measured update, on its minibatch; the task's value is the mean.
    MeasuredUpdate,
    /// Once a task, on the probe batch, after the last update.
    TaskEnd,
}

/// One measurement.
pub trait Indicator: Sync {
    /// Its column name and meaning.
    fn definition(&self) -> Definition;

    /// The moment at which it is read.
    fn when(&self) -> When;

    /// The value, or `None` where it is undefined. If nothing else is said it is the mean over hidden layers, undefined if
    /// one of them is, or where there is none.
    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let layerwise = self.layerwise()?;
        mean(observation.hidden().map(|(index, _)| layerwise.measure_layer(observation, index)))
    }

    /// The same measurement of single layers, where it makes sense.
    fn layerwise(&self) -> Option<&dyn Layerwise> {
        None
    }
}

/// A measurement of one layer.
pub trait Layerwise {
    /// The value of the layer at `index`, counted from 0, or `None` where it is undefined.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64>;

    /// The mean over the layers that have a weight matrix; undefined if one of these is, or where there is none.
    fn mean_over_matrices(&self, observation: &Observation) -> Option<f64> {
        let matrices = observation.layers.iter().enumerate().filter(|(_, layer)| layer.matrix().is_some());
        mean(matrices.map(|(index, _)| self.measure_layer(observation, index)))
    }
}

/// Undefined if one of the values is, or where there is none.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values = values.collect::<Option<Vec<f64>>>().filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}
