//! The paper's claims against this sweep: what they are judged by, and the tables of verdicts and findings.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::results::{Run, Sweep};
use super::table::Table;
use crate::analysis::claims::{Claim, Finding, Grounds, ScheduleRole, Trajectory, examine, overall, tally};
use crate::analysis::outcomes::EventOptions;
use crate::analysis::{BootstrapOptions, Predictiveness, Series};

/// Points of a trajectory that are enough to fit a decay to.
const MOST_POINTS: usize = 200;

/// Judges every claim.
pub fn judge(sweep: &Sweep, runs: &[Series], scores: &[Predictiveness], event: &EventOptions) -> Vec<Finding> {
    let schedules = roles(sweep);
    let scheduled = |run: &&Run| schedules.get(&run.arm.schedule) == Some(&ScheduleRole::Scheduler);
    let trajectories: Vec<Trajectory> = sweep.finished().filter(scheduled).flat_map(trajectories).collect();
    examine(&Grounds {
        runs,
        scores,
        schedules,
        trajectories: &trajectories,
        event: event.clone(),
        bootstrap: BootstrapOptions::default(),
    })
}

/// What each schedule is to the claims, by its label.
pub fn roles(sweep: &Sweep) -> BTreeMap<String, ScheduleRole> {
    let role = |run: &Run| {
        let label = run.arm.schedule.as_str();
        let options = run.record.as_ref().and_then(|record| record.options.get("schedule"));
        let text = |key| options.and_then(|options| options.get(key)?.as_str());
        let name = text("name").unwrap_or(label);
        (label.to_owned(), ScheduleRole::of(name, text("limit"), label))
    };
    sweep.finished().map(role).collect()
}

/// The learning rates of a run's layers, over time from 0 to 1, thinned to what a fit needs.
pub fn trajectories(run: &Run) -> Vec<Trajectory> {
    let updates = run.record.as_ref().map_or(0, |record| record.updates);
    let of_layer = |trace: &super::trace::LayerTrace| {
        let stride = trace.rows.len().div_ceil(MOST_POINTS).max(1);
        let last = trace.rows.last().map_or(0, |row| row.update).max(updates).max(1) as f64;
        Trajectory {
            arm: run.arm.clone(),
            seed: run.seed,
            layer: trace.layer.clone(),
            points: trace
                .rows
                .iter()
                .step_by(stride)
                .map(|row| (row.update as f64 / last, row.learning_rate))
                .collect(),
        }
    };
    run.traces.iter().map(of_layer).collect()
}

/// The checklist: a row a claim.
pub fn checklist(evidence: &Evidence) -> Table {
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
pub fn findings(evidence: &Evidence) -> Table {
    let note = "(a) A counter-example is a pair of configurations in which the indicator, in ranks from 0 to 1 over all \
                tasks of all runs, takes courses that correlate at 0.7 or more in every seed, moves to the same side by \
                similar amounts and ends within 0.2, while one loses trainability in every seed and the other in none. \
                (b) Differences of AUROC at horizon 1 between effective step over combined bound and its rivals, on \
                the same task pairs; brackets are 95 % bootstrap intervals over seeds. (c, d) Mean paired difference in \
                online accuracy with 95 % bootstrap interval over seeds, and Student's paired t test corrected by Holm: \
                both must clear zero, and three seeds are the least. (e) The best-fitting of linear, exponential, cosine, \
                inverse square root and step decay, by layer, and the range over seeds of its R2; 0.9 counts as \
                mirroring.";
    let mut table = Table::new("Findings on the paper's claims", note, &["claim", "about", "verdict", "evidence"]);
    for finding in &evidence.findings {
        let cells = [finding.claim.letter().to_string(), finding.subject.clone(), finding.verdict.to_string()];
        table.push(cells.into_iter().chain([finding.evidence.clone()]).collect(), false);
    }
    table
}
