//! The paper's claims on planted runs: what is there is found and named, and what is not there, or too little, is not claimed.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use trainability_stats::Undefined;

use super::synthetic::{self, indicator};
use crate::evidence::claims::claim::{Finding, Judgement, Verdict};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::{ScheduleRole, roles};
use crate::evidence::claims::trajectory::Trajectory;
use crate::evidence::claims::{CLAIMS, examine};
use crate::evidence::gain::scores_by_arm;
use crate::evidence::health::{HealthyArms, families};
use crate::figures_bound::{STEP_OVER_CURVATURE_TERM, STEP_OVER_FIGURES_BOUND};
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
    Series { arm, seed, columns: series.into() }
}

/// The options of a schedule of this label.
fn schedule(label: &str) -> Value {
    let path = |of: &str| format!("results/t/replay/crelu/{of}/seed-0.csv");
    match label.split_once('_') {
        Some(("replay", of)) => json!({ "name": "replay", "rates": path(of) }),
        Some(("flat", of)) => json!({ "name": "replay", "flat": true, "rates": path(of) }),
        _ => match label.split_once("-limit=") {
            Some((name, limit)) => json!({ "name": name, "limit": limit }),
            None => json!({ "name": label.split('-').next() }),
        },
    }
}

/// The same runs as a sweep.
fn recorded(series: &[Series]) -> RecordedSweep {
    let of_series = |series: &Series| {
        let options = json!({ "schedule": schedule(&series.arm.schedule) });
        let recorded = synthetic::run(&series.arm.method, &series.arm.schedule, series.seed, options);
        RecordedRun { series: series.clone(), ..recorded }
    };
    RecordedSweep { name: "t".into(), runs: series.iter().map(of_series).collect(), ..RecordedSweep::default() }
}

fn judged_sweep(sweep: &RecordedSweep, rejected: &[&str], trajectories: &[Trajectory]) -> Vec<Judgement> {
    let runs: Vec<Series> = sweep.runs.iter().map(|run| run.series.clone()).collect();
    examine(&ClaimInputs {
        arms: &HealthyArms::of(sweep, 0.1),
        indicators: &rejected.iter().map(|name| indicator(name, "rejected")).collect::<Vec<_>>(),
        scores: &scores_by_arm(&runs),
        families: &families(sweep),
        schedules: &roles(sweep),
        trajectories,
    })
}

pub(super) fn judged(runs: &[Series], rejected: &[&str]) -> Vec<Judgement> {
    judged_sweep(&recorded(runs), rejected, &[])
}

/// The judgement on a claim.
fn on<'j>(judgements: &'j [Judgement], letter: &str) -> &'j Judgement {
    judgements.iter().find(|judgement| judgement.claim.letter == letter).unwrap()
}

/// The verdict on a claim.
fn verdict(judgements: &[Judgement], letter: &str) -> Verdict {
    on(judgements, letter).verdict
}

fn finding<'j>(judgement: &'j Judgement, subject: &str) -> &'j Finding {
    let found = judgement.findings.iter().find(|finding| finding.subject == subject);
    found.unwrap_or_else(|| panic!("no {subject} in {judgement:?}"))
}

