//! Every indicator that a run writes: those of the registry and the method's own, in the order of the columns.

use std::sync::LazyLock;

use trainability_baselines::indicator::{Definition, IndicatorRole};
use trainability_baselines::registry;

use crate::schedule::{BOUNDS, Bound};

/// The column of the share of measured updates at which any layer's effective step exceeds its combined bound.
pub(super) const RHO: &str = "rho";

/// The column of the effective step over a bound.
pub(super) fn step_over(bound: &Bound) -> String {
    format!("step_over_{}", bound.column)
}

/// The method's own indicators, taken over the measured updates of a task.
static OF_METHOD: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let of = |name: &str, title: &str, text: String| Definition {
        name: name.to_owned().leak(),
        title: title.to_owned().leak(),
        role: IndicatorRole::Method,
        text: text.leak(),
    };
    let over = |extreme: &str| format!("the {extreme} over layers, median over the measured updates of the task");
    let step = of("effective_step", "effective step", format!("the optimizer's effective step, {}", over("largest")));
    let bounds = BOUNDS.iter().map(|bound| {
        let text = format!("{}, {}", bound.text, over("smallest"));
        of(bound.column, bound.title, text)
    });
    let ratios = BOUNDS.iter().map(|bound| {
        let text = format!("effective step over {}, {}", bound.title, over("largest"));
        of(&step_over(bound), &format!("step / {}", bound.title), text)
    });
    let rho = "share of the task's measured updates at which any layer's effective step exceeds its combined bound";
    std::iter::once(step).chain(bounds).chain(ratios).chain([of(RHO, "rho", rho.to_owned())]).collect()
});

/// The two predictors that any indicator has to beat.
const TRIVIAL: [Definition; 2] = [
    Definition {
        name: "task_age",
        title: "task age",
        role: IndicatorRole::Trivial,
        text: "the number of tasks seen so far",
    },
    Definition {
        name: "online_accuracy",
        title: "online accuracy",
        role: IndicatorRole::Trivial,
        text: "mean training accuracy on each minibatch of the task before its update",
    },
];

/// The method's own indicators: effective step, bounds, the step over each bound, and the predicted loss of trainability.
pub fn of_method() -> Vec<Definition> {
    OF_METHOD.clone()
}

/// All indicators of a run, in the order in which `tasks.csv` and the tables show them.
pub(crate) fn catalogue() -> Vec<Definition> {
    registry::definitions().chain(of_method()).chain(TRIVIAL).collect()
}
