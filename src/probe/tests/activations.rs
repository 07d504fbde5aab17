//! Indicators that look at activations: against plain loops, values of numpy's, and at the ends of what activations can be.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu};
use trainability_tensor::{Generator, LayerTrace};

use super::observing::{bare, hidden, measure, output};
use crate::testing::plain_indicators::{close, dead_units, effective_rank, stable_rank, unit_sign_entropy};

#[test]
fn measures_of_hidden_activations_equal_loops_over_units_and_samples() {
    // Networks with some units that never switch, in single precision and double.
    for seed in 0..10 {
        for (crelu, activation) in [(false, &Relu as &dyn Activation), (true, &Crelu)] {
            for kind in [Kind::Float, Kind::Double] {
                let mut generator = Generator::named("activations", seed);
                let values = [12, 5, 1, 4].map(|units| {
                    let level = generator.uniform(&[1, units], 3.0, kind);
                    generator.uniform(&[9, units], 2.0, kind) + level
                });
                let trace = network(values, activation);
                let observation = bare(&trace);
                let tolerance = if kind == Kind::Double { 1e-12 } else { 1e-7 };
                let found = |name: &str| measure(name, &observation);
                close("unit_sign_entropy", found("unit_sign_entropy"), unit_sign_entropy(&trace), 1e-14);
                close("dead_units", found("dead_units"), dead_units(&trace, crelu), 1e-14);
                match effective_rank(&trace, crelu) {
                    Some(expected) => close("effective_rank", found("effective_rank"), expected, tolerance),
                    None => assert_eq!(found("effective_rank"), None),
                }
                assert_eq!(found("stable_rank"), stable_rank(&trace, crelu));
            }
        }
    }
}

/// Layers of these pre-activations, hidden but for the last.
fn network<const N: usize>(values: [Tensor; N], activation: &dyn Activation) -> [LayerTrace; N] {
    let mut left = N;
    values.map(|values| {
        left -= 1;
        if left > 0 { hidden(values, activation) } else { output(values) }
    })
}

/// Two hidden layers of four samples, in two element types, and logits that must not matter.
fn hand_made(kind: Kind) -> [Tensor; 3] {
    let layer = |units: i64, values: &[f64]| Tensor::from_slice(values).view([4, units]).to_kind(kind);
    #[rustfmt::skip]
    let first = [
        1.5, -0.2, 0.7,  0.0, -3.0,
        0.1,  0.4, 0.9, -0.3, -1.0,
        2.0, -0.6, 0.3,  1.0, -0.5,
        0.8, -1.1, 0.2, -2.0, -0.1,
    ];
    let second = [0.3, -1.0, -0.4, -2.0, 0.6, -0.5, -0.1, -0.7];
    let last = [1.0, -1.0, 5.0, 0.1, 0.2, -0.3, 0.0, 0.0, 0.0, -9.0, 9.0, 1.0];
    [layer(5, &first), layer(2, &second), layer(3, &last)]
}