/// Six families of methods whose seeds fall by more or less.
fn falling(seeds: u64, columns: impl Fn(&str) -> Vec<(&'static str, f64, f64)>) -> Vec<Series> {
    let arms =
        [("relu", 0.6), ("crelu", 0.3), ("l2_adam", 0.5), ("tanh", 0.4), ("wasserstein", 0.45), ("layer_norm", 0.35)];
    let of_seed = |seed: u64| {
        let share = 0.6 + 0.08 * ((seed * 7) % 11) as f64;
        arms.map(|(method, fall)| {
            // (name, how much of the accuracy to come, how much noise)
            let planted = columns(method);
            let of = |(name, next, noise): (&'static str, f64, f64)| {
                (name, move |_: f64, accuracy: f64, random: f64| next * accuracy + noise * random)
            };
            let planted: Vec<_> = planted.into_iter().map(of).collect();
            let columns: Vec<Column<'_>> =
                planted.iter().map(|(name, value)| (*name, value as &dyn Fn(f64, f64, f64) -> f64)).collect();
            run(arm(method, "constant"), seed, 0.9, share * fall, &columns)
        })
    };
    (0..seeds).flat_map(of_seed).collect()
}

#[test]
fn an_indicator_that_turns_around_is_inconsistent_and_one_that_does_not_refutes() {
    let turns = |method: &str| if ["relu", "crelu", "tanh"].contains(&method) { 1.0 } else { -1.0 };
    let supported = judged(&falling(10, |method| vec![("sharpness", turns(method), 0.02)]), &["sharpness"]);
    let judgement = on(&supported, "a");
    assert_eq!(judgement.verdict, Verdict::Supported, "{judgement:?}");
    // No exchange is as contradictory: one of 2,000, and the only claim that is tested.
    assert_eq!(judgement.p, Ok(1.0 / 2000.0));
    assert!(judgement.findings[0].note.contains("relu 1.00"), "{judgement:?}");

    let refuted = judged(&falling(10, |_| vec![("sharpness", -1.0, 0.02)]), &["sharpness"]);
    assert_eq!(verdict(&refuted, "a"), Verdict::Refuted, "{refuted:?}");
    // One consistent indicator refutes what is said of all.
    let both = |method: &str| vec![("sharpness", turns(method), 0.02), ("weight_norm", 1.0, 0.02)];
    assert_eq!(verdict(&judged(&falling(10, both), &["sharpness", "weight_norm"]), "a"), Verdict::Refuted);

    let noise = judged(&falling(10, |_| vec![("sharpness", 0.0, 1.0)]), &["sharpness"]);
    assert_eq!(verdict(&noise, "a"), Verdict::Undecided, "what is worthless does not contradict itself: {noise:?}");
    let few = judged(&falling(4, |method| vec![("sharpness", turns(method), 0.02)]), &["sharpness"]);
    assert_eq!(verdict(&few, "a"), Verdict::NotTested, "{few:?}");
}

#[test]
fn the_combined_bound_wins_loses_or_is_the_same() {
    let judged = |combined: f64, parts: f64, single: f64| {
        let columns = move |_: &str| {
            vec![
                ("step_over_combined_bound", -1.0, combined),
                ("step_over_noise_bound", -1.0, parts),
                ("step_over_volatility_bound", -1.0, parts),
                ("sharpness", -1.0, single),
                ("combined_bound", 0.0, 0.0),
            ]
        };
        judged(&falling(10, columns), &["sharpness"])
    };
    let (sharp, blunt) = (0.01, 0.9);
    let better = judged(sharp, blunt, blunt);
    assert_eq!(verdict(&better, "b"), Verdict::Supported, "{:?}", on(&better, "b"));
    assert_eq!(on(&better, "b").deciding().unwrap().effect.unwrap().n(), 10);
    assert_ne!(verdict(&better, "b'"), Verdict::Supported, "the accuracy is as good");
    assert_eq!(verdict(&judged(blunt, sharp, blunt), "b"), Verdict::Refuted);
    let single = judged(blunt, blunt, sharp);
    assert_eq!(verdict(&single, "b'"), Verdict::Refuted);
    // Noise that is a thousandth of the differences between seeds: the same order.
    assert_eq!(verdict(&judged(0.0, 1e-6, blunt), "b"), Verdict::Negligible);
    assert_eq!(verdict(&super::claims::judged(&falling(6, |_| vec![]), &[]), "b"), Verdict::NotTested);
}

/// The bound with the weight of the figures is a claim of its own: parts first, then single indicators and accuracy.
#[test]
fn the_bound_of_the_figures_is_judged_beside() {
    let columns = |_: &str| {
        vec![
            (STEP_OVER_FIGURES_BOUND, -1.0, 0.9),
            (STEP_OVER_CURVATURE_TERM, -1.0, 0.9),
            ("step_over_noise_bound", -1.0, 0.01),
            ("sharpness", -1.0, 0.9),
        ]
    };
    let judgements = judged(&falling(10, columns), &["sharpness"]);
    let judgement = on(&judgements, "b''");
    assert_eq!(judgement.verdict, Verdict::Refuted, "{judgement:?}");
    let subjects: Vec<&str> = judgement.findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["over step_over_noise_bound", "over step / curvature term", "over sharpness", "over online_accuracy"]
    );
    assert_eq!(verdict(&judgements, "b"), Verdict::NotTested, "the runs' own bound is another");
}

