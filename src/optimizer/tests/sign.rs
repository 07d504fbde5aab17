//! Steps of one size along the sign of each gradient (Bernstein et al. 2018, arXiv 1802.04434).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Gradients, Layer, Role, State, StateError, Stateful};

use super::definition::{
    DecayFactors, EffectiveStep, Optimizer, OptimizerKind, OptimizerOptions, SharpnessScale, Sums,
};

/// `sign`.
pub(crate) const KIND: OptimizerKind =
    OptimizerKind::of::<SignOptions>("sign", "steps of one size along the sign of each gradient");

/// Options of `sign`: none but the learning rate, which every optimizer has.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignOptions {}

impl OptimizerOptions for SignOptions {
    fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    fn build(&self, weight_decay: WeightDecay, _layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(Sign { weight_decay, steps: 0 })
    }
}

#[derive(Debug)]
struct Sign {
    weight_decay: WeightDecay,
    steps: u64,
}

impl Optimizer for Sign {
    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let mut sums = Sums::default();
        for ((layer, gradients), &rate) in layers.iter_mut().zip(gradients).zip(learning_rates) {
            let decay = DecayFactors::of(self.weight_decay, rate);
            for (parameter, gradient) in layer.parameters.iter_mut().zip(gradients) {
                sums.of_step(&mut parameter.value, summarise, |theta| {
                    let direction = (gradient + &*theta * decay.coupled).sign();
                    let _ = theta.g_mul_scalar_(decay.shrink).g_sub_(&(direction * rate));
                });
            }
        }
        sums.means(summarise)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn clear(&mut self) {
        self.steps = 0;
    }

    /// Single elements have no memory.
    fn restart(&mut self, _layer: usize, _role: Role, _dimension: i64, _indices: &[i64]) {}

    fn has_effective_step(&self) -> Result<(), &'static str> {
        Err("its steps do not grow with the gradient")
    }

    fn effective_step(&self, _layers: Range<usize>, _learning_rate: f64, _form: EffectiveStep) -> Option<f64> {
        None
    }

    fn sharpness_factor(&self, _layers: Range<usize>, _learning_rates: &[f64], _scale: SharpnessScale) -> Option<f64> {
        None
    }
}

impl Stateful for Sign {
    fn save(&self, state: &mut State) {
        state.put_value("steps", &self.steps);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.steps = state.count("steps", State::MOST_COUNT)?;
        Ok(())
    }
}
