//! Simulated sweeps in which it is known what an indicator knows: how often the endpoints call it what it is not.
//!
//! `TRAINABILITY_WORLDS=2000 cargo test --release -p trainability-stats --test worlds -- --nocapture` prints the tables of the book's
//! page on statistics; a plain test run draws fewer worlds.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use trainability_stats::Undefined;
use trainability_stats::beyond_present::beyond_present;
use trainability_stats::concordance::{Concordance, PairRule, SeedCourse};
use trainability_stats::exchange::contradiction;

const TASKS: usize = 20;
/// The family of each arm.
const ARMS: [usize; 9] = [0, 0, 1, 1, 2, 2, 3, 4, 4];
const LEVEL: f64 = 0.05;

/// What an indicator knows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Knows {
    /// How many tasks there have been.
    Clock,
    /// Nothing, anew at each task.
    Noise,
    /// Nothing, but it wanders slowly, as norms do.
    SlowNoise,
    /// Its seed: the same number in all arms and at all tasks, beside noise.
    SeedOffset,
    /// Its method, beside noise.
    Method,
    /// The present health.
    Accuracy,
    /// The logarithm of the present health, not quite.
    NoisyLogAccuracy,
    /// When the network will lose its trainability.
    Fate,
}

const ALL: [Knows; 8] = [
    Knows::Clock,
    Knows::Noise,
    Knows::SlowNoise,
    Knows::SeedOffset,
    Knows::Method,
    Knows::Accuracy,
    Knows::NoisyLogAccuracy,
    Knows::Fate,
];

struct Random(ChaCha8Rng);

impl Random {
    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }
}

/// A sweep of `seeds` seeds. A network falls from health 1 to what its arm leaves it, around a task that differs by arm and, by
/// some tasks, by seed: in part in all arms alike, as arms of a seed share their images. Around that course health wanders.
fn world(number: u64, seeds: usize, knows: Knows) -> Vec<SeedCourse> {
    let mut random = Random(ChaCha8Rng::seed_from_u64(number));
    let of_seed: Vec<(f64, f64)> = (0..seeds).map(|_| (random.normal(), random.normal())).collect();
    let mut courses = Vec::new();
    for (arm, &family) in ARMS.iter().enumerate() {
        let (falls_at, left) = (8.0 + 3.0 * random.normal(), 0.3 + 0.2 * (family as f64 - 2.0) / 2.0);
        let own = random.normal();
        for (seed, &(shared, offset)) in of_seed.iter().enumerate() {
            let fate = falls_at + 1.5 * (shared + random.normal());
            let (mut drift, mut slow) = (0.0, random.normal());
            let (mut health, mut indicator) = (Vec::new(), Vec::new());
            for task in 0..TASKS {
                drift = 0.7 * drift + 0.02 * random.normal();
                slow = 0.97 * slow + 0.24 * random.normal();
                let fallen = 1.0 / (1.0 + ((fate - task as f64) / 1.5).exp());
                let now = 1.0 - (1.0 - left) * fallen + drift;
                let noise = random.normal();
                health.push(Some(now));
                indicator.push(Some(match knows {
                    Knows::Clock => task as f64,
                    Knows::Noise => noise,
                    Knows::SlowNoise => slow,
                    Knows::SeedOffset => offset + 0.3 * noise,
                    Knows::Method => 5.0 * own + noise,
                    Knows::Accuracy => now,
                    Knows::NoisyLogAccuracy => now.max(0.01).ln() + 0.03 * noise,
                    Knows::Fate => fate + 1.5 * noise,
                }));
            }
            courses.push(SeedCourse { family, arm, seed, indicator, health });
        }
    }
    courses
}