/// Four seeds that agree decide nothing.
#[test]
fn a_claim_on_the_combined_bound_needs_five_seeds() {
    let columns = |_: &str| PARTS.map(|name| (name, -1.0, 0.0)).to_vec();
    let of = |seeds: u64| verdict(&judged(&falling(seeds, columns), &[]), "b");
    assert_eq!((of(4), of(5)), (Verdict::Undecided, Verdict::Negligible));
}

const PARTS: [&str; 3] = ["step_over_combined_bound", "step_over_noise_bound", "step_over_volatility_bound"];

/// Arms whose bounds have different formulas were once pooled, and the formula told them apart.
#[test]
fn a_combined_bound_of_several_formulas_is_not_compared() {
    let mut sweep = recorded(&falling(6, |_| PARTS.map(|name| (name, -1.0, 0.1)).to_vec()));
    assert_ne!(verdict(&judged_sweep(&sweep, &[], &[]), "b"), Verdict::NotTested);
    for (place, run) in sweep.runs.iter_mut().enumerate() {
        let beta = if place % 2 == 0 { 1.0 } else { 20.0 };
        run.record.as_mut().unwrap().options =
            json!({ "schedule": { "name": "constant", "bounds": { "beta": beta } } });
    }
    let judgements = judged_sweep(&sweep, &[], &[]);
    assert_eq!(verdict(&judgements, "b"), Verdict::NotTested);
    assert!(on(&judgements, "b").findings[0].note.contains("several formulas"), "{judgements:?}");
}

/// Runs of a method under schedules, each with its gain over the constant one, which varies by seed.
fn schedules(method: &str, seeds: u64, gains: &[(&str, f64)]) -> Vec<Series> {
    let of_schedule = |(schedule, gain): &(&str, f64)| -> Vec<Series> {
        (0..seeds).map(|seed| run(arm(method, schedule), seed, 0.6 + gain, 0.1, &[])).collect()
    };
    gains.iter().flat_map(of_schedule).collect()
}

/// The same in all families that the paper names.
fn in_all_families(seeds: u64, gains: &[(&str, f64)]) -> Vec<Series> {
    ["crelu", "l2_adam", "wasserstein"].iter().flat_map(|method| schedules(method, seeds, gains)).collect()
}

#[test]
fn the_scheduler_improves_harms_or_does_nothing() {
    let with = |gain: f64| judged(&in_all_families(6, &[("constant", 0.0), ("paper", gain)]), &[]);
    assert_eq!(verdict(&with(0.1), "c"), Verdict::Supported);
    assert_eq!(verdict(&with(-0.1), "c"), Verdict::Refuted);
    // The runs' own noise differs by less than .01 over all tasks.
    let nothing = with(0.0);
    assert_eq!(verdict(&nothing, "c"), Verdict::Negligible, "{:?}", on(&nothing, "c"));
    // A true difference of .004 is beyond its uncertainty, and does not matter.
    assert_eq!(verdict(&with(0.004), "c"), Verdict::Negligible);
    assert_eq!(
        verdict(&judged(&in_all_families(4, &[("constant", 0.0), ("paper", 0.1)]), &[]), "c"),
        Verdict::Undecided
    );

    // One family in which it does harm refutes what is said of all; plain ReLU is not among them.
    let mut mixed = in_all_families(6, &[("constant", 0.0), ("paper", 0.1)]);
    mixed.extend(schedules("relu", 6, &[("constant", 0.0), ("paper", -0.2)]));
    assert_eq!(verdict(&judged(&mixed, &[]), "c"), Verdict::Supported);
    mixed.retain(|run| run.arm.method != "crelu");
    let lacking = judged(&mixed, &[]);
    assert_eq!(verdict(&lacking, "c"), Verdict::Undecided, "what is said of three families is not shown by two");
    mixed.extend(schedules("crelu", 6, &[("constant", 0.0), ("paper", -0.1)]));
    let judgements = judged(&mixed, &[]);
    assert_eq!(verdict(&judgements, "c"), Verdict::Refuted);
    assert_eq!(on(&judgements, "c").deciding().unwrap().subject, "crelu · paper");
}

