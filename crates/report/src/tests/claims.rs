//! The paper's claims on planted runs: what is there is found and named, and what is not there, or too little, is not claimed.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use trainability_record::glossary::DescribedIndicator;

use super::synthetic::{self, indicator};
use crate::evidence::claims::finding::{Claim, Finding, Verdict, overall};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::Trajectory;
use crate::evidence::claims::{examine, judge};
use crate::evidence::health::HealthyArms;
use crate::evidence::outcomes::EventOptions;
use crate::evidence::predictiveness::{PredictivenessOptions, score_indicators};
use crate::results::{RecordedRun, RecordedSweep};
use crate::series::{Arm, Series};

const TASKS: usize = 16;

fn arm(method: &str, schedule: &str) -> Arm {
    Arm { method: method.to_owned(), schedule: schedule.to_owned() }
}

/// A column and its value by time from 0 to 1, accuracy to come, and noise.
type Column<'a> = (&'a str, &'a dyn Fn(f64, f64, f64) -> f64);

/// A run whose accuracy falls from `level` by `fall` over its tasks, with its indicators.
fn run(arm: Arm, seed: u64, level: f64, fall: f64, columns: &[Column<'_>]) -> Series {
    let mut random = ChaCha8Rng::seed_from_u64(seed * 31 + arm.method.len() as u64 * 7 + arm.schedule.len() as u64);
    let mut series: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for task in 0..TASKS {
        let time = task as f64 / (TASKS - 1) as f64;
        let accuracy = level - fall * time + 0.01 * random.random::<f64>();
        let next = level - fall * (time + 1.0 / (TASKS - 1) as f64);
        for (name, value) in columns {
            let noise = random.random::<f64>() - 0.5;
            series.entry((*name).to_owned()).or_default().push(Some(value(time, next, noise)));
        }
        series.entry("online_accuracy".to_owned()).or_default().push(Some(accuracy));
        series.entry("task_age".to_owned()).or_default().push(Some(task as f64));
    }
    Series { arm, seed, columns: series }
}

/// The same runs as a sweep.
fn recorded(series: &[Series]) -> RecordedSweep {
    let of_series = |series: &Series| {
        let recorded = synthetic::run(&series.arm.method, &series.arm.schedule, series.seed, json!({}));
        RecordedRun { series: series.clone(), ..recorded }
    };
    RecordedSweep { name: "t".into(), runs: series.iter().map(of_series).collect(), ..RecordedSweep::default() }
}

fn judged(runs: &[Series], indicators: &[(&str, &str)], trajectories: &[Trajectory]) -> Vec<Finding> {
    let trivial = [("task_age", "trivial"), ("online_accuracy", "trivial")];
    let indicators: Vec<DescribedIndicator> =
        indicators.iter().chain(&trivial).map(|(name, role)| indicator(name, role)).collect();
    let options = PredictivenessOptions { horizons: vec![1], ..Default::default() };
    let scores = score_indicators(runs, &indicators, &options);
    let sweep = recorded(runs);
    let role = |label: &str| (label.to_owned(), ScheduleRole::of(label.split('-').next().unwrap(), None, label));
    examine(&ClaimInputs {
        arms: &HealthyArms::of(&sweep, 0.1),
        indicators: &indicators,
        runs,
        scores: &scores,
        schedules: runs.iter().map(|run| role(&run.arm.schedule)).collect(),
        trajectories,
        event: &EventOptions::default(),
    })
}

fn of(findings: &[Finding], claim: Claim) -> Vec<(&str, Verdict, &str)> {
    let of_claim = findings.iter().filter(|finding| finding.claim == claim);
    of_claim.map(|finding| (finding.subject.as_str(), finding.verdict, finding.evidence.as_str())).collect()
}

#[test]
fn a_counter_example_is_found_and_named_or_not() {
    // `trend` rises everywhere; `loss` is the accuracy to come, upside down; `still` is noise.
    let columns: [Column<'_>; 3] = [
        ("trend", &|time, _, noise| time + 0.1 * noise),
        ("loss", &|_, next, noise| 1.0 - next + 0.001 * noise),
        ("still", &|_, _, noise| noise),
    ];
    let mut runs = Vec::new();
    for seed in 0..3 {
        runs.push(run(arm("relu", "constant"), seed, 0.9, 0.7, &columns));
        runs.push(run(arm("crelu", "constant"), seed, 0.9, 0.02, &columns));
        runs.push(run(arm("l2_adam", "constant"), seed, 0.9, 0.4, &columns));
    }
    let indicators = [("trend", "rejected"), ("loss", "rejected"), ("still", "rejected")];
    let findings = judged(&runs, &indicators, &[]);
    let [trend, loss, still] = of(&findings, Claim::IndicatorsUnreliable)[..] else { panic!("{findings:?}") };
    assert_eq!((trend.0, trend.1), ("trend", Verdict::Supported));
    assert!(trend.2.contains("crelu/constant") && trend.2.contains("n = 3 seeds"), "{}", trend.2);
    assert_ne!(loss.1, Verdict::Supported, "{}", loss.2);
    assert!(loss.2.contains("no counter-example among 3 configurations"), "{}", loss.2);
    assert_eq!(still.1, Verdict::Undecided, "{}", still.2);

    // With one seed nothing can be shown to repeat.
    let alone: Vec<Series> = runs.into_iter().filter(|run| run.seed == 0).collect();
    let findings = judged(&alone, &indicators, &[]);
    assert!(of(&findings, Claim::IndicatorsUnreliable).iter().all(|(_, verdict, _)| *verdict == Verdict::Undecided));
}

#[test]
fn the_combined_bound_wins_loses_or_is_the_same() {
    let better: &dyn Fn(f64, f64, f64) -> f64 = &|_, next, noise| 1.0 - next + 0.01 * noise;
    let worse: &dyn Fn(f64, f64, f64) -> f64 = &|_, next, noise| 1.0 - next + 0.6 * noise;
    type Of<'a> = &'a dyn Fn(f64, f64, f64) -> f64;
    let verdicts = |combined: Of<'_>, parts: Of<'_>, single: Of<'_>| {
        let columns = [
            ("step_over_combined_bound", combined),
            ("step_over_noise_bound", parts),
            ("step_over_volatility_bound", parts),
            ("sharpness", single),
        ];
        let arms = [("relu", 0.7), ("crelu", 0.3), ("l2_adam", 0.5), ("l2_loss", 0.2)];
        // Seeds fall by more or less.
        let of_seed = |seed: u64| {
            let share = 0.6 + 0.1 * (seed % 5) as f64;
            arms.map(|(method, fall)| run(arm(method, "constant"), seed, 0.9, share * fall, &columns))
        };
        let findings = judged(&(0..10).flat_map(of_seed).collect::<Vec<_>>(), &[("sharpness", "rejected")], &[]);
        let found = of(&findings, Claim::CombinedBoundPredicts);
        assert!(found.iter().all(|(_, _, evidence)| evidence.contains("n = 10 seeds")), "{found:?}");
        ([found[0].1, found[1].1], overall(Claim::CombinedBoundPredicts, &findings))
    };
    use Verdict::{Contradicted, Negligible, Supported};
    assert_eq!(verdicts(better, worse, worse).0[0], Supported);
    assert_eq!(verdicts(worse, better, worse), ([Contradicted, verdicts(worse, better, worse).0[1]], Contradicted));
    assert_eq!(verdicts(worse, worse, better).0[1], Contradicted);
    // At the paper's beta the combined bound and the noise bound are one number.
    assert_eq!(verdicts(&|_, next, _| 1.0 - next, &|_, next, _| 1.001 * (1.0 - next), worse).0[0], Negligible);
    let columns_missing = judged(&[run(arm("relu", "constant"), 0, 0.9, 0.5, &[])], &[], &[]);
    assert_eq!(overall(Claim::CombinedBoundPredicts, &columns_missing), Verdict::NotTested);
}

