//! `--group-by`: the same report, its arms set apart by what they have under a key, and the indicators scored on each
//! group by itself.

use crate::evidence::Evidence;
use crate::refusal::{Refusal, demand, refuse};
use crate::results::{RecordedRun, RecordedSweep};
use crate::selected::Selected;
use crate::selection::{no_such_key, values_of};
use crate::series::{Arm, CONTROL};
use crate::setting::value_of;

/// Groups beyond which something else must have been meant, such as the seed.
const MOST_GROUPS: usize = 24;
/// The arms that have one value under the key.
pub(crate) struct Group {
    /// Key and value, as headings say it.
    pub title: String,
    /// The value alone.
    pub value: String,
    /// The arms, without the ceilings of the others.
    pub arms: Vec<Arm>,
    /// These arms and their ceilings by themselves.
    pub evidence: Evidence,
}

/// Sets the arms apart by what they have under a key: `method`, `schedule`, or an option, as one that a grid varies.
///
/// # Errors
/// No run has the key, or the runs of an arm have several values under it, or there are more groups than can be read.
pub(crate) fn groups(evidence: &Evidence, key: &str) -> Result<Vec<Group>, Refusal> {
    let keys = &evidence.grid_keys;
    let runs: Vec<&RecordedRun> =
        evidence.sweep.finished().filter(|run| !evidence.is_ceiling(&run.arm.method)).collect();
    if ["seed", "task"].contains(&key) {
        refuse!("--group-by is {key:?}, expected method, schedule or an option: the {key}s of an arm belong together");
    }
    let values = values_of(&runs, key, keys);
    demand!(!values.is_empty(), "--group-by: {}", no_such_key(key, &runs, keys));
    demand!(
        values.len() <= MOST_GROUPS,
        "--group-by is {key:?}, of which there are {} values, expected at most {MOST_GROUPS}",
        values.len()
    );
    let group = |value: String| {
        let member = |run: &RecordedRun| value_of(run, key, keys).as_ref() == Some(&value);
        let mut arms: Vec<Arm> = runs.iter().filter(|run| member(run)).map(|run| run.arm.clone()).collect();
        arms.dedup();
        let ceilings: Vec<&Arm> = arms.iter().filter_map(|arm| evidence.event.references.get(arm)?.as_ref()).collect();
        let wanted = |run: &&RecordedRun| arms.contains(&run.arm) || ceilings.contains(&&run.arm);
        let sweep = RecordedSweep {
            name: evidence.sweep.name.clone(),
            provenance: evidence.sweep.provenance.clone(),
            glossary: evidence.sweep.glossary.clone(),
            runs: evidence.sweep.finished().filter(wanted).cloned().collect(),
        };
        let selected = Selected { sweep, first_task: evidence.first_task, ..Selected::default() };
        Group { title: format!("{key} = {value}"), arms, evidence: Evidence::of(selected), value }
    };
    Ok(values.into_iter().map(group).collect())
}

/// A sentence on what the groups are.
pub(crate) fn told(key: &str, groups: &[Group]) -> String {
    let values: Vec<&str> = groups.iter().map(|group| group.value.as_str()).collect();
    let control =
        if key == "schedule" { format!(" Gains are over the {CONTROL} schedule's group.") } else { String::new() };
    format!(
        "Arms are set apart by {key}: {}. The reset arm that a group is held against stands in it.{control}",
        values.join(", ")
    )
}
