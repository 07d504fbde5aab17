//! Which indicator orders, and which predicts, on sweeps in which that is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use trainability_record::Glossary;
use trainability_record::glossary::{DescribedIndicator, Level};

use super::synthetic::{indicator, run};
use crate::evidence::health::HealthyArms;
use crate::evidence::ordering::{Ordering, Power, order_indicators};
use crate::evidence::predictiveness::{PredictivenessOptions, score_indicators};
use crate::results::{RecordedRun, RecordedSweep};
use crate::series::Series;

const TASKS: usize = 14;
const SEEDS: u64 = 14;
/// What a method reaches at first, and what is left of it.
const METHODS: [(&str, f64, f64); 6] = [
    ("relu", 0.85, 0.3),
    ("crelu", 0.95, 0.8),
    ("l2_adam", 0.8, 0.5),
    ("l2_loss", 0.8, 0.55),
    ("wasserstein", 0.5, 0.35),
    ("tanh", 0.12, 0.11),
];

/// A run that loses its accuracy around a task of its own, with columns that know of it more or less.
fn lived(method: (&str, f64, f64), schedule: &str, seed: u64) -> RecordedRun {
    let (name, start, left) = method;
    let mut random = ChaCha8Rng::seed_from_u64(seed * 100 + name.len() as u64 + 17 * schedule.len() as u64);
    let mut draw = |width: f64| width * random.random_range(-1.0..1.0);
    let fate = 6.0 + draw(3.5);
    let parts: Vec<_> = name.split('+').map(|part| json!({ "name": part, "options": {} })).collect();
    let options = json!({
        "training": { "learning_rate": 1e-3 }, "method": { "parts": parts }, "schedule": { "name": schedule }
    });
    let mut run = run(name, schedule, seed, options);
    let mut columns: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for task in 0..TASKS {
        let fallen = if name.starts_with("reset") { 0.0 } else { 1.0 / (1.0 + ((fate - task as f64) / 1.2).exp()) };
        let accuracy = start - (start - left) * fallen + draw(0.02);
        let values = [
            ("online_accuracy", accuracy),
            ("task_age", task as f64),
            ("fate", fate + draw(1.0)),
            ("fate_again", f64::NAN),
            ("only_the_method", 1.0 - start + draw(0.05)),
            ("nowhere", f64::NAN),
        ];
        for (column, value) in values {
            columns.entry(column.to_owned()).or_default().push(Some(value).filter(|value| !value.is_nan()));
        }
    }
    columns.insert("fate_again".to_owned(), columns["fate"].clone());
    run.series = Series { columns: columns.into(), ..run.series };
    run
}

fn sweep(fresh: bool) -> RecordedSweep {
    let mut runs: Vec<RecordedRun> = METHODS
        .iter()
        .flat_map(|method| (0..SEEDS).flat_map(move |seed| ["constant", "paper"].map(|s| lived(*method, s, seed))))
        .collect();
    if fresh {
        runs.extend((0..SEEDS).flat_map(|seed| {
            // Plain ReLU networks reach more than those of wasserstein ever could.
            [("reset", 0.85, 0.85), ("reset+wasserstein", 0.5, 0.5)].map(|method| lived(method, "constant", seed))
        }));
    }
    RecordedSweep { name: "t".into(), runs, ..RecordedSweep::default() }
}

fn columns() -> Glossary {
    let roles = [
        ("online_accuracy", "trivial"),
        ("task_age", "trivial"),
        ("fate", "compared"),
        ("fate_again", "compared"),
        ("only_the_method", "compared"),
        ("nowhere", "compared"),
    ];
    Glossary { indicators: roles.map(|(name, role)| indicator(name, role)).into(), ..Glossary::default() }
}

fn scores(sweep: &RecordedSweep, indicators: &[DescribedIndicator]) -> Vec<Ordering> {
    order_indicators(&HealthyArms::of(sweep, 0.1), &HealthyArms::reacting(sweep, 0.1), indicators)
}

fn of<'a>(scores: &'a [Ordering], name: &str) -> &'a Ordering {
    scores.iter().find(|score| score.indicator.name == name).unwrap()
}

