//! The picture of what `scripts/lockstep_speed.py` measured, drawn like the report's own: `lockstep MEASURED.csv PICTURE.png`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use plotters::style::RGBColor;
use trainability_report::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot};
use trainability_report::plot::picture::render;
use trainability_report::plot::style::REFERENCE;

const COLOURS: [RGBColor; 4] =
    [RGBColor(0x00, 0x72, 0xb2), RGBColor(0xd5, 0x5e, 0x00), RGBColor(0x00, 0x9e, 0x73), RGBColor(0xcc, 0x79, 0xa7)];

/// The lines of a panel: for each device the number of runs, and what all of them make together.
type Lines = BTreeMap<String, Vec<(f64, f64)>>;

fn panel(title: &str, lines: &Lines, alone: &[f64], devices: &[String]) -> Panel {
    let all: Vec<(f64, f64)> = lines.values().flatten().copied().collect();
    let runs: Vec<f64> = all.iter().map(|point| point.0).collect();
    let mut marks = Vec::new();
    for (device, points) in lines {
        let colour = COLOURS[devices.iter().position(|other| other == device).unwrap_or(0) % COLOURS.len()];
        marks.push(Mark::Line { points: points.clone(), pen: Pen::solid(colour, 4.0) });
        marks.push(Mark::Points { points: points.clone(), colour, shape: MarkerShape::Circle, size: 8.0 });
    }
    let (first, last) = (runs.iter().copied().fold(f64::INFINITY, f64::min), runs.iter().copied().fold(0.0, f64::max));
    marks.extend(
        alone
            .iter()
            .map(|&alone| Mark::Line { points: vec![(first, alone), (last, alone)], pen: Pen::dashed(REFERENCE, 3.0) }),
    );
    let heights: Vec<f64> = all.iter().map(|point| point.1).chain(alone.iter().copied()).collect();
    // Speeds of one processor differ by little: from zero on, they are seen to.
    let y = if devices.len() == 1 {
        Axis::linear(0.0, 1.1 * heights.iter().copied().fold(0.0, f64::max))
    } else {
        Axis::log_around(heights)
    };
    Panel { title: title.into(), x: Axis::log_around(runs), y, marks, ..Panel::default() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [measured, picture] = &arguments[..] else { return Err("expected MEASURED.csv PICTURE.png".into()) };
    let mut of_method: BTreeMap<String, (Lines, Vec<f64>)> = BTreeMap::new();
    let mut devices: Vec<String> = Vec::new();
    for row in csv::Reader::from_path(measured)?.records() {
        let row = row?;
        let [device, engine, method, schedule, seeds, runs, _, speed] = row.iter().collect::<Vec<_>>()[..] else {
            return Err("expected eight columns".into());
        };
        if (schedule, seeds) != ("as_run", "1") {
            continue;
        }
        if !devices.iter().any(|known| known == device) {
            devices.push(device.to_owned());
        }
        let (lines, alone) = of_method.entry(method.to_owned()).or_default();
        match engine {
            "local" => alone.push(speed.parse()?),
            _ => lines.entry(device.to_owned()).or_default().push((runs.parse()?, speed.parse()?)),
        }
    }
    let line = |(place, device): (usize, &String)| {
        Key::line(format!("in lock step on {device}"), Pen::solid(COLOURS[place % COLOURS.len()], 4.0))
    };
    let plot = Plot {
        title: "Updates a second, in lock step and alone".into(),
        subtitle: "Of all runs together; 784-256-256-10, minibatches of 256, measured every 40 updates.".into(),
        legend: devices
            .iter()
            .enumerate()
            .map(line)
            .chain([Key::line("one run after the other, on one core", Pen::dashed(REFERENCE, 3.0))])
            .collect(),
        panels: of_method.iter().map(|(method, (lines, alone))| panel(method, lines, alone, &devices)).collect(),
        columns: 2,
        panel_height: 420.0,
        x_label: "runs in lock step".into(),
        ..Plot::default()
    };
    fs::write(picture, render(&plot, "lockstep.png".into())?.png)?;
    Ok(())
}
