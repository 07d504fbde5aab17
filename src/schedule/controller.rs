//! The per-layer controller (docs/method.md, equation (21)): cools a layer whose effective step exceeds its bound,
//! warms one that is far below it.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use trainability_baselines::options::{OptionError, check, check_positive};
use trainability_tensor::{State, StateError, Stateful};

use super::bounds::{BOUNDS, Bound, BoundOptions, Bounds, COMBINED, CurvatureStatistic, Noise};
use super::definition::{Action, Progress, Schedule, ScheduleError, Scope, Start};
use crate::probe::LayerStatistics;

/// The part of a run in which a rate may rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarmWindow {
    /// In the first part of each task, as in the runs behind the paper. This uses the task boundary.
    #[default]
    Task,
    /// In the first part of the run, as in the paper.
    Run,
    /// Never.
    Off,
}

/// What the effective step is held below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// One of the bounds, by name. The method's is the combined one.
    Bound(&'static Bound),
    /// 0: every event above the floor cools, which shows what a bound adds to a mere cap.
    FloorOnly,
}

/// The name of [`Limit::FloorOnly`].
const FLOOR_ONLY: &str = "floor_only";

impl Default for Limit {
    fn default() -> Self {
        Limit::Bound(&COMBINED)
    }
}

impl Limit {
    fn names() -> Vec<&'static str> {
        BOUNDS.iter().map(|bound| bound.name).chain([FLOOR_ONLY]).collect()
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Limit::Bound(bound) => bound.name,
            Limit::FloorOnly => FLOOR_ONLY,
        })
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        let name = String::deserialize(deserializer)?;
        let bound = BOUNDS.into_iter().find(|bound| bound.name == name).map(Limit::Bound);
        bound.or((name == FLOOR_ONLY).then_some(Limit::FloorOnly)).ok_or_else(|| {
            let known: Vec<String> = BOUNDS.iter().map(|bound| format!("`{}`", bound.name)).collect();
            D::Error::custom(format!("unknown variant `{name}`, expected one of {}, `{FLOOR_ONLY}`", known.join(", ")))
        })
    }
}

/// All named options of the controller and its bounds, in the configuration's `control` section and in any schedule
/// that is a variant of `noise_curvature`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ControlOptions {
    /// Whose statistics decide.
    pub scope: Scope,
    /// The bound that the effective step is kept below. `floor_only`: none, every step above `floor` cools.
    #[schemars(with = "String", extend("enum" = Limit::names()))]
    pub limit: Limit,
    /// gamma: the share of the bound that counts as safe.
    pub safety: f64,
    /// The factor on the learning rate of a layer whose step is too large.
    pub cool: f64,
    /// The factor on the learning rate of a layer that is far below its bound.
    pub warm: f64,
    /// Effective steps below this are never cooled.
    pub floor: f64,
    /// When a learning rate may rise.
    pub warm_window: WarmWindow,
    /// The share of the task or run in which a rate may rise; by default 0.1 of a task or 0.3 of a run.
    pub warm_share: Option<f64>,
    /// A layer is far below its bound if its step is below this share of the safe step.
    pub timid: f64,
    /// How the noise bound estimates the squared norm of the gradient.
    pub noise: Noise,
    /// Decay of the moving averages in the debiased noise bound; 0: none.
    pub smoothing: f64,
    /// beta: the weight of the curvature term in the combined bound.
    pub beta: f64,
    /// kappa: the factor of the volatility bound.
    pub kappa: f64,
    /// X: the curvature statistic in the combined bound.
    pub statistic: CurvatureStatistic,
}

impl Default for ControlOptions {
    fn default() -> Self {
        let bounds = BoundOptions::default();
        ControlOptions {
            scope: Scope::default(),
            limit: Limit::default(),
            safety: 0.8,
            cool: 0.99,
            warm: 1.01,
            floor: 0.12,
            warm_window: WarmWindow::default(),
            warm_share: None,
            timid: 0.3,
            noise: bounds.noise,
            smoothing: bounds.smoothing,
            beta: bounds.beta,
            kappa: bounds.kappa,
            statistic: bounds.statistic,
        }
    }
}

