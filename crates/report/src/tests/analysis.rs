//! Scores and comparisons of whole sweeps: planted and absent effects, the coverage of the intervals, and what is undefined.
//! Golden numbers stand beside the code that they check, slow second implementations beside these tests and in the statistics.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use trainability_record::glossary::DescribedIndicator;
use trainability_stats::auroc::Direction;
use trainability_stats::jackknife::mean_over_seeds;
use trainability_stats::{Estimate, Interval, Undefined};

use super::rows::{PredictivenessRow, SummaryRow, read};
use super::synthetic::indicator;
use crate::evidence::comparison::{ArmSummary, compare_arms};
use crate::evidence::outcomes::Reference;
use crate::evidence::predictiveness::{Predictiveness, PredictivenessOptions, leading, ranked, score_indicators};
use crate::evidence::rows::{CsvField, CsvLine};
use crate::series::{Arm, Series};
use crate::writers::files::csv_bytes;

pub(super) fn arm(method: &str, schedule: &str) -> Arm {
    Arm { method: method.to_owned(), schedule: schedule.to_owned() }
}

pub(super) fn run(arm: Arm, seed: u64, columns: &[(&str, Vec<f64>)]) -> Series {
    let column = |values: &Vec<f64>| values.iter().map(|value| Some(*value).filter(|value| !value.is_nan())).collect();
    let columns = columns.iter().map(|(name, values)| ((*name).to_owned(), column(values)));
    Series { arm, seed, columns: BTreeMap::from_iter(columns).into() }
}

fn normal(generator: &mut impl Rng) -> f64 {
    StandardNormal.sample(generator)
}

/// Runs of a few arms, each task losing trainability at random; `signal` is how far the planted indicator moves before that.
fn synthetic(arms: usize, seeds: u64, tasks: usize, signal: f64, generator: &mut ChaCha8Rng) -> Vec<Series> {
    let mut runs = Vec::new();
    for method in 0..arms {
        for seed in 0..seeds {
            let share = 0.2 + 0.6 * method as f64 / arms as f64 + 0.1 * generator.random::<f64>();
            let (offset, mut planted, mut accuracy) = (0.7 * normal(generator), Vec::new(), vec![0.9]);
            for task in 0..tasks {
                let lost = generator.random::<f64>() < share;
                let within = (1.0_f64 - 0.7 * 0.7).sqrt();
                planted.push(offset + within * normal(generator) + if lost { signal } else { 0.0 });
                if task + 1 < tasks {
                    accuracy.push(if lost { 0.4 } else { 0.9 } + 0.02 * generator.random::<f64>());
                }
            }
            let mut columns = vec![("planted", planted), ("task_age", (0..tasks).map(|task| task as f64).collect())];
            for name in ["noise_a", "noise_b", "noise_c"] {
                columns.push((name, (0..tasks).map(|_| normal(generator)).collect()));
            }
            columns.push(("online_accuracy", accuracy));
            runs.push(run(arm(&format!("method_{method}"), "constant"), seed, &columns));
        }
    }
    runs
}

fn indicators() -> Vec<DescribedIndicator> {
    let tried = ["noise_a", "noise_b", "planted", "noise_c"].map(|name| indicator(name, "compared"));
    let trivial = ["task_age", "online_accuracy"].map(|name| indicator(name, "trivial"));
    tried.into_iter().chain(trivial).collect()
}

fn names<'a>(scores: &[&'a Predictiveness]) -> Vec<&'a str> {
    scores.iter().map(|score| score.indicator.name.as_str()).collect()
}

