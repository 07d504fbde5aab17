//! The benchmark's figures, drawn like those of the report.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use plotters::style::RGBColor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use trainability_report::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Row, Scale};
use trainability_report::plot::picture::render;
use trainability_report::plot::style::REFERENCE;

const OURS: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const LIMIT: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const UPDATE: Pen = Pen { colour: OURS, width: 4.0, dashed: false };
const MEASUREMENT: Pen = Pen { colour: LIMIT, width: 4.0, dashed: false };

/// A line of the table, as `side_by_side.py` writes it.
#[derive(Debug, Deserialize)]
struct Line {
    work: String,
    /// Empty where there is no peer to compare with, or nothing of our own.
    ratio: Option<f64>,
    rule: String,
    limit: Option<f64>,
    verdict: String,
    processor: String,
}

/// A row that `scaling` prints.
#[derive(Debug, Deserialize)]
struct Cost {
    axis: String,
    value: f64,
    update_ms: Option<f64>,
    measurement_ms: Option<f64>,
    resident_mib: Option<f64>,
}

/// Draws whatever the folder holds the numbers of.
pub(crate) fn plot(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make the folder {}", to.display()))?;
    let lines: Vec<Line> = read(&from.join("side_by_side.csv"))?;
    let costs: Vec<Cost> = read(&from.join("scaling.csv"))?;
    let plots =
        [("side_by_side.png", ratios(&lines)), ("scaling.png", scaling(&costs)), ("memory.png", memory(&costs))];
    for (file, plot) in plots {
        let Some(plot) = plot else { continue };
        let picture = render(&plot, file.to_owned())?;
        let path = to.join(&picture.file);
        fs::write(&path, picture.png).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The rows of a CSV file; none where there is no file.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let rows = csv::Reader::from_path(path)?.into_deserialize().collect::<csv::Result<_>>();
    rows.with_context(|| format!("cannot read {}", path.display()))
}

fn ratios(lines: &[Line]) -> Option<Plot> {
    let compared: Vec<&Line> = lines.iter().filter(|line| line.ratio.is_some()).collect();
    let mut marks = Vec::new();
    let mut rows = Vec::new();
    for (place, line) in compared.iter().enumerate() {
        let y = place as f64;
        let (ratio, limit) = (line.ratio?, line.limit);
        let pen = Pen::solid(REFERENCE, 2.0);
        marks.extend(limit.map(|limit| Mark::Line { points: vec![(ratio, y), (limit, y)], pen }));
        let point = |x, colour, shape| Mark::Points { points: vec![(x, y)], colour, shape, size: 11.0 };
        marks.push(point(ratio, OURS, MarkerShape::Circle));
        marks.extend(limit.map(|limit| point(limit, LIMIT, MarkerShape::Diamond)));
        let note = match limit {
            Some(limit) => format!("{ratio:.3}, {} {limit}: {}", line.rule, line.verdict),
            None => format!("{ratio:.3}: {}", line.verdict),
        };
        rows.push(Row { label: line.work.clone(), note });
    }
    let all = compared.iter().flat_map(|line| [line.ratio, line.limit]).flatten();
    let x = Axis::log_around(all);
    let panel_height = 64.0 * rows.len() as f64;
    let y = Axis { scale: Scale::Rows(rows), low: 0.0, high: 1.0 };
    let processor = &compared.first()?.processor;
    Some(Plot {
        title: "This program next to the same work in plain PyTorch".into(),
        subtitle: format!("Medians on {processor}: our time over PyTorch's, or where a line says so, over our own."),
        legend: vec![
            Key::point("measured", OURS, MarkerShape::Circle),
            Key::point("limit", LIMIT, MarkerShape::Diamond),
        ],
        panels: vec![Panel { title: String::new(), note: String::new(), x, y, marks }],
        columns: 1,
        panel_height,
        x_label: "ratio".into(),
        ..Plot::default()
    })
}

fn scaling(costs: &[Cost]) -> Option<Plot> {
    let all = costs.iter().flat_map(|cost| [cost.update_ms, cost.measurement_ms]).flatten();
    let y = Axis::log_around(all);
    let axes = [
        ("width", "Width", "of two hidden layers, batch 256"),
        ("batch", "Batch", "two hidden layers of 256"),
        ("layers", "Hidden layers", "of 256 units, batch 256"),
    ];
    let panels = axes.map(|(axis, title, note)| {
        let of_axis = || costs.iter().filter(|cost| cost.axis == axis);
        let line = |time: fn(&Cost) -> Option<f64>, pen: Pen, shape| {
            let points: Vec<_> = of_axis().filter_map(|cost| Some((cost.value, time(cost)?))).collect();
            let dots = Mark::Points { points: points.clone(), colour: pen.colour, shape, size: 8.0 };
            [Mark::Line { points, pen }, dots]
        };
        let marks = [
            line(|cost| cost.update_ms, UPDATE, MarkerShape::Circle),
            line(|cost| cost.measurement_ms, MEASUREMENT, MarkerShape::Triangle),
        ];
        Panel {
            title: title.into(),
            note: note.into(),
            x: Axis::log_around(of_axis().map(|cost| cost.value)),
            y: y.clone(),
            marks: marks.into_iter().flatten().collect(),
        }
    });
    let is_there = costs.iter().any(|cost| cost.update_ms.is_some());
    is_there.then(|| Plot {
        title: "How the cost grows".into(),
        subtitle: "Medians on one core. A measurement is what a measured update takes longer than a plain one.".into(),
        legend: vec![Key::line("one update", UPDATE), Key::line("one measurement of all layers", MEASUREMENT)],
        panels: panels.into(),
        columns: 3,
        panel_height: 460.0,
        y_label: "milliseconds".into(),
        shared_y: true,
        ..Plot::default()
    })
}

fn memory(costs: &[Cost]) -> Option<Plot> {
    let points: Vec<(f64, f64)> = costs.iter().filter_map(|cost| Some((cost.value, cost.resident_mib?))).collect();
    let tenth = points.get(9)?.1;
    let limit = Pen::dashed(LIMIT, 3.0);
    let highest = points.iter().map(|point| point.1).fold(1.05 * tenth, f64::max);
    Some(Plot {
        title: "Resident memory over tasks".into(),
        subtitle: "A measured and controlled run, at the end of each task.".into(),
        legend: vec![Key::line("resident memory", UPDATE), Key::line("5 % above the tenth task", limit)],
        panels: vec![Panel {
            title: String::new(),
            note: String::new(),
            x: Axis::linear(0.0, points.len() as f64 + 1.0),
            y: Axis::linear(0.0, 1.1 * highest),
            marks: vec![Mark::Horizontal { y: 1.05 * tenth, pen: limit }, Mark::Line { points, pen: UPDATE }],
        }],
        columns: 1,
        panel_height: 420.0,
        x_label: "tasks".into(),
        y_label: "MiB".into(),
        ..Plot::default()
    })
}
