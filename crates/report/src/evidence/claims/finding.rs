//! Claims, what the runs say of each, and the lines of `claims.csv`.

use std::collections::BTreeMap;
use std::fmt;

use trainability_stats::Estimate;

/// Level of the corrected tests.
pub(crate) const LEVEL: f64 = 0.05;

/// What the paper claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is spelt out by its statement")]
pub(crate) enum Claim {
    IndicatorsUnreliable,
    CombinedBoundPredicts,
    SchedulerImproves,
    SchedulerBeatsSmallerSteps,
    RatesMirrorDecay,
}

impl Claim {
    /// All claims, in their order.
    pub(crate) const ALL: [Self; 5] = [
        Self::IndicatorsUnreliable,
        Self::CombinedBoundPredicts,
        Self::SchedulerImproves,
        Self::SchedulerBeatsSmallerSteps,
        Self::RatesMirrorDecay,
    ];

    /// The letter under which it is listed.
    pub(crate) fn letter(self) -> char {
        char::from(b'a' + self as u8)
    }

    /// The claim in a sentence.
    pub(crate) fn statement(self) -> &'static str {
        match self {
            Self::IndicatorsUnreliable => {
                "each rejected indicator is unreliable: it moves alike where accuracy is lost and where it is not"
            }
            Self::CombinedBoundPredicts => {
                "the combined bound predicts better than either of its parts and than every single indicator"
            }
            Self::SchedulerImproves => "the scheduler improves accuracy with CReLU, L2 and Wasserstein",
            Self::SchedulerBeatsSmallerSteps => {
                "the scheduler beats the best constant and decayed step size, and a mere cap on the step"
            }
            Self::RatesMirrorDecay => "the scheduler's learning rates mirror a canonical decay",
        }
    }
}

/// What the runs say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The evidence is beyond its uncertainty, and for it.
    Supported,
    /// The evidence is beyond its uncertainty, and against it.
    Contradicted,
    /// The whole interval lies so close to no difference that it does not matter.
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
            Self::Contradicted => "contradicted",
            Self::Negligible => "too small to matter",
            Self::Undecided => "undecided",
            Self::NotTested => "not tested",
        })
    }
}

/// One piece of the evidence for a claim.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The claim.
    pub claim: Claim,
    /// What it is about: an indicator, or an arm.
    pub subject: String,
    /// What it says.
    pub verdict: Verdict,
    /// The numbers, with n.
    pub evidence: String,
}

impl Finding {
    /// What the runs say of a claim about something, with the numbers.
    pub(crate) fn new(claim: Claim, subject: impl ToString, verdict: Verdict, evidence: impl ToString) -> Self {
        Self { claim, subject: subject.to_string(), verdict, evidence: evidence.to_string() }
    }
}

/// A claim's verdict from its findings: contradicted by one that contradicts, too small to matter by one that is, supported by all that
/// were tested supporting it, and not tested without any.
pub(crate) fn overall(claim: Claim, findings: &[Finding]) -> Verdict {
    let verdicts: Vec<Verdict> = findings.iter().filter(|f| f.claim == claim).map(|f| f.verdict).collect();
    let tested = || verdicts.iter().filter(|verdict| **verdict != Verdict::NotTested);
    if tested().any(|verdict| *verdict == Verdict::Contradicted) {
        Verdict::Contradicted
    } else if tested().any(|verdict| *verdict == Verdict::Negligible) {
        Verdict::Negligible
    } else if tested().next().is_none() {
        Verdict::NotTested
    } else if tested().all(|verdict| *verdict == Verdict::Supported) && tested().count() == verdicts.len() {
        Verdict::Supported
    } else {
        Verdict::Undecided
    }
}

/// A claim's findings by verdict, like `supported: a, b; undecided: c`.
pub(crate) fn tally(claim: Claim, findings: &[Finding]) -> String {
    let mut by_verdict: BTreeMap<Verdict, Vec<&str>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.claim == claim) {
        by_verdict.entry(finding.verdict).or_default().push(&finding.subject);
    }
    let part = |(verdict, subjects): (Verdict, Vec<&str>)| format!("{verdict}: {}", subjects.join(", "));
    by_verdict.into_iter().map(part).collect::<Vec<_>>().join("; ")
}

/// A difference with its interval, or why it has none, as evidence shows it.
pub(crate) fn difference(estimate: &Estimate) -> String {
    let ends = match estimate.interval() {
        Ok(interval) => format!("{}, {}", signed(interval.low, 3), signed(interval.high, 3)),
        Err(reason) => reason.to_string(),
    };
    format!("{} [{ends}]", signed(estimate.point(), 3))
}

/// A number with its sign, as evidence shows it.
pub(crate) fn signed(value: f64, digits: usize) -> String {
    format!("{value:+.digits$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(verdicts: &[Verdict]) -> Vec<Finding> {
        let finding = |verdict: &Verdict| Finding {
            claim: Claim::SchedulerImproves,
            subject: verdict.to_string(),
            verdict: *verdict,
            evidence: String::new(),
        };
        verdicts.iter().map(finding).collect()
    }

    #[test]
    fn a_claim_about_all_needs_all() {
        use Verdict::{Contradicted, Negligible, NotTested, Supported, Undecided};
        let of = |verdicts: &[Verdict]| overall(Claim::SchedulerImproves, &findings(verdicts));
        assert_eq!(of(&[Supported, Supported]), Supported);
        assert_eq!(of(&[Supported, Undecided]), Undecided);
        assert_eq!(of(&[Supported, NotTested]), Undecided);
        assert_eq!(of(&[Supported, Contradicted, Undecided]), Contradicted);
        assert_eq!(of(&[Supported, Negligible, Undecided]), Negligible);
        assert_eq!(of(&[Negligible, Contradicted]), Contradicted);
        assert_eq!(of(&[NotTested, NotTested]), NotTested);
        assert_eq!(of(&[]), NotTested);
        assert_eq!(overall(Claim::RatesMirrorDecay, &findings(&[Supported])), NotTested);
        let told = tally(Claim::SchedulerImproves, &findings(&[Undecided, Supported, Supported]));
        assert_eq!(told, "supported: supported, supported; undecided: undecided");
    }
}
