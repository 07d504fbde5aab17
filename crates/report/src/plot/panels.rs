//! Small multiples: lays a plot's panels out under its header and paints them.

use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use crate::plot::axis::Tick;
use crate::plot::canvas::{Canvas, DrawError, Type, shorten, text_width, two_lines, wrap};
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Scale, Swatch};
use crate::plot::style::{FRAME, GRID, HEADING, INK, SOFT, SUBTITLE, TICK, TITLE, WIDTH};

const MARGIN: f64 = 30.0;
const LINE: f64 = 1.3;
const TITLE_TYPE: Type = Type { size: TITLE, bold: true, colour: INK };
const SUBTITLE_TYPE: Type = Type { size: SUBTITLE, bold: false, colour: SOFT };
const ROW_TYPE: Type = Type { size: TICK, bold: false, colour: INK };
const HEADING_TYPE: Type = Type { size: HEADING, bold: true, colour: INK };
const TICK_TYPE: Type = Type { size: TICK, bold: false, colour: SOFT };
const LABEL_TYPE: Type = Type { size: HEADING, bold: false, colour: INK };
const SWATCH: f64 = 44.0;
const WIDEST_LABEL: f64 = 480.0;

/// Where everything goes, in pixels of the finished image.
struct Layout {
    title: Vec<String>,
    subtitle: Vec<String>,
    keys: Vec<(f64, f64)>,
    keys_top: f64,
    grid_top: f64,
    left: f64,
    tick_width: f64,
    right: f64,
    gap: f64,
    panel_width: f64,
    title_lines: usize,
    heading: f64,
    row_pitch: f64,
    grid_bottom: f64,
    height: f64,
}

impl Layout {
    fn of(plot: &Plot) -> Self {
        let inner = WIDTH - 2.0 * MARGIN;
        let title = wrap(&plot.title, inner, TITLE_TYPE);
        let subtitle = wrap(&plot.subtitle, inner, SUBTITLE_TYPE);
        let keys = flow(&plot.legend, inner);
        let key_rows = keys.last().map_or(0.0, |(_, y)| y + 1.0);
        let keys_top = MARGIN + title.len() as f64 * TITLE * LINE + subtitle.len() as f64 * SUBTITLE * LINE + 10.0;
        let grid_top = keys_top + key_rows * SUBTITLE * 1.5 + 12.0;

        let below = plot.panels.iter().map(column_names_height).fold(TICK * 1.6, f64::max);
        let columns = plot.columns.max(1) as f64;
        let tick_width = plot.panels.iter().map(|p| y_labels_width(plot, p)).fold(0.0, f64::max) + 14.0;
        let left = MARGIN + if plot.y_label.is_empty() { 0.0 } else { HEADING * 1.4 };
        let note_width = plot.panels.iter().map(row_notes_width).fold(0.0, f64::max);
        let right = MARGIN + note_width;
        let gap = if plot.shared_y { 30.0 } else { tick_width + 34.0 };
        let panel_width = (WIDTH - left - tick_width - right - gap * (columns - 1.0)) / columns;

        let titles = plot.panels.iter().map(|p| two_lines(&p.title, panel_width, HEADING_TYPE).len());
        let title_lines = titles.max().unwrap_or(0);
        let note_lines = usize::from(plot.panels.iter().any(|p| !p.note.is_empty()));
        let heading = if title_lines > 0 { (title_lines + note_lines) as f64 * HEADING * LINE + 8.0 } else { 0.0 };
        let row_pitch = heading + plot.panel_height + if plot.shared_x { 22.0 } else { below + 14.0 };

        let rows = plot.panels.len().div_ceil(plot.columns.max(1)) as f64;
        let bottom =
            if plot.x_label.is_empty() { 0.0 } else { HEADING * 1.4 } + if plot.shared_x { below } else { 0.0 };
        let trailing = if plot.shared_x { 22.0 } else { 14.0 };
        let grid_bottom = grid_top + rows * row_pitch - trailing;
        let height = grid_bottom + bottom + MARGIN * 0.6;
        Self {
            title,
            subtitle,
            keys,
            keys_top,
            grid_top,
            left,
            tick_width,
            right,
            gap,
            panel_width,
            title_lines,
            heading,
            row_pitch,
            grid_bottom,
            height,
        }
    }
}

