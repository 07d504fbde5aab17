//! What the matched concordances of families would be if the indicator had nothing to do with how its seed fares: whole courses of it
//! exchanged among the seeds, the same exchange in all arms, because arms share seeds.
//!
//! Whether an indicator helps with one method and misleads with another can come out by chance alone. The question is therefore
//! how often exchanged courses make as strong a case: once for high values being good in some family, once for their being bad in
//! some, a family's case being its distance from one half in standard deviations of its own exchanges. Both must be rare, for
//! one family that is truly on one side must not help the others.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::concordance::{SeedCourse, at};
use super::estimate::{Undefined, at_least_two};

/// One arm: signed differences of later health, and signs of differences of the indicator, by pair of seeds and task.
struct ArmPairs {
    family: usize,
    tasks: usize,
    health: Vec<f64>,
    sign: Vec<f64>,
    known: Vec<f64>,
}

impl ArmPairs {
    fn of(courses: &[&SeedCourse], seeds: usize) -> ArmPairs {
        let tasks = courses.iter().map(|course| course.health.len()).max().unwrap_or(1).max(1) - 1;
        let empty = vec![0.0; seeds * seeds * tasks];
        let family = courses.first().map_or(0, |course| course.family);
        let mut pairs = ArmPairs { family, tasks, health: empty.clone(), sign: empty.clone(), known: empty };
        for one in courses {
            for other in courses {
                let row = (one.seed * seeds + other.seed) * tasks;
                for task in 0..tasks {
                    if let (Some(mine), Some(theirs)) = (at(&one.health, task + 1), at(&other.health, task + 1)) {
                        pairs.health[row + task] = mine - theirs;
                    }
                    if let (Some(x), Some(y)) = (at(&one.indicator, task), at(&other.indicator, task)) {
                        pairs.known[row + task] = 1.0;
                        pairs.sign[row + task] = if x > y {
                            1.0
                        } else if x < y {
                            -1.0
                        } else {
                            0.0
                        };
                    }
                }
            }
        }
        pairs
    }

    /// Adds what the arm says when seed i has the course of seed `place[i]`, for several such places at once: agreement less
    /// disagreement, and the whole weight. A sum waits for its last addition; several keep the processor busy meanwhile.
    fn add<const TOGETHER: usize>(&self, places: [&[usize]; TOGETHER], sums: &mut [Vec<(f64, f64)>; TOGETHER]) {
        let seeds = places[0].len();
        let of_pair = |one: usize, other: usize| {
            let from = (one * seeds + other) * self.tasks;
            from..from + self.tasks
        };
        let mut signed: [f64; TOGETHER] = std::array::from_fn(|draw| sums[draw][self.family].0);
        let mut whole: [f64; TOGETHER] = std::array::from_fn(|draw| sums[draw][self.family].1);
        for one in 0..seeds {
            for other in 0..one {
                let health = &self.health[of_pair(one, other)];
                let rows = places.map(|place| of_pair(place[one], place[other]));
                let sign: [&[f64]; TOGETHER] = std::array::from_fn(|draw| &self.sign[rows[draw].clone()]);
                let known: [&[f64]; TOGETHER] = std::array::from_fn(|draw| &self.known[rows[draw].clone()]);
                for (task, apart) in health.iter().enumerate() {
                    for draw in 0..TOGETHER {
                        signed[draw] += apart * sign[draw][task];
                        whole[draw] += apart.abs() * known[draw][task];
                    }
                }
            }
        }
        sums.iter_mut().enumerate().for_each(|(draw, sums)| sums[self.family] = (signed[draw], whole[draw]));
    }
}

/// Exchanges that are summed up together.
const TOGETHER: usize = 4;

/// Exchanges whole courses `draws` times; the p of the contradiction is the larger of the shares of exchanges, the data's own
/// among them, that make as strong a case that low values are good in some family, and as strong a one that high ones are. The
/// generator begins at `seed`.
///
/// # Errors
/// [`Undefined`] below two families with pairs, or where no exchange changes anything.
pub fn contradiction(courses: &[SeedCourse], draws: usize, seed: u64) -> Result<f64, Undefined> {
    let count = |of: fn(&SeedCourse) -> usize| courses.iter().map(|course| of(course) + 1).max().unwrap_or(0);
    let (families, arms, seeds) = (count(|c| c.family), count(|c| c.arm), count(|c| c.seed));
    at_least_two(seeds)?;
    let pairs: Vec<ArmPairs> = (0..arms)
        .map(|arm| ArmPairs::of(&courses.iter().filter(|course| course.arm == arm).collect::<Vec<_>>(), seeds))
        .collect();
    let mut place: Vec<usize> = (0..seeds).collect();
    let observed = distances([&place], &pairs, families).concat();
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let exchanges: Vec<Vec<usize>> = (0..draws)
        .map(|_| {
            place.shuffle(&mut generator);
            place.clone()
        })
        .collect();
    let together = |places: &[Vec<usize>]| match places {
        [a, b, c, d] => Vec::from(distances::<TOGETHER>([a, b, c, d], &pairs, families)),
        few => few.iter().flat_map(|place| distances([place], &pairs, families)).collect(),
    };
    let drawn: Vec<Vec<f64>> = exchanges.chunks(TOGETHER).flat_map(together).collect();
    let deviation =
        |family: usize| (drawn.iter().map(|distances| distances[family].powi(2)).sum::<f64>() / draws as f64).sqrt();
    let deviations: Vec<f64> = (0..families).map(deviation).collect();
    match deviations.iter().filter(|deviation| **deviation > 1e-9).count() {
        0 => return Err(Undefined::NoSpread),
        1 => return Err(Undefined::SingleFamily),
        _ => {}
    }
    let strongest = |sign: f64, distances: &[f64]| {
        let known = distances.iter().zip(&deviations).filter(|(_, deviation)| **deviation > 1e-9);
        known.map(|(distance, deviation)| sign * distance / deviation).fold(f64::MIN, f64::max)
    };
    let p = |sign: f64| {
        let case = strongest(sign, &observed);
        // Sums of the same numbers in another order differ in their last bits.
        let as_strong = drawn.iter().filter(|distances| strongest(sign, distances) >= case - 1e-9).count();
        (as_strong + 1) as f64 / (draws + 1) as f64
    };
    Ok(p(-1.0).max(p(1.0)))
}

