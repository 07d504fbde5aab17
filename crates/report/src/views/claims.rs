//! The paper's claims against this sweep: the table of verdicts, and the findings behind them.

use trainability_stats::{Estimate, Undefined};

use crate::evidence::Evidence;
use crate::evidence::claims::CLAIMS;
use crate::evidence::claims::claim::{Claim, Finding, Judgement, LEVEL, NEGLIGIBLE, Verdict, WORTH_FINDING};
use crate::views::table::{Table, cell, p_value};

/// The answer: a row a claim.
pub(crate) fn verdicts(evidence: &Evidence) -> Table {
    let tested = evidence.judgements.iter().filter(|judgement| judgement.verdict != Verdict::NotTested).count();
    let note = format!(
        "The effect is that of the finding that decides: of all that a claim is about, the one that stands most against it. Brackets \
         are 95 % intervals over n seeds; in (a) they hold where the next family of methods is to be expected. p is two-sided, \
         and corrected (Holm) over the {tested} claims tested here. Detects is the smallest effect that so many seeds find in \
         four cases of five at the corrected level, n for {WORTH_FINDING} the seeds that an effect of {WORTH_FINDING} would \
         take. A difference below {NEGLIGIBLE} is too small to matter, whatever its p; below five seeds nothing is decided."
    );
    let headings =
        ["claim", "verdict", "#effect", "decided by", "#n", "#p", "#detects", &format!("#n for {WORTH_FINDING}")];
    let mut table = Table::new("Verdicts on the paper's claims", &note, &headings);
    for judgement in &evidence.judgements {
        let Judgement { claim, verdict, p_corrected, .. } = judgement;
        let deciding = judgement.deciding();
        let effect = deciding.map_or(Err(Undefined::NoValues), |finding| finding.effect);
        let cells = vec![
            format!("({}) {}", claim.letter, claim.title),
            verdict.to_string(),
            effect_text(judgement.claim, &effect),
            deciding.map_or("–".into(), |finding| finding.subject.clone()),
            effect.map_or("–".into(), |effect| effect.n().to_string()),
            p_value(p_corrected),
            number(judgement.detectable.ok()),
            seeds(judgement.seeds_needed),
        ];
        table.push(cells, false);
    }
    table
}

/// Every finding with its numbers.
pub(crate) fn findings(evidence: &Evidence) -> Table {
    let note = format!(
        "What each claim is about, by itself: its verdict is at a level of {LEVEL} over the findings of its claim, while the claim as a \
         whole is decided above. p is that of the side on which the finding lies. Detects is uncorrected."
    );
    let headings =
        ["claim", "about", "verdict", "#effect", "#n", "#p", "#detects", &format!("#n for {WORTH_FINDING}"), "note"];
    let mut table = Table::new("Findings on the paper's claims", &note, &headings);
    for judgement in &evidence.judgements {
        for finding in &judgement.findings {
            let sides = [finding.p_for, finding.p_against].into_iter().flatten();
            let p = sides.reduce(f64::min).ok_or(Undefined::NoValues);
            let cells = vec![
                format!("({})", judgement.claim.letter),
                finding.subject.clone(),
                finding.verdict(judgement.claim, judgement.findings.len()).to_string(),
                effect_text(judgement.claim, &finding.effect),
                finding.effect.map_or("–".into(), |effect| effect.n().to_string()),
                p_value(&p),
                number(finding.power.and_then(|power| power.smallest_detectable(LEVEL)).ok()),
                seeds(finding.seeds_needed()),
                note_of(finding),
            ];
            table.push(cells, false);
        }
    }
    table
}

/// What each claim says, where it stands, what would refute it, and how it is judged.
pub(crate) fn rules() -> Vec<(String, String)> {
    let rule = |claim: &&Claim| {
        let text = format!(
            "{}. Source: {}. Measured: {}. Test: {}. Refuted by: {}.",
            capital(claim.statement),
            claim.source,
            claim.endpoint,
            claim.test,
            claim.refuted_by
        );
        (format!("({}) {}", claim.letter, claim.title), text)
    };
    CLAIMS.iter().map(rule).collect()
}

fn capital(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn note_of(finding: &Finding) -> String {
    let reason = match finding.effect {
        Err(reason) => Some(reason),
        Ok(effect) => effect.interval().err(),
    };
    let reason = reason.filter(|_| finding.note.is_empty()).map(|reason| reason.to_string());
    reason.unwrap_or_else(|| finding.note.clone())
}

/// Differences with their sign, concordances and shares without.
pub(crate) fn effect_text(claim: &Claim, effect: &Result<Estimate, Undefined>) -> String {
    if claim.null == 0.0 {
        cell(effect, |value| format!("{value:+.3}").replace('-', "−"))
    } else {
        cell(effect, |value| format!("{value:.2}"))
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.3}"))
}

fn seeds(needed: Result<Option<usize>, Undefined>) -> String {
    match needed {
        Ok(Some(seeds)) => seeds.to_string(),
        Ok(None) => ">10,000".into(),
        Err(_) => "–".into(),
    }
}
