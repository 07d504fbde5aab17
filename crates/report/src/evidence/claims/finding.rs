//! Claims, what the runs say of each, and the lines of `claims.csv`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

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
        match self {
            Self::IndicatorsUnreliable => 'a',
            Self::CombinedBoundPredicts => 'b',
            Self::SchedulerImproves => 'c',
            Self::SchedulerBeatsSmallerSteps => 'd',
            Self::RatesMirrorDecay => 'e',
        }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The evidence is beyond its uncertainty, and for it.
    Supported,
    /// The evidence is beyond its uncertainty, and against it.
    Contradicted,
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

/// A claim's verdict from its findings: contradicted by one that contradicts, supported by all that were tested supporting it, and not
/// tested without any.
pub(crate) fn overall(claim: Claim, findings: &[Finding]) -> Verdict {
    let verdicts: Vec<Verdict> = findings.iter().filter(|f| f.claim == claim).map(|f| f.verdict).collect();
    let tested = || verdicts.iter().filter(|verdict| **verdict != Verdict::NotTested);
    if tested().any(|verdict| *verdict == Verdict::Contradicted) {
        Verdict::Contradicted
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

/// A line of `claims.csv`: one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimRow {
    /// The claim's letter.
    pub claim: char,
    /// The claim in a sentence.
    pub statement: String,
    /// What this finding is about.
    pub subject: String,
    /// `supported`, `contradicted`, `undecided` or `not_tested`.
    pub verdict: Verdict,
    /// The numbers, with n.
    pub evidence: String,
}

impl From<&Finding> for ClaimRow {
    fn from(finding: &Finding) -> Self {
        Self {
            claim: finding.claim.letter(),
            statement: finding.claim.statement().to_owned(),
            subject: finding.subject.clone(),
            verdict: finding.verdict,
            evidence: finding.evidence.clone(),
        }
    }
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
        use Verdict::{Contradicted, NotTested, Supported, Undecided};
        let of = |verdicts: &[Verdict]| overall(Claim::SchedulerImproves, &findings(verdicts));
        assert_eq!(of(&[Supported, Supported]), Supported);
        assert_eq!(of(&[Supported, Undecided]), Undecided);
        assert_eq!(of(&[Supported, NotTested]), Undecided);
        assert_eq!(of(&[Supported, Contradicted, Undecided]), Contradicted);
        assert_eq!(of(&[NotTested, NotTested]), NotTested);
        assert_eq!(of(&[]), NotTested);
        assert_eq!(overall(Claim::RatesMirrorDecay, &findings(&[Supported])), NotTested);
        let told = tally(Claim::SchedulerImproves, &findings(&[Undecided, Supported, Supported]));
        assert_eq!(told, "supported: supported, supported; undecided: undecided");
    }
}
