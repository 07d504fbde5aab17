//! Replicates: one run several times over, apart by a last bit at the start.

use tch::{Kind, no_grad_guard};
use trainability_tensor::{Layer, Role};

/// Changes the lowest bit of one element of each layer's weight. Replicate r > 0 takes the r-th element, and begins anew with
/// the first where a weight has fewer; replicate 0 is the run as it is.
pub(super) fn perturb(layers: &mut [Layer], replicate: u64) {
    let Some(place) = replicate.checked_sub(1) else { return };
    let _guard = no_grad_guard();
    for weight in layers.iter_mut().filter_map(|layer| layer.parameter_mut(Role::Weight)) {
        let mut element = weight.view([-1]).get((place % weight.numel() as u64) as i64);
        let value = element.double_value(&[]);
        let changed = match weight.kind() {
            Kind::Float => f64::from(f32::from_bits((value as f32).to_bits() ^ 1)),
            _ => f64::from_bits(value.to_bits() ^ 1),
        };
        let _ = element.fill_(changed);
    }
}
