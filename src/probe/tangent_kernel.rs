//! The empirical neural tangent kernel (Jacot et al., arXiv 1806.07572).

use tch::Tensor;
use trainability_tensor::{LayerTrace, sample_gradients};

use crate::model::{Model, Pass, deltas};

/// Samples that it is formed of, at the most.
const SAMPLES: i64 = 100;

/// What each layer adds to the kernel of the first m of some inputs (B x ..), 100 at the most, m x m in f64:
///
/// K_ij = (1/C) sum_c <grad f_c(x_i), grad f_c(x_j)>,
///
/// f_c being the C logits. That is the mean of the diagonal blocks of the whole kernel, m C x m C, which says how classes move
/// each other as well, and whose eigenvalues take C^3 times as long. `None` in a layer where single samples have no gradient.
pub(crate) fn tangent_kernels(model: &dyn Model, inputs: &Tensor) -> Vec<Option<Tensor>> {
    let samples = inputs.size()[0].min(SAMPLES);
    let mut pass = Pass::evaluation();
    let logits = model.forward(&inputs.narrow(0, 0, samples), &mut pass);
    let graph = pass.into_trace(model.layers());
    let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
    let classes = logits.size()[1];
    let of_class = |class: i64| {
        // The gradient of a sample's own logit is its own part of the mean's.
        let deltas = deltas(&graph, &logits.select(1, class).mean(logits.kind()), samples);
        let parts = trace.iter().zip(deltas);
        parts.map(|(layer, delta)| Some(sample_gradients::gram(layer, &delta?, samples))).collect::<Vec<_>>()
    };
    let add = |sums: Vec<Option<Tensor>>, parts: Vec<Option<Tensor>>| {
        sums.into_iter().zip(parts).map(|(sum, part)| Some(sum? + part?)).collect()
    };
    let sums = (0..classes).map(of_class).reduce(add).expect("a network has logits");
    sums.into_iter().map(|sum| sum.map(|sum| sum / classes as f64)).collect()
}