/// Theory's direction is read over all pairs; where the families teach the same, it has the same concordance.
#[test]
fn theory_has_a_direction_of_its_own() {
    let sweep = sweep(true);
    let with = |loss_follows| DescribedIndicator { loss_follows, ..indicator("fate", "compared") };
    let score = |loss_follows| scores(&sweep, &[with(loss_follows)]).remove(0);
    let [low, high] = [Level::Low, Level::High].map(|level| score(Some(level)).by_theory.unwrap().unwrap());
    let learnt = score(None);
    assert!(learnt.by_theory.is_none(), "theory says nothing");
    assert_eq!(learnt.high_is_good.part, learnt.high_is_good.whole, "every family reads high values as good");
    assert_eq!(low.point(), learnt.concordance.unwrap().point());
    assert!((low.point() + high.point() - 1.0).abs() < 1e-12, "{low:?} {high:?}");
    // Family by family, in the same direction: each lies above one half, and none is significantly below.
    assert_eq!(learnt.families.len(), learnt.high_is_good.whole);
    assert!(learnt.families.iter().all(|(_, concordance, _)| concordance.point() > 0.5), "{:?}", learnt.families);
}

#[test]
fn each_column_is_called_what_it_is() {
    let sweep = sweep(true);
    let scores = scores(&sweep, &columns().indicators);
    let power = |name: &str| of(&scores, name).power();
    assert_eq!(power("fate"), Power::Predicts, "{:?}", of(&scores, "fate"));
    assert_eq!(power("online_accuracy"), Power::Orders, "{:?}", of(&scores, "online_accuracy"));
    for nothing in ["task_age", "noise", "only_the_method"] {
        assert_eq!(power(nothing), Power::Nothing, "{nothing}: {:?}", of(&scores, nothing));
    }
    assert_eq!(of(&scores, "task_age").tied, Some(1.0));
    assert_eq!(of(&scores, "task_age").concordance.unwrap().point(), 0.5);
    // Accuracy cannot add to accuracy.
    assert_eq!(of(&scores, "online_accuracy").added.unwrap().point(), 0.0);
    assert!(scores.iter().all(|score| score.indicator.name != "nowhere"), "an empty column is not tested");
    // A copy has the p of its first, and is not counted once more.
    let corrected = |name: &str| of(&scores, name).p_corrected.unwrap();
    assert_eq!(corrected("fate"), corrected("fate_again"));
    let order = of(&scores, "online_accuracy").p.unwrap();
    let tested = 5.0;
    assert!(corrected("online_accuracy") <= tested * order + 1e-15);
}

fn companion(score: &Ordering, name: &str) -> f64 {
    score.companions.iter().find(|(known, _)| *known == name).unwrap().1.unwrap().point()
}

/// What is told beside the primary: age helps where rows are not matched, who has collapsed is foretold by fate, and arms that react
/// stand apart.
#[test]
fn companions_are_what_they_are_called() {
    let mut sweep = sweep(true);
    let reacting = |run: &&mut RecordedRun| run.arm.schedule == "paper";
    sweep.runs.iter_mut().filter(reacting).for_each(|run| run.record.as_mut().unwrap().scheduled = true);
    // Under the scheduler the column says the opposite.
    for run in sweep.runs.iter_mut().filter(reacting) {
        let flip = |value: &mut Option<f64>| *value = value.map(|value| -value);
        Arc::make_mut(&mut run.series.columns).get_mut("fate").unwrap().iter_mut().for_each(flip);
    }
    // Two families collapse.
    for run in sweep.runs.iter_mut().filter(|run| run.arm.method == "wasserstein") {
        let deeper = |value: &mut Option<f64>| *value = value.map(|value| 0.5 - 2.4 * (0.5 - value));
        Arc::make_mut(&mut run.series.columns).get_mut("online_accuracy").unwrap().iter_mut().for_each(deeper);
    }
    let found = scores(&sweep, &columns().indicators);
    let (age, fate) = (of(&found, "task_age"), of(&found, "fate"));
    assert_eq!(age.concordance.unwrap().point(), 0.5);
    assert!(companion(age, "any_rows") > 0.8, "everything falls with age: {age:?}");
    assert!(companion(fate, "of_collapse") > 0.8 && companion(fate, "of_collapse") < 1.0, "{fate:?}");
    assert!(companion(fate, "reacting") > 0.8, "the direction is learnt from the reacting arms themselves: {fate:?}");
    let arms = HealthyArms::reacting(&sweep, 0.1);
    assert!(!arms.runs.is_empty() && arms.runs.iter().all(|run| run.run.arm.schedule == "paper"));
    // Its ceiling is that of fresh networks at the constant rate, or that of the constant arm's first task.
    let ceiling = |arms: &HealthyArms<'_>, name: &str| {
        arms.runs.iter().find(|run| run.run.arm.method == name).map(|run| run.ceiling).unwrap()
    };
    let constant = HealthyArms::of(&sweep, 0.1);
    assert!(["relu", "crelu"].iter().all(|name| ceiling(&arms, name) == ceiling(&constant, name)));
}

