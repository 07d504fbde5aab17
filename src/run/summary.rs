//! What a task's row says: accuracies, and every indicator gathered over the task.

use std::collections::BTreeMap;

use trainability_baselines::indicator::{Indicator, When};
use trainability_baselines::registry::INDICATORS;
use trainability_record::TaskRow;
use trainability_record::tasks::field;
use trainability_tensor::{State, StateError, Stateful};

use super::catalogue::{FIRST, RHO, of_method, step_over};
use crate::learner::LayerMeasurement;
use crate::schedule::{BOUNDS, COMBINED};

/// Gathers a task's measured updates.
#[derive(Debug, Default)]
pub(crate) struct TaskSummary {
    /// Sum and number of minibatch accuracies before their updates.
    accuracy: (f64, u64),
    /// Values read at the task's start and end.
    once: BTreeMap<String, f64>,
    /// Values of each measured update; bounds and steps are already reduced over layers.
    measured: BTreeMap<String, Vec<f64>>,
    /// Measured updates with a defined step and combined bound in some layer, and those at which a step exceeded it.
    exceeded: (u64, u64),
}

impl TaskSummary {
    /// Adds a minibatch's accuracy before its update.
    pub(crate) fn add_accuracy(&mut self, accuracy: f64) {
        self.accuracy.0 += accuracy;
        self.accuracy.1 += 1;
    }

    /// Mean over the minibatches so far.
    pub(crate) fn online_accuracy(&self) -> f64 {
        self.accuracy.0 / self.accuracy.1 as f64
    }

