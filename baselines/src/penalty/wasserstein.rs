//! The squared 2-Wasserstein distance between the distributions of current and initial parameters, tensor by tensor
//! (Lewandowski et al., arXiv 2406.06811): both are sorted and compared rank by rank.
//!
//! The permutation that sorts is locally constant, so the gradient of an element is 2 lambda (theta - theta_0 at the
//! same rank), and only ranks are needed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{CoefficientOptions, Curvature, Penalty, Pull, kept};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::ranks::RankSorter;
use trainability_tensor::slices::{Float, on_host, view, view_mut};
use trainability_tensor::state::{State, StateError, Stateful};

/// `wasserstein`: distance of the sorted parameters from the sorted initial ones.
pub(crate) const PART: Part =
    Part::of::<WassersteinOptions>("wasserstein", "squared distance of the sorted from the sorted initial parameters");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct WassersteinOptions(CoefficientOptions);

impl PartOptions for WassersteinOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let coefficient = check_coefficient(self.0.coefficient)?;
        Ok(Contribution::Penalty(Box::new(Wasserstein {
            coefficient,
            initial: Vec::new(),
            sorter: RankSorter::default(),
        })))
    }
}

/// lambda * sum over tensors of |sort(theta) - sort(theta_0)|^2.
#[derive(Debug)]
pub(crate) struct Wasserstein {
    coefficient: f64,
    /// Parameter names with their sorted initial values.
    initial: Vec<(String, Tensor)>,
    sorter: RankSorter,
}

impl Penalty for Wasserstein {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, layers: &[Layer]) {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters);
        self.initial = parameters
            .map(|parameter| (parameter.name.clone(), parameter.value.detach().flatten(0, -1).sort(0, false).0))
            .collect();
    }

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let distances = layers.iter().flat_map(|layer| &layer.parameters).map(|parameter| {
            let sorted = parameter.value.flatten(0, -1).sort(0, false).0;
            (sorted - kept(&self.initial, &parameter.name)).square().sum(parameter.value.kind())
        });
        distances.sum::<Tensor>() * self.coefficient
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let factor = 2.0 * self.coefficient;
        let initial = self.initial.iter().map(|(_, sorted)| sorted);
        for ((value, gradient), initial) in tensors(layers).zip(gradients.iter_mut().flatten()).zip(initial) {
            if !on_host(value) {
                let (sorted, places) = value.detach().flatten(0, -1).sort(0, false);
                let _ = gradient.view(-1).index_add_(0, &places, &((sorted - initial) * factor));
                continue;
            }
            // SAFETY: parameters are not written to while their gradients are.
            match value.kind() {
                Kind::Float => add_distance(self.sorter.sort(unsafe { view(value) }), initial, gradient, factor as f32),
                Kind::Double => add_distance(sort_double(unsafe { view(value) }), initial, gradient, factor),
                other => panic!("networks are trained in f32 or f64, not {other:?}"),
            }
        }
    }

    fn pull(&self) -> Option<Pull<'_>> {
        Some(Pull::Ranks(2.0 * self.coefficient, self.initial.iter().map(|(_, initial)| initial).collect()))
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(2.0 * self.coefficient))
    }
}

/// Indices and values in ascending order. Double precision is for checks, and need not be fast.
fn sort_double(values: &[f64]) -> impl Iterator<Item = (usize, f64)> {
    let mut sorted: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    sorted.into_iter()
}

fn add_distance<T: Float>(
    sorted: impl Iterator<Item = (usize, T)>,
    initial: &Tensor,
    gradient: &mut Tensor,
    factor: T,
) {
    // SAFETY: a gradient shares no memory with the initial values, and nobody else is at work on either.
    let (gradient, initial) = unsafe { (view_mut::<T>(gradient), view::<T>(initial)) };
    for ((index, theta), &theta_0) in sorted.zip(initial) {
        gradient[index] += factor * (theta - theta_0);
    }
}

impl Stateful for Wasserstein {
    fn save(&self, state: &mut State) {
        for (name, sorted) in &self.initial {
            state.put_tensor(name, sorted);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.initial.iter_mut().try_for_each(|(name, sorted)| state.copy_into(name, sorted))
    }
}
