//! The paper's claims against this sweep: the tables of verdicts and findings.

use crate::evidence::Evidence;
use crate::evidence::claims::finding::{Claim, overall, tally};
use crate::views::table::Table;

/// The checklist: a row a claim.
pub(crate) fn checklist(evidence: &Evidence) -> Table {
    let note = "A claim about all of something is supported only if every finding supports it, and contradicted by a \
                single one that does so beyond its uncertainty. Where an interval includes the boundary, or a test \
                corrected for its siblings does not reach 5 %, the finding is undecided. The findings, with numbers \
                and n, are in claims.csv and in the report.";
    let mut table = Table::new("The paper's claims", note, &["claim", "verdict", "findings"]);
    for claim in Claim::ALL {
        let statement = format!("({}) {}", claim.letter(), claim.statement());
        let verdict = overall(claim, &evidence.findings).to_string();
        table.push(vec![statement, verdict, tally(claim, &evidence.findings)], false);
    }
    table
}

/// Every finding with its numbers.
pub(crate) fn findings(evidence: &Evidence) -> Table {
    let note = "(a) A counter-example is a pair of configurations in which the indicator, in ranks from 0 to 1 over all \
                tasks of all runs, takes courses that correlate at 0.7 or more in every seed, moves to the same side by \
                similar amounts and ends within 0.2, while one loses trainability in every seed and the other in none. \
                (b) Differences of matched concordance between effective step over combined bound and its rivals, on the same \
                pairs of seeds, arms at constant rates; brackets are 95 % jackknife intervals over seeds. (c, d) Mean paired difference in \
                online accuracy with 95 % bootstrap interval over seeds, and Student's paired t test corrected by Holm: \
                both must clear zero, and three seeds are the least. (e) The best-fitting of linear, exponential, cosine, \
                inverse square root and step decay, by layer, and the range over seeds of its R2; 0.9 counts as \
                mirroring.";
    let mut table = Table::new("Findings on the paper's claims", note, &["claim", "about", "verdict", "evidence"]);
    for finding in &evidence.findings {
        let (letter, verdict) = (finding.claim.letter().to_string(), finding.verdict.to_string());
        table.push(vec![letter, finding.subject.clone(), verdict, finding.evidence.clone()], false);
    }
    table
}
