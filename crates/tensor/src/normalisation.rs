//! Normalisations that are layers of their own: values are standardised, then multiplied by a gain and shifted, unit by unit.
//!
//! Layer normalisation (Ba et al., arXiv 1607.06450) standardises each position over its units, group normalisation (Wu & He,
//! arXiv 1803.08494) each sample over the channels of a group and all pixels, batch normalisation (Ioffe & Szegedy, arXiv
//! 1502.03167) each channel over the minibatch.

use tch::{Kind, Tensor};

/// Over what values are standardised, to mean 0 and variance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standardisation {
    /// Over what.
    pub over: NormalisedOver,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Which values share their mean and variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalisedOver {
    /// The units, in the last dimension, of one sample at one position.
    Units,
    /// The channels of one of so many groups, in dimension 1 of B x channels x H x W, and all pixels of one sample.
    Group(i64),
    /// A channel's values in the whole minibatch, which couples its samples.
    Minibatch,
}

impl Standardisation {
    /// The rule with PyTorch's epsilon, 1e-5.
    pub const fn new(over: NormalisedOver) -> Standardisation {
        Standardisation { over, epsilon: 1e-5 }
    }

    /// Whether a sample's values depend on the other samples.
    pub fn couples_samples(self) -> bool {
        self.over == NormalisedOver::Minibatch
    }

    /// Whether its units are channels, in dimension 1.
    pub(crate) fn is_of_channels(self) -> bool {
        self.over != NormalisedOver::Units
    }

    /// The dimension of the units, counted from the end: the channels' of planes.
    pub(crate) fn unit_dimension(self) -> i64 {
        if self.over == NormalisedOver::Units { -1 } else { -3 }
    }

    /// Values in the input's shape.
    pub(crate) fn standardise(self, input: &Tensor) -> Tensor {
        match self.over {
            NormalisedOver::Units => {
                let units = input.size()[input.dim() - 1];
                input.layer_norm([units], None::<&Tensor>, None::<&Tensor>, self.epsilon, false)
            }
            NormalisedOver::Group(groups) => {
                input.group_norm(groups, None::<&Tensor>, None::<&Tensor>, self.epsilon, false)
            }
            NormalisedOver::Minibatch => {
                let others: Vec<i64> = (0..input.dim() as i64).filter(|dimension| *dimension != 1).collect();
                let centred = input - input.mean_dim(others.as_slice(), true, input.kind());
                let variance = centred.square().mean_dim(others.as_slice(), true, input.kind());
                centred / (variance + self.epsilon).sqrt()
            }
        }
    }

    /// Gain (units) and bias (units) on standardised values.
    pub(crate) fn scale(self, standardised: &Tensor, gain: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let scaled = standardised * self.beside(gain, standardised);
        bias.map_or_else(|| scaled.shallow_clone(), |bias| &scaled + self.beside(bias, standardised))
    }

    /// A value a unit, to be broadcast over values of that shape.
    pub fn beside(self, of_units: &Tensor, values: &Tensor) -> Tensor {
        let mut shape = vec![1; values.dim()];
        let dimension = if self.over == NormalisedOver::Units { values.dim() - 1 } else { 1 };
        shape[dimension] = of_units.numel() as i64;
        of_units.view(shape.as_slice())
    }

    /// The sums over all positions of each sample, B x units in f64.
    pub(crate) fn sum_positions(self, values: &Tensor) -> Tensor {
        let values =
            if self.over == NormalisedOver::Units { values.shallow_clone() } else { values.movedim_int(1, -1) };
        match values.dim() {
            2 => values.to_kind(Kind::Double),
            _ => values.flatten(1, -2).sum_dim_intlist([1i64].as_slice(), false, Kind::Double),
        }
    }
}
