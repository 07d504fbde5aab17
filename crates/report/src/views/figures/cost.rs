//! Where the time went.

use std::collections::BTreeMap;

use crate::evidence::Evidence;
use crate::plot::axis::plain;
use crate::plot::data::{Axis, Key, Mark, Panel, Plot, Row, Scale};
use crate::plot::style::{MOST_SECTIONS, REST, section_colour};
use crate::views::figures::figure::{Drawing, Figure};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "cost",
    title: "What a run costs, and how much of it is measuring",
    caption: "Wall-clock seconds of a run by what they were spent on, mean over all finished runs of the method, all \
              schedules together. Runs share the machine with each other, so that the numbers compare methods \
              within this sweep and nothing else.",
    absent: "",
    draw,
};

const TOTAL: &str = "total";
/// The first word of the parts that are measurements.
const MEASURING: &str = "measuring";
/// What the parts of the work are, in the words of a reader who has not seen the code.
const WORDS: [(&str, &str); 9] = [
    ("forward_backward", "forward and backward pass"),
    ("curvature", "measuring: curvature"),
    ("variance", "measuring: gradient noise"),
    ("gradient_noise", "measuring: gradient noise"),
    ("indicators", "measuring: indicators"),
    ("penalty", "gradient of the penalty"),
    ("optimizer", "step of the optimizer"),
    ("data", "drawing minibatches"),
    ("surgery", "changes to the network between updates"),
];

/// Whether a part of the work is measuring.
fn is_measuring(section: &str) -> bool {
    words(section).starts_with(MEASURING)
}

/// The share of the seconds that went into measuring; 0 of none.
fn measuring_share(cost: &BTreeMap<String, f64>, total: f64) -> f64 {
    let measured: f64 = cost.iter().filter(|(name, _)| is_measuring(name)).map(|(_, seconds)| seconds).sum();
    if total > 0.0 { measured / total } else { 0.0 }
}

fn words(section: &str) -> String {
    let known = WORDS.iter().find(|(name, _)| *name == section);
    known.map_or_else(|| section.replace('_', " "), |(_, words)| (*words).to_owned())
}

/// Parts that take less than this share of every method's time are shown together.
const LEAST: f64 = 0.01;

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let costs: Vec<_> = evidence.methods.iter().map(|method| mean_seconds(evidence, method)).collect();
    let mut sections: Vec<(&str, f64)> = Vec::new();
    for (cost, _) in &costs {
        for (name, seconds) in cost.iter().filter(|(name, seconds)| *name != TOTAL && **seconds > LEAST * cost[TOTAL]) {
            match sections.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += seconds,
                None => sections.push((name, *seconds)),
            }
        }
    }
    sections.sort_by(|a, b| b.1.total_cmp(&a.1));
    // The rest joins everything else: each part has a colour and a key of its own.
    sections.truncate(MOST_SECTIONS);
    // What is measured stands together, so that it can be seen as one.
    sections.sort_by_key(|(name, _)| !is_measuring(name));

    let mut marks = Vec::new();
    let mut rows = Vec::new();
    let mut longest = 0.0f64;
    for (place, (method, (cost, n))) in evidence.methods.iter().zip(&costs).enumerate() {
        let mut from = 0.0;
        for (index, (section, _)) in sections.iter().enumerate() {
            let to = from + cost.get(*section).copied().unwrap_or(0.0);
            marks.push(Mark::Bar { y: place as f64, from, to, colour: section_colour(index) });
            from = to;
        }
        let total = cost[TOTAL].max(from);
        marks.push(Mark::Bar { y: place as f64, from, to: total, colour: REST });
        longest = longest.max(total);
        let measuring = plain(100.0 * measuring_share(cost, total), 0);
        let decimals = if total < 10.0 { 2 } else { 0 };
        rows.push(Row {
            label: method.clone(),
            note: format!("{} s, {measuring} % measuring (n = {n})", plain(total, decimals)),
        });
    }
    let height = 54.0 * rows.len() as f64;
    let y = Axis { scale: Scale::Rows(rows), ..Axis::default() };
    let x = Axis::linear(0.0, if longest > 0.0 { longest * 1.03 } else { 1.0 });
    let keys = sections.iter().enumerate();
    let keys = keys.map(|(place, (name, _))| Key::filled(words(name), section_colour(place)));
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: "Mean over the finished runs of each method, all schedules and seeds; n is the number of runs."
            .into(),
        legend: keys.chain([Key::filled("everything else", REST)]).collect(),
        panels: vec![Panel { x, y, marks, ..Panel::default() }],
        columns: 1,
        panel_height: height,
        x_label: "wall-clock seconds a run".into(),
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

/// Mean seconds by section over a method's finished runs, the total among them, and the number of runs.
fn mean_seconds(evidence: &Evidence, method: &str) -> (BTreeMap<String, f64>, usize) {
    let runs = evidence.sweep.finished().filter(|run| run.arm.method == method);
    let records: Vec<_> = runs.filter_map(|run| run.record.as_ref()).collect();
    let mut mean = BTreeMap::from([(TOTAL.to_owned(), 0.0)]);
    for (section, seconds) in records.iter().flat_map(|record| &record.seconds) {
        *mean.entry(section.clone()).or_default() += seconds / records.len() as f64;
    }
    (mean, records.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_measuring_is_that_of_its_parts() {
        let cost =
            [("curvature", 3.0), ("variance", 1.0), ("indicators", 2.0), ("forward_backward", 5.0), (TOTAL, 12.0)];
        let cost = cost.map(|(name, seconds)| (name.to_owned(), seconds)).into();
        assert_eq!((measuring_share(&cost, 12.0), measuring_share(&cost, 0.0)), (0.5, 0.0));
        assert_eq!(words("forward_backward"), "forward and backward pass");
        assert_eq!(words("some_other_part"), "some other part");
    }
}
