//! What goes into a training pass, in the form whose products with the first layer are fastest.

use std::sync::Arc;

use tch::{Tensor, no_grad};
use trainability_tensor::Layer;
use trainability_tensor::slices::view;
use trainability_tensor::sparse_images::SparseImages;

/// The smallest minibatch with which leaving the background out is faster.
const LEAST_BATCH: usize = 64;

/// The images of a task, and how minibatches of them are best multiplied.
#[derive(Debug)]
pub struct TaskImages {
    /// Whether the background is left out, if there is one.
    leaves_out: bool,
    pub(crate) dense: Tensor,
    pub(crate) sparse: Option<Arc<SparseImages>>,
}

impl TaskImages {
    /// From N x features, for minibatches of that size and a first layer that is dense, or for a model that takes images as
    /// they are, which needs no size.
    pub fn new(images: &Tensor, batch_size: Option<usize>) -> TaskImages {
        TaskImages::leaving_out(images, TaskImages::leaves_out(batch_size))
    }

    /// From images, and the same without their background, which others may hold too.
    pub(crate) fn shared(dense: Tensor, sparse: Option<Arc<SparseImages>>, leaves_out: bool) -> TaskImages {
        TaskImages { leaves_out, dense, sparse }
    }

    /// Whether minibatches of that size are faster without a background.
    pub(crate) fn leaves_out(batch_size: Option<usize>) -> bool {
        batch_size.is_some_and(|size| size >= LEAST_BATCH)
    }

    fn leaving_out(images: &Tensor, leaves_out: bool) -> TaskImages {
        let sparse = leaves_out.then(|| SparseImages::of(images)).flatten().map(Arc::new);
        TaskImages { leaves_out, dense: images.shallow_clone(), sparse }
    }

    /// Takes these images up, if they are others than before. Images are known by their memory, and this holds on to it, so
    /// that no others come to the same place.
    pub(crate) fn follow(&mut self, images: &Tensor) {
        if self.dense.data_ptr() != images.data_ptr() {
            *self = TaskImages::leaving_out(images, self.leaves_out);
        }
    }

    /// The images `rows` (B, Int64).
    pub fn inputs(&self, rows: &Tensor) -> Inputs {
        match &self.sparse {
            Some(sparse) => {
                let rows = rows.contiguous();
                // SAFETY: nothing writes to the rows of a minibatch.
                let batch = sparse.batch(unsafe { view(&rows) });
                Inputs::Sparse { images: self.dense.shallow_clone(), rows, batch }
            }
            None => Inputs::Dense(self.dense.index_select(0, rows)),
        }
    }
}

/// What goes into a training pass.
#[derive(Debug)]
pub enum Inputs {
    /// B x features.
    Dense(Tensor),
    /// Some of the images that are stored without their background.
    Sparse {
        /// All images of the task, N x features.
        images: Tensor,
        /// Which of them, B, Int64.
        rows: Tensor,
        /// The same without their background.
        batch: SparseImages,
    },
}

impl From<&Tensor> for Inputs {
    fn from(inputs: &Tensor) -> Inputs {
        Inputs::Dense(inputs.shallow_clone())
    }
}

impl Inputs {
    /// B x features.
    pub fn dense(&self) -> Tensor {
        match self {
            Inputs::Dense(images) => images.shallow_clone(),
            Inputs::Sparse { images, rows, .. } => images.index_select(0, rows),
        }
    }

    /// A dense layer's pre-activation, B x out, without a graph.
    pub(super) fn linear(&self, layer: &Layer) -> Tensor {
        match self {
            Inputs::Dense(images) => no_grad(|| layer.forward(images)),
            Inputs::Sparse { batch, .. } => batch.linear(layer),
        }
    }

    /// From the gradient at the pre-activation, B x out.
    pub(super) fn weight_gradient(&self, delta: &Tensor) -> Tensor {
        match self {
            Inputs::Dense(images) => delta.tr().mm(images),
            Inputs::Sparse { batch, .. } => batch.weight_gradient(delta),
        }
    }
}