/// Four seeds that agree decide nothing.
#[test]
fn a_claim_on_the_combined_bound_needs_five_seeds() {
    let same: Column<'_> = ("step_over_combined_bound", &|_, next, _| 1.0 - next);
    let columns = [same, ("step_over_noise_bound", same.1), ("step_over_volatility_bound", same.1)];
    let verdict = |seeds: u64| {
        let of_seed = |seed| ["relu", "crelu"].map(|m| run(arm(m, "constant"), seed, 0.9, 0.1 * seed as f64, &columns));
        let findings = judged(&(0..seeds).flat_map(of_seed).collect::<Vec<_>>(), &[], &[]);
        of(&findings, Claim::CombinedBoundPredicts)[0].1
    };
    assert_eq!((verdict(4), verdict(5)), (Verdict::Undecided, Verdict::Negligible));
}

/// Arms whose bounds have different formulas were once pooled, and the formula told them apart.
#[test]
fn a_combined_bound_of_several_formulas_is_not_compared() {
    let columns: [Column<'_>; 1] = [("step_over_combined_bound", &|_, next, _| 1.0 - next)];
    let runs: Vec<Series> = ["relu", "crelu"]
        .iter()
        .flat_map(|method| (0..6).map(|seed| run(arm(method, "constant"), seed, 0.9, 0.1 * seed as f64, &columns)))
        .collect();
    let mut sweep = recorded(&runs);
    let told = |sweep: &RecordedSweep| {
        let findings = judge(sweep, &HealthyArms::of(sweep, 0.1), &runs, &[], &EventOptions::default());
        let found = of(&findings, Claim::CombinedBoundPredicts)[0];
        (found.1, found.2.to_owned())
    };
    assert!(!told(&sweep).1.contains("several formulas"), "{:?}", told(&sweep));
    let options = |beta| json!({ "schedule": { "name": "constant", "bounds": { "beta": beta } } });
    for (place, run) in sweep.runs.iter_mut().enumerate() {
        run.record.as_mut().unwrap().options = options(if place < 6 { 1.0 } else { 20.0 });
    }
    assert_eq!(told(&sweep).0, Verdict::NotTested);
    assert!(told(&sweep).1.contains("several formulas"), "{:?}", told(&sweep));
}

/// Runs of a method under schedules, each with its gain over the constant one.
fn schedules(method: &str, seeds: u64, gains: &[(&str, f64)]) -> Vec<Series> {
    let of_schedule = |(schedule, gain): &(&str, f64)| -> Vec<Series> {
        // Differences vary by seed through the runs' own noise.
        (0..seeds).map(|seed| run(arm(method, schedule), seed, 0.6 + gain, 0.1, &[])).collect()
    };
    gains.iter().flat_map(of_schedule).collect()
}

#[test]
fn gains_count_beyond_their_uncertainty_alone() {
    let all = [("constant", 0.0), ("paper", 0.1), ("as_run", -0.1)];
    let mut runs = schedules("crelu", 4, &all);
    runs.extend(schedules("l2_loss", 4, &[("constant", 0.0), ("paper", 0.0), ("as_run", 0.0001)]));
    let identical: Vec<Series> = schedules("l2_adam", 4, &[("constant", 0.0)])
        .into_iter()
        .flat_map(|run| [run.clone(), Series { arm: arm("l2_adam", "paper"), ..run }])
        .collect();
    runs.extend(identical);
    // The claim is not about plain ReLU.
    runs.extend(schedules("relu", 4, &all));
    let findings = judged(&runs, &[], &[]);
    let found = of(&findings, Claim::SchedulerImproves);
    let verdict = |subject: &str| found.iter().find(|finding| finding.0 == subject).unwrap().1;
    assert_eq!(verdict("crelu/paper"), Verdict::Supported);
    assert_eq!(verdict("crelu/as_run"), Verdict::Contradicted);
    assert_eq!(verdict("l2_loss/paper"), Verdict::Undecided);
    assert_eq!(verdict("l2_adam/paper"), Verdict::NotTested);
    assert_eq!(verdict("wasserstein"), Verdict::NotTested);
    assert!(!found.iter().any(|finding| finding.0.starts_with("relu")), "{found:?}");
    assert_eq!(overall(Claim::SchedulerImproves, &findings), Verdict::Contradicted);

    // Two seeds decide nothing, however large the gain.
    let findings = judged(&schedules("crelu", 2, &[("constant", 0.0), ("paper", 0.02)]), &[], &[]);
    assert_eq!(of(&findings, Claim::SchedulerImproves)[0].1, Verdict::Undecided, "{findings:?}");
}

#[test]
fn smaller_steps_are_rivals_where_there_are_any() {
    let without = judged(&schedules("crelu", 4, &[("constant", 0.0), ("paper", 0.1)]), &[], &[]);
    let found = of(&without, Claim::SchedulerBeatsSmallerSteps);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(_, verdict, evidence)| {
        *verdict == Verdict::NotTested && *evidence == "not tested in this sweep; configs/controls.json does"
    }));

    let rivals = [("constant-learning_rate=0.0003", 0.05), ("cosine", 0.0), ("linear", 0.2), ("floor_only", 0.1)];
    let gains: Vec<_> = [("constant", 0.0), ("paper", 0.1)].into_iter().chain(rivals).collect();
    let findings = judged(&schedules("crelu", 4, &gains), &[], &[]);
    let found = of(&findings, Claim::SchedulerBeatsSmallerSteps);
    let [constants, decays, cap] = found[..] else { panic!("{found:?}") };
    assert_eq!(constants.1, Verdict::Supported, "{constants:?}");
    assert_eq!(decays.1, Verdict::Contradicted, "{decays:?}");
    assert!(decays.2.starts_with("against the best of 2, linear: −0.1"), "{}", decays.2);
    assert_eq!(cap.1, Verdict::Undecided, "{cap:?}");

    // The best of all constants is often the one that everybody begins with.
    let gains = [("constant", 0.1), ("paper", 0.1), ("constant-learning_rate=0.0003", 0.0)];
    let findings = judged(&schedules("crelu", 4, &gains), &[], &[]);
    let (subject, verdict, evidence) = of(&findings, Claim::SchedulerBeatsSmallerSteps)[0];
    assert_eq!((subject, verdict), ("crelu/paper against constant step sizes", Verdict::Undecided));
    assert!(evidence.starts_with("against the best of 2, constant: "), "{evidence}");
}