// The values of numpy 2.4.6 for the same matrices:
//
// z = np.array([[1.5, -0.2, 0.7, 0.0, -3.0], [0.1, 0.4, 0.9, -0.3, -1.0],
//               [2.0, -0.6, 0.3, 1.0, -0.5], [0.8, -1.1, 0.2, -2.0, -0.1]])
// y = np.array([[0.3, -1.0], [-0.4, -2.0], [0.6, -0.5], [-0.1, -0.7]])
// relu, crelu = lambda z: np.maximum(z, 0), lambda z: np.hstack([np.maximum(z, 0), np.maximum(-z, 0)])
// p = lambda z: np.clip((z > 0).mean(0), 1e-300, 1 - 1e-16)
// entropy = lambda p: np.mean(-p * np.log(p) - (1 - p) * np.log1p(-p))
// def rank(h):
//     s = np.linalg.svd(h, compute_uv=False)
//     s = s[s > 1e-12] / s.sum()
//     return np.exp(-np.sum(s * np.log(s)))
// print("entropy", entropy(p(z)), entropy(p(y)))    # 0.22493405784752502 0.34657359027997264
// print("relu", rank(relu(z)), rank(relu(y)))       # 2.5857029592576595 1.0
// print("crelu", rank(crelu(z)), rank(crelu(y)))    # 3.4417089626390167 1.925380618929303
#[test]
fn golden_values_of_hand_made_activations() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-6)] {
        let found =
            |name: &str, activation: &dyn Activation| measure(name, &bare(&network(hand_made(kind), activation)));
        for activation in [&Relu as &dyn Activation, &Crelu] {
            let entropy = found("unit_sign_entropy", activation);
            close("unit_sign_entropy", entropy, (0.22493405784752502 + 0.34657359027997264) / 2.0, 1e-12);
        }
        let rank = |activation: &dyn Activation| found("effective_rank", activation);
        close("effective_rank", rank(&Relu), (2.5857029592576595 + 1.0) / 2.0, tolerance);
        close("effective_rank", rank(&Crelu), (3.4417089626390167 + 1.925380618929303) / 2.0, tolerance);
        // Never positive: the fifth unit of the first layer and the second of the second; never negative: the first and
        // the third of the first.
        let dead = |activation: &dyn Activation| found("dead_units", activation);
        close("dead_units", dead(&Relu), (1.0 / 5.0 + 1.0 / 2.0) / 2.0, 1e-15);
        close("dead_units", dead(&Crelu), (3.0 / 10.0 + 1.0 / 4.0) / 2.0, 1e-15);
    }
}

#[test]
fn the_ends_of_what_activations_can_be() {
    let of = |name: &str, pre_activation: Tensor| {
        let logits = Tensor::ones([pre_activation.size()[0], 1], (Kind::Double, Device::Cpu));
        measure(name, &bare(&network([pre_activation, logits], &Relu)))
    };
    let full = |value: f64| Tensor::full([6, 3], value, (Kind::Double, Device::Cpu));
    // A unit that is always on, or always off, tells nothing; one that is on for half of the samples a factor of two.
    assert_eq!(of("unit_sign_entropy", full(1.0)), Some(0.0));
    assert_eq!(of("unit_sign_entropy", full(-1.0)), Some(0.0));
    let half = Tensor::from_slice(&[1.0, -1.0, 2.0, -3.0]).view([4, 1]);
    close("unit_sign_entropy", of("unit_sign_entropy", half), 2.0_f64.ln(), 1e-15);
    // Zero is not on, and not alive.
    assert_eq!(of("unit_sign_entropy", full(0.0)), Some(0.0));
    assert_eq!((of("dead_units", full(0.0)), of("dead_units", full(1e-30))), (Some(1.0), Some(0.0)));
    // One direction, all directions alike, none.
    close("effective_rank", of("effective_rank", full(2.5)), 1.0, 1e-12);
    let identity = Tensor::eye(7, (Kind::Double, Device::Cpu)) * 0.01;
    close("effective_rank", of("effective_rank", identity), 7.0, 1e-12);
    assert_eq!(of("effective_rank", full(-1.0)), None);
    assert_eq!(of("stable_rank", full(2.5)), Some(1.0));
    assert_eq!(of("stable_rank", full(-1.0)), None);
    // 99 % is enough, and 98 is not.
    let diagonal = |values: &[f64]| Tensor::from_slice(values).diag(0);
    assert_eq!(of("stable_rank", diagonal(&[0.5, 99.0, 0.25])), Some(1.0));
    assert_eq!(of("stable_rank", diagonal(&[1.0, 98.0, 1.0])), Some(2.0));
    assert_eq!(of("stable_rank", Tensor::eye(7, (Kind::Double, Device::Cpu)) * 0.01), Some(7.0));
    assert_eq!(of("effective_rank", full(f64::INFINITY)), None);
}

#[test]
fn a_layer_without_activations_leaves_the_effective_rank_undefined() {
    let [first, second, last] = hand_made(Kind::Double);
    let trace = network([first, -second.abs(), last], &Relu);
    assert_eq!(measure("effective_rank", &bare(&trace)), None);
}