impl ControlOptions {
    /// The defaults with JSON objects laid over them, later ones over earlier, checked.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong type or out of range.
    pub(crate) fn layered(layers: &[&Value]) -> Result<ControlOptions, ScheduleError> {
        let mut merged = Map::new();
        for layer in layers.iter().filter_map(|layer| layer.as_object()) {
            merged.extend(layer.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let options: ControlOptions = serde_json::from_value(Value::Object(merged))?;
        options.check()?;
        Ok(options)
    }

    /// What options there are, a JSON Schema.
    pub(crate) fn schema() -> Value {
        schemars::schema_for!(ControlOptions).to_value()
    }

    fn check(&self) -> Result<(), OptionError> {
        check_positive("safety", self.safety)?;
        check("cool", self.cool, self.cool > 0.0 && self.cool < 1.0, "between 0 and 1, both excluded")?;
        check("warm", self.warm, self.warm >= 1.0 && self.warm.is_finite(), "at least 1")?;
        check("floor", self.floor, self.floor >= 0.0 && self.floor.is_finite(), "a finite number, 0 or above")?;
        let warm_share = self.warm_share();
        check("warm_share", warm_share, (0.0..=1.0).contains(&warm_share), "between 0 and 1")?;
        check("timid", self.timid, (0.0..1.0).contains(&self.timid), "at least 0 and below 1")?;
        check("smoothing", self.smoothing, (0.0..1.0).contains(&self.smoothing), "at least 0 and below 1")?;
        check("beta", self.beta, self.beta >= 0.0 && self.beta.is_finite(), "a finite number, 0 or above")?;
        check_positive("kappa", self.kappa)
    }

    /// The share that is in force.
    pub(crate) fn warm_share(&self) -> f64 {
        let usual = if self.warm_window == WarmWindow::Run { 0.3 } else { 0.1 };
        self.warm_share.unwrap_or(usual)
    }

    /// The part that concerns the bounds.
    pub(crate) fn bounds(&self) -> BoundOptions {
        BoundOptions {
            noise: self.noise,
            smoothing: self.smoothing,
            beta: self.beta,
            kappa: self.kappa,
            statistic: self.statistic,
        }
    }
}

/// One rate a layer, moved by the layer's own statistics.
#[derive(Debug)]
pub(crate) struct Controller {
    options: ControlOptions,
    learning_rates: Vec<f64>,
}

impl Controller {
    /// All layers at the base rate.
    pub(crate) fn new(options: ControlOptions, start: Start) -> Controller {
        Controller { options, learning_rates: vec![start.learning_rate; start.layers] }
    }

    fn may_warm(&self, progress: Progress) -> bool {
        let share = |position: u64, length: u64| (position as f64) < self.options.warm_share() * length as f64;
        match self.options.warm_window {
            WarmWindow::Task => share(progress.update_in_task, progress.updates_in_task),
            WarmWindow::Run => share(progress.update, progress.updates),
            WarmWindow::Off => false,
        }
    }

    fn limit(&self, bounds: &Bounds) -> Option<f64> {
        match self.options.limit {
            Limit::Bound(bound) => bounds.limit(bound),
            Limit::FloorOnly => Some(0.0),
        }
    }

    fn decide(&self, effective_step: Option<f64>, limit: Option<f64>, may_warm: bool) -> Action {
        let (Some(effective_step), Some(limit)) = (effective_step, limit) else {
            return Action::Undefined;
        };
        let safe = self.options.safety * limit;
        if effective_step > safe && effective_step > self.options.floor {
            Action::Cooled
        } else if may_warm && effective_step < self.options.timid * safe {
            Action::Warmed
        } else {
            Action::Held
        }
    }
}

impl Schedule for Controller {
    fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    fn scope(&self) -> Scope {
        self.options.scope
    }

    fn control(&mut self, progress: Progress, statistics: &[LayerStatistics], bounds: &[Bounds]) -> Vec<Action> {
        let may_warm = self.may_warm(progress);
        let mut actions = Vec::with_capacity(statistics.len());
        for (layer, (statistics, bounds)) in statistics.iter().zip(bounds).enumerate() {
            let action = self.decide(statistics.effective_step, self.limit(bounds), may_warm);
            match action {
                Action::Cooled => self.learning_rates[layer] *= self.options.cool,
                Action::Warmed => self.learning_rates[layer] *= self.options.warm,
                Action::Held | Action::Undefined => {}
            }
            actions.push(action);
        }
        actions
    }

    fn takes_decisions(&self) -> bool {
        true
    }
}

impl Stateful for Controller {
    fn save(&self, state: &mut State) {
        state.put_numbers("learning_rates", &self.learning_rates);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("learning_rates", &mut self.learning_rates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds::tests::{bounds, statistics};
    use super::*;

    const START: Start = Start { learning_rate: 1.0, layers: 1 };

    fn at(update_in_task: u64) -> Progress {
        Progress {
            update: 500 + update_in_task,
            updates: 1000,
            task: 5,
            update_in_task,
            updates_in_task: 100,
            updates_in_epoch: 1,
        }
    }

    fn act(options: ControlOptions, effective_step: Option<f64>, bound: Option<f64>, update: u64) -> (Action, f64) {
        let mut controller = Controller::new(options, START);
        let statistics = LayerStatistics { effective_step, ..statistics(8, 1.0, 1.0) };
        (controller.control(at(update), &[statistics], &[bounds(bound)])[0], controller.learning_rates()[0])
    }

    #[test]
    fn the_rule_case_by_case() {
        let options = ControlOptions::default;
        // Safe step 0.8: above it and above the floor cools.
        assert_eq!(act(options(), Some(0.81), Some(1.0), 50), (Action::Cooled, 0.99));
        assert_eq!(act(options(), Some(0.79), Some(1.0), 50), (Action::Held, 1.0));
        // Above a tiny bound but below the floor of 0.12: never cooled.
        assert_eq!(act(options(), Some(0.11), Some(1e-3), 50), (Action::Held, 1.0));
        assert_eq!(act(options(), Some(0.13), Some(1e-3), 50), (Action::Cooled, 0.99));
        // Timid (below 0.3 * 0.8) warms in the first tenth of the task alone.
        assert_eq!(act(options(), Some(0.23), Some(1.0), 9), (Action::Warmed, 1.01));
        assert_eq!(act(options(), Some(0.23), Some(1.0), 10), (Action::Held, 1.0));
        assert_eq!(act(options(), Some(0.25), Some(1.0), 9), (Action::Held, 1.0));
        assert_eq!(act(options(), None, Some(1.0), 9), (Action::Undefined, 1.0));
        assert_eq!(act(options(), Some(1.0), None, 9), (Action::Undefined, 1.0));
        // No constraint at all: warmed in the window.
        assert_eq!(act(options(), Some(1e9), Some(f64::INFINITY), 9), (Action::Warmed, 1.01));
    }

    #[test]
    fn warm_windows_and_limits() {
        let run = ControlOptions { warm_window: WarmWindow::Run, warm_share: Some(0.6), ..ControlOptions::default() };
        assert_eq!(act(run, Some(0.1), Some(1.0), 99).0, Action::Warmed);
        let off = ControlOptions { warm_window: WarmWindow::Off, ..ControlOptions::default() };
        assert_eq!(act(off, Some(0.1), Some(1.0), 0).0, Action::Held);
        let floor_only = ControlOptions { limit: Limit::FloorOnly, ..ControlOptions::default() };
        assert_eq!(act(floor_only.clone(), Some(0.13), None, 50).0, Action::Cooled);
        assert_eq!(act(floor_only, Some(0.11), None, 50).0, Action::Held);
    }

    #[test]
    fn impossible_values_are_refused_by_name() {
        for (key, value) in
            [("cool", 1.0), ("cool", 0.0), ("warm", 0.5), ("safety", 0.0), ("beta", -1.0), ("smoothing", 1.0)]
        {
            let layer = serde_json::json!({ key: value });
            let message = ControlOptions::layered(&[&layer]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{key}` is {value}")), "{message}");
        }
        let message = ControlOptions::layered(&[&serde_json::json!({ "cooling": 0.9 })]).unwrap_err().to_string();
        assert!(message.contains("unknown field `cooling`"), "{message}");
    }

    #[test]
    fn restored_rates_go_on() {
        let mut before = Controller::new(ControlOptions::default(), START);
        before.learning_rates[0] = 0.123;
        let mut state = State::default();
        before.save(&mut state);
        let mut after = Controller::new(ControlOptions::default(), START);
        after.restore(&state).unwrap();
        assert_eq!(after.learning_rates(), [0.123]);
    }
}
