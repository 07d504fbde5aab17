//! `--group-by`: the same report, its arms set apart by what they have under a key, and the indicators scored on each
//! group by itself.

use anyhow::{Result, bail, ensure};

use super::evidence::{CONTROL, Evidence};
use super::results::{Run, Sweep};
use super::selection::{Selected, no_such_key, values_of};
use super::setting::value_of;
use super::table::Table;
use super::tables::{self, HORIZON};
use crate::analysis::auroc::Direction;
use crate::analysis::predictiveness::ranked;
use crate::analysis::{Arm, Predictiveness};
use crate::run::catalogue;

/// Groups beyond which something else must have been meant, such as the seed.
const MOST_GROUPS: usize = 24;
/// Groups that a terminal has room for beside each other.
const GROUPS_A_TABLE: usize = 3;
/// Characters of a value at the head of a column.
const MOST_CHARACTERS: usize = 17;

/// The arms that have one value under the key.
pub struct Group {
    /// Key and value, as headings say it.
    pub title: String,
    /// The value alone.
    pub value: String,
    /// The arms, without the ceilings of the others.
    arms: Vec<Arm>,
    /// These arms and their ceilings by themselves.
    pub evidence: Evidence,
}

/// Sets the arms apart by what they have under a key: `method`, `schedule`, or an option, as one that a grid varies.
///
/// # Errors
/// No run has the key, or the runs of an arm have several values under it, or there are more groups than can be read.
pub fn groups(evidence: &Evidence, key: &str) -> Result<Vec<Group>> {
    let keys = &evidence.grid_keys;
    let runs: Vec<&Run> = evidence.sweep.finished().filter(|run| !evidence.is_ceiling(&run.arm.method)).collect();
    if ["seed", "task"].contains(&key) {
        bail!("--group-by is {key:?}, expected method, schedule or an option: the {key}s of an arm belong together");
    }
    let values = values_of(&runs, key, keys);
    ensure!(!values.is_empty(), "--group-by: {}", no_such_key(key, &runs, keys));
    ensure!(
        values.len() <= MOST_GROUPS,
        "--group-by is {key:?}, of which there are {} values, expected at most {MOST_GROUPS}",
        values.len()
    );
    let group = |value: String| {
        let member = |run: &Run| value_of(run, key, keys).as_ref() == Some(&value);
        let mut arms: Vec<Arm> = runs.iter().filter(|run| member(run)).map(|run| run.arm.clone()).collect();
        arms.dedup();
        let ceilings: Vec<&Arm> = arms.iter().filter_map(|arm| evidence.event.references.get(arm)?.as_ref()).collect();
        let wanted = |run: &&Run| arms.contains(&run.arm) || ceilings.contains(&&run.arm);
        let sweep = Sweep {
            name: evidence.sweep.name.clone(),
            provenance: evidence.sweep.provenance.clone(),
            runs: evidence.sweep.finished().filter(wanted).cloned().collect(),
        };
        let selected = Selected { sweep, first_task: evidence.first_task, ..Selected::default() };
        Group { title: format!("{key} = {value}"), arms, evidence: Evidence::of(selected), value }
    };
    Ok(values.into_iter().map(group).collect())
}

/// The report's tables with those of the arms a set a group, and the indicators' power to foretell group by group.
pub fn tables(evidence: &Evidence, groups: &[Group]) -> Vec<Table> {
    let mut all = tables::all(evidence);
    let by_arm: Vec<Table> = all.drain(..2).collect();
    let mut notes: Vec<String> = by_arm.iter().map(|table| table.note.clone()).collect();
    let mut tables = Vec::new();
    for group in groups {
        let of_group = |arm: &[String]| group.arms.iter().any(|own| own.method == arm[0] && own.schedule == arm[1]);
        for (whole, note) in by_arm.iter().zip(&mut notes) {
            let title = format!("{}, {}", whole.title, group.title);
            let mut table = Table { title, columns: whole.columns.clone(), ..Table::default() };
            let rows = whole
                .rows
                .iter()
                .zip(&whole.reference)
                .filter(|(row, reference)| of_group(row) || (**reference && group.evidence.is_ceiling(&row[0])));
            rows.for_each(|(row, reference)| table.push(row.clone(), *reference));
            if !table.rows.is_empty() {
                // How to read them is said once.
                table.note = std::mem::take(note);
                tables.push(table);
            }
        }
    }
    tables.append(&mut all);
    let place = tables.iter().position(|table| table.title.starts_with("Warning and gain")).unwrap_or(tables.len());
    tables.splice(place..place, groups.chunks(GROUPS_A_TABLE).enumerate().map(|part| predictiveness(evidence, part)));
    tables
}

/// AUROC of every indicator on each group by itself.
fn predictiveness(evidence: &Evidence, (part, groups): (usize, &[Group])) -> Table {
    let key = groups.first().and_then(|group| group.title.split(" = ").next()).unwrap_or_default();
    let note = "AUROC at horizon 1 on the runs of one group alone, read in the direction that separates best over all of them: \
                below 0.5, the indicator announces the opposite there. Brackets are 95 % bootstrap intervals over seeds; a \
                dash stands where a group has no loss of trainability, or nothing else.";
    let note = if part == 0 { note } else { "" };
    let head = |group: &Group| {
        let characters: Vec<char> = group.value.chars().collect();
        match characters.len() > MOST_CHARACTERS {
            true => format!("#…{}", characters[characters.len() + 1 - MOST_CHARACTERS..].iter().collect::<String>()),
            false => format!("#{}", group.value),
        }
    };
    let headings: Vec<String> =
        ["indicator".to_owned(), "#all".to_owned()].into_iter().chain(groups.iter().map(head)).collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let more = if part == 0 { "" } else { ", continued" };
    let mut table = Table::new(&format!("Predictiveness by {key}{more}"), note, &headings);
    let definitions = catalogue();
    for score in ranked(&evidence.scores, HORIZON) {
        let name = &score.indicator.name;
        let title = definitions.iter().find(|d| d.name == name).map_or(name.as_str(), |d| d.title);
        let turned = |score: &Predictiveness, direction| match direction {
            Some(Direction::Low) => score.auroc.map(|auroc| auroc.complement()),
            _ => score.auroc,
        };
        let of_group = |group: &Group| {
            let own = group.evidence.scores.iter().find(|s| s.horizon == HORIZON && s.indicator.name == *name);
            own.map_or("–".into(), |own| tables::coarse(&turned(own, score.direction)))
        };
        let all = score.auroc_oriented().map_or("–".into(), |auroc| format!("{:.2}", auroc.point()));
        let cells = [title.to_owned(), all].into_iter().chain(groups.iter().map(of_group));
        table.push(cells.collect(), score.indicator.role == "trivial");
    }
    table
}

/// A sentence on what the groups are.
pub fn told(key: &str, groups: &[Group]) -> String {
    let values: Vec<&str> = groups.iter().map(|group| group.value.as_str()).collect();
    let control =
        if key == "schedule" { format!(" Gains are over the {CONTROL} schedule's group.") } else { String::new() };
    format!(
        "Arms are set apart by {key}: {}. The reset arm that a group is held against stands in it.{control}",
        values.join(", ")
    )
}
