//! The forward and backward pass of an update, in which the first layer's products with the images are made in the way
//! that is fastest for them.

use std::sync::Arc;

use tch::{Tensor, no_grad};
use trainability_baselines::layers::tensors;
use trainability_baselines::slices::view;
use trainability_baselines::{Gradients, LayerParameters, LayerTrace};

use super::{Network, SparseImages};

/// The smallest minibatch with which leaving the background out is faster.
const LEAST_BATCH: usize = 64;

/// The images of a task, and how minibatches of them are best multiplied.
#[derive(Debug)]
pub struct TaskImages {
    batch_size: usize,
    dense: Tensor,
    sparse: Option<Arc<SparseImages>>,
}

impl TaskImages {
    /// From N x features, for minibatches of that size.
    pub fn new(images: &Tensor, batch_size: usize) -> TaskImages {
        let sparse = (batch_size >= LEAST_BATCH).then(|| SparseImages::of(images)).flatten();
        TaskImages { batch_size, dense: images.shallow_clone(), sparse: sparse.map(Arc::new) }
    }

    /// Takes these images up, if they are others than before. Images are known by their memory, and this holds on to it, so
    /// that no others come to the same place.
    pub fn follow(&mut self, images: &Tensor) {
        if self.dense.data_ptr() != images.data_ptr() {
            *self = TaskImages::new(images, self.batch_size);
        }
    }

    /// The images `rows` (B, Int64) for a training pass.
    pub fn inputs(&self, rows: &Tensor) -> Inputs {
        match &self.sparse {
            Some(images) => Inputs::Sparse { images: Arc::clone(images), rows: rows.contiguous() },
            None => Inputs::Dense(self.dense(rows)),
        }
    }

    /// The images `rows` (B, Int64), B x features.
    pub fn dense(&self, rows: &Tensor) -> Tensor {
        self.dense.index_select(0, rows)
    }
}

/// What goes into a training pass.
#[derive(Debug)]
pub enum Inputs {
    /// B x features.
    Dense(Tensor),
    /// Some of the images that are stored without their background.
    Sparse {
        /// All images of the task.
        images: Arc<SparseImages>,
        /// Which of them, B, Int64.
        rows: Tensor,
    },
}

impl Inputs {
    /// The layer's pre-activation, B x out, without a graph.
    fn linear(&self, layer: &LayerParameters) -> Tensor {
        match self {
            Inputs::Dense(images) => no_grad(|| images.linear(layer.weight(), layer.bias())),
            // SAFETY: nothing writes to the rows of a minibatch.
            Inputs::Sparse { images, rows } => images.linear(unsafe { view(rows) }, layer),
        }
    }

    /// From the gradient at the pre-activation, B x out.
    fn weight_gradient(&self, delta: &Tensor) -> Tensor {
        match self {
            Inputs::Dense(images) => delta.tr().mm(images),
            // SAFETY: as above.
            Inputs::Sparse { images, rows } => images.weight_gradient(unsafe { view(rows) }, delta),
        }
    }
}

/// A forward pass whose graph begins at the first layer's pre-activation: what lies before has no need of autograd.
#[derive(Debug)]
pub struct TrainingPass {
    inputs: Inputs,
    /// The first layer's pre-activation, B x out, a leaf of the graph.
    first: Tensor,
    above: Vec<LayerTrace>,
}

impl TrainingPass {
    /// The logits, B x classes.
    pub fn logits(&self) -> &Tensor {
        self.above.last().map_or(&self.first, |layer| &layer.pre_activation)
    }

    /// What each hidden layer passes on, B x features, without its graph.
    pub fn hidden_activations(&self) -> Vec<Tensor> {
        self.above.iter().map(|layer| layer.input.detach()).collect()
    }

    /// The trace of all layers; `images` (B x features) are the first one's input.
    pub fn into_trace(self, images: Tensor) -> Vec<LayerTrace> {
        std::iter::once(LayerTrace { input: images, pre_activation: self.first }).chain(self.above).collect()
    }
}

impl Network {
    /// The forward pass of an update.
    pub fn training_pass(&self, inputs: Inputs) -> TrainingPass {
        let first = inputs.linear(&self.layers[0]).set_requires_grad(true);
        let above = self.forward_above(&first);
        TrainingPass { inputs, first, above }
    }

    /// The gradient at all parameters of a scalar that was computed from the pass's logits. The graph is kept if it is
    /// needed again.
    pub fn training_gradients(&self, pass: &TrainingPass, loss: &Tensor, keep_graph: bool) -> Gradients {
        let targets: Vec<&Tensor> = std::iter::once(&pass.first).chain(tensors(&self.layers[1..])).collect();
        let mut flat = Tensor::run_backward(&[loss], &targets, keep_graph, false).into_iter();
        let delta = flat.next().expect("a gradient for every target");
        let bias = delta.sum_dim_intlist([0i64].as_slice(), false, delta.kind());
        let mut gradients = vec![vec![pass.inputs.weight_gradient(&delta), bias]];
        let dense = |gradient: Tensor| gradient.contiguous();
        gradients.extend(
            self.layers[1..].iter().map(|layer| flat.by_ref().take(layer.parameters.len()).map(dense).collect()),
        );
        gradients
    }
}
