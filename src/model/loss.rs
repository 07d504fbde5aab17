//! The loss and the accuracy of a batch.

use tch::{Kind, Tensor};

/// The mean cross-entropy of a batch in nats, in the logits' precision, and what its gradient needs.
///
/// Written out since tch's own computes in f32 whatever it is given.
#[derive(Debug)]
pub struct CrossEntropy {
    /// B x classes.
    log_probabilities: Tensor,
    /// B x 1, Int64.
    labels: Tensor,
    mean: Tensor,
}

impl CrossEntropy {
    /// Of logits (B x classes) against labels (B, Int64).
    pub fn of(logits: &Tensor, labels: &Tensor) -> CrossEntropy {
        let log_probabilities = logits.log_softmax(1, logits.kind());
        let labels = labels.unsqueeze(1);
        let mean = -log_probabilities.gather(1, &labels, false).mean(logits.kind());
        CrossEntropy { log_probabilities, labels, mean }
    }

    /// The scalar, with the graph of the logits if they have one.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The gradient of the mean at the logits, B x classes, without a graph: the bits that autograd comes to.
    pub(crate) fn at_logits(&self) -> Tensor {
        let log_probabilities = self.log_probabilities.detach();
        let share = -1.0 / self.labels.size()[0] as f64;
        let at_log_probabilities = log_probabilities.zeros_like().scatter_value(1, &self.labels, share);
        let kind = log_probabilities.kind();
        Tensor::internal_log_softmax_backward_data(&at_log_probabilities, &log_probabilities, 1, kind)
    }
}

/// The mean cross-entropy alone.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    CrossEntropy::of(logits, labels).mean
}

/// How many samples have their largest logit at their label.
pub fn correct(logits: &Tensor, labels: &Tensor) -> i64 {
    logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64).int64_value(&[])
}
