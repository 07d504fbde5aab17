//! Second passes: changes of an update's gradient for which its minibatch passes through the network once more.
//!
//! A measured update sees the gradient without them: g_hat is the gradient of the loss where the network stands. What a second
//! pass makes of it goes to the gradient rule, and then to the optimizer.

use std::fmt::Debug;

use tch::Tensor;
use trainability_tensor::Gradients;

/// An update's minibatch and the network, as often as a second pass asks.
pub trait MinibatchGradients {
    /// The gradient of the mean cross-entropy where every parameter is displaced by so much.
    fn gradients_at(&mut self, displacement: &Gradients) -> Gradients;

    /// The gradient at all parameters of a scalar that is made of what each hidden layer passes on (B x features, with its graph;
    /// of a convolution B x features x height x width).
    fn feature_gradients(&mut self, scalar: &dyn Fn(&[Tensor]) -> Tensor) -> Gradients;
}

/// A change of the gradient, without memory.
pub trait SecondPass: Debug + Send {
    /// What has to be added to an update's gradient, from that of its cross-entropy.
    fn change(&self, cross_entropy: &Gradients, minibatch: &mut dyn MinibatchGradients) -> Gradients;
}
