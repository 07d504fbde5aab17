//! What a claim is, what the runs say of it arm by arm, and how that becomes a verdict.

use std::fmt;

use trainability_stats::jackknife::{FEWEST_SEEDS, Jackknife};
use trainability_stats::{Estimate, Interval, Undefined};

use crate::evidence::claims::inputs::ClaimInputs;

/// The level of the corrected tests.
pub(crate) const LEVEL: f64 = 0.05;
/// A difference of two accuracies or concordances that is too small to matter, whatever its p.
pub(crate) const NEGLIGIBLE: f64 = 0.01;
/// The difference for which the number of seeds is told that would find it.
pub(crate) const WORTH_FINDING: f64 = 0.05;
/// Seeds beyond which nobody would run more.
const MOST_SEEDS: usize = 10_000;

/// A claim, and the rule by which it is judged, fixed before the data.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The letter under which it is listed, such as `c'`.
    pub letter: &'static str,
    /// A few words for figures and headings.
    pub title: &'static str,
    /// The claim in a sentence.
    pub statement: &'static str,
    /// Where it stands.
    pub source: &'static str,
    /// What would refute it.
    pub refuted_by: &'static str,
    /// What is measured.
    pub endpoint: &'static str,
    /// How it is tested, and against which null.
    pub test: &'static str,
    /// The effect at which there is nothing.
    pub null: f64,
    /// The distance from nothing below which an effect is too small to matter.
    pub margin: f64,
    /// The range of its effects.
    pub range: Interval,
    /// How its findings decide it.
    pub rule: Rule,
    /// Finds its members in the runs: none where the sweep has nothing that bears on it.
    pub examine: fn(&ClaimInputs<'_>) -> Vec<Finding>,
}

/// How findings decide a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It holds if it holds in every member, and is refuted by one.
    Every,
    /// It holds if it holds in one member.
    Any,
}

/// What the runs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The evidence is beyond its uncertainty, and for it.
    Supported,
    /// The evidence is beyond its uncertainty, and against it.
    Refuted,
    /// The effect is so close to nothing that it does not matter.
    Negligible,
    /// The evidence does not decide at this n.
    Undecided,
    /// The sweep has no runs that bear on it.
    NotTested,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Supported => "supported",
            Self::Refuted => "refuted",
            Self::Negligible => "too small to matter",
            Self::Undecided => "undecided",
            Self::NotTested => "not tested",
        })
    }
}

/// What the runs say of one member of a claim: an indicator, or a family of methods under a form of the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What it is about.
    pub subject: String,
    /// The effect with its 95 % interval, and n.
    pub effect: Result<Estimate, Undefined>,
    /// Two-sided p where the evidence is for the claim, else 1.
    pub p_for: Result<f64, Undefined>,
    /// The same against it.
    pub p_against: Result<f64, Undefined>,
    /// What says how much more seeds would find: the effect over seeds.
    pub power: Result<Jackknife, Undefined>,
    /// What else a reader should know, with numbers; may be empty.
    pub note: String,
}

impl Finding {
    /// An effect over seeds, for the claim where it is above nothing.
    pub(crate) fn above(claim: &Claim, subject: String, effect: Result<Jackknife, Undefined>, note: String) -> Finding {
        let side = |counts: &dyn Fn(f64) -> bool| {
            let effect = effect?;
            let p = effect.p(claim.null)?;
            Ok(if counts(effect.point - claim.null) { p } else { 1.0 })
        };
        Finding {
            subject,
            effect: effect.map(|effect| effect.estimate(claim.range)),
            p_for: side(&|beyond| beyond > 0.0),
            p_against: side(&|beyond| beyond < 0.0 && beyond <= -claim.margin),
            power: effect,
            note,
        }
    }

    /// What the sweep has no runs for.
    pub(crate) fn not_tested(subject: String, reason: Undefined, note: &str) -> Finding {
        let (effect, power) = (Err(reason), Err(reason));
        Finding { subject, effect, p_for: Err(reason), p_against: Err(reason), power, note: note.to_owned() }
    }

    /// How many seeds would find an effect of [`WORTH_FINDING`], uncorrected; none below 10,000.
    pub(crate) fn seeds_needed(&self) -> Result<Option<usize>, Undefined> {
        self.power?.seeds_for(WORTH_FINDING, LEVEL, MOST_SEEDS)
    }

