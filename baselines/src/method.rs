//! How a method is put together from its parts: an activation, a normalisation, penalties, a weight decay, a gradient rule,
//! a second pass, surgery.

use crate::activation::{self, Activation, Widths};
use crate::gradient_rule::GradientRule;
use crate::normalization::Normalization;
use crate::part::Contribution;
use crate::penalty::Penalty;
use crate::second_pass::SecondPass;
use crate::surgery::{Intervention, Surgery};
use crate::weight_decay::WeightDecay;

/// The parts of one run's method, ready to use.
#[derive(Debug)]
pub struct Method {
    /// What stands between the layers.
    pub activation: Box<dyn Activation>,
    /// How wide the hidden layers are.
    pub widths: Widths,
    /// What becomes of a hidden layer's pre-activation before the activation.
    pub normalization: Option<Box<dyn Normalization>>,
    /// What becomes of its training.
    pub rules: Rules,
}

/// The part of a method that any network can be trained with.
#[derive(Debug, Default)]
pub struct Rules {
    /// Terms of the loss beside the cross-entropy.
    pub penalties: Vec<Box<dyn Penalty>>,
    /// The optimizer's decay.
    pub weight_decay: WeightDecay,
    /// What becomes of the gradient before the optimizer takes it.
    pub gradient_rule: Option<Box<dyn GradientRule>>,
    /// What another pass over the minibatch makes of it first.
    pub second_pass: Option<Box<dyn SecondPass>>,
    /// Interventions, in the order in which they were named.
    pub surgeries: Vec<Box<dyn Surgery>>,
}

impl Method {
    /// Puts a method together; without an activation part it is a ReLU network.
    ///
    /// # Errors
    /// Parts that contradict each other: what would have been right.
    pub fn of(contributions: Vec<Contribution>) -> Result<Method, &'static str> {
        let mut activation = None;
        let mut normalization = None;
        let mut weight_decay = WeightDecay::None;
        let (mut gradient_rule, mut second_pass) = (None, None);
        let (mut penalties, mut surgeries) = (Vec::new(), Vec::<Box<dyn Surgery>>::new());
        for contribution in contributions.into_iter().flat_map(Contribution::single) {
            match contribution {
                Contribution::Activation(..) if activation.is_some() => return Err("one activation, not two"),
                Contribution::Activation(new, widths) => activation = Some((new, widths)),
                Contribution::Normalization(_) if normalization.is_some() => return Err("one normalization, not two"),
                Contribution::Normalization(new) => normalization = Some(new),
                Contribution::WeightDecay(_) if weight_decay != WeightDecay::None => {
                    return Err("one weight decay, not two");
                }
                Contribution::WeightDecay(new) => weight_decay = new,
                Contribution::GradientRule(_) if gradient_rule.is_some() => return Err("one gradient rule, not two"),
                Contribution::GradientRule(new) => gradient_rule = Some(new),
                Contribution::SecondPass(_) if second_pass.is_some() => return Err("one second pass, not two"),
                Contribution::SecondPass(new) => second_pass = Some(new),
                Contribution::Penalty(new) => penalties.push(new),
                Contribution::Surgery(new) => surgeries.push(new),
                Contribution::Several(_) => unreachable!("they have been taken apart"),
            }
        }
        let count = |which| surgeries.iter().filter(|surgery| surgery.intervention() == which).count();
        if count(Intervention::Replacement) > 1 {
            return Err("one surgery that replaces units, not two");
        }
        if count(Intervention::Reset) > 0 && surgeries.len() > 1 {
            return Err("no other surgery beside a reset, which leaves it nothing to work on");
        }
        let (activation, widths) =
            activation.unwrap_or_else(|| (Box::new(activation::relu::Relu) as Box<dyn Activation>, Widths::AsGiven));
        let rules = Rules { penalties, weight_decay, gradient_rule, second_pass, surgeries };
        Ok(Method { activation, widths, normalization, rules })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::part;
    use serde_json::json;

    #[test]
    fn contradictory_parts_are_refused() {
        let build = |name: &str| part(name).unwrap().build(json!({})).unwrap().0;
        for (parts, expected) in [
            (["relu", "crelu"], "one activation, not two"),
            (["layer_norm", "batch_norm"], "one normalization, not two"),
            (["l2_adam", "adamw"], "one weight decay, not two"),
            (["gradient_clipping", "gradient_normalization"], "one gradient rule, not two"),
            (["redo", "continual_backprop"], "one surgery that replaces units, not two"),
            (["sharpness_aware", "l2_er"], "one second pass, not two"),
            (["normalize_and_project", "batch_norm"], "one normalization, not two"),
            (["self_normalized_resets", "redo"], "one surgery that replaces units, not two"),
            (["reset", "shrink_perturb"], "no other surgery beside a reset, which leaves it nothing to work on"),
        ] {
            assert_eq!(Method::of(parts.map(build).into()).unwrap_err(), expected);
        }
        assert_eq!(Method::of(["shrink_perturb", "redo"].map(build).into()).unwrap().rules.surgeries.len(), 2);
        let method = Method::of(vec![build("crelu"), build("wasserstein"), build("l2_adam")]).unwrap();
        assert_eq!(format!("{:?}", method.activation), "Crelu");
        assert_eq!(method.rules.penalties.len(), 1);
        assert_eq!(method.rules.weight_decay, WeightDecay::Coupled(1e-3));
    }
}
