//! Every indicator that a run writes: those of the baselines crate and the method's own, in the order of the columns.

use trainability_baselines::indicator::{Definition, Role};

/// The method's own indicators, taken over the measured updates of a task.
pub const OWN: &[Definition] = &[
    Definition {
        name: "effective_step",
        title: "effective step",
        role: Role::Method,
        text: "Adam's effective step, the largest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "noise_bound",
        title: "noise bound",
        role: Role::Method,
        text: "B |g|^2 / sigma2, the smallest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "noise_bound_debiased",
        title: "debiased noise bound",
        role: Role::Method,
        text: "the noise bound without the batch's own noise, the smallest over layers, median over the measured updates",
    },
    Definition {
        name: "volatility_bound",
        title: "volatility bound",
        role: Role::Method,
        text: "1 / (kappa Vol), the smallest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "level_bound",
        title: "level bound",
        role: Role::Method,
        text: "2 mu / (s2 + mu^2), the smallest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "combined_bound",
        title: "combined bound",
        role: Role::Method,
        text: "alpha_safe by the run's options, the smallest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "step_over_noise_bound",
        title: "step / noise bound",
        role: Role::Method,
        text: "effective step over noise bound, the largest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "step_over_noise_bound_debiased",
        title: "step / debiased noise bound",
        role: Role::Method,
        text: "effective step over debiased noise bound, the largest over layers, median over the measured updates",
    },
    Definition {
        name: "step_over_volatility_bound",
        title: "step / volatility bound",
        role: Role::Method,
        text: "effective step over volatility bound, the largest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "step_over_level_bound",
        title: "step / level bound",
        role: Role::Method,
        text: "effective step over level bound, the largest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "step_over_combined_bound",
        title: "step / combined bound",
        role: Role::Method,
        text: "effective step over combined bound, the largest over layers, median over the measured updates of the task",
    },
    Definition {
        name: "rho",
        title: "rho",
        role: Role::Method,
        text: "share of the task's measured updates at which any layer's effective step exceeds its combined bound",
    },
];

/// The two predictors that any indicator has to beat.
pub const TRIVIAL: &[Definition] = &[
    Definition { name: "task_age", title: "task age", role: Role::Trivial, text: "the number of tasks seen so far" },
    Definition {
        name: "online_accuracy",
        title: "online accuracy",
        role: Role::Trivial,
        text: "mean training accuracy on each minibatch of the task before its update",
    },
];

/// All indicators of a run, in the order in which `tasks.csv` and the tables show them.
pub fn catalogue() -> Vec<Definition> {
    let measured = trainability_baselines::indicator::definitions();
    measured.chain(OWN.iter().copied()).chain(TRIVIAL.iter().copied()).collect()
}