/// Near copies are one: their differences are averaged by seed.
#[test]
fn near_copies_of_a_method_count_once() {
    let mut runs = schedules("l2_adam", 6, &[("constant", 0.0), ("paper", 0.1)]);
    runs.extend(schedules("l2_loss", 6, &[("constant", 0.0), ("paper", -0.1)]));
    let judgements = judged(&runs, &[]);
    let decay = finding(on(&judgements, "c"), "weight decay · paper");
    assert!(decay.effect.unwrap().point().abs() < 0.005, "{decay:?}");
    assert_eq!(decay.effect.unwrap().n(), 6);
}

#[test]
fn every_control_must_be_beaten_and_the_best_is_chosen_on_other_seeds() {
    let base = [("constant", 0.0), ("paper", 0.1)];
    assert_eq!(
        verdict(&judged(&in_all_families(6, &base), &[]), "c'"),
        Verdict::NotTested,
        "the base rate is claim (c)"
    );
    // A decay that nobody told the report of is one all the same.
    let beaten =
        [("constant-learning_rate=0.0003", 0.05), ("sawtooth", 0.0), ("floor_only", 0.04), ("flat_paper", 0.03)];
    let all: Vec<_> = base.into_iter().chain(beaten).collect();
    let judgements = judged(&in_all_families(6, &all), &[]);
    assert_eq!(verdict(&judgements, "c'"), Verdict::Supported, "{:?}", on(&judgements, "c'"));
    let crelu = finding(on(&judgements, "c'"), "crelu · paper");
    assert_eq!(crelu.note, "the best of 5 controls is constant-learning_rate=0.0003");
    assert!((crelu.effect.unwrap().point() - 0.05).abs() < 0.01);

    let better: Vec<_> = all.iter().copied().chain([("linear", 0.2)]).collect();
    assert_eq!(verdict(&judged(&in_all_families(6, &better), &[]), "c'"), Verdict::Refuted);
    // A control without any difference has no p, and is no reason to overlook one that is better.
    let idle: Vec<Series> = in_all_families(6, &better)
        .into_iter()
        .flat_map(|run| {
            let twin =
                (run.arm.schedule == "paper").then(|| Series { arm: arm(&run.arm.method, "step"), ..run.clone() });
            [run].into_iter().chain(twin)
        })
        .collect();
    assert_eq!(verdict(&judged(&idle, &[]), "c'"), Verdict::Refuted);
    let as_good: Vec<_> = all.iter().copied().chain([("cosine", 0.1)]).collect();
    assert_eq!(verdict(&judged(&in_all_families(6, &as_good), &[]), "c'"), Verdict::Negligible);
}

#[test]
fn feedback_and_curvature_count_where_they_change_something() {
    let of = |replay: f64, alone: f64| {
        let gains =
            [("constant", 0.0), ("paper", 0.1), ("replay_paper", 0.1 - replay), ("paper-limit=noise", 0.1 - alone)];
        judged(&in_all_families(6, &gains), &[])
    };
    let both = of(0.05, 0.05);
    assert_eq!([verdict(&both, "c''"), verdict(&both, "e")], [Verdict::Supported; 2]);
    let neither = of(0.0, 0.0);
    assert_eq!([verdict(&neither, "c''"), verdict(&neither, "e")], [Verdict::Negligible; 2]);
    let worse = of(-0.05, -0.05);
    assert_eq!(verdict(&worse, "c''"), Verdict::Refuted);
    assert_eq!(verdict(&worse, "e"), Verdict::Supported, "it changes something, for the worse");
    let without = judged(&in_all_families(6, &[("constant", 0.0), ("paper", 0.1)]), &[]);
    assert_eq!([verdict(&without, "c''"), verdict(&without, "e")], [Verdict::NotTested; 2]);
}

