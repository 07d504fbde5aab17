//! A cap on the learning rate from the edge of stability: each layer's effective step alpha is at most `threshold` over
//! its sharpness lambda, as measured last.
//!
//! Gradient descent with step alpha diverges along a direction of curvature above 2 / alpha (Cohen et al., arXiv
//! 2103.00065), hence the default threshold of 2. Momentum moves the edge: full-batch Adam settles at a preconditioned
//! sharpness of (2 + 2 beta1) / (1 - beta1) over its learning rate (Cohen et al., arXiv 2207.14484), which is a threshold
//! of 38 at beta1 = 0.9. A cap and not a controller: there is no step by step, and when the curvature falls, the base
//! rate returns at once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainability_baselines::options::check_positive;
use trainability_tensor::{State, StateError, Stateful};

use super::bounds::Bounds;
use super::controller::ControlOptions;
use super::definition::{Action, Progress, Resolved, RunFacts, Schedule, ScheduleError, ScheduleKind, Start};
use crate::probe::LayerStatistics;

/// `stability_cap`.
pub(super) const KIND: ScheduleKind = ScheduleKind {
    name: "stability_cap",
    about: "the base learning rate, capped where effective step times sharpness would exceed a threshold",
    needs_measurement: true,
    schema: || schemars::schema_for!(StabilityCapOptions).to_value(),
    resolve,
};

/// The schedule's own options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StabilityCapOptions {
    /// The largest product of effective step and sharpness that is allowed.
    pub threshold: f64,
}

impl Default for StabilityCapOptions {
    fn default() -> Self {
        StabilityCapOptions { threshold: 2.0 }
    }
}

fn resolve(control: &Value, own: &Value, _facts: RunFacts) -> Result<Resolved, ScheduleError> {
    let options = StabilityCapOptions::deserialize(own)?;
    check_positive("threshold", options.threshold)?;
    let bounds = ControlOptions::layered(&[control])?.bounds();
    Ok(Resolved {
        options: json!({ "name": KIND.name, "threshold": options.threshold, "bounds": bounds }),
        bounds,
        factory: Arc::new(move |start| Box::new(StabilityCap::new(options, start))),
    })
}

/// The base rate or the cap, whichever is lower, for each layer.
#[derive(Debug)]
pub(crate) struct StabilityCap {
    options: StabilityCapOptions,
    base: f64,
    learning_rates: Vec<f64>,
}

impl StabilityCap {
    /// All layers at the base rate.
    pub(super) fn new(options: StabilityCapOptions, start: Start) -> StabilityCap {
        StabilityCap { options, base: start.learning_rate, learning_rates: vec![start.learning_rate; start.layers] }
    }

    /// alpha is proportional to the rate, so that the rate at which alpha lambda meets the threshold is known.
    fn rate(&self, now: f64, effective_step: f64, sharpness: f64) -> f64 {
        let product = effective_step * sharpness;
        if product > 0.0 { self.base.min(now * self.options.threshold / product) } else { self.base }
    }
}

impl Schedule for StabilityCap {
    fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    fn control(&mut self, _: Progress, statistics: &[LayerStatistics], _: &[Bounds]) -> Vec<Action> {
        let mut actions = Vec::with_capacity(statistics.len());
        for (layer, statistics) in statistics.iter().enumerate() {
            let now = self.learning_rates[layer];
            let Some((effective_step, sharpness)) = statistics.effective_step.zip(statistics.sharpness) else {
                actions.push(Action::Undefined);
                continue;
            };
            let rate = self.rate(now, effective_step, sharpness);
            self.learning_rates[layer] = rate;
            actions.push(match rate.total_cmp(&now) {
                std::cmp::Ordering::Less => Action::Cooled,
                std::cmp::Ordering::Equal => Action::Held,
                std::cmp::Ordering::Greater => Action::Warmed,
            });
        }
        actions
    }

    fn takes_decisions(&self) -> bool {
        true
    }
}

impl Stateful for StabilityCap {
    fn save(&self, state: &mut State) {
        state.put_numbers("learning_rates", &self.learning_rates);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("learning_rates", &mut self.learning_rates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::tests::statistics;
    use super::*;

    fn progress() -> Progress {
        Progress::in_tasks(10, 1, 100)
    }

    /// The effective step is 300 times the rate.
    fn measured(rate: f64, sharpness: Option<f64>) -> LayerStatistics {
        LayerStatistics {
            learning_rate: rate,
            effective_step: Some(300.0 * rate),
            sharpness,
            ..statistics(8, 1.0, 1.0)
        }
    }

    #[test]
    fn the_product_meets_the_threshold_and_the_base_rate_returns() {
        let start = Start { learning_rate: 0.01, layers: 1 };
        let mut cap = StabilityCap::new(StabilityCapOptions { threshold: 1.5 }, start);
        for (sharpness, action, rate) in [
            // alpha = 3, and 3 * 0.4 is below 1.5.
            (Some(0.4), Action::Held, 0.01),
            // 300 * rate * 2 = 1.5.
            (Some(2.0), Action::Cooled, 0.0025),
            (None, Action::Undefined, 0.0025),
            (Some(1.0), Action::Warmed, 0.005),
            (Some(-3.0), Action::Warmed, 0.01),
            (Some(5.0), Action::Cooled, 0.001),
            (Some(0.1), Action::Warmed, 0.01),
        ] {
            let now = cap.learning_rates()[0];
            let found = cap.control(progress(), &[measured(now, sharpness)], &[]);
            assert!((cap.learning_rates()[0] / rate - 1.0).abs() < 1e-12, "{sharpness:?}: {:?}", cap.learning_rates());
            assert_eq!(found, [action], "{sharpness:?}");
        }
    }

    #[test]
    fn thresholds_that_cap_everything_or_nothing_are_refused() {
        let facts = RunFacts { learning_rate: 1e-3, ..RunFacts::default() };
        for bad in [0.0, -2.0] {
            let own = json!({ "threshold": bad });
            let message = resolve(&json!({}), &own, facts).err().unwrap().to_string();
            assert_eq!(message, format!("`threshold` is {bad}, expected a finite number above 0"));
        }
        assert_eq!(resolve(&json!({}), &json!({}), facts).unwrap().options["threshold"], 2.0);
    }
}
