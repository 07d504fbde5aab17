//! The loss and the accuracy of a batch.

use tch::{Kind, Tensor};
use trainability_tensor::for_float;
use trainability_tensor::slices::{Float, on_host, view};

/// The mean cross-entropy of a batch in nats, in the logits' precision, and what its gradient needs.
///
/// Written out since tch's own computes in f32 whatever it is given. Several networks may stand side by side, each with a
/// minibatch of its own.
#[derive(Debug)]
pub struct CrossEntropy {
    mean: Tensor,
    at_logits: AtLogits,
}

/// The gradient of the mean at the logits.
#[derive(Debug)]
enum AtLogits {
    /// Itself.
    Known(Tensor),
    /// What it is made of.
    From {
        /// [R x] B x classes.
        log_probabilities: Tensor,
        /// [R x] B x 1, Int64.
        labels: Tensor,
    },
}

impl CrossEntropy {
    /// Of logits ([R x] B x classes) against labels ([R x] B, Int64).
    pub fn of(logits: &Tensor, labels: &Tensor) -> CrossEntropy {
        if is_of_one(logits) && !logits.requires_grad() {
            return for_float!(logits, of_one(logits, labels));
        }
        let log_probabilities = logits.log_softmax(-1, logits.kind());
        let labels = labels.unsqueeze(-1);
        let of_samples = log_probabilities.gather(-1, &labels, false);
        let mean = match of_samples.dim() {
            2 => of_samples.mean(logits.kind()),
            _ => of_samples.mean_dim([-2i64, -1].as_slice(), false, logits.kind()),
        };
        CrossEntropy { mean: -mean, at_logits: AtLogits::From { log_probabilities, labels } }
    }

    /// The scalar, or R of them, with the graph of the logits if they have one.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The gradient of the mean at the logits, [R x] B x classes, without a graph: the bits that autograd comes to.
    pub(crate) fn at_logits(&self) -> Tensor {
        let (log_probabilities, labels) = match &self.at_logits {
            AtLogits::Known(gradient) => return gradient.shallow_clone(),
            AtLogits::From { log_probabilities, labels } => (log_probabilities.detach(), labels),
        };
        let share = -1.0 / labels.size().iter().rev().nth(1).copied().unwrap_or(1) as f64;
        let at_log_probabilities = log_probabilities.zeros_like().scatter_value(-1, labels, share);
        let kind = log_probabilities.kind();
        Tensor::internal_log_softmax_backward_data(&at_log_probabilities, &log_probabilities, -1, kind)
    }
}

/// Whether these are the logits of a single sample in main memory. A few numbers are sooner dealt with one by one than by tensor
/// operations, each of which takes as long as a hundred of them.
fn is_of_one(logits: &Tensor) -> bool {
    matches!(logits.size()[..], [1, _]) && on_host(logits) && logits.is_contiguous()
}

/// Of one sample, computed in f64.
///
/// # Panics
/// The label is no class.
fn of_one<T: Float>(logits: &Tensor, labels: &Tensor) -> CrossEntropy {
    let label = labels.int64_value(&[0]) as usize;
    // SAFETY: nobody writes to the logits meanwhile.
    let values = unsafe { view::<T>(logits) };
    let largest = values.iter().map(|value| value.wide()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| (value.wide() - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let mean = sum.ln() - (values[label].wide() - largest);
    let gradient = powers.iter().enumerate().map(|(class, power)| T::of(power / sum - f64::from(class == label)));
    CrossEntropy {
        mean: Tensor::from_slice(&[T::of(mean)]).view([0i64; 0].as_slice()),
        at_logits: AtLogits::Known(Tensor::from_slice(&gradient.collect::<Vec<T>>()).unsqueeze(0)),
    }
}

/// The mean cross-entropy alone.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    CrossEntropy::of(logits, labels).mean
}

/// How many samples have their largest logit at their label.
pub(crate) fn correct(logits: &Tensor, labels: &Tensor) -> i64 {
    if is_of_one(logits) {
        return i64::from(for_float!(logits, first_of_largest(logits)) == labels.int64_value(&[0]));
    }
    hits(logits, labels).int64_value(&[])
}

/// Where the largest of some logits stands first; 0 where none is a number.
fn first_of_largest<T: Float>(logits: &Tensor) -> i64 {
    // SAFETY: nobody writes to the logits meanwhile.
    let values = unsafe { view::<T>(logits) };
    let larger = |best: usize, next: usize| if values[next] > values[best] { next } else { best };
    (0..values.len()).fold(0, larger) as i64
}

/// The same of R networks side by side: R, Int64.
pub(crate) fn hits(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.argmax(-1, false).eq_tensor(labels).sum_dim_intlist([-1i64].as_slice(), false, Kind::Int64)
}