#[test]
fn a_planted_leading_indicator_ranks_first_beyond_the_trivial_ones() {
    for sign in [1.5, -1.5] {
        let runs = synthetic(5, 8, 20, sign, &mut ChaCha8Rng::seed_from_u64(4));
        let scores = score_indicators(&runs, &indicators(), &PredictivenessOptions::default());
        assert_eq!(names(&ranked(&scores, 1))[0], "planted");
        assert_eq!(names(&leading(&scores, 1)), ["planted"]);
        let planted = ranked(&scores, 1)[0];
        let low = planted.auroc_oriented().unwrap().interval().unwrap().low;
        for trivial in scores.iter().filter(|score| score.horizon == 1 && score.is_trivial()) {
            assert!(low > trivial.auroc_oriented().unwrap().point(), "{low} against {trivial:?}");
        }
        assert_eq!(planted.direction, Some(if sign > 0.0 { Direction::High } else { Direction::Low }));
        assert_eq!((planted.pairs, planted.runs, planted.seeds), (5 * 8 * 19, 40, 8));
        assert_eq!(planted.sign_consistency.unwrap().part, 5);
        for gain in [planted.gain_over_task_age, planted.gain_over_online_accuracy] {
            assert!(gain.unwrap().interval().unwrap().low > 0.0, "{gain:?}");
        }
        assert_eq!(planted.gain_over_task_age.unwrap().n(), 40);
    }
}

#[test]
fn in_pure_noise_no_indicator_leads_and_intervals_hold_one_half() {
    let covered: usize = (0..120_u64)
        .into_par_iter()
        .map(|seed| {
            let runs = synthetic(6, 3, 12, 0.0, &mut ChaCha8Rng::seed_from_u64(seed));
            let options = PredictivenessOptions { horizons: vec![1], ..Default::default() };
            let scores = score_indicators(&runs, &indicators(), &options);
            assert!(leading(&scores, 1).is_empty(), "seed {seed}");
            let holds = |score: &&Predictiveness| score.auroc.unwrap().interval().unwrap().contains(0.5);
            scores.iter().filter(|score| score.indicator.name.starts_with("noise")).filter(holds).count()
        })
        .sum();
    let share = covered as f64 / (120.0 * 3.0);
    assert!((0.92..=0.98).contains(&share), "covered {share}");
}

#[test]
fn the_interval_of_a_mean_covers_as_often_as_it_says() {
    let repetitions = 2000;
    let covers = |seed: u64| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f64> = (0..10).map(|_| normal(&mut generator)).collect();
        mean_over_seeds(Interval::ALL, &values).unwrap().interval().unwrap().contains(0.0)
    };
    let covered = (0..repetitions).into_par_iter().filter(|seed| covers(*seed)).count();
    let share = covered as f64 / repetitions as f64;
    assert!((share - 0.95).abs() < 0.02, "covered {share}");
}

#[test]
fn the_interval_of_a_pooled_auroc_covers_as_often_as_it_says() {
    let repetitions = 1000;
    let of_repetition = |seed: u64| {
        let runs = synthetic(6, 5, 8, 1.0, &mut ChaCha8Rng::seed_from_u64(seed));
        let options = PredictivenessOptions { horizons: vec![1], ..Default::default() };
        score_indicators(&runs, &[indicator("planted", "compared")], &options)[0].auroc.unwrap()
    };
    let estimates: Vec<_> = (0..repetitions).into_par_iter().map(of_repetition).collect();
    // The indicator has unit variance in either class, so that AUROC is P(N(1, 2) > 0): scipy.stats.norm.cdf(1 / 2**0.5)
    let truth = 0.7602499389065233;
    let covered = estimates.iter().filter(|estimate| estimate.interval().unwrap().contains(truth)).count();
    let share = covered as f64 / repetitions as f64;
    assert!((share - 0.95).abs() < 0.02, "covered {share}");
}

/// The share of repetitions whose interval holds the mean over all repetitions, which stands for the truth.
fn coverage(estimates: &[Estimate]) -> f64 {
    let truth = estimates.iter().map(Estimate::point).sum::<f64>() / estimates.len() as f64;
    let intervals: Vec<_> = estimates.iter().filter_map(|estimate| estimate.interval().ok()).collect();
    assert!(intervals.len() as f64 > 0.9 * estimates.len() as f64, "{} of {}", intervals.len(), estimates.len());
    intervals.iter().filter(|interval| interval.contains(truth)).count() as f64 / intervals.len() as f64
}

