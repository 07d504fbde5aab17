//! The squared 2-Wasserstein distance between the distributions of current and initial parameters, tensor by tensor
//! (Lewandowski et al., arXiv 2406.06811): both are sorted and compared rank by rank.
//!
//! The permutation that sorts is locally constant, so the gradient of an element is 2 lambda (theta - theta_0 at the
//! same rank), and only ranks are needed. They come from a radix sort of (value, index) pairs.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{CoefficientOptions, Penalty};
use crate::layers::{Gradients, LayerParameters, tensors};
use crate::method::{Contribution, OptionError, Part, PartOptions, check_coefficient};
use crate::slices::{Float, view, view_mut};
use crate::state::{State, StateError, Stateful};

/// `wasserstein`: distance of the sorted parameters from the sorted initial ones.
pub const PART: Part =
    Part::of::<WassersteinOptions>("wasserstein", "squared distance of the sorted from the sorted initial parameters");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WassersteinOptions(CoefficientOptions);

impl PartOptions for WassersteinOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let coefficient = check_coefficient(self.0.coefficient)?;
        Ok(Contribution::Penalty(Box::new(Wasserstein { coefficient, initial: Vec::new(), pairs: Pairs::default() })))
    }
}

/// lambda * sum over tensors of |sort(theta) - sort(theta_0)|^2.
#[derive(Debug)]
pub struct Wasserstein {
    coefficient: f64,
    /// Parameter names with their sorted initial values.
    initial: Vec<(String, Tensor)>,
    pairs: Pairs,
}

/// Room for the sort, kept from one update to the next.
#[derive(Debug, Default)]
struct Pairs {
    single: Vec<(f32, u32)>,
    double: Vec<(f64, u32)>,
}

impl Wasserstein {
    fn initial(&self, name: &str) -> &Tensor {
        let found = self.initial.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("`begin` has not seen {name}")).1
    }
}

impl Penalty for Wasserstein {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, layers: &[LayerParameters]) {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters);
        self.initial = parameters
            .map(|parameter| (parameter.name.clone(), parameter.value.detach().flatten(0, -1).sort(0, false).0))
            .collect();
    }

    fn loss(&self, layers: &[&LayerParameters]) -> Tensor {
        let distances = layers.iter().flat_map(|layer| &layer.parameters).map(|parameter| {
            let sorted = parameter.value.flatten(0, -1).sort(0, false).0;
            (sorted - self.initial(&parameter.name)).square().sum(parameter.value.kind())
        });
        distances.sum::<Tensor>() * self.coefficient
    }

    fn add_gradient(&mut self, layers: &[LayerParameters], gradients: &mut Gradients) {
        let factor = 2.0 * self.coefficient;
        let initial = self.initial.iter().map(|(_, sorted)| sorted);
        for ((value, gradient), initial) in tensors(layers).zip(gradients.iter_mut().flatten()).zip(initial) {
            match value.kind() {
                Kind::Float => add_distance(&mut self.pairs.single, value, initial, gradient, factor as f32),
                Kind::Double => add_distance(&mut self.pairs.double, value, initial, gradient, factor),
                other => panic!("networks are trained in f32 or f64, not {other:?}"),
            }
        }
    }

    fn isotropic_curvature(&self) -> Option<f64> {
        Some(2.0 * self.coefficient)
    }
}

fn add_distance<T: Float + radsort::Key>(
    pairs: &mut Vec<(T, u32)>,
    value: &Tensor,
    initial: &Tensor,
    gradient: &mut Tensor,
    factor: T,
) {
    pairs.clear();
    pairs.extend(view::<T>(value).iter().zip(0..).map(|(&theta, index)| (theta, index)));
    radsort::sort_by_key(pairs, |pair| pair.0);
    let gradient = view_mut::<T>(gradient);
    for (&(theta, index), &theta_0) in pairs.iter().zip(view::<T>(initial)) {
        gradient[index as usize] += factor * (theta - theta_0);
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
