//! Rates of plain decays, update by update.

use proptest::prelude::*;
use serde_json::{Value, json};
use trainability_tensor::State;

use crate::schedule::ScheduleError;
use crate::testing::schedules::{BASE, at, rates, schedule};

/// From PyTorch 2.13:
/// ```python
/// from torch.optim.lr_scheduler import *
/// def rates(make):
///     optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
///     schedule, rates = make(optimizer), []
///     for _ in range(8):
///         rates.append(optimizer.param_groups[0]["lr"]); optimizer.step(); schedule.step()
///     return rates
/// rates(lambda o: LinearLR(o, 1.0, 0.1, 8))
/// rates(lambda o: ExponentialLR(o, 0.1 ** (1 / 8)))
/// rates(lambda o: CosineAnnealingLR(o, 8, 1e-4))
/// rates(lambda o: CosineAnnealingWarmRestarts(o, 4, 1, 1e-4))
/// rates(lambda o: MultiStepLR(o, [2, 4, 6], 0.5))
/// rates(lambda o: StepLR(o, 4, 0.3))
/// rates(lambda o: SequentialLR(o, [LinearLR(o, 0.01, 1.0, 2), ConstantLR(o, 1.0, 1), LinearLR(o, 1.0, 0.1, 4)], [2, 4]))
/// ```
#[test]
fn plain_decays_equal_pytorchs() {
    let cosine = json!({ "end_factor": 0.1, "restart": "task" });
    let step = json!({ "factor": 0.3, "every_tasks": 2 });
    let rise = json!({ "start_factor": 0.01, "warmup_share": 0.25, "decay_share": 0.5, "end_factor": 0.1 });
    // Name, options, tasks, rates of eight updates in thousandths.
    let golden: [(&str, Value, u64, [f64; 8]); 7] = [
        ("linear", json!({}), 1, [1.0, 0.8875, 0.775, 0.6625, 0.55, 0.4375, 0.325, 0.2125]),
        (
            "exponential",
            json!({}),
            1,
            [
                1.0,
                0.7498942093324559,
                0.5623413251903491,
                0.4216965034285823,
                0.316227766016838,
                0.2371373705661656,
                0.17782794100389235,
                0.13335214321633248,
            ],
        ),
        (
            "cosine",
            json!({}),
            1,
            [
                1.0,
                0.965745789630079,
                0.8681980515339464,
                0.7222075445642906,
                0.55,
                0.37779245543570966,
                0.23180194846605365,
                0.13425421036992097,
            ],
        ),
        (
            "cosine",
            cosine,
            2,
            [1.0, 0.8681980515339464, 0.55, 0.23180194846605365, 1.0, 0.8681980515339464, 0.55, 0.23180194846605365],
        ),
        ("step", json!({}), 1, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
        ("step", step, 4, [1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 0.3, 0.3]),
        ("warmup_stable_decay", rise, 1, [0.01, 0.505, 1.0, 1.0, 1.0, 0.775, 0.55, 0.325]),
    ];
    for (name, own, tasks, expected) in golden {
        for (found, expected) in rates(name, own, tasks, 8 / tasks).into_iter().zip(expected) {
            assert!((found / (expected * 1e-3) - 1.0).abs() < 1e-13, "{name}: {found} against {expected} thousandths");
        }
    }
}

#[test]
fn a_rate_of_its_own_takes_the_place_of_the_base_rate() {
    assert_eq!(rates("constant", json!({}), 1, 2), [BASE; 2]);
    assert_eq!(rates("constant", json!({ "learning_rate": 3e-4 }), 1, 2), [3e-4; 2]);
    for name in ["linear", "exponential", "cosine", "step"] {
        let found = rates(name, json!({ "learning_rate": 2.0 * BASE }), 3, 4);
        let expected: Vec<f64> = rates(name, json!({}), 3, 4).iter().map(|rate| 2.0 * rate).collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(found[0], 2.0 * BASE);
    }
}

#[test]
fn a_restart_makes_every_task_a_run_of_its_own() {
    for name in ["linear", "exponential", "cosine", "warmup_stable_decay"] {
        let whole = rates(name, json!({ "restart": "task" }), 3, 20);
        let single = rates(name, json!({}), 1, 20);
        assert!(single.iter().any(|&rate| rate < 0.5 * BASE) && single.contains(&BASE));
        for task in whole.chunks(20) {
            assert_eq!(task, single, "{name}");
        }
    }
}

#[test]
fn milestones_are_met_at_the_update_that_they_name() {
    // 29 of 100 is below 0.29 * 100 in floating point.
    let found = rates("step", json!({ "milestones": [0.29, 0.58], "factor": 0.1 }), 1, 100);
    let changes: Vec<usize> = (1..100).filter(|&update| found[update] != found[update - 1]).collect();
    assert_eq!(changes, [29, 58]);
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let both = json!({ "milestones": [0.5], "every_tasks": 2 });
    for (name, own, key) in [
        ("constant", json!({ "learning_rate": 0.0 }), "learning_rate"),
        ("cosine", json!({ "learning_rate": -1.0 }), "learning_rate"),
        ("linear", json!({ "end_factor": 1.0 }), "end_factor"),
        ("linear", json!({ "end_factor": -0.1 }), "end_factor"),
        ("cosine", json!({ "end_factor": 1.0 }), "end_factor"),
        ("exponential", json!({ "end_factor": 0.0 }), "end_factor"),
        ("step", json!({ "factor": 1.0 }), "factor"),
        ("step", json!({ "every_tasks": 0 }), "every_tasks"),
        ("step", both, "every_tasks"),
        ("step", json!({ "milestones": [] }), "milestones"),
        ("step", json!({ "milestones": [0.5, 0.5] }), "milestones"),
        ("step", json!({ "milestones": [0.5, 1.0] }), "milestones"),
        ("warmup_stable_decay", json!({ "start_factor": 0.0 }), "start_factor"),
        ("warmup_stable_decay", json!({ "warmup_share": -0.1 }), "warmup_share"),
        ("warmup_stable_decay", json!({ "warmup_share": 0.81 }), "decay_share"),
        ("warmup_stable_decay", json!({ "warmup_share": 0, "decay_share": 0 }), "decay_share"),
        ("warmup_stable_decay", json!({ "end_factor": 1.0 }), "end_factor"),
    ] {
        match schedule(name, own.clone()) {
            Err(ScheduleError::Value(error)) => assert_eq!(error.key, key, "{name} with {own}: {error}"),
            other => panic!("{name} with {own}: {other:?}"),
        }
    }
    assert!(schedule("warmup_stable_decay", json!({ "warmup_share": 0.7, "decay_share": 0.3 })).is_ok());
}

proptest! {
    #[test]
    fn rates_lie_between_the_end_and_the_base(
        end in 0.001..0.999f64, base in 1e-6..1.0f64, tasks in 1u64..8, length in 1u64..60, restart in any::<bool>(),
    ) {
        let restart = if restart { "task" } else { "never" };
        let usual = json!({ "learning_rate": base, "end_factor": end, "restart": restart });
        let step = json!({ "learning_rate": base, "factor": end });
        for (name, own, lowest) in [
            ("linear", usual.clone(), end),
            ("exponential", usual.clone(), end),
            ("cosine", usual.clone(), end),
            ("warmup_stable_decay", usual, end.min(0.1)),
            ("step", step, end.powi(3)),
        ] {
            let found = rates(name, own, tasks, length);
            prop_assert!(found.iter().all(|&rate| rate > 0.0 && rate <= base), "{} {:?}", name, found);
            prop_assert!(found.iter().all(|&rate| rate >= base * lowest * (1.0 - 1e-15)), "{} {:?}", name, found);
            let falls = found.windows(2).all(|pair| pair[1] <= pair[0]);
            prop_assert!(falls || restart == "task" || name == "warmup_stable_decay", "{} {:?}", name, found);
        }
    }

    #[test]
    fn a_restored_schedule_goes_on_with_the_same_bits(stop in 0u64..30) {
        for name in ["constant", "linear", "exponential", "cosine", "step", "warmup_stable_decay"] {
            let (mut before, mut after) = (schedule(name, json!({})).unwrap(), schedule(name, json!({})).unwrap());
            before.begin_update(at(stop, 3, 10));
            after.begin_update(at(29 - stop, 3, 10));
            let mut state = State::default();
            before.save(&mut state);
            after.restore(&state).unwrap();
            prop_assert_eq!(before.learning_rates(), after.learning_rates());
            before.begin_update(at(stop / 2, 3, 10));
            after.begin_update(at(stop / 2, 3, 10));
            prop_assert_eq!(before.learning_rates(), after.learning_rates());
        }
    }
}
