//! Extreme eigenvalues of each layer's Hessian block, by the cheapest exact form that the network allows.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::penalty::{Curvature, Penalty};
use trainability_tensor::lanczos::{
    Eigenvalue, Ends, Extremes, LanczosOptions, SymmetricOperator, extreme_eigenvalues,
};
use trainability_tensor::{Layer, LayerTrace, LinearMap};

use super::gauss_newton::{ParameterSide, SampleSide, logit_factors, output_factor};
use super::hessian::Hessian;
use super::patch_side::PatchSide;
use super::penalised::{PenalisedParameterSide, PenalisedSampleSide};
use super::smooth::{SmoothParameterSide, SmoothSampleSide};
use super::view::UpdateView;

/// Largest and smallest eigenvalue of every layer's block of the Hessian of the total loss on the minibatch.
pub fn layer_curvatures(update: &UpdateView, options: LanczosOptions, generator: &mut ChaCha8Rng) -> Vec<Extremes> {
    let UpdateView { model, trace, penalties, .. } = *update;
    let terms: Option<Vec<Terms>> = model.layers().iter().map(|layer| Terms::of(layer, penalties)).collect();
    let Some(terms) = terms else {
        let block = |layer| Hessian::of(model, layer..=layer, update.inputs, update.labels, penalties);
        let both = |layer| extreme_eigenvalues(&block(layer), Ends::Both, options, generator);
        return (0..trace.len()).map(both).collect();
    };
    match model.chain() {
        Some(chain) if chain.is_piecewise_linear() => {
            // A guard and not a closure: it is undone if something inside panics, and the thread goes on with other runs.
            let _guard = tch::no_grad_guard();
            let factors = logit_factors(chain, trace);
            let blocks = trace.iter().zip(&factors).zip(model.layers().iter().zip(&terms));
            let curvature = |((layer, factor), (parameters, terms))| {
                gauss_newton_curvature(layer, factor, parameters, terms, options, generator)
            };
            blocks.map(curvature).collect()
        }
        chain => smooth_curvatures(update, &terms, chain.is_some(), options, generator),
    }
}

/// The Hessians of all penalties over one layer.
struct Terms {
    /// The sum of those that are multiples of the identity.
    shift: f64,
    /// The one that is not.
    spectral: Option<Curvature>,
}

impl Terms {
    /// `None` if a penalty has no closed form, or two are no multiples of the identity.
    fn of(layer: &Layer, penalties: &[Box<dyn Penalty>]) -> Option<Terms> {
        let mut terms = Terms { shift: 0.0, spectral: None };
        for penalty in penalties {
            match penalty.curvature(layer)? {
                Curvature::Isotropic(factor) => terms.shift += factor,
                Curvature::SpectralNorm(_) if terms.spectral.is_some() => return None,
                spectral => terms.spectral = Some(spectral),
            }
        }
        Some(terms)
    }
}