#[test]
fn what_a_schedule_is_follows_from_its_options() {
    let labels = [
        "constant",
        "constant-learning_rate=1",
        "paper",
        "paper-limit=noise",
        "paper-limit=floor_only",
        "sawtooth",
        "replay_paper",
        "flat_as_run",
    ];
    let runs: Vec<Series> = labels.iter().map(|label| run(arm("crelu", label), 0, 0.9, 0.1, &[])).collect();
    let mut sweep = recorded(&runs);
    let found = roles(&sweep);
    let expected = [
        ScheduleRole::BaseConstant,
        ScheduleRole::OtherConstant,
        ScheduleRole::Scheduler,
        ScheduleRole::NoiseAlone("paper".into()),
        ScheduleRole::Cap,
        ScheduleRole::Decay,
        ScheduleRole::Replay("paper".into()),
        ScheduleRole::Flat("as_run".into()),
    ];
    assert!(labels.iter().zip(&expected).all(|(label, role)| found[*label] == *role), "{found:?}");
    sweep.runs[5].record.as_mut().unwrap().scheduled = true;
    assert_eq!(roles(&sweep)["sawtooth"], ScheduleRole::Variant, "it acts on what is measured");
}

#[test]
fn rates_resemble_a_decay_more_than_random_curves_do_or_not() {
    let runs = in_all_families(9, &[("constant", 0.0), ("paper", 0.1)]);
    let sweep = recorded(&runs);
    let judgement = |rate: &dyn Fn(f64) -> f64| {
        let course = |run: &Series| Trajectory {
            arm: run.arm.clone(),
            seed: run.seed,
            layer: "fc1".to_owned(),
            // Seeds differ a little.
            points: (0..=100)
                .map(|i| f64::from(i) / 100.0)
                .map(|time| {
                    (
                        time,
                        rate(time)
                            * (1.0
                                + (0.07 + 0.005 * run.seed as f64)
                                    * (run.seed as f64 + (9 + run.seed) as f64 * time).sin()),
                    )
                })
                .collect(),
        };
        let courses: Vec<Trajectory> = runs.iter().filter(|run| run.arm.schedule == "paper").map(course).collect();
        on(&judged_sweep(&sweep, &[], &courses), "d").clone()
    };
    let exponential = judgement(&|time| 1e-3 * (-3.0 * time).exp());
    assert_eq!(exponential.verdict, Verdict::Supported, "{exponential:?}");
    assert!(exponential.findings[0].note.starts_with("fc1 exponential, R2 0.9"), "{exponential:?}");
    let rising = judgement(&|time| 1e-3 * (1.0 + time));
    assert_eq!(rising.verdict, Verdict::Refuted, "{rising:?}");
    // It falls at once by most of its way and then slowly: no decay looks like that, and many random curves look more like one.
    let early = judgement(&|time| if time < 0.02 { 1e-3 } else { 1e-4 * (1.0 - 0.9 * time.powi(8)) });
    assert_ne!(early.verdict, Verdict::Supported, "{early:?}");
    assert_eq!(on(&judged(&runs, &[]), "d").verdict, Verdict::NotTested);
}

/// More claims, a harder test; and what has no p is no reason to be lenient with the others.
#[test]
fn claims_are_corrected_together() {
    let gains = [("constant", 0.0), ("paper", 0.1), ("linear", 0.0), ("replay_paper", 0.05)];
    let judgements = judged(&in_all_families(6, &gains), &[]);
    let tested = judgements.iter().filter(|judgement| judgement.p.is_ok()).count();
    assert_eq!(tested, 3, "{judgements:?}");
    let mut p: Vec<(f64, f64)> = judgements.iter().filter_map(|j| Some((j.p.ok()?, j.p_corrected.ok()?))).collect();
    p.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!((p[0].1 - 3.0 * p[0].0).abs() < 1e-12, "{p:?}");
    assert!(p.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    let c = on(&judgements, "c");
    let power = c.deciding().unwrap().power.unwrap();
    assert_eq!(c.detectable, power.smallest_detectable(0.05 / 3.0));
    assert_eq!(c.seeds_needed, power.seeds_for(0.05, 0.05 / 3.0, 10_000));
    assert_eq!(judgements.len(), CLAIMS.len());
    assert_eq!(on(&judgements, "b").p, Err(Undefined::NoValues));
}