    /// How far the effect is from nothing.
    fn beyond(&self, claim: &Claim) -> Option<f64> {
        Some(self.effect.ok()?.point() - claim.null)
    }

    /// Whether the effect is beyond question too small to matter: its whole interval is, or all copies agree on one that is.
    fn is_negligible(&self, claim: &Claim) -> bool {
        let Ok(effect) = self.effect else { return false };
        let ends = effect.interval().map_or([effect.point(); 2], |interval| [interval.low, interval.high]);
        let is_known = effect.interval().is_ok() || effect.interval() == Err(Undefined::NoSpread);
        is_known && effect.n() >= FEWEST_SEEDS && ends.iter().all(|end| (end - claim.null).abs() < claim.margin)
    }

    /// What it says by itself, at a corrected level of this many findings of its claim.
    pub(crate) fn verdict(&self, claim: &Claim, siblings: usize) -> Verdict {
        let is_shown = |p: Result<f64, Undefined>| p.is_ok_and(|p| p * (siblings.max(1) as f64) < LEVEL);
        let matters = self.beyond(claim).is_none_or(|beyond| beyond.abs() >= claim.margin);
        match self.effect {
            Err(_) => Verdict::NotTested,
            Ok(_) if self.is_negligible(claim) => Verdict::Negligible,
            Ok(_) if is_shown(self.p_for) && matters => Verdict::Supported,
            Ok(_) if is_shown(self.p_against) => Verdict::Refuted,
            Ok(_) if is_shown(self.p_for) => Verdict::Negligible,
            Ok(_) => Verdict::Undecided,
        }
    }
}

/// A p of a finding, for its claim or against it.
type SideOf = fn(&Finding) -> Result<f64, Undefined>;

/// A claim with everything that the runs say of it.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    /// The claim.
    pub claim: &'static Claim,
    /// Member by member.
    pub findings: Vec<Finding>,
    /// The verdict.
    pub verdict: Verdict,
    /// The place of the finding that decides: the one that stands most against the claim, or refutes it.
    pub decides: Option<usize>,
    /// The p of the claim: the largest for it, or the smallest against it times their number, whichever is smaller.
    pub p: Result<f64, Undefined>,
    /// The same corrected by Holm over all claims.
    pub p_corrected: Result<f64, Undefined>,
    /// The smallest effect that as many seeds find in four cases of five at the corrected level.
    pub detectable: Result<f64, Undefined>,
    /// How many seeds would find an effect of [`WORTH_FINDING`]; none below 10,000.
    pub seeds_needed: Result<Option<usize>, Undefined>,
}

impl Judgement {
    /// The p for and against a claim, and the places of the findings that give them.
    fn sides(claim: &Claim, findings: &[Finding]) -> ([Result<f64, Undefined>; 2], [Option<usize>; 2]) {
        let places: Vec<usize> = (0..findings.len()).collect();
        let count = findings.len() as f64;
        let largest = |side: SideOf| {
            let p = |place: &usize| side(&findings[*place]).unwrap_or(1.0);
            places.iter().copied().max_by(|a, b| p(a).total_cmp(&p(b)).then(b.cmp(a)))
        };
        let smallest = |side: SideOf| {
            let known = places.iter().copied().filter(|place| side(&findings[*place]).is_ok());
            known.min_by(|a, b| side(&findings[*a]).unwrap_or(1.0).total_cmp(&side(&findings[*b]).unwrap_or(1.0)))
        };
        let of =
            |place: Option<usize>, side: SideOf| place.map_or(Err(Undefined::NoValues), |place| side(&findings[place]));
        let for_it: SideOf = |finding| finding.p_for;
        let against: SideOf = |finding| finding.p_against;
        match claim.rule {
            Rule::Every => {
                let (worst, refuting) = (largest(for_it), smallest(against));
                // Several may be as far from support; the one with the least effect is shown.
                let least = |place: &usize| findings[*place].beyond(claim).unwrap_or(f64::INFINITY);
                let worst_p = of(worst, for_it);
                let alike = places
                    .iter()
                    .copied()
                    .filter(|place| for_it(&findings[*place]).unwrap_or(1.0) == worst_p.unwrap_or(1.0));
                let worst = alike.min_by(|a, b| least(a).total_cmp(&least(b))).or(worst);
                ([worst_p, of(refuting, against).map(|p| (count * p).min(1.0))], [worst, refuting])
            }
            Rule::Any => {
                let (best, worst) = (smallest(for_it), largest(against));
                ([of(best, for_it).map(|p| (count * p).min(1.0)), of(worst, against)], [best, worst])
            }
        }
    }