#[test]
fn the_intervals_of_gain_and_lead_time_cover_as_often_as_they_say() {
    let of_repetition = |seed: u64| {
        let runs = synthetic(4, 5, 8, 1.0, &mut ChaCha8Rng::seed_from_u64(seed));
        let options = PredictivenessOptions { horizons: vec![1], ..Default::default() };
        let score = &score_indicators(&runs, &[indicator("planted", "compared")], &options)[0];
        (score.gain_over_task_age.unwrap(), score.lead_time.unwrap())
    };
    let (gains, leads): (Vec<_>, Vec<_>) = (0..600_u64).into_par_iter().map(of_repetition).unzip();
    let (gains, leads) = (coverage(&gains), coverage(&leads));
    assert!((gains - 0.95).abs() < 0.02, "gains covered {gains}");
    // Few thresholds are possible, which makes the interval a little too wide.
    assert!((0.93..=0.985).contains(&leads), "lead times covered {leads}");
}

#[test]
fn scores_do_not_depend_on_the_order_of_runs() {
    let mut runs = synthetic(3, 3, 8, 1.0, &mut ChaCha8Rng::seed_from_u64(2));
    let options = PredictivenessOptions::default();
    let scores = score_indicators(&runs, &indicators(), &options);
    runs.reverse();
    assert_eq!(score_indicators(&runs, &indicators(), &options), scores);
}

fn rows(runs: &[Series], name: &str, horizons: &[usize]) -> Vec<PredictivenessRow> {
    let options = PredictivenessOptions { horizons: horizons.to_vec(), ..Default::default() };
    let scores = score_indicators(runs, &[indicator(name, "compared")], &options);
    read(&Vec::from_iter(scores.iter().map(CsvLine::of_score)))
}

#[test]
fn what_cannot_be_scored_says_why() {
    let accuracy = vec![0.9, 0.5, 0.9, 0.5, 0.9];
    let columns = |indicator: Vec<f64>, accuracy: &Vec<f64>| {
        let age = (0..accuracy.len()).map(|task| task as f64).collect();
        vec![("x", indicator), ("task_age", age), ("online_accuracy", accuracy.clone())]
    };
    let varying = vec![1.0, 2.0, 3.0, 4.0, 5.0];
    let pair = |indicator: Vec<f64>, accuracy: &Vec<f64>| -> Vec<Series> {
        (0..2).map(|seed| run(arm("relu", "constant"), seed, &columns(indicator.clone(), accuracy))).collect()
    };

    let constant = &rows(&pair(vec![1.0; 5], &accuracy), "x", &[1])[0];
    assert_eq!((constant.auroc, constant.spearman_pooled, constant.kendall_within), (None, None, None));
    assert!(constant.note.contains("auroc, average_precision, spearman_pooled, spearman_within"), "{}", constant.note);
    assert!(constant.note.ends_with("the indicator is constant"), "{}", constant.note);

    let healthy = &rows(&pair(varying.clone(), &vec![0.9; 5]), "x", &[1])[0];
    assert_eq!((healthy.auroc, healthy.events, healthy.n), (None, 0, 8));
    assert!(
        healthy.note.starts_with("auroc, average_precision, lead_time: no loss-of-trainability event"),
        "{}",
        healthy.note
    );
    assert!(healthy.note.contains("the outcome is constant"), "{}", healthy.note);

    let lost = &rows(&pair(varying.clone(), &vec![0.9, 0.1, 0.1, 0.1, 0.1]), "x", &[1])[0];
    assert!(lost.note.starts_with("auroc, average_precision, lead_time: every target"), "{}", lost.note);

    let alone = &rows(&pair(varying.clone(), &accuracy)[..1], "x", &[1])[0];
    assert_eq!((alone.auroc, alone.auroc_low, alone.auroc_high), (Some(0.25), None, None));
    assert!(alone.note.contains("interval of auroc"), "{}", alone.note);
    assert_eq!((alone.gain_over_task_age, alone.lead_time_low), (None, None));
    let one_arm = "gain_over_task_age, gain_over_online_accuracy: one family of methods, so no other to learn from";
    assert!(alone.note.contains(one_arm), "{}", alone.note);
    assert!(alone.note.contains("one seed, so no interval over seeds"), "{}", alone.note);

    let alike = &rows(&pair(varying.clone(), &accuracy), "x", &[1])[0];
    assert!(alike.note.contains("the same without each seed"), "{}", alike.note);

    let far = &rows(&pair(varying.clone(), &accuracy), "x", &[9])[0];
    assert_eq!((far.n, far.runs, far.undefined_share, far.auroc), (0, 0, None, None));
    assert!(far.note.contains("no defined values"), "{}", far.note);

    let absent = &rows(&pair(varying, &accuracy), "y", &[1])[0];
    assert_eq!((absent.n, absent.undefined_share), (0, Some(1.0)));

    let nothing = &rows(&[], "x", &[1])[0];
    assert_eq!((nothing.reference.as_str(), nothing.n), ("", 0));
}