/// The height that the plot needs at the common width, in pixels of the finished image.
pub(crate) fn height(plot: &Plot) -> u32 {
    Layout::of(plot).height.ceil() as u32
}

/// Paints the plot.
///
/// # Errors
/// Only when the backend cannot draw.
pub(crate) fn paint<DB: DrawingBackend>(plot: &Plot, canvas: &Canvas<DB>) -> Result<(), DrawError> {
    let layout = Layout::of(plot);
    let mut y = MARGIN + TITLE * 0.5;
    for line in &layout.title {
        canvas.text(line, (MARGIN, y), HPos::Left, TITLE_TYPE)?;
        y += TITLE * LINE;
    }
    y += (SUBTITLE - TITLE) * 0.5;
    for line in &layout.subtitle {
        canvas.text(line, (MARGIN, y), HPos::Left, SUBTITLE_TYPE)?;
        y += SUBTITLE * LINE;
    }
    for (key, (x, row)) in plot.legend.iter().zip(&layout.keys) {
        let y = layout.keys_top + (row + 0.5) * SUBTITLE * 1.5;
        paint_key(canvas, key, MARGIN + x, y)?;
    }
    for (index, panel) in plot.panels.iter().enumerate() {
        paint_panel(canvas, plot, &layout, index, panel)?;
    }
    let grid_middle = (layout.grid_top + layout.heading + layout.grid_bottom) * 0.5;
    let first = layout.left + layout.tick_width;
    let middle = (first + WIDTH - layout.right) * 0.5;
    canvas.text(&plot.x_label, (middle, layout.height - MARGIN * 0.6 - HEADING * 0.6), HPos::Center, LABEL_TYPE)?;
    canvas.upward(&plot.y_label, (MARGIN + HEADING * 0.45, grid_middle), LABEL_TYPE)
}

/// Places legend keys left to right into rows: x, and the row's number.
fn flow(keys: &[Key], width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut row) = (0.0, 0.0);
    keys.iter()
        .map(|key| {
            let needed = SWATCH + 14.0 + text_width(&key.label, ROW_TYPE);
            if x > 0.0 && x + needed > width {
                (x, row) = (0.0, row + 1.0);
            }
            let place = (x, row);
            x += needed + 28.0;
            place
        })
        .collect()
}

fn paint_key<DB: DrawingBackend>(canvas: &Canvas<DB>, key: &Key, x: f64, y: f64) -> Result<(), DrawError> {
    match key.swatch {
        Swatch::Line(pen) => canvas.line(&[(x, y), (x + SWATCH, y)], pen)?,
        Swatch::Point(colour, shape) => canvas.point((x + SWATCH * 0.5, y), shape, 10.0, colour.to_rgba())?,
        Swatch::Box(colour) => canvas.fill((x + 14.0, y - 11.0), (x + SWATCH, y + 11.0), colour.to_rgba())?,
    }
    canvas.text(&shorten(&key.label, WIDEST_LABEL * 2.0, ROW_TYPE), (x + SWATCH + 14.0, y), HPos::Left, ROW_TYPE)
}

fn y_tick_count(plot: &Plot) -> usize {
    ((plot.panel_height / 62.0) as usize).clamp(3, 8)
}

fn y_labels_width(plot: &Plot, panel: &Panel) -> f64 {
    let ticks = panel.y.ticks(y_tick_count(plot));
    widest(ticks.iter().map(|tick| &tick.label)).min(WIDEST_LABEL)
}

/// The width of the widest of some labels.
fn widest<'t>(labels: impl Iterator<Item = &'t String>) -> f64 {
    labels.map(|label| text_width(label, ROW_TYPE)).fold(0.0, f64::max)
}

/// The room that column names need under their panel.
fn column_names_height(panel: &Panel) -> f64 {
    let Scale::Columns(names) = &panel.x.scale else { return 0.0 };
    widest(names.iter()).min(WIDEST_LABEL) + 24.0
}

fn row_notes_width(panel: &Panel) -> f64 {
    let Scale::Rows(rows) = &panel.y.scale else { return 0.0 };
    widest(rows.iter().map(|row| &row.note)) + 20.0
}

