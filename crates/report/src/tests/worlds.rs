//! Simulated sweeps in which it is known what the scheduler does: how often its claims are decided rightly and wrongly.
//!
//! `TRAINABILITY_WORLDS=2000 cargo test --release -p trainability-report worlds -- --nocapture` prints the table of the book's page on
//! statistics; a plain test run draws fewer.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::claims::judged;
use crate::evidence::claims::claim::Verdict;
use crate::series::{Arm, Series};

/// What the scheduler is worth, in mean online accuracy.
#[derive(Clone, Copy)]
struct Worth {
    /// Against its own constant rate, in all families.
    over_constant: f64,
    /// Against the best of three controls.
    over_controls: f64,
    /// Against its rates replayed.
    over_replay: f64,
    /// Added in one family alone.
    in_crelu: f64,
}

const NOTHING: Worth = Worth { over_constant: 0.0, over_controls: 0.0, over_replay: 0.0, in_crelu: 0.0 };

/// A sweep of `seeds` seeds. A seed is good or bad for all arms of a family alike (standard deviation .05), and each run deviates by
/// itself (.05): what arms on the brink of collapse do in the small sweep.
fn world(number: u64, seeds: u64, worth: Worth) -> Vec<Series> {
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let schedules = [
        ("paper", 0.0),
        ("constant", -worth.over_constant),
        ("linear", -worth.over_controls),
        ("cosine", -worth.over_controls),
        ("floor_only", -worth.over_controls),
        ("replay_paper", -worth.over_replay),
    ];
    let mut runs = Vec::new();
    for method in ["crelu", "l2_adam", "wasserstein"] {
        for seed in 0..seeds {
            let shared = 0.05 * normal();
            for (schedule, gain) in schedules {
                let special = if method == "crelu" && schedule == "paper" { worth.in_crelu } else { 0.0 };
                let accuracy = 0.6 + shared + gain + special + 0.05 * normal();
                runs.push(Series {
                    arm: Arm { method: method.to_owned(), schedule: schedule.to_owned() },
                    seed,
                    columns: BTreeMap::from([("online_accuracy".to_owned(), vec![Some(accuracy)])]).into(),
                });
            }
        }
    }
    runs
}

/// The shares of worlds in which (c), (c') and (c'') are supported and refuted.
fn shares(seeds: u64, worth: Worth, worlds: u64) -> [[f64; 2]; 3] {
    let verdicts = |number: u64| -> [Verdict; 3] {
        let judgements = judged(&world(7919 * number + seeds, seeds, worth), &[]);
        ["c", "c'", "c''"].map(|letter| judgements.iter().find(|j| j.claim.letter == letter).unwrap().verdict)
    };
    let all: Vec<[Verdict; 3]> = (0..worlds).into_par_iter().map(verdicts).collect();
    [0, 1, 2].map(|claim| {
        [Verdict::Supported, Verdict::Refuted]
            .map(|wanted| all.iter().filter(|found| found[claim] == wanted).count() as f64 / worlds as f64)
    })
}

#[test]
fn worlds_get_the_right_verdicts_and_the_wrong_ones_rarely() {
    let worlds = std::env::var("TRAINABILITY_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let gains = Worth { over_constant: 0.1, over_controls: 0.1, over_replay: 0.1, in_crelu: 0.0 };
    let kinds = [
        ("nothing", NOTHING),
        ("+.10 over everything, in all families", gains),
        ("+.10 in CReLU alone", Worth { in_crelu: 0.1, ..NOTHING }),
        ("+.10 over its constant rate, nothing over the rest", Worth { over_constant: 0.1, ..NOTHING }),
        ("-.10 in CReLU alone", Worth { in_crelu: -0.1, ..NOTHING }),
    ];
    let mut found = BTreeMap::new();
    for (name, worth) in kinds {
        for seeds in [5, 10, 20, 40] {
            let row = shares(seeds, worth, worlds);
            let cell = |pair: [f64; 2]| format!("{:.2} / {:.2}", pair[0], pair[1]);
            println!("| {name} | {seeds} | {} |", row.map(cell).join(" | "));
            found.insert((name, seeds), row);
        }
    }
    let noise = 3.0 * (0.05 * 0.95 / worlds as f64).sqrt();
    for seeds in [5, 10, 20, 40] {
        let row = found[&("nothing", seeds)];
        assert!(row.iter().flatten().all(|share| *share < 0.05 + noise), "{seeds}: {row:?}");
        // What holds in one family, or against one control, is not called what holds in all.
        assert!(found[&(kinds[2].0, seeds)].iter().all(|pair| pair[0] < 0.05 + noise));
        let constant_alone = found[&(kinds[3].0, seeds)];
        assert!(constant_alone[1][0] < 0.05 + noise && constant_alone[2][0] < 0.05 + noise, "{constant_alone:?}");
    }
    assert!(found[&(kinds[1].0, 40)].iter().all(|pair| pair[0] > 0.9), "{found:?}");
    assert!(found[&(kinds[4].0, 40)].iter().all(|pair| pair[1] > 0.9), "{found:?}");
}