/// Distances of the families' concordances from one half, for each of several places.
fn distances<const N: usize>(places: [&[usize]; N], pairs: &[ArmPairs], families: usize) -> [Vec<f64>; N] {
    let mut sums: [Vec<(f64, f64)>; N] = std::array::from_fn(|_| vec![(0.0, 0.0); families]);
    pairs.iter().for_each(|arm| arm.add(places, &mut sums));
    let distance = |(signed, whole): (f64, f64)| if whole > 1e-12 { 0.5 * signed / whole } else { 0.0 };
    sums.map(|sums| sums.into_iter().map(distance).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concordance::{Concordance, PairRule};

    fn course(family: usize, seed: usize, indicator: &[f64], health: &[f64]) -> SeedCourse {
        let values = |values: &[f64]| values.iter().map(|value| Some(*value)).collect();
        SeedCourse { family, arm: family, seed, indicator: values(indicator), health: values(health) }
    }

    /// Two families of four seeds, in which the indicator is the later health, upright and upside down.
    fn contradictory() -> Vec<SeedCourse> {
        let healths = [[0.0, 0.9], [0.0, 0.4], [0.0, 0.6], [0.0, 0.1]];
        let of = |family: usize, sign: f64| {
            healths.iter().enumerate().map(move |(seed, health)| course(family, seed, &[sign * health[1], 0.0], health))
        };
        of(0, 1.0).chain(of(1, -1.0)).collect()
    }

    /// All 24 exchanges by hand, through the concordance itself.
    #[test]
    fn equals_all_exchanges_counted_one_by_one() {
        let courses = contradictory();
        let mut places: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..4 {
            let longer = |place: &Vec<usize>| -> Vec<Vec<usize>> {
                (0..4).filter(|next| !place.contains(next)).map(|next| [&place[..], &[next]].concat()).collect()
            };
            places = places.iter().flat_map(longer).collect();
        }
        let of_exchange = |place: &Vec<usize>| -> [f64; 2] {
            let exchanged: Vec<SeedCourse> = courses
                .iter()
                .map(|own| {
                    let other = courses.iter().find(|c| c.family == own.family && c.seed == place[own.seed]).unwrap();
                    SeedCourse { indicator: other.indicator.clone(), ..own.clone() }
                })
                .collect();
            let found = Concordance::of(&exchanged, PairRule::default()).of_families();
            [found[0].unwrap().point - 0.5, found[1].unwrap().point - 0.5]
        };
        let all: Vec<[f64; 2]> = places.iter().map(of_exchange).collect();
        let deviation = |family: usize| (all.iter().map(|d| d[family].powi(2)).sum::<f64>() / 24.0).sqrt();
        let z = |d: &[f64; 2]| [d[0] / deviation(0), d[1] / deviation(1)];
        let strongest = |d: &[f64; 2]| [(-z(d)[0]).max(-z(d)[1]), z(d)[0].max(z(d)[1])];
        // On either side the order itself and its reverse.
        for side in 0..2 {
            assert_eq!(all.iter().filter(|d| strongest(d)[side] >= strongest(&all[0])[side] - 1e-9).count(), 2);
        }
        let found = contradiction(&courses, 4000, 0).unwrap();
        assert!((found - 2.0 / 24.0).abs() < 0.015, "{found}");
    }

    #[test]
    fn what_agrees_everywhere_is_no_contradiction() {
        let mut courses = contradictory();
        courses.iter_mut().filter(|c| c.family == 1).for_each(|c| c.indicator[0] = c.indicator[0].map(|x| -x));
        let found = contradiction(&courses, 999, 0).unwrap();
        assert!(found > 0.5, "{found}");
    }

    #[test]
    fn a_clock_and_a_single_family_contradict_nothing() {
        let mut courses = contradictory();
        courses.iter_mut().for_each(|c| c.indicator = vec![Some(1.0), Some(2.0)]);
        assert_eq!(contradiction(&courses, 99, 0).unwrap_err(), Undefined::NoSpread);
        let alone: Vec<SeedCourse> = contradictory().into_iter().filter(|c| c.family == 0).collect();
        assert_eq!(contradiction(&alone, 99, 0).unwrap_err(), Undefined::SingleFamily);
    }
}
