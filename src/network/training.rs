//! The forward and backward pass of an update, in which the first layer's products with the images are made in the way
//! that is fastest for them.

use std::sync::Arc;

use tch::{Tensor, no_grad};
use trainability_baselines::layers::tensors;
use trainability_baselines::normalization::Pass;
use trainability_baselines::slices::view;
use trainability_baselines::{Gradients, LayerDelta, LayerParameters, LayerTrace, LinearMap};

use super::{CrossEntropy, Network, SparseImages, logits};

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

    /// The same for a network that begins with a convolution, which takes images as they are.
    pub fn whole(images: &Tensor) -> TaskImages {
        TaskImages { batch_size: 0, dense: images.shallow_clone(), sparse: None }
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
    /// A dense layer's pre-activation, B x out, without a graph.
    fn linear(&self, layer: &LayerParameters) -> Tensor {
        match self {
            Inputs::Dense(images) => no_grad(|| layer.forward(images)),
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

/// A forward pass. It has a graph where the network needs autograd; where the first layer is dense, that begins at its
/// pre-activation, as what lies before has no need of it.
#[derive(Debug)]
pub struct TrainingPass {
    inputs: Inputs,
    /// The first layer's pre-activation is the leaf of such a graph; its input is left out.
    trace: Vec<LayerTrace>,
}

/// What the backward pass of an update finds.
#[derive(Debug)]
pub struct Backward {
    /// At all parameters, of the mean cross-entropy.
    pub gradients: Gradients,
    /// Of each sample's own cross-entropy, as [`Network::deltas`] gives them; empty if they were not asked for.
    pub deltas: Vec<Option<LayerDelta>>,
}

impl TrainingPass {
    /// The logits, B x classes.
    pub fn logits(&self) -> &Tensor {
        logits(&self.trace)
    }

    /// What each hidden layer passes on, as it goes into the next layer, without its graph.
    pub fn hidden_activations(&self) -> Vec<Tensor> {
        self.trace[1..].iter().map(|layer| layer.input.detach()).collect()
    }

    /// The pre-activations of the hidden layers, B x out.
    pub(super) fn hidden_pre_activations(&self) -> impl Iterator<Item = &Tensor> {
        self.trace[..self.trace.len() - 1].iter().map(|layer| &layer.pre_activation)
    }

    /// The trace of all layers; `images` (B x features) are those of the pass.
    pub fn into_trace(self, images: Tensor) -> Vec<LayerTrace> {
        let mut trace = self.trace;
        trace[0].input = match self.inputs {
            Inputs::Dense(arranged) => arranged,
            Inputs::Sparse { .. } => images,
        };
        trace
    }
}

impl Network {
    /// The forward pass of an update.
    pub fn training_pass(&self, inputs: Inputs) -> TrainingPass {
        let plain = self.is_plain();
        let _guard = plain.then(tch::no_grad_guard);
        let layer = &self.layers[0];
        let (inputs, first) = match (layer.map(), inputs) {
            (LinearMap::Convolution, Inputs::Dense(images)) => {
                let images = self.arrange(&images);
                let first = layer.forward(&images);
                (Inputs::Dense(images), first)
            }
            (_, inputs) => {
                let first = inputs.linear(layer).set_requires_grad(!plain);
                (inputs, first)
            }
        };
        let trace = self.forward_from(0, Tensor::new(), first, Pass::Training);
        TrainingPass { inputs, trace }
    }

    /// Whether back-propagation is a few products that are quickly written out, which autograd takes longer to find: layers
    /// are dense, nothing normalises, and the activation is linear between kinks.
    fn is_plain(&self) -> bool {
        self.is_piecewise_linear() && self.layers.iter().all(|layer| layer.map() == LinearMap::Dense)
    }

    /// The backward pass of an update, and the deltas if they are asked for. The loss is that of the pass's logits.
    pub fn backward(&self, pass: &TrainingPass, loss: &CrossEntropy, with_deltas: bool) -> Backward {
        if self.is_plain() {
            return self.plain_backward(pass, loss, with_deltas);
        }
        let gradients = self.autograd_gradients(pass, loss.mean(), with_deltas);
        let deltas = if with_deltas { Network::deltas(&pass.trace, loss.mean()) } else { Vec::new() };
        Backward { gradients, deltas }
    }

    /// Back-propagation written out, to the bits that autograd comes to.
    fn plain_backward(&self, pass: &TrainingPass, loss: &CrossEntropy, with_deltas: bool) -> Backward {
        let _guard = tch::no_grad_guard();
        let samples = pass.logits().size()[0] as f64;
        let (mut gradients, mut deltas) = (Vec::new(), Vec::new());
        let mut delta = loss.at_logits();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let weight = match index {
                0 => pass.inputs.weight_gradient(&delta),
                _ => delta.tr().mm(&pass.trace[index].input),
            };
            gradients.push(vec![weight, delta.sum_dim_intlist([0i64].as_slice(), false, delta.kind())]);
            if with_deltas {
                deltas.push(Some(LayerDelta { pre_activation: &delta * samples, normalised: None }));
            }
            if index > 0 {
                delta = self.activation.pull_back(&pass.trace[index - 1].pre_activation, &delta.mm(layer.weight()));
            }
        }
        gradients.reverse();
        deltas.reverse();
        Backward { gradients, deltas }
    }

    /// By autograd from the scalar loss. The graph is kept if it is needed again.
    fn autograd_gradients(&self, pass: &TrainingPass, loss: &Tensor, keep_graph: bool) -> Gradients {
        if self.layers[0].map() == LinearMap::Convolution {
            return self.gradients(loss, keep_graph);
        }
        // Of the first layer's parameters, the graph reaches a gain and a shift alone.
        let reached = &self.layers[0].parameters[2..];
        let targets: Vec<&Tensor> = std::iter::once(&pass.trace[0].pre_activation)
            .chain(reached.iter().map(|parameter| &parameter.value))
            .chain(tensors(&self.layers[1..]))
            .collect();
        let mut flat = Tensor::run_backward(&[loss], &targets, keep_graph, false).into_iter();
        let delta = flat.next().expect("a gradient for every target");
        let bias = delta.sum_dim_intlist([0i64].as_slice(), false, delta.kind());
        let dense = |gradient: Tensor| gradient.contiguous();
        let mut gradients = vec![vec![pass.inputs.weight_gradient(&delta), bias]];
        gradients[0].extend(flat.by_ref().take(reached.len()).map(dense));
        gradients.extend(
            self.layers[1..].iter().map(|layer| flat.by_ref().take(layer.parameters.len()).map(dense).collect()),
        );
        gradients
    }
}
