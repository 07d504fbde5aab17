//! The report's tables group by group.

use trainability_record::glossary::DescribedIndicator;
use trainability_stats::auroc::Direction;

use crate::evidence::Evidence;
use crate::evidence::predictiveness::{Predictiveness, ranked};
use crate::groups::Group;
use crate::views::table::Table;
use crate::views::tables::{self, HORIZON};

/// Groups that a terminal has room for beside each other.
const GROUPS_A_TABLE: usize = 3;
/// Characters of a value at the head of a column.
const MOST_CHARACTERS: usize = 17;

/// The report's tables with those of the arms a set a group, and the indicators' power to foretell group by group.
pub(crate) fn tables(evidence: &Evidence, groups: &[Group]) -> Vec<Table> {
    let mut all = tables::all(evidence);
    let place = all.iter().position(|table| table.title == tables::BY_ARM).unwrap_or(0);
    let by_arm: Vec<Table> = all.drain(place..(place + 2).min(all.len())).collect();
    let mut notes: Vec<String> = by_arm.iter().map(|table| table.note.clone()).collect();
    let mut tables: Vec<Table> = all.drain(..place).collect();
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
    let place = tables.iter().position(|table| table.title == tables::WARNING).unwrap_or(tables.len());
    tables.splice(place..place, groups.chunks(GROUPS_A_TABLE).enumerate().map(|part| predictiveness(evidence, part)));
    tables
}

/// AUROC of every indicator on each group by itself.
fn predictiveness(evidence: &Evidence, (part, groups): (usize, &[Group])) -> Table {
    let key = groups.first().and_then(|group| group.title.split(" = ").next()).unwrap_or_default();
    let note = "AUROC at horizon 1 on the runs of one group alone, read in the direction that separates best over all of them: \
                below 0.5, the indicator announces the opposite there. Brackets are 95 % jackknife intervals over seeds; a \
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
    for score in ranked(&evidence.scores, HORIZON) {
        let DescribedIndicator { name, title, .. } = &score.indicator;
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
        table.push(cells.collect(), score.is_trivial());
    }
    table
}