/// A panel's plotting area.
struct Frame<'a> {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: &'a Axis,
    y: &'a Axis,
}

/// The position, or the nearest end; on an axis without length there is no position, and the low end is taken.
fn within(position: f64) -> f64 {
    if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
}

impl Frame<'_> {
    fn x(&self, value: f64) -> f64 {
        self.left + self.width * within(self.x.position(value))
    }

    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - within(self.y.position(value)))
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }

    /// Where a label under the x axis begins: centred, but clear of the neighbouring panels' labels.
    fn label_start(&self, tick: &Tick) -> f64 {
        let width = text_width(&tick.label, TICK_TYPE);
        let (first, last) = (self.left - 8.0, self.left + self.width + 8.0 - width);
        (self.x(tick.value) - width * 0.5).min(last).max(first)
    }

    /// As many ticks as there is room for labels.
    fn x_ticks(&self) -> Vec<Tick> {
        let roomy = |ticks: &Vec<Tick>| {
            ticks.windows(2).all(|pair| {
                let end = self.label_start(&pair[0]) + text_width(&pair[0].label, TICK_TYPE);
                self.label_start(&pair[1]) - end > TICK * 0.9
            })
        };
        let choices = (1..=10).rev().map(|wanted| self.x.ticks(wanted));
        choices.into_iter().find(roomy).unwrap_or_default()
    }
}

fn paint_panel<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    plot: &Plot,
    layout: &Layout,
    index: usize,
    panel: &Panel,
) -> Result<(), DrawError> {
    let (column, row) = (index % plot.columns.max(1), index / plot.columns.max(1));
    let left = layout.left + layout.tick_width + column as f64 * (layout.panel_width + layout.gap);
    let top = layout.grid_top + row as f64 * layout.row_pitch;
    let title = two_lines(&panel.title, layout.panel_width, HEADING_TYPE);
    let note = shorten(&panel.note, layout.panel_width, TICK_TYPE);
    // A title of one line stands where the second line of the others does.
    let line = |number: usize| (left, top + HEADING * (0.6 + LINE * number as f64));
    for (number, text) in (layout.title_lines - title.len()..).zip(&title) {
        canvas.text(text, line(number), HPos::Left, HEADING_TYPE)?;
    }
    canvas.text(&note, line(layout.title_lines), HPos::Left, TICK_TYPE)?;
    let frame = Frame {
        left,
        top: top + layout.heading,
        width: layout.panel_width,
        height: plot.panel_height,
        x: &panel.x,
        y: &panel.y,
    };
    let last_of_column = index + plot.columns.max(1) >= plot.panels.len();
    paint_x_axis(canvas, &frame, !plot.shared_x || last_of_column)?;
    paint_y_axis(canvas, plot, &frame, !plot.shared_y || column == 0)?;
    let (right, bottom) = (frame.left + frame.width, frame.top + frame.height);
    let outline = [(left, frame.top), (right, frame.top), (right, bottom), (left, bottom), (left, frame.top)];
    outline.windows(2).try_for_each(|edge| canvas.line(edge, Pen::solid(FRAME, 1.5)))?;
    panel.marks.iter().try_for_each(|mark| paint_mark(canvas, &frame, mark))
}

fn paint_x_axis<DB: DrawingBackend>(canvas: &Canvas<DB>, frame: &Frame, labelled: bool) -> Result<(), DrawError> {
    let bottom = frame.top + frame.height;
    if let Scale::Columns(names) = &frame.x.scale {
        return names.iter().enumerate().try_for_each(|(place, name)| {
            let name = shorten(name, WIDEST_LABEL, TICK_TYPE);
            let middle = bottom + 12.0 + 0.5 * text_width(&name, TICK_TYPE);
            canvas.upward(&name, (frame.x(place as f64), middle), TICK_TYPE)
        });
    }
    for tick in frame.x_ticks() {
        let x = frame.x(tick.value);
        canvas.line(&[(x, frame.top), (x, bottom)], Pen::solid(GRID, 1.5))?;
        if labelled {
            canvas.line(&[(x, bottom), (x, bottom + 6.0)], Pen::solid(FRAME, 1.5))?;
            canvas.text(&tick.label, (frame.label_start(&tick), bottom + TICK * 0.95), HPos::Left, TICK_TYPE)?;
        }
    }
    Ok(())
}

