//! The picture of what `scripts/growth.py` measured, drawn like the report's own: `growth MEASURED.csv PICTURE.png`.

use std::error::Error;
use std::fs;

use plotters::style::RGBColor;
use trainability_report::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot};
use trainability_report::plot::picture::render;
use trainability_report::plot::style::REFERENCE;

const NOW: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const EARLIER: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// A column against the number of runs, for each program a line.
fn panel(rows: &[csv::StringRecord], title: &str, column: usize) -> Panel {
    let number = |row: &csv::StringRecord, column: usize| row.get(column)?.parse::<f64>().ok();
    let mut marks = Vec::new();
    let mut all = Vec::new();
    for (program, colour) in [("earlier", EARLIER), ("now", NOW)] {
        let of_program = rows.iter().filter(|row| row.get(0) == Some(program));
        let points: Vec<(f64, f64)> =
            of_program.filter_map(|row| Some((number(row, 1)?, number(row, column)?))).collect();
        all.extend(points.iter().map(|point| point.1));
        marks.push(Mark::Line { points: points.clone(), pen: Pen::solid(colour, 4.0) });
        marks.push(Mark::Points { points, colour, shape: MarkerShape::Circle, size: 8.0 });
    }
    // What grows as the runs do is a line of this slope.
    let runs: Vec<f64> = rows.iter().filter_map(|row| number(row, 1)).collect();
    let (first, last) = (runs.iter().copied().fold(f64::INFINITY, f64::min), runs.iter().copied().fold(0.0, f64::max));
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let points = vec![(first, low), (last, low * last / first)];
    all.extend(points.iter().map(|point| point.1));
    marks.push(Mark::Line { points, pen: Pen::dashed(REFERENCE, 3.0) });
    Panel { title: title.into(), x: Axis::log_around(runs), y: Axis::log_around(all), marks, ..Panel::default() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [measured, picture] = &arguments[..] else { return Err("expected MEASURED.csv PICTURE.png".into()) };
    let rows: Vec<csv::StringRecord> = csv::Reader::from_path(measured)?.records().collect::<Result<_, _>>()?;
    let plot = Plot {
        title: "What a report costs".into(),
        subtitle: "Synthetic runs of 20 tasks: 5 seeds at 300 runs, 10 at 1,000, 20 from 3,000 on.".into(),
        legend: vec![
            Key::line("now", Pen::solid(NOW, 4.0)),
            Key::line("earlier", Pen::solid(EARLIER, 4.0)),
            Key::line("as the runs", Pen::dashed(REFERENCE, 3.0)),
        ],
        panels: vec![panel(&rows, "seconds of processor", 3), panel(&rows, "most memory, MiB", 4)],
        columns: 2,
        panel_height: 420.0,
        x_label: "runs".into(),
        ..Plot::default()
    };
    fs::write(picture, render(&plot, "growth.png".into())?.png)?;
    Ok(())
}