#[test]
fn courses_mirror_a_decay_in_every_layer_and_seed_or_not() {
    let course = |seed: u64, layer: &str, rate: &dyn Fn(f64) -> f64| Trajectory {
        arm: arm("crelu", "paper"),
        seed,
        layer: layer.to_owned(),
        points: (0..=100).map(|i| f64::from(i) / 100.0).map(|time| (time, rate(time))).collect(),
    };
    let verdict = |trajectories: &[Trajectory]| {
        let findings = judged(&schedules("crelu", 2, &[("constant", 0.0), ("paper", 0.1)]), &[], trajectories);
        let [(_, verdict, evidence)] = of(&findings, Claim::RatesMirrorDecay)[..] else { panic!("{findings:?}") };
        (verdict, evidence.to_owned())
    };
    let falling: &dyn Fn(f64) -> f64 = &|time| 1e-3 * (-3.0 * time).exp();
    let rising: &dyn Fn(f64) -> f64 = &|time| 1e-3 * (1.0 + time);
    let both =
        |rate| [course(0, "fc1", falling), course(1, "fc1", falling), course(0, "fc2", rate), course(1, "fc2", rate)];
    assert_eq!(verdict(&both(falling)).0, Verdict::Supported);
    assert!(verdict(&both(falling)).1.starts_with("fc1 exponential, R2 1.00; fc2"), "{:?}", verdict(&both(falling)));
    assert_eq!(verdict(&both(rising)).0, Verdict::Contradicted);
    assert!(verdict(&both(rising)).1.contains("fc2 falls like none; n = 2 seeds"), "{:?}", verdict(&both(rising)));
    assert_eq!(verdict(&[course(0, "fc1", falling), course(1, "fc1", rising)]).0, Verdict::Undecided);
    assert_eq!(verdict(&[course(0, "fc1", falling)]).0, Verdict::Undecided);
    assert_eq!(verdict(&[]).0, Verdict::NotTested);
}