#[test]
fn a_baseline_gains_nothing_over_itself() {
    let runs = synthetic(3, 2, 8, 1.0, &mut ChaCha8Rng::seed_from_u64(7));
    let row = &rows(&runs, "task_age", &[1])[0];
    assert_eq!(row.gain_over_task_age, None);
    assert!(row.note.contains("gain_over_task_age: it is the baseline itself"), "{}", row.note);
    assert!(row.gain_over_online_accuracy.is_some());
}

#[test]
fn noise_adds_nothing_and_warns_no_earlier_than_coins() {
    let runs = synthetic(6, 5, 12, 0.0, &mut ChaCha8Rng::seed_from_u64(11));
    let scores = score_indicators(&runs, &indicators(), &PredictivenessOptions::default());
    for score in scores.iter().filter(|score| score.indicator.name.starts_with("noise")) {
        for gain in [score.gain_over_task_age.unwrap(), score.gain_over_online_accuracy.unwrap()] {
            assert!(gain.interval().unwrap().low < 0.0 && gain.point() < 0.02, "{gain:?}");
        }
    }
    let planted = synthetic(6, 5, 12, 3.0, &mut ChaCha8Rng::seed_from_u64(11));
    let planted = score_indicators(&planted, &indicators()[2..3], &PredictivenessOptions::default());
    // The planted indicator moves just before the loss: one task is all the warning there is, and no run goes without.
    let warned = planted[0].warned.unwrap();
    assert!(warned.part * 10 >= warned.whole * 9, "{warned}");
    assert!(planted[0].lead_time.unwrap().point() >= 0.9, "{:?}", planted[0].lead_time);
}

#[test]
fn undefined_values_are_left_out_and_infinite_ones_kept() {
    let columns = [
        ("x", vec![f64::INFINITY, f64::NAN, 1.0, f64::INFINITY, 2.0, 7.0]),
        ("online_accuracy", vec![0.9, 0.5, 0.5, 0.9, 0.5, 0.9]),
    ];
    let runs: Vec<Series> = (0..2).map(|seed| run(arm("relu", "constant"), seed, &columns)).collect();
    let row = &rows(&runs, "x", &[1])[0];
    // roc_auc_score([1, 0, 1, 0], rankdata([inf, 1, inf, 2]))
    assert_eq!(row.auroc, Some(1.0));
    assert_eq!((row.n, row.events, row.runs, row.undefined_share), (8, 4, 2, Some(0.2)));
}