fn paint_y_axis<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    plot: &Plot,
    frame: &Frame,
    labelled: bool,
) -> Result<(), DrawError> {
    let rows = matches!(frame.y.scale, Scale::Rows(_));
    let set = if rows { ROW_TYPE } else { TICK_TYPE };
    for tick in &frame.y.ticks(y_tick_count(plot)) {
        let y = frame.y(tick.value);
        canvas.line(&[(frame.left, y), (frame.left + frame.width, y)], Pen::solid(GRID, 1.5))?;
        if labelled {
            let label = shorten(&tick.label, WIDEST_LABEL, set);
            canvas.text(&label, (frame.left - 12.0, y), HPos::Right, set)?;
        }
    }
    if let Scale::Rows(rows) = &frame.y.scale {
        for (index, row) in rows.iter().enumerate() {
            let at = (frame.left + frame.width + 18.0, frame.y(index as f64));
            canvas.text(&row.note, at, HPos::Left, ROW_TYPE)?;
        }
    }
    Ok(())
}

/// Where a polyline runs between the values that are not finite.
fn stretches(frame: &Frame, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let finite = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite();
    points.split(|p| !finite(p)).map(|piece| piece.iter().map(|p| frame.at(*p)).collect()).collect()
}

fn paint_mark<DB: DrawingBackend>(canvas: &Canvas<DB>, frame: &Frame, mark: &Mark) -> Result<(), DrawError> {
    match mark {
        Mark::Line { points, pen } => stretches(frame, points).iter().try_for_each(|piece| match piece[..] {
            // A curve of one value is a point.
            [alone] => canvas.point(alone, MarkerShape::Circle, 1.5 * pen.width, pen.colour.to_rgba()),
            _ => canvas.line(piece, *pen),
        }),
        Mark::Shared { points, pens } => {
            stretches(frame, points).iter().try_for_each(|piece| canvas.in_turn(piece, pens))
        }
        Mark::Band { points, colour } => paint_band(canvas, frame, points, *colour),
        Mark::Points { points, colour, shape, size } => points
            .iter()
            .filter(|p| p.0.is_finite() && p.1.is_finite())
            .try_for_each(|p| canvas.point(frame.at(*p), *shape, *size, colour.mix(0.85))),
        Mark::Horizontal { y, pen } => {
            canvas.line(&[(frame.left, frame.y(*y)), (frame.left + frame.width, frame.y(*y))], *pen)
        }
        Mark::Vertical { x, pen } => {
            canvas.line(&[(frame.x(*x), frame.top), (frame.x(*x), frame.top + frame.height)], *pen)
        }
        Mark::Cell { x, y, colour } => {
            let half = (frame.width / frame.x.places() * 0.5 - 1.0, frame.height / frame.y.places() * 0.5 - 1.0);
            let middle = frame.at((*x, *y));
            let corner = |sign: f64| (middle.0 + sign * half.0, middle.1 + sign * half.1);
            canvas.fill(corner(-1.0), corner(1.0), colour.to_rgba())
        }
        Mark::Bar { y, from, to, colour } => {
            let (middle, half) = (frame.y(*y), frame.height / frame.y.places() * 0.34);
            canvas.fill((frame.x(*from), middle - half), (frame.x(*to), middle + half), colour.to_rgba())
        }
    }
}

fn paint_band<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    frame: &Frame,
    points: &[(f64, f64, f64)],
    colour: RGBColor,
) -> Result<(), DrawError> {
    let finite = |p: &(f64, f64, f64)| p.1.is_finite() && p.2.is_finite();
    for piece in points.split(|p| !finite(p)).filter(|piece| piece.len() > 1) {
        let lower = piece.iter().map(|(x, low, _)| frame.at((*x, *low)));
        let upper = piece.iter().rev().map(|(x, _, high)| frame.at((*x, *high)));
        canvas.polygon(&lower.chain(upper).collect::<Vec<_>>(), colour.mix(0.2))?;
    }
    Ok(())
}