/// For each indicator and each number of seeds, the share of worlds in which the test gives a p below the level; a p that does
/// not exist is 1. The worlds of all indicators have the same health.
fn shares<const SIZES: usize>(
    worlds: u64,
    sizes: [usize; SIZES],
    test: impl Fn(&[&[SeedCourse]], &[Concordance]) -> Vec<Result<f64, Undefined>> + Sync,
) -> Vec<(Knows, [f64; SIZES])> {
    let called = |seeds: usize| -> Vec<f64> {
        let of_world = |number: u64| -> Vec<f64> {
            let courses = ALL.map(|knows| world(number, seeds, knows));
            let primary = courses.each_ref().map(|courses| Concordance::of(courses, PairRule::default()));
            let ps = test(&courses.each_ref().map(|courses| &courses[..]), &primary);
            ps.iter().map(|p| f64::from(u8::from(p.is_ok_and(|p| p < LEVEL))) / worlds as f64).collect()
        };
        let sum = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
        (0..worlds).into_par_iter().map(of_world).reduce(|| vec![0.0; ALL.len()], sum)
    };
    let of_size = sizes.map(called);
    ALL.iter().enumerate().map(|(place, &knows)| (knows, of_size.each_ref().map(|shares| shares[place]))).collect()
}

fn worlds(usual: u64) -> u64 {
    std::env::var("TRAINABILITY_WORLDS").ok().map_or(usual, |number| number.parse().expect("a number of worlds"))
}

/// Four standard deviations of a share of so many worlds above the rate.
fn at_most(rate: f64, worlds: u64) -> f64 {
    rate + 4.0 * (rate * (1.0 - rate) / worlds as f64).sqrt()
}

/// "Orders": the matched concordance differs from one half. What knows nothing of two seeds of an arm is called by no more than
/// chance, whatever it knows of arms and ages.
#[test]
fn the_matched_concordance_orders_what_it_should() {
    let (worlds, sizes) = (worlds(300), [5, 10, 20]);
    println!("share of {worlds} worlds in which an indicator orders, at {sizes:?} seeds");
    let primary =
        |_: &[&[SeedCourse]], primary: &[Concordance]| primary.iter().map(|all| all.oriented()?.score.p(0.5)).collect();
    for (knows, shares) in shares(worlds, sizes, primary) {
        println!("{knows:?}: {shares:.3?}");
        match knows {
            Knows::Clock => assert_eq!(shares, [0.0; 3], "a clock has no p"),
            Knows::Accuracy | Knows::NoisyLogAccuracy | Knows::Fate => {
                assert!(shares[1] > 0.9, "{knows:?}: {shares:?}");
            }
            _ => assert!(shares.iter().all(|share| *share <= at_most(LEVEL, worlds)), "{knows:?}: {shares:?}"),
        }
    }
}

/// "Inconsistent": families contradict each other more than exchanged courses do. What knows nothing of its seed is called by no more
/// than chance; what knows the same in all families, by less.
#[test]
fn exchanges_call_no_contradiction_where_there_is_none() {
    let (worlds, sizes) = (worlds(150), [5, 10, 20]);
    println!("share of {worlds} worlds in which an indicator contradicts itself, at {sizes:?} seeds");
    let contradicts = |of_indicator: &[&[SeedCourse]], _: &[Concordance]| {
        of_indicator.iter().map(|courses| contradiction(courses, 199, 0)).collect()
    };
    for (knows, shares) in shares(worlds, sizes, contradicts) {
        println!("{knows:?}: {shares:.3?}");
        assert!(shares.iter().all(|share| *share <= at_most(LEVEL, worlds)), "{knows:?}: {shares:?}");
    }
}

/// "Adds": beyond what present health says. What repeats it is called by no more than chance, and so is what knows nothing.
#[test]
fn beyond_the_present_only_fate_adds() {
    let (worlds, sizes) = (worlds(100), [10, 20]);
    println!("share of {worlds} worlds in which an indicator adds, at {sizes:?} seeds");
    let adds = |of_indicator: &[&[SeedCourse]], primary: &[Concordance]| {
        beyond_present(of_indicator, primary).into_iter().map(|score| score?.p(0.0)).collect()
    };
    for (knows, shares) in shares(worlds, sizes, adds) {
        println!("{knows:?}: {shares:.3?}");
        match knows {
            Knows::Clock | Knows::Accuracy => assert_eq!(shares, [0.0; 2], "{knows:?} has no p"),
            Knows::Fate => assert!(shares[1] > 0.6, "{shares:?}"),
            _ => assert!(shares.iter().all(|share| *share <= at_most(LEVEL, worlds)), "{knows:?}: {shares:?}"),
        }
    }
}
