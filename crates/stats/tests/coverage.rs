//! How often the interval of a mean over seeds covers the true mean, in simulated sweeps.
//!
//! `TRAINABILITY_WORLDS=20000 cargo test --release -p trainability-stats --test coverage -- --nocapture` prints the table of the book's
//! page on statistics; a plain test run draws fewer sweeps.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use rayon::prelude::*;
use trainability_stats::Interval;
use trainability_stats::jackknife::mean_over_seeds;

/// How differences are distributed over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seeds {
    /// As measurements are.
    Gaussian,
    /// Skewed.
    Exponential,
    /// Very skewed.
    Lognormal,
    /// Half of the seeds collapse, half do not.
    InHalves,
    /// One seed in five does.
    OneInFive,
}

const ALL: [(Seeds, &str); 5] = [
    (Seeds::Gaussian, "Gaussian"),
    (Seeds::Exponential, "exponential"),
    (Seeds::Lognormal, "lognormal"),
    (Seeds::InHalves, "two peaks, half of the seeds in each"),
    (Seeds::OneInFive, "two peaks, one seed in five in the other"),
];

impl Seeds {
    fn draw(self, random: &mut ChaCha8Rng) -> f64 {
        let normal: f64 = StandardNormal.sample(random);
        let peak = |share: f64, random: &mut ChaCha8Rng| f64::from(random.random::<f64>() < share) + 0.1 * normal;
        match self {
            Seeds::Gaussian => normal,
            Seeds::Exponential => Exp1.sample(random),
            Seeds::Lognormal => normal.exp(),
            Seeds::InHalves => peak(0.5, random),
            Seeds::OneInFive => peak(0.2, random),
        }
    }

    fn mean(self) -> f64 {
        match self {
            Seeds::Gaussian => 0.0,
            Seeds::Exponential => 1.0,
            Seeds::Lognormal => 0.5_f64.exp(),
            Seeds::InHalves => 0.5,
            Seeds::OneInFive => 0.2,
        }
    }
}

/// The share of sweeps of n seeds whose interval holds the truth.
fn coverage(seeds: Seeds, n: usize, sweeps: u64) -> f64 {
    let covers = |sweep: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(1_000_003 * sweep + n as u64);
        let values: Vec<f64> = (0..n).map(|_| seeds.draw(&mut random)).collect();
        mean_over_seeds(Interval::ALL, &values).unwrap().interval().unwrap().contains(seeds.mean())
    };
    (0..sweeps).into_par_iter().filter(|sweep| covers(*sweep)).count() as f64 / sweeps as f64
}

#[test]
fn intervals_cover_what_the_book_says() {
    let sweeps = std::env::var("TRAINABILITY_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let mut shares = Vec::new();
    for (seeds, name) in ALL {
        let row = [5, 10, 20].map(|n| coverage(seeds, n, sweeps));
        println!("| {name} | {} |", row.map(|share| format!("{share:.2}").replacen('0', "", 1)).join(" | "));
        shares.push(row);
    }
    let [gaussian, exponential, lognormal, halves, one_in_five] = shares[..] else { panic!("{shares:?}") };
    let near = |share: f64, expected: f64| assert!((share - expected).abs() < 0.025, "{share} is not {expected}");
    gaussian.iter().for_each(|share| near(*share, 0.95));
    near(exponential[0], 0.885);
    near(lognormal[0], 0.82);
    near(halves[0], 0.935);
    assert!(one_in_five[0] < 0.75, "five seeds may all be of one kind");
    assert!(one_in_five[2] > 0.9 && exponential[2] > exponential[0] && lognormal[2] > lognormal[0]);
}