    /// Adds the values of indicators that were read at some moment, by their columns.
    pub(crate) fn add_indicators(&mut self, when: When, values: &[(&'static str, Option<f64>)]) {
        for (name, value) in values {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            match when {
                When::MeasuredUpdate => self.add_measured(name, value),
                When::TaskStart | When::TaskEnd => {
                    self.once.insert((*name).to_owned(), value);
                }
            }
        }
    }

    fn add_measured(&mut self, name: &str, value: f64) {
        self.measured.entry(name.to_owned()).or_default().push(value);
    }

    /// Adds the method's own statistics of a measured update: each bound's smallest over layers, the largest step over
    /// bound.
    pub(crate) fn add_bounds(&mut self, layers: &[LayerMeasurement]) {
        let steps = || layers.iter().map(|layer| layer.statistics.effective_step);
        self.add_extreme("effective_step", steps(), f64::max);
        for bound in BOUNDS {
            let values = || layers.iter().map(|layer| layer.bounds.of(bound));
            self.add_extreme(bound.column, values(), f64::min);
            let ratios = steps().zip(values()).map(|(step, bound)| Some(step? / bound?));
            self.add_extreme(&step_over(bound), ratios, f64::max);
        }
        let exceeds = |layer: &LayerMeasurement| Some(layer.statistics.effective_step? > layer.bounds.of(&COMBINED)?);
        let decided: Vec<bool> = layers.iter().filter_map(exceeds).collect();
        if !decided.is_empty() {
            self.exceeded.0 += 1;
            self.exceeded.1 += u64::from(decided.contains(&true));
        }
    }

    fn add_extreme(&mut self, name: &str, values: impl Iterator<Item = Option<f64>>, pick: fn(f64, f64) -> f64) {
        if let Some(value) = values.flatten().filter(|value| !value.is_nan()).reduce(pick) {
            self.add_measured(name, value);
        }
    }

    /// The finished task's row of `tasks.csv`, in the order of [`task_columns`]; `task` counts from 0.
    pub(crate) fn row(
        &self,
        task: usize,
        updates: u64,
        final_accuracy: f64,
        final_loss: f64,
        test_accuracy: Option<f64>,
    ) -> TaskRow {
        let mut row: TaskRow = vec![
            ("task", task.to_string()),
            ("updates", updates.to_string()),
            ("online_accuracy", field(Some(self.online_accuracy()))),
            ("final_accuracy", field(Some(final_accuracy))),
            ("final_loss", field(Some(final_loss))),
            ("test_accuracy", field(test_accuracy)),
        ];
        let mut indicators = self.indicators();
        let later = indicators.split_off(FIRST + of_method().len());
        let fields =
            |values: Vec<(&'static str, Option<f64>)>| values.into_iter().map(|(name, value)| (name, field(value)));
        row.extend(fields(indicators));
        row.push(("task_age", (task + 1).to_string()));
        row.extend(fields(later));
        row
    }

    /// Every indicator's column and value: the first of the baselines crate, the method's own, and the later ones.
    pub(crate) fn indicators(&self) -> Vec<(&'static str, Option<f64>)> {
        let measured = |indicator: &&dyn Indicator| {
            let name = indicator.definition().name;
            let value = match indicator.when() {
                When::MeasuredUpdate => self.measured.get(name).map(|v| v.iter().sum::<f64>() / v.len() as f64),
                When::TaskStart | When::TaskEnd => self.once.get(name).copied(),
            };
            (name, value)
        };
        let own = of_method().into_iter().map(|definition| match definition.name {
            RHO => (RHO, self.rho()),
            name => (name, self.measured.get(name).and_then(|values| median(values))),
        });
        let (first, later) = INDICATORS.split_at(FIRST);
        first.iter().map(measured).chain(own).chain(later.iter().map(measured)).collect()
    }

    /// Share of measured updates at which any layer's effective step exceeded its combined bound (docs/method.md,
    /// equation (20)).
    pub(crate) fn rho(&self) -> Option<f64> {
        (self.exceeded.0 > 0).then(|| self.exceeded.1 as f64 / self.exceeded.0 as f64)
    }
}

/// The columns of `tasks.csv`.
pub(crate) fn task_columns() -> Vec<&'static str> {
    TaskSummary::default().row(0, 0, 0.0, 0.0, None).into_iter().map(|(name, _)| name).collect()
}

/// The middle value, or the mean of the middle two; infinities are values like others.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        // Equal ends are not averaged: the mean of two infinities is one.
        _ if sorted[middle - 1] == sorted[middle] => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

impl Stateful for TaskSummary {
    fn save(&self, state: &mut State) {
        state.put_numbers("accuracy_sum", &[self.accuracy.0]);
        state.put_value("accuracy_count", &self.accuracy.1);
        state.put_value("measured", &self.exceeded.0);
        state.put_value("exceeded", &self.exceeded.1);
        state.put_value("once", &self.once);
        state.put_value("measured_names", &self.measured.keys().collect::<Vec<_>>());
        for (name, values) in &self.measured {
            state.put_numbers(name, values);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let sum = state.numbers("accuracy_sum")?;
        let count = |name: &str| state.count(name, State::MOST_COUNT);
        self.accuracy = (sum.first().copied().unwrap_or(0.0), count("accuracy_count")?);
        self.exceeded = (count("measured")?, count("exceeded")?);
        self.once = state.value("once")?;
        let names: Vec<String> = state.value("measured_names")?;
        self.measured = names
            .into_iter()
            .map(|name| state.numbers(&name).map(|values| (name, values)))
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::LayerStatistics;
    use crate::schedule::bounds::tests::{bounds, statistics};

    fn layer(effective_step: f64, combined: Option<f64>) -> LayerMeasurement {
        let statistics = LayerStatistics { effective_step: Some(effective_step), ..statistics(4, 1.0, 1.0) };
        LayerMeasurement { layer: "fc1".to_owned(), statistics, bounds: bounds(combined), action: None }
    }

    #[test]
    fn rho_counts_updates_with_any_layer_above_its_bound() {
        let mut summary = TaskSummary::default();
        let mut add = |first, second| summary.add_bounds(&[layer(1.0, first), layer(5.0, second)]);
        add(Some(2.0), Some(6.0));
        add(Some(2.0), Some(4.0));
        add(None, Some(4.0));
        add(None, None);
        assert_eq!(summary.rho(), Some(2.0 / 3.0));
        let values: BTreeMap<_, _> = summary.indicators().into_iter().collect();
        assert_eq!(values["combined_bound"], Some(2.0), "smallest over layers: 2, 2 and 4");
    }

    #[test]
    fn medians_of_infinities_are_infinities() {
        let infinity = f64::INFINITY;
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[1.0, infinity, 2.0, infinity]), Some(infinity));
        assert_eq!(median(&[infinity, infinity]), Some(infinity));
    }

    #[test]
    fn a_restored_summary_says_the_same() {
        let mut before = TaskSummary::default();
        before.add_accuracy(0.1);
        before.add_accuracy(0.7);
        before.add_bounds(&[layer(1.0, Some(f64::INFINITY))]);
        before.add_indicators(INDICATORS[0].when(), &[(INDICATORS[0].definition().name, Some(0.25))]);
        let mut state = State::default();
        before.save(&mut state);
        let mut after = TaskSummary::default();
        after.restore(&state).unwrap();
        assert_eq!(after.indicators(), before.indicators());
        assert_eq!(after.online_accuracy().to_bits(), before.online_accuracy().to_bits());
    }
}
