//! The loss and the accuracy of a batch.

use tch::{Kind, Tensor};

/// The mean cross-entropy of a batch in nats, in the logits' precision, and what its gradient needs.
///
/// Written out since tch's own computes in f32 whatever it is given. Several networks may stand side by side, each with a
/// minibatch of its own.
#[derive(Debug)]
pub struct CrossEntropy {
    /// [R x] B x classes.
    log_probabilities: Tensor,
    /// [R x] B x 1, Int64.
    labels: Tensor,
    mean: Tensor,
}

impl CrossEntropy {
    /// Of logits ([R x] B x classes) against labels ([R x] B, Int64).
    pub fn of(logits: &Tensor, labels: &Tensor) -> CrossEntropy {
        let log_probabilities = logits.log_softmax(-1, logits.kind());
        let labels = labels.unsqueeze(-1);
        let of_samples = log_probabilities.gather(-1, &labels, false);
        let mean = match of_samples.dim() {
            2 => of_samples.mean(logits.kind()),
            _ => of_samples.mean_dim([-2i64, -1].as_slice(), false, logits.kind()),
        };
        CrossEntropy { log_probabilities, labels, mean: -mean }
    }

    /// The scalar, or R of them, with the graph of the logits if they have one.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The gradient of the mean at the logits, [R x] B x classes, without a graph: the bits that autograd comes to.
    pub(crate) fn at_logits(&self) -> Tensor {
        let log_probabilities = self.log_probabilities.detach();
        let share = -1.0 / self.labels.size().iter().rev().nth(1).copied().unwrap_or(1) as f64;
        let at_log_probabilities = log_probabilities.zeros_like().scatter_value(-1, &self.labels, share);
        let kind = log_probabilities.kind();
        Tensor::internal_log_softmax_backward_data(&at_log_probabilities, &log_probabilities, -1, kind)
    }
}

/// The mean cross-entropy alone.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    CrossEntropy::of(logits, labels).mean
}

/// How many samples have their largest logit at their label.
pub(crate) fn correct(logits: &Tensor, labels: &Tensor) -> i64 {
    hits(logits, labels).int64_value(&[])
}

/// The same of R networks side by side: R, Int64.
pub(crate) fn hits(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.argmax(-1, false).eq_tensor(labels).sum_dim_intlist([-1i64].as_slice(), false, Kind::Int64)
}
