//! What the matched concordances of families would be if the indicator had nothing to do with how its seed fares: whole courses of it
//! exchanged among the seeds, the same exchange in all arms, because arms share seeds.
//!
//! Whether an indicator helps with one method and misleads with another can come out by chance alone. The question is therefore
//! how often exchanged courses make as strong a case: once for high values being good in some family, once for their being bad in
//! some, a family's case being its distance from one half in standard deviations of its own exchanges. Both must be rare, for
//! one family that is truly on one side must not help the others.

use multiversion::multiversion;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::concordance::{SeedCourse, at, by_arm};
use super::estimate::{Undefined, at_least_two};

/// One arm: signed differences of later health, and signs of differences of the indicator, of each pair of seeds at each task. A pair
/// is a seed with one of those before it, in the order of [`place_of`].
struct ArmPairs {
    family: usize,
    /// By pair, then by task; zero where a health is undefined.
    health: Vec<Vec<f64>>,
    /// By task, then by pair.
    sign: Vec<Vec<f64>>,
    /// Whether the indicator is defined for both, 1 or 0, in the same order.
    known: Vec<Vec<f64>>,
}

/// The place of a pair of seeds in a list of all, and 1, or -1 where the smaller comes first.
fn place_of(one: usize, other: usize) -> (usize, f64) {
    let (large, small) = (one.max(other), one.min(other));
    (large * (large - 1) / 2 + small, if one > other { 1.0 } else { -1.0 })
}

/// All pairs in this order.
fn pairs(seeds: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..seeds).flat_map(|one| (0..one).map(move |other| (one, other)))
}

impl ArmPairs {
    fn of(courses: &[&SeedCourse], seeds: usize) -> ArmPairs {
        let tasks = courses.iter().map(|course| course.health.len()).max().unwrap_or(1).max(1) - 1;
        let mut by_seed = vec![None; seeds];
        courses.iter().for_each(|course| by_seed[course.seed] = Some(*course));
        let both = |(one, other): (usize, usize), of: &dyn Fn(&SeedCourse) -> Option<f64>| {
            Some((of(by_seed[one]?)?, of(by_seed[other]?)?))
        };
        let health = |pair| {
            let apart = |task| both(pair, &|course| at(&course.health, task + 1)).map_or(0.0, |(x, y)| x - y);
            (0..tasks).map(apart).collect()
        };
        let indicators = |task: usize, of: fn((f64, f64)) -> f64| {
            let of_pair = |pair| both(pair, &|course| at(&course.indicator, task)).map_or(0.0, of);
            pairs(seeds).map(of_pair).collect()
        };
        let sign = |(x, y): (f64, f64)| f64::from(u8::from(x > y)) - f64::from(u8::from(x < y));
        ArmPairs {
            family: courses.first().map_or(0, |course| course.family),
            health: pairs(seeds).map(health).collect(),
            sign: (0..tasks).map(|task| indicators(task, sign)).collect(),
            known: (0..tasks).map(|task| indicators(task, |_| 1.0)).collect(),
        }
    }
}

/// What a pair of seeds adds to its arms' concordance with the courses of any pair: agreement less disagreement, and weight.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn with_any_courses(arms: &[&ArmPairs], pair: usize, signed: &mut [f64], whole: &mut [f64]) {
    signed.fill(0.0);
    whole.fill(0.0);
    for arm in arms {
        for ((apart, sign), known) in arm.health[pair].iter().zip(&arm.sign).zip(&arm.known) {
            signed.iter_mut().zip(sign).for_each(|(sum, sign)| *sum += apart * sign);
            whole.iter_mut().zip(known).for_each(|(sum, known)| *sum += apart.abs() * known);
        }
    }
}

/// The distance of a family's concordance from one half when seed i has the courses of seed `place[i]`, for each of these places.
fn distances(arms: &[&ArmPairs], places: &[Vec<usize>], seeds: usize) -> Vec<f64> {
    let count = pairs(seeds).count();
    let (mut signed, mut whole) = (vec![0.0; count], vec![0.0; count]);
    let mut sums = vec![(0.0, 0.0); places.len()];
    for (pair, (one, other)) in pairs(seeds).enumerate() {
        with_any_courses(arms, pair, &mut signed, &mut whole);
        for (sum, place) in sums.iter_mut().zip(places) {
            let (courses, sign) = place_of(place[one], place[other]);
            sum.0 += sign * signed[courses];
            sum.1 += whole[courses];
        }
    }
    let distance = |(signed, whole): (f64, f64)| if whole > 1e-12 { 0.5 * signed / whole } else { 0.0 };
    sums.into_iter().map(distance).collect()
}