/// The column that only knows the method scores high where all arms are thrown together: that was taken for foresight.
#[test]
fn what_tells_methods_apart_passes_the_pooled_auroc_and_not_this() {
    let sweep = sweep(true);
    let series: Vec<Series> = sweep.finished().map(|run| run.series.clone()).collect();
    let options = PredictivenessOptions { horizons: vec![1], ..PredictivenessOptions::default() };
    let pooled = score_indicators(&series, &columns().indicators, &options);
    let pooled = pooled.iter().find(|score| score.indicator.name == "only_the_method").unwrap();
    assert!(pooled.auroc_oriented().unwrap().interval().unwrap().low > 0.6, "{:?}", pooled.auroc_oriented());
    let scores = scores(&sweep, &columns().indicators);
    let matched = of(&scores, "only_the_method").concordance.unwrap();
    assert!(matched.interval().unwrap().contains(0.5), "{matched}");
}

#[test]
fn every_arm_is_held_against_its_own_ceiling() {
    let sweep = sweep(true);
    let arms = HealthyArms::of(&sweep, 0.1);
    assert_eq!(arms.judged.families, ["crelu", "weight decay", "relu", "wasserstein"]);
    assert_eq!(
        (arms.judged.own_ceilings.part, arms.judged.own_ceilings.whole),
        (2, 5),
        "relu and wasserstein have one"
    );
    let left_out: Vec<String> = arms.judged.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out, ["tanh/constant"], "it is within .05 of chance");
    assert!(arms.runs.iter().all(|run| run.run.arm.schedule == "constant"), "scheduled arms are not judged");
    let first = |method: &str| {
        let firsts: Vec<f64> =
            arms.runs.iter().filter(|run| run.run.arm.method == method).map(|run| run.health[0].unwrap()).collect();
        firsts.iter().sum::<f64>() / firsts.len() as f64
    };
    // A slow method is healthy at first. Against ReLU's ceiling it would have half of its health.
    for method in ["relu", "wasserstein", "crelu"] {
        assert!((first(method) - 1.0).abs() < 0.05, "{method}: {}", first(method));
    }
}

#[test]
fn a_constant_rate_of_another_value_is_an_arm_of_the_same_family() {
    let mut sweep = sweep(false);
    for seed in 0..SEEDS {
        let mut slow = lived(METHODS[0], "constant", seed);
        slow.arm.schedule = "constant-learning_rate=0.0001".to_owned();
        slow.series.arm = slow.arm.clone();
        sweep.runs.push(slow);
    }
    let arms = HealthyArms::of(&sweep, 0.1);
    assert_eq!((arms.judged.own_ceilings.whole, arms.judged.families.len()), (6, 4));
    let families: Vec<usize> =
        arms.runs.iter().filter(|run| run.run.arm.method == "relu").map(|run| run.family).collect();
    assert!(families.len() == 2 * SEEDS as usize && families.iter().all(|family| *family == families[0]));
}
