//! Claim (d): do the scheduler's learning rates resemble the canonical decays more than any falling curve does?

use std::collections::BTreeMap;

use rayon::prelude::*;
use trainability_stats::decay::{DecayFit, Family, fits, r2_by_chance};
use trainability_stats::jackknife::FEWEST_SEEDS;
use trainability_stats::paired_tests::sign_flip_floor;
use trainability_stats::{Interval, Undefined};

use crate::evidence::claims::claim::{Claim, Finding, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::scheduled::{Member, NOT_IN_THIS_SWEEP, mean, members};
use crate::evidence::claims::trajectory::{MOST_POINTS, Trajectory};
use crate::wording::distinct;

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "d",
    title: "rates like a decay, beyond chance",
    statement: "the scheduler's learning rates resemble canonical decays more than random falling curves do",
    source: "arXiv 2509.19698, section on the scheduler and Figure 8",
    refuted_by: "a family of methods in which they resemble them significantly less than random falling curves",
    endpoint: "the share of random falling curves, between the same levels, that a linear, exponential, cosine, inverse square \
               root or step decay fits worse than the layer's rates (R2), mean over layers; .5 is chance",
    test: "jackknife t over seeds against .5, where all seeds lie at one end of the scale the exact sign test; the largest p over \
           families and forms",
    null: 0.5,
    margin: 0.0,
    range: Interval::SHARE,
    rule: Rule::Every,
    examine,
};

/// Random curves for each layer of an arm.
const CURVES: usize = 1999;

/// The best fit of one layer's rates, over the seeds of an arm.
struct FittedLayer<'a> {
    layer: &'a str,
    fits: BTreeMap<u64, DecayFit>,
    /// R2 of random curves between the same levels, ascending.
    by_chance: Vec<f64>,
}

impl FittedLayer<'_> {
    /// The share of random curves that are fitted worse, those as good counting half; none where the rate never moved.
    fn place(&self, seed: u64) -> Option<f64> {
        let fit = self.fits.get(&seed)?;
        let below = self.by_chance.partition_point(|r2| *r2 < fit.r2);
        let up_to = self.by_chance.partition_point(|r2| *r2 <= fit.r2);
        Some(0.5 * (below + up_to) as f64 / self.by_chance.len() as f64)
    }

    /// Like `fc1 step, R2 0.81 to 0.93`.
    fn told(&self) -> String {
        let names = distinct(self.fits.values().map(|fit| fit.family)).into_iter().map(|family| match family {
            Family::Constant => "none",
            family => family.name(),
        });
        let low = self.fits.values().map(|fit| fit.r2).fold(f64::INFINITY, f64::min);
        let high = self.fits.values().map(|fit| fit.r2).fold(f64::NEG_INFINITY, f64::max);
        format!("{} {}, R2 {low:.2} to {high:.2}", self.layer, names.collect::<Vec<_>>().join(" or "))
    }
}

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    if inputs.trajectories.is_empty() {
        return Vec::new();
    }
    members(inputs).par_iter().map(|member| finding(inputs, member)).collect()
}

fn finding(inputs: &ClaimInputs<'_>, member: &Member<'_>) -> Finding {
    let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    let mut told = Vec::new();
    for method in &member.methods {
        let of_arm: Vec<&Trajectory> = inputs
            .trajectories
            .iter()
            .filter(|course| course.arm.method == *method && course.arm.schedule == member.form)
            .collect();
        for layer in distinct(of_arm.iter().map(|course| course.layer.as_str())) {
            let courses: Vec<&Trajectory> = of_arm.iter().copied().filter(|course| course.layer == layer).collect();
            let Some(fitted) = fit(layer, &courses) else { continue };
            for &seed in fitted.fits.keys() {
                by_seed.entry(seed).or_default().extend(fitted.place(seed));
            }
            told.push(fitted.told());
        }
    }
    let average = |places: &Vec<f64>| places.iter().sum::<f64>() / places.len() as f64;
    let values: Vec<f64> = by_seed.values().filter(|places| !places.is_empty()).map(average).collect();
    let effect = if values.is_empty() { Err(Undefined::NoPairedSeed) } else { mean(&values) };
    let note = if member.methods.is_empty() { NOT_IN_THIS_SWEEP.to_owned() } else { told.join("; ") };
    let found = Finding::above(&CLAIM, member.subject(), effect, note);
    // At an end of the scale seeds agree to the bit, which says more than any spread would.
    match effect {
        Ok(all) if all.error.is_err() && all.seeds >= FEWEST_SEEDS && (all.point - 0.5).abs() == 0.5 => {
            let p = sign_flip_floor(all.seeds);
            let side = |counts: bool| Ok(if counts { p } else { 1.0 });
            Finding { p_for: side(all.point > 0.5), p_against: side(all.point < 0.5), ..found }
        }
        _ => found,
    }
}

/// Fits every course of one layer, and random curves between the mean levels; none where no rate ever moved.
fn fit<'a>(layer: &'a str, courses: &[&'a Trajectory]) -> Option<FittedLayer<'a>> {
    let moves = |course: &&&Trajectory| course.points.windows(2).any(|pair| pair[0].1 != pair[1].1);
    let moving: Vec<&&Trajectory> = courses.iter().filter(moves).collect();
    let best = |points: &[(f64, f64)]| fits(points).first().copied();
    let fitted: BTreeMap<u64, DecayFit> =
        moving.iter().filter_map(|course| Some((course.seed, best(&course.points)?))).collect();
    let level = |of: fn(f64, f64) -> f64, start: f64| {
        let each = moving.iter().map(|course| course.points.iter().map(|point| point.1).fold(start, of));
        each.sum::<f64>() / moving.len() as f64
    };
    if fitted.is_empty() {
        return None;
    }
    let (high, low) = (level(f64::max, f64::NEG_INFINITY), level(f64::min, f64::INFINITY));
    Some(FittedLayer { layer, fits: fitted, by_chance: r2_by_chance(high, low, MOST_POINTS / 2, CURVES) })
}