    /// Puts findings together, before any correction over claims.
    fn of(claim: &'static Claim, findings: Vec<Finding>) -> Judgement {
        let (sides, _) = Self::sides(claim, &findings);
        let p = match sides {
            [Ok(one), Ok(other)] => Ok(one.min(other)),
            [Ok(one), Err(_)] | [Err(_), Ok(one)] => Ok(one),
            [Err(reason), Err(_)] => Err(reason),
        };
        Judgement {
            claim,
            findings,
            verdict: Verdict::NotTested,
            decides: None,
            p,
            p_corrected: p,
            detectable: Err(Undefined::NoValues),
            seeds_needed: Err(Undefined::NoValues),
        }
    }

    /// Decides, `claims` being tested together.
    fn decide(&mut self, claims: usize) {
        let ([p_for, p_against], [worst, refuting]) = Self::sides(self.claim, &self.findings);
        let is_shown = self.p_corrected.is_ok_and(|p| p < LEVEL);
        let shown_by = |p: Result<f64, Undefined>| is_shown && p.is_ok() && p == self.p;
        let tested = self.findings.iter().filter(|finding| finding.effect.is_ok()).count();
        let negligible: Vec<usize> =
            (0..self.findings.len()).filter(|place| self.findings[*place].is_negligible(self.claim)).collect();
        let all_matter = self
            .findings
            .iter()
            .filter_map(|finding| finding.beyond(self.claim))
            .all(|beyond| beyond.abs() >= self.claim.margin || self.claim.rule == Rule::Any);
        let far = |place: &usize| self.findings[*place].beyond(self.claim).map_or(-1.0, f64::abs);
        let farthest = (0..self.findings.len()).max_by(|a, b| far(a).total_cmp(&far(b)));
        let small = match self.claim.rule {
            Rule::Every => !negligible.is_empty(),
            Rule::Any => tested > 0 && negligible.len() == tested,
        };
        (self.verdict, self.decides) = if tested == 0 {
            (Verdict::NotTested, None)
        } else if shown_by(p_against) {
            (Verdict::Refuted, refuting)
        } else if small {
            (Verdict::Negligible, negligible.first().copied())
        } else if shown_by(p_for) {
            (if all_matter { Verdict::Supported } else { Verdict::Negligible }, worst)
        } else {
            (Verdict::Undecided, worst.or(farthest))
        };
        let power = self.decides.map_or(Err(Undefined::NoValues), |place| self.findings[place].power);
        let level = LEVEL / claims.max(1) as f64;
        self.detectable = power.and_then(|power| power.smallest_detectable(level));
        self.seeds_needed = power.and_then(|power| power.seeds_for(WORTH_FINDING, level, MOST_SEEDS));
    }

    /// The finding that decides.
    pub(crate) fn deciding(&self) -> Option<&Finding> {
        self.findings.get(self.decides?)
    }
}

/// Judges claims together: those that the sweep has runs for are one family of tests, corrected by Holm.
pub(crate) fn judge_together(examined: Vec<(&'static Claim, Vec<Finding>)>) -> Vec<Judgement> {
    let mut judged: Vec<Judgement> =
        examined.into_iter().map(|(claim, findings)| Judgement::of(claim, findings)).collect();
    let is_tested = |judgement: &Judgement| judgement.findings.iter().any(|finding| finding.effect.is_ok());
    let tested: Vec<usize> = (0..judged.len()).filter(|place| is_tested(&judged[*place])).collect();
    // What has no p counts as 1.
    let p: Vec<Result<f64, Undefined>> = tested.iter().map(|place| Ok(judged[*place].p.unwrap_or(1.0))).collect();
    let corrected = trainability_stats::paired_tests::holm_defined(&p);
    for (place, corrected) in tested.iter().zip(corrected) {
        judged[*place].p_corrected = judged[*place].p.and(corrected);
    }
    judged.iter_mut().for_each(|judgement| judgement.decide(tested.len()));
    judged
}
