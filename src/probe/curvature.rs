//! Extreme eigenvalues of each layer's Hessian block, by the cheapest exact form that the network allows.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::lanczos::{Eigenvalue, Ends, Extremes, LanczosOptions, extreme_eigenvalues};
use trainability_baselines::penalty::{Curvature, Penalty};
use trainability_baselines::{LayerParameters, LayerTrace, LinearMap};

use super::gauss_newton::{ParameterSide, SampleSide, logit_factors};
use super::hessian::Hessian;
use super::patch_side::PatchSide;
use super::penalised::{PenalisedParameterSide, PenalisedSampleSide};
use crate::network::Network;

/// Largest and smallest eigenvalue of every layer's block of the Hessian of the total loss on a batch.
pub fn layer_curvatures(
    network: &Network,
    trace: &[LayerTrace],
    labels: &Tensor,
    penalties: &[Box<dyn Penalty>],
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    let terms: Option<Vec<Terms>> = network.layers.iter().map(|layer| Terms::of(layer, penalties)).collect();
    match terms {
        Some(terms) if network.activation().piecewise_linear() => {
            // A guard and not a closure: it is undone if something inside panics, and the thread goes on with other runs.
            let _guard = tch::no_grad_guard();
            gauss_newton_curvatures(network, trace, &terms, options, generator)
        }
        _ => (0..network.layers.len())
            .map(|layer| {
                let hessian = Hessian::of_layer(network, layer, &trace[0].input, labels, penalties);
                extreme_eigenvalues(&hessian, Ends::Both, options, generator)
            })
            .collect(),
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
    fn of(layer: &LayerParameters, penalties: &[Box<dyn Penalty>]) -> Option<Terms> {
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

fn gauss_newton_curvatures(
    network: &Network,
    trace: &[LayerTrace],
    terms: &[Terms],
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    let factors = logit_factors(network, trace);
    let blocks = trace.iter().zip(&factors).zip(network.layers.iter().zip(terms)).map(
        |((layer, factor), (parameters, Terms { shift, spectral }))| {
            let input = &layer.input;
            let (samples, classes, units) = (factor.size()[0], factor.size()[1], factor.size()[2]);
            let mut find = |operator: &_, ends| extreme_eigenvalues(operator, ends, options, generator);
            let (count, rows) = (parameters.count() as i64, samples * classes);
            let found = match spectral {
                None if parameters.map() == LinearMap::Convolution => {
                    let block = PatchSide::new(input, factor);
                    if count > rows {
                        singular(find(&block, Ends::Largest), Ends::Largest)
                    } else {
                        find(&block, Ends::Both)
                    }
                }
                Some(penalty) if parameters.map() == LinearMap::Convolution => {
                    let gauss_newton = PatchSide::new(input, factor);
                    find(&PenalisedParameterSide { gauss_newton, penalty }, Ends::Both)
                }
                None if count > rows => singular(find(&SampleSide::new(input, factor), Ends::Largest), Ends::Largest),
                None => find(&ParameterSide::new(input, factor), Ends::Both),
                Some(Curvature::SpectralNorm(penalty)) if count > rows + units + input.size()[1] => {
                    let ends = if penalty.is_positive() { Ends::Largest } else { Ends::Both };
                    singular(find(&PenalisedSampleSide::new(input, factor, penalty), ends), ends)
                }
                Some(penalty) => {
                    let gauss_newton = ParameterSide::new(input, factor);
                    find(&PenalisedParameterSide { gauss_newton, penalty }, Ends::Both)
                }
            };
            found.shifted(*shift)
        },
    );
    blocks.collect()
}

/// The ends of a block that has more parameters than the rows it was reduced to: zero is one of its eigenvalues, and the
/// smallest if it is positive semidefinite, so that the largest alone was looked for.
fn singular(found: Extremes, ends: Ends) -> Extremes {
    let below = ends == Ends::Both && found.smallest.value < 0.0;
    let zero = Eigenvalue { value: 0.0, residual: 0.0 };
    Extremes { smallest: if below { found.smallest } else { zero }, ..found }
}
