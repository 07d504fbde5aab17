//! The units of a hidden layer: which weights are theirs, and how one is replaced.
//!
//! Unit j of a layer has row j of the layer's weight and element j of its bias, and of its gain and shift where the layer
//! is normalised: what comes in. What goes out are
//! columns of the next layer's weight, one for each feature that the activation makes of the unit: column j, and with
//! CReLU column j + units as well. The output layer has no units to replace.
//!
//! A unit of a convolution is a channel, its row the whole filter. The next convolution's weight has a column of filters
//! for each feature. A dense layer has `span` columns for it, one for each position, since it takes the planes one after
//! the other.

use tch::{Kind, Tensor};
use trainability_tensor::Role;

use super::Network;

/// The features that the activation makes of a unit.
pub(crate) fn features_of(unit: i64, units: i64, features: i64) -> impl Iterator<Item = i64> {
    (unit..features).step_by(units as usize)
}

/// Columns of the next layer's weight that carry a unit's features, each feature taking `span` of them.
pub(crate) fn columns(unit: i64, units: i64, features: i64, span: i64) -> impl Iterator<Item = i64> {
    features_of(unit, units, features).flat_map(move |feature| feature * span..(feature + 1) * span)
}

/// Sums a quantity of features over those of each unit: (features) to (units), in f64.
pub(crate) fn by_unit(of_features: &[f64], units: usize) -> Vec<f64> {
    (0..units).map(|unit| of_features.iter().skip(unit).step_by(units).sum()).collect()
}

/// Means of what belongs to each of some features, in f64: of activations over samples and positions, of a weight over
/// units and taps. The second dimension of `values` is of features, or of features and positions in one.
pub(crate) fn means(values: &Tensor, features: i64) -> Vec<f64> {
    let means = match values.size()[..] {
        [_, columns] if columns == features => values.mean_dim(0, false, Kind::Double),
        _ => by_feature(values, features).mean_dim([0i64, 2].as_slice(), false, Kind::Double),
    };
    Vec::try_from(&means).expect("a vector of f64")
}

/// The same values as rows x features x everything else.
pub(crate) fn by_feature(values: &Tensor, features: i64) -> Tensor {
    values.reshape([values.size()[0], features, -1])
}

/// Replaces units by fresh ones, `chosen[l]` in hidden layer l: their incoming weights are drawn anew, their biases and
/// shifts are 0 and their gains 1, their outgoing weights are 0, so that they change no output yet, and the optimizer and
/// what a normalisation remembers begin anew for all of it. Under layer normalisation a fresh unit still moves the others of
/// its layer, with which it shares mean and variance.
pub fn replace(network: &mut dyn Network, chosen: &[Vec<i64>]) {
    let _guard = tch::no_grad_guard();
    for (layer, units) in chosen.iter().enumerate().filter(|(_, units)| !units.is_empty()) {
        let fresh = network.draw_weights(layer, units.len());
        let indices = Tensor::from_slice(units).to_device(fresh.device());
        let parameters = &mut network.layers_mut()[layer].parameters;
        for parameter in &mut *parameters {
            let _ = match parameter.role {
                Role::Weight => parameter.value.index_copy_(0, &indices, &fresh),
                role => parameter.value.index_fill_(0, &indices, role.start()),
            };
        }
        let roles: Vec<Role> = parameters.iter().map(|parameter| parameter.role).collect();
        roles.into_iter().for_each(|role| network.restart_optimizer(layer, role, 0, units));
        network.restart_normalization(layer, units);
    }
    // After all rows are drawn: a fresh row in the next layer must not give a replaced unit its output back.
    for (layer, units) in chosen.iter().enumerate().filter(|(_, units)| !units.is_empty()) {
        let width = network.layers()[layer].units();
        let features = network.activation().features(width);
        let next = network.layers_mut()[layer + 1].parameter_mut(Role::Weight).expect("every layer has a weight");
        let span = next.size()[1] / features;
        let columns: Vec<i64> = units.iter().flat_map(|&unit| columns(unit, width, features, span)).collect();
        let _ = next.index_fill_(1, &Tensor::from_slice(&columns).to_device(next.device()), 0.0);
        network.restart_optimizer(layer + 1, Role::Weight, 1, &columns);
    }
}