/// Exchanges whole courses `draws` times; the p of the contradiction is the larger of the shares of exchanges, the data's own
/// among them, that make as strong a case that low values are good in some family, and as strong a one that high ones are. The
/// generator begins at `seed`.
///
/// # Errors
/// [`Undefined`] below two families with pairs, or where no exchange changes anything.
pub fn contradiction(courses: &[SeedCourse], draws: usize, seed: u64) -> Result<f64, Undefined> {
    let count = |of: fn(&SeedCourse) -> usize| courses.iter().map(|course| of(course) + 1).max().unwrap_or(0);
    let (families, seeds) = (count(|course| course.family), count(|course| course.seed));
    at_least_two(seeds)?;
    let arms: Vec<ArmPairs> = by_arm(courses).iter().map(|courses| ArmPairs::of(courses, seeds)).collect();
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    // The data's own first.
    let mut place: Vec<usize> = (0..seeds).collect();
    let mut places = vec![place.clone()];
    places.extend((0..draws).map(|_| {
        place.shuffle(&mut generator);
        place.clone()
    }));
    // In standard deviations of their exchanges, by family; a family in which none changes anything says nothing.
    let mut cases: Vec<Vec<f64>> = Vec::new();
    for family in 0..families {
        let arms: Vec<&ArmPairs> = arms.iter().filter(|arm| arm.family == family).collect();
        let mut distances = distances(&arms, &places, seeds);
        let deviation = (distances[1..].iter().map(|distance| distance.powi(2)).sum::<f64>() / draws as f64).sqrt();
        if deviation > 1e-9 {
            distances.iter_mut().for_each(|distance| *distance /= deviation);
            cases.push(distances);
        }
    }
    match cases.len() {
        0 => return Err(Undefined::NoSpread),
        1 => return Err(Undefined::SingleFamily),
        _ => {}
    }
    let p = |sign: f64| {
        let strongest = |exchange: usize| cases.iter().map(|family| sign * family[exchange]).fold(f64::MIN, f64::max);
        // Sums of the same numbers in another order differ in their last bits.
        let as_strong = (1..=draws).filter(|exchange| strongest(*exchange) >= strongest(0) - 1e-9).count();
        (as_strong + 1) as f64 / (draws + 1) as f64
    };
    Ok(p(-1.0).max(p(1.0)))
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

    /// All 24 orders of four seeds.
    fn all_places() -> Vec<Vec<usize>> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..4 {
            let longer = |place: &Vec<usize>| -> Vec<Vec<usize>> {
                (0..4).filter(|next| !place.contains(next)).map(|next| [&place[..], &[next]].concat()).collect()
            };
            places = places.iter().flat_map(longer).collect();
        }
        places
    }

    /// Two arms of a family, ties, gaps in indicator and health, and a seed that one arm lacks.
    #[test]
    fn distances_are_those_of_the_concordance_of_exchanged_courses() {
        let number = |x: usize| (7 * x * x + 3 * x) % 11;
        let values = |from: usize, gap: usize| -> Vec<Option<f64>> {
            (0..5).map(|task| (task != gap).then(|| number(from + task) as f64)).collect()
        };
        let course = |arm: usize, seed: usize| SeedCourse {
            family: 0,
            arm,
            seed,
            indicator: values(5 * arm + 13 * seed, 2 * arm + seed),
            health: values(17 * arm + 29 * seed + 4, 3 + seed),
        };
        let courses: Vec<SeedCourse> =
            [(0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (1, 0), (1, 1)].map(|(arm, seed)| course(arm, seed)).into();
        let arms: Vec<ArmPairs> = by_arm(&courses).iter().map(|courses| ArmPairs::of(courses, 4)).collect();
        let places = all_places();
        let found = distances(&arms.iter().collect::<Vec<_>>(), &places, 4);
        for (place, found) in places.iter().zip(found) {
            let exchanged = |own: &SeedCourse| {
                let other = courses.iter().find(|c| c.arm == own.arm && c.seed == place[own.seed]);
                SeedCourse { indicator: other.map_or(Vec::new(), |c| c.indicator.clone()), ..own.clone() }
            };
            let exchanged: Vec<SeedCourse> = courses.iter().map(exchanged).collect();
            let slow = Concordance::of(&exchanged, PairRule::default()).of_families()[0].unwrap().point - 0.5;
            assert!((found - slow).abs() < 1e-12, "{place:?}: {found} is not {slow}");
        }
    }

    /// All exchanges by hand, through the concordance itself.
    #[test]
    fn equals_all_exchanges_counted_one_by_one() {
        let (courses, places) = (contradictory(), all_places());
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
