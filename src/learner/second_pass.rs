//! What a second pass reaches of a learner.

use tch::Tensor;
use trainability_baselines::second_pass::MinibatchGradients;
use trainability_tensor::Gradients;

use super::learning::Learner;
use crate::model::{CrossEntropy, Model, Pass, gradients};

/// The network and the minibatch of the present update.
struct PresentMinibatch<'a> {
    model: &'a mut dyn Model,
    /// B x inputs.
    inputs: &'a Tensor,
    /// B, Int64.
    labels: &'a Tensor,
}

impl MinibatchGradients for PresentMinibatch<'_> {
    fn gradients_at(&mut self, displacement: &Gradients) -> Gradients {
        let mut before = Vec::new();
        tch::no_grad(|| {
            let parameters = self.model.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters);
            for (parameter, displacement) in parameters.zip(displacement.iter().flatten()) {
                before.push(parameter.value.detach().copy());
                let _ = parameter.value.g_add_(displacement);
            }
        });
        let logits = self.model.forward(self.inputs, &mut Pass::training().unfollowed());
        let there = gradients(self.model.layers(), CrossEntropy::of(&logits, self.labels).mean(), false);
        tch::no_grad(|| {
            let parameters = self.model.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters);
            parameters.zip(&before).for_each(|(parameter, before)| parameter.value.copy_(before));
        });
        there
    }

    fn feature_gradients(&mut self, scalar: &dyn Fn(&[Tensor]) -> Tensor) -> Gradients {
        let mut pass = Pass::training().unfollowed();
        let _logits = self.model.forward(self.inputs, &mut pass);
        let trace = pass.into_trace(self.model.layers());
        let features: Vec<Tensor> = trace.into_iter().filter_map(|layer| layer.features).collect();
        gradients(self.model.layers(), &scalar(&features), false)
    }
}

impl Learner {
    /// What the method's second pass adds to the gradient, from that of the cross-entropy.
    ///
    /// # Panics
    /// The method has none.
    pub(super) fn make_second_pass(
        &mut self,
        inputs: &Tensor,
        labels: &Tensor,
        cross_entropy: &Gradients,
    ) -> Gradients {
        let second_pass = self.second_pass.as_ref().expect("a method that passes twice");
        second_pass.change(cross_entropy, &mut PresentMinibatch { model: self.model.as_mut(), inputs, labels })
    }
}