/// The block of a layer in whose parameters the logits are piecewise linear.
fn gauss_newton_curvature(
    layer: &LayerTrace,
    factor: &Tensor,
    parameters: &Layer,
    Terms { shift, spectral }: &Terms,
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Extremes {
    let input = &layer.input;
    let (samples, classes, units) = (factor.size()[0], factor.size()[1], factor.size()[2]);
    let mut find = |operator: &dyn SymmetricOperator, ends| extreme_eigenvalues(operator, ends, options, generator);
    let (count, rows) = (parameters.count() as i64, samples * classes);
    let convolves = if let LinearMap::Convolution(filters) = parameters.map { Some(filters) } else { None };
    let found = match (spectral, convolves) {
        (None, Some(filters)) => {
            let block = PatchSide::new(filters, input, factor);
            if count > rows { singular(find(&block, Ends::Largest), Ends::Largest) } else { find(&block, Ends::Both) }
        }
        (Some(penalty), Some(filters)) => {
            let block = PatchSide::new(filters, input, factor);
            find(&PenalisedParameterSide { block, penalty }, Ends::Both)
        }
        (None, None) if count > rows => singular(find(&SampleSide::new(input, factor), Ends::Largest), Ends::Largest),
        (None, None) => find(&ParameterSide::new(input, factor), Ends::Both),
        (Some(Curvature::SpectralNorm(penalty)), None) if count > rows + units + input.size()[1] => {
            let ends = if penalty.is_positive() { Ends::Largest } else { Ends::Both };
            singular(find(&PenalisedSampleSide::new(input, factor, penalty), ends), ends)
        }
        (Some(penalty), None) => {
            let block = ParameterSide::new(input, factor);
            find(&PenalisedParameterSide { block, penalty }, Ends::Both)
        }
    };
    found.shifted(*shift)
}

/// The blocks in a network that is not piecewise linear. Where its logits are the last layer's pre-activation, they are linear
/// in that layer's parameters all the same.
fn smooth_curvatures(
    update: &UpdateView,
    terms: &[Terms],
    ends_linear: bool,
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    let UpdateView { model, trace, .. } = *update;
    let smooth = if ends_linear { trace.len() - 1 } else { trace.len() };
    let samples = update.labels.size()[0];
    let mut found = Vec::with_capacity(trace.len());
    for (index, layer) in model.layers()[..smooth].iter().enumerate() {
        let mut find = |operator: &dyn SymmetricOperator| extreme_eigenvalues(operator, Ends::Both, options, generator);
        let block = || SmoothParameterSide::new(update, index);
        let extremes = match &terms[index].spectral {
            // Reductions to the pre-activation are of a matrix with a bias that is used once.
            spectral if !trace[index].is_plainly_dense() => {
                let block = Hessian::of(model, index..=index, update.inputs, update.labels, &[]);
                match spectral {
                    None => find(&block),
                    Some(penalty) => find(&PenalisedParameterSide { block, penalty }),
                }
            }
            None if layer.count() as i64 > SmoothSampleSide::size_of(layer, samples) => {
                singular(find(&SmoothSampleSide::new(update, index)), Ends::Both)
            }
            None => find(&block()),
            Some(penalty) => find(&PenalisedParameterSide { block: block(), penalty }),
        };
        found.push(extremes.shifted(terms[index].shift));
    }
    for index in smooth..trace.len() {
        let _guard = tch::no_grad_guard();
        let factor = output_factor(&trace[index].pre_activation).contiguous();
        let (parameters, terms) = (&model.layers()[index], &terms[index]);
        found.push(gauss_newton_curvature(&trace[index], &factor, parameters, terms, options, generator));
    }
    found
}

/// The ends of a block that has more parameters than the numbers it was reduced to: zero is one of its eigenvalues, and an
/// end unless something lies beyond it. Where the largest end alone was looked for, the block is positive semidefinite.
pub(super) fn singular(found: Extremes, ends: Ends) -> Extremes {
    let zero = Eigenvalue { value: 0.0, residual: 0.0 };
    let below = ends == Ends::Both && found.smallest.value < 0.0;
    let smallest = if below { found.smallest } else { zero };
    let largest = if ends == Ends::Both && found.largest.value < 0.0 { zero } else { found.largest };
    Extremes { largest, smallest, ..found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_an_eigenvalue_of_a_block_that_was_reduced() {
        let ends_of = |smallest: f64, largest: f64, ends| {
            let [largest, smallest] = [largest, smallest].map(|value| Eigenvalue { value, residual: 0.1 });
            let found = singular(Extremes { largest, smallest, products: 1, converged: true }, ends);
            (found.smallest.value, found.largest.value)
        };
        assert_eq!(ends_of(-1.0, 2.0, Ends::Both), (-1.0, 2.0));
        assert_eq!(ends_of(1.0, 2.0, Ends::Both), (0.0, 2.0));
        assert_eq!(ends_of(-2.0, -1.0, Ends::Both), (-2.0, 0.0));
        // What was not looked for is not believed.
        assert_eq!(ends_of(-1.0, 2.0, Ends::Largest), (0.0, 2.0));
        assert!(ends_of(f64::NAN, f64::NAN, Ends::Both).1.is_nan(), "what was lost stays lost");
    }
}