#[test]
fn the_reset_arm_is_the_reference_and_is_not_scored() {
    let accuracy = |values: Vec<f64>| vec![("online_accuracy", values)];
    let mut runs = synthetic(2, 2, 5, 1.0, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(rows(&runs, "planted", &[1])[0].reference, "first_task");
    let before = rows(&runs, "planted", &[1])[0].clone();
    runs.push(run(arm("reset", "constant"), 0, &accuracy(vec![0.9; 5])));
    assert_eq!(rows(&runs, "planted", &[1])[0].reference, "mixed");
    runs.push(run(arm("reset", "constant"), 1, &accuracy(vec![0.9; 5])));
    let after = rows(&runs, "planted", &[1])[0].clone();
    assert_eq!(after.reference, Reference::Reset.name());
    assert_eq!((after.n, after.runs, after.events), (before.n, before.runs, before.events));
    runs.truncate(4);
    runs.extend([0, 1].map(|seed| run(arm("reset", "constant"), seed, &accuracy(vec![0.1; 5]))));
    assert_eq!(rows(&runs, "planted", &[1])[0].events, 0);
}

fn summary_row(summary: &ArmSummary) -> SummaryRow {
    read(&[CsvLine::of_arm(summary, None)]).remove(0)
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

#[test]
fn arms_are_compared_on_the_seeds_they_share() {
    let series = |schedule: &str, seed: u64, level: f64| {
        run(arm("relu", schedule), seed, &[("online_accuracy", vec![level + 0.3, level + 0.2, level + 0.1, level])])
    };
    let levels = [0.10, 0.20, 0.40];
    let mut runs: Vec<Series> = levels.iter().zip(0..).map(|(level, seed)| series("constant", seed, *level)).collect();
    runs.extend(levels.iter().zip(0..).map(|(level, seed)| series("paper", seed, level + 0.11 + 0.01 * seed as f64)));
    runs.push(series("paper", 7, 0.0));
    runs.push(run(arm("crelu", "paper"), 0, &[("online_accuracy", vec![0.5])]));
    let diverged = BTreeMap::from([(arm("l2_adam", "constant"), 3), (arm("relu", "paper"), 1)]);
    let summaries = compare_arms(&runs, &diverged);

    let labels: Vec<&str> = summaries.iter().map(|summary| summary.arm.method.as_str()).collect();
    assert_eq!(labels, ["crelu", "l2_adam", "relu", "relu"]);
    let [crelu, l2_adam, constant, paper] = &summaries[..] else { panic!("{summaries:?}") };

    assert_eq!((constant.seeds, paper.seeds, paper.diverged), (3, 4, 1));
    let mean = constant.mean_accuracy.unwrap();
    assert!(near(mean.point(), (0.10 + 0.20 + 0.40) / 3.0 + 0.15));
    let interval = mean.interval().unwrap();
    // scipy.stats.t.interval(0.95, 2, loc=mean, scale=scipy.stats.sem([.25, .35, .55]))
    assert!((interval.low - 0.003875029973657629).abs() < 1e-9, "{interval:?}");
    assert!(near(constant.slope.unwrap().point(), -0.1));
    assert!(near(constant.last_task_accuracy.unwrap().point(), 0.7 / 3.0));
    assert!(near(constant.last_quarter_accuracy.unwrap().point(), 0.7 / 3.0));
    assert_eq!(constant.gain.difference, Err(Undefined::IsControl));

    let difference = paper.gain.difference.unwrap();
    assert_eq!(difference.n(), 3);
    assert!(near(difference.point(), 0.12));
    // scipy.stats.ttest_rel([0.36, 0.47, 0.68], [0.25, 0.35, 0.55]).pvalue; no other arm is tested, so that Holm changes nothing
    assert!((paper.gain.p_paired_t.unwrap() - 0.0023068081473521375).abs() < 1e-12);
    assert_eq!((paper.gain.p_paired_t_holm, paper.gain.p_sign_flip), (paper.gain.p_paired_t, Ok(0.25)));
    assert_eq!(constant.gain.p_paired_t_holm, Err(Undefined::IsControl));
    // 0.21, 0.32 and 0.53 against 0.10, 0.20 and 0.40 (all with 0.15 added) win 2, 2 and 3 of nine pairs.
    assert!(near(paper.gain.improvement.unwrap().point(), 7.0 / 9.0));

    assert_eq!(crelu.gain.difference, Err(Undefined::NoPairedSeed));
    assert_eq!(crelu.mean_accuracy.unwrap().interval(), Err(Undefined::SingleSeed));
    assert_eq!(crelu.slope, Err(Undefined::TooFew { have: 1, need: 2 }));
    assert_eq!((l2_adam.seeds, l2_adam.diverged, l2_adam.mean_accuracy), (0, 3, Err(Undefined::NoValues)));
    let row = summary_row(paper);
    assert_eq!((row.n, row.paired_seeds, row.diverged, row.p_sign_flip_floor), (4, 3, 1, Some(0.25)));
}

#[test]
fn test_accuracy_is_the_mean_over_tasks_of_the_seeds_that_have_it_at_every_task() {
    let tested = |method: &str, seed, test: Vec<f64>| {
        run(arm(method, "constant"), seed, &[("online_accuracy", vec![0.5, 0.5]), ("test_accuracy", test)])
    };
    let runs = [
        tested("relu", 0, vec![0.2, 0.4]),
        tested("relu", 1, vec![0.6, 0.8]),
        tested("relu", 2, vec![0.9, f64::NAN]),
        tested("crelu", 0, vec![f64::NAN, f64::NAN]),
        run(arm("reset", "constant"), 0, &[("online_accuracy", vec![0.5, 0.5])]),
    ];
    let summaries = compare_arms(&runs, &BTreeMap::new());
    let of = |method: &str| summaries.iter().find(|summary| summary.arm.method == method).unwrap();
    let mean = of("relu").mean_test_accuracy.unwrap();
    assert!(near(mean.point(), 0.5) && mean.n() == 2 && of("relu").seeds == 3, "{mean:?}");
    assert_eq!(summary_row(of("relu")).mean_test_accuracy, Some(mean.point()));
    for method in ["crelu", "reset"] {
        assert_eq!(of(method).mean_test_accuracy, Err(Undefined::NoValues));
        let row = summary_row(of(method));
        assert!(row.mean_test_accuracy.is_none() && !row.note.contains("test"), "{}", row.note);
    }
}

#[test]
fn rows_read_back_as_they_were_written() {
    let runs = synthetic(2, 3, 6, 1.0, &mut ChaCha8Rng::seed_from_u64(5));
    let options = PredictivenessOptions::default();
    let scores = [
        score_indicators(&runs, &indicators(), &options),
        score_indicators(&[], &indicators()[..1], &PredictivenessOptions { horizons: vec![1], ..options }),
    ];
    let scored: Vec<CsvLine> = scores.iter().flatten().map(CsvLine::of_score).collect();
    let text = String::from_utf8(csv_bytes(&scored).unwrap()).unwrap();
    assert!(text.starts_with("indicator,role,horizon,target,auroc,auroc_low,auroc_high,"), "{text}");
    assert_eq!(read::<PredictivenessRow>(&scored).len(), scored.len(), "every column is known");
    let mut back = csv::Reader::from_reader(text.as_bytes());
    let columns = back.headers().unwrap().clone();
    let records: Vec<_> = back.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), scored.len());
    for (line, record) in scored.iter().zip(&records) {
        assert_eq!(record.len(), line.fields.len());
        for ((name, field), (column, text)) in line.fields.iter().zip(columns.iter().zip(record)) {
            let same = match field {
                CsvField::Text(words) => text == words,
                CsvField::Count(count) => text.parse() == Ok(*count),
                CsvField::Number(Some(number)) => text.parse::<f64>().unwrap().to_bits() == number.to_bits(),
                CsvField::Number(None) => text.is_empty(),
            };
            assert!(name == column && same, "{name} {field:?} was written as {column} {text:?}");
        }
    }
}
