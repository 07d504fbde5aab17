//! The loss and the accuracy of a batch.

use tch::{Kind, Tensor};

/// Mean cross-entropy in nats of logits (B x classes) against labels (B, Int64), in the logits' precision.
///
/// Written out since tch's own computes in f32 whatever it is given.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    let log_probabilities = logits.log_softmax(1, logits.kind());
    -log_probabilities.gather(1, &labels.unsqueeze(1), false).mean(logits.kind())
}

/// How many samples have their largest logit at their label.
pub fn correct(logits: &Tensor, labels: &Tensor) -> i64 {
    logits.argmax(1, false).eq_tensor(labels).sum(Kind::Int64).int64_value(&[])
}
