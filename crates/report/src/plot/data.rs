//! What a figure is before it is drawn: panels, axes and marks as plain data, which any backend can paint.

use plotters::style::RGBColor;

/// A whole image: a grid of panels under a title, a subtitle and a strip of legend keys.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// What is shown, in a few words.
    pub title: String,
    /// n, and what bands and averages are: the reading aid under the title.
    pub subtitle: String,
    /// Legend keys, laid out in a strip above the panels so that they never cover data.
    pub legend: Vec<Key>,
    /// Panels in reading order.
    pub panels: Vec<Panel>,
    /// Panels side by side.
    pub columns: usize,
    /// Height of a panel's plotting area, in pixels of the finished image.
    pub panel_height: f64,
    /// Label of the x axes, with the unit.
    pub x_label: String,
    /// Label of the y axes, with the unit.
    pub y_label: String,
    /// All panels have the same x axis: its tick labels stand only under the lowest panel of each column.
    pub shared_x: bool,
    /// All panels have the same y axis: its tick labels stand only left of the first column.
    pub shared_y: bool,
}

/// One pair of axes and what is drawn between them.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// Heading, set in bold.
    pub title: String,
    /// Second, lighter line of the heading; empty for none.
    pub note: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Marks, painted in order.
    pub marks: Vec<Mark>,
}

/// A scale and the range that it shows.
#[derive(Clone, Debug)]
pub struct Axis {
    /// How values become positions.
    pub scale: Scale,
    /// Value at the left or the bottom.
    pub low: f64,
    /// Value at the right or the top.
    pub high: f64,
}

/// How values become positions.
#[derive(Clone, Debug)]
pub enum Scale {
    /// Equal differences, equal distances.
    Linear,
    /// The same for what is counted: ticks at whole numbers alone.
    Whole,
    /// Equal ratios, equal distances. Values at or below zero lie on the lower edge.
    Log,
    /// The same for numbers of things, with 1, 2, 5, 10, 20, ... written out.
    Counts,
    /// Named rows from top to bottom at 0, 1, 2, ...
    Rows(Vec<Row>),
    /// Named columns from left to right at 0, 1, 2, ...; their names read upwards under the panel.
    Columns(Vec<String>),
}

/// One row of a [`Scale::Rows`] axis.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The text left of the panel.
    pub label: String,
    /// The text right of the panel, such as the numbers behind the mark.
    pub note: String,
}

/// Something drawn in a panel, in the axes' own units.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are the mark's geometry and look, by name")]
pub enum Mark {
    /// A polyline; a value that is not finite interrupts it.
    Line { points: Vec<(f64, f64)>, pen: Pen },
    /// A polyline that several share: their pens take turns along it.
    Shared { points: Vec<(f64, f64)>, pens: Vec<Pen> },
    /// A translucent area between two curves: x, lower, upper.
    Band { points: Vec<(f64, f64, f64)>, colour: RGBColor },
    /// Single points.
    Points { points: Vec<(f64, f64)>, colour: RGBColor, shape: MarkerShape, size: f64 },
    /// A horizontal line across the panel.
    Horizontal { y: f64, pen: Pen },
    /// A vertical line across the panel.
    Vertical { x: f64, pen: Pen },
    /// A filled cell at a column and a row.
    Cell { x: f64, y: f64, colour: RGBColor },
    /// A horizontal bar on the row `y`, from one value to another.
    Bar { y: f64, from: f64, to: f64, colour: RGBColor },
}

impl Mark {
    /// The points of a line; none of any other mark.
    pub(crate) fn line(&self) -> &[(f64, f64)] {
        match self {
            Mark::Line { points, .. } | Mark::Shared { points, .. } => points,
            _ => &[],
        }
    }
}

/// The values that lines run through.
pub(crate) fn line_values<'m>(marks: impl IntoIterator<Item = &'m Mark>) -> impl Iterator<Item = f64> {
    marks.into_iter().flat_map(Mark::line).map(|point| point.1)
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pen {
    /// The colour.
    pub colour: RGBColor,
    /// Thickness in pixels of the finished image.
    pub width: f64,
    /// Dashed rather than solid.
    pub dashed: bool,
}

impl Pen {
    /// A solid line.
    pub fn solid(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dashed: false }
    }

    /// A dashed line.
    pub fn dashed(colour: RGBColor, width: f64) -> Self {
        Self { colour, width, dashed: true }
    }
}

/// The outline of a point, so that groups differ by more than colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after what it looks like")]
pub enum MarkerShape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Ring,
}

/// A legend key: a sample of the mark, and what it stands for.
#[derive(Clone, Debug)]
pub struct Key {
    /// What the mark stands for.
    pub label: String,
    /// The sample.
    pub swatch: Swatch,
}

/// The sample in a legend key.
#[derive(Clone, Copy, Debug)]
pub enum Swatch {
    /// A piece of a line.
    Line(Pen),
    /// A point.
    Point(RGBColor, MarkerShape),
    /// A filled box, as in bars.
    Box(RGBColor),
}

impl Key {
    /// The red, green and blue of the sample.
    pub(crate) fn colour(&self) -> [u8; 3] {
        let (Swatch::Line(Pen { colour, .. }) | Swatch::Point(colour, _) | Swatch::Box(colour)) = self.swatch;
        [colour.0, colour.1, colour.2]
    }

    /// A key for a line.
    pub fn line(label: impl Into<String>, pen: Pen) -> Self {
        Self { label: label.into(), swatch: Swatch::Line(pen) }
    }

    /// A key for points.
    pub fn point(label: impl Into<String>, colour: RGBColor, shape: MarkerShape) -> Self {
        Self { label: label.into(), swatch: Swatch::Point(colour, shape) }
    }

    /// A key for bars.
    pub(crate) fn filled(label: impl Into<String>, colour: RGBColor) -> Self {
        Self { label: label.into(), swatch: Swatch::Box(colour) }
    }
}
