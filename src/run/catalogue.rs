//! Every indicator that a run writes: those of the registry and the method's own, in the order of the columns.

use std::sync::LazyLock;

use trainability_baselines::indicator::{Definition, IndicatorRole, Level};
use trainability_baselines::registry;

use crate::schedule::{BOUNDS, Bound};

/// How many indicators of the registry have their columns before the method's own. Those that came later have theirs at a row's
/// end, so that what was written before them is read as it was.
pub(super) const FIRST: usize = 13;

/// The column of the share of measured updates at which any layer's effective step exceeds its combined bound.
pub(super) const RHO: &str = "rho";

/// The column of the effective step over a bound.
pub(super) fn step_over(bound: &Bound) -> String {
    format!("step_over_{}", bound.column)
}

/// The method's own indicators, taken over the measured updates of a task.
static OF_METHOD: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let of = |name: &str, title: &str, level, text: String| Definition {
        name: name.to_owned().leak(),
        title: title.to_owned().leak(),
        role: IndicatorRole::Method,
        loss_follows: Some(level),
        text: text.leak(),
    };
    let over = |extreme: &str| format!("the {extreme} over layers, median over the measured updates of the task");
    let text = format!("the optimizer's effective step, {}", over("largest"));
    let step = of("effective_step", "effective step", Level::High, text);
    let bounds = BOUNDS.iter().map(|bound| {
        let text = format!("{}, {}", bound.text, over("smallest"));
        of(bound.column, bound.title, Level::Low, text)
    });
    let ratios = BOUNDS.iter().map(|bound| {
        let text = format!("effective step over {}, {}", bound.title, over("largest"));
        of(&step_over(bound), &format!("step / {}", bound.title), Level::High, text)
    });
    let rho = "share of the task's measured updates at which any layer's effective step exceeds its combined bound";
    std::iter::once(step).chain(bounds).chain(ratios).chain([of(RHO, "rho", Level::High, rho.to_owned())]).collect()
});

/// The two predictors that any indicator has to beat.
const TRIVIAL: [Definition; 2] = [
    Definition {
        name: "task_age",
        title: "task age",
        role: IndicatorRole::Trivial,
        loss_follows: None,
        text: "the number of tasks seen so far",
    },
    Definition {
        name: "online_accuracy",
        title: "online accuracy",
        role: IndicatorRole::Trivial,
        loss_follows: None,
        text: "mean training accuracy on each minibatch of the task before its update",
    },
];

/// The method's own indicators: effective step, bounds, the step over each bound, and the predicted loss of trainability.
pub fn of_method() -> Vec<Definition> {
    OF_METHOD.clone()
}

/// All indicators of a run, in the order in which `tasks.csv` and the tables show them.
pub(crate) fn catalogue() -> Vec<Definition> {
    let (first, later) = (registry::definitions().take(FIRST), registry::definitions().skip(FIRST));
    first.chain(of_method()).chain(TRIVIAL).chain(later).collect()
}

#[cfg(test)]
mod tests {
    use trainability_record::Glossary;

    use super::*;

    /// The last paragraph of docs/method.md, section 6, with what it does not spell out.
    #[test]
    fn every_indicator_that_the_method_gives_a_direction_has_it() {
        let page = include_str!("../../docs/method.md");
        let paragraph = page.split("**Theory's direction.**").nth(1).unwrap().split("\n\n").next().unwrap();
        let (low, high) = paragraph.split_once("*high*").unwrap();
        let bounds = BOUNDS.map(|bound| bound.column.to_owned());
        let ratios = BOUNDS.map(step_over);
        for definition in catalogue() {
            let named = |text: &str| text.contains(&format!("`{}`", definition.name));
            let is = |columns: &[String]| columns.iter().any(|column| column == definition.name);
            let is_low = named(low) || is(&bounds);
            let is_high = named(high) || is(&ratios) || definition.name.starts_with("weight_norm");
            let is_high = is_high || definition.name == "effective_step";
            let expected = match (is_low, is_high) {
                (true, false) => Some(Level::Low),
                (false, true) => Some(Level::High),
                _ => None,
            };
            assert_eq!(definition.loss_follows, expected, "{}", definition.name);
            assert_eq!(expected.is_none(), definition.role == IndicatorRole::Trivial, "{}", definition.name);
        }
    }

    #[test]
    fn sweeps_without_a_glossary_are_read_with_the_same_directions() {
        for described in Glossary::format2().indicators {
            let definition = catalogue().into_iter().find(|definition| definition.name == described.name).unwrap();
            assert_eq!(described.loss_follows, definition.loss_follows, "{}", definition.name);
        }
    }
}
