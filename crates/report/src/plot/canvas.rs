//! A surface measured in pixels of the finished image, over any plotters backend.

use std::fmt;

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, DrawingBackend, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontStyle, FontTransform, RGBAColor, RGBColor, TextStyle};
use trainability_record::text::{pieces, printable};

use crate::plot::data::{MarkerShape, Pen};
use crate::plot::style::{FAMILY, embed_fonts};

/// A figure could not be drawn, which only a broken backend or typeface can cause.
#[derive(Debug, thiserror::Error)]
#[error("the drawing backend failed: {0}")]
pub struct DrawError(pub String);

impl DrawError {
    fn from(error: impl fmt::Debug) -> Self {
        Self(format!("{error:?}"))
    }
}

/// How a piece of text is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    /// Height of a line, in pixels of the finished image.
    pub size: f64,
    /// Bold rather than regular.
    pub bold: bool,
    /// The colour.
    pub colour: RGBColor,
}

impl Type {
    /// The font, at so many device pixels for each pixel of the finished image.
    fn font(self, scale: f64) -> FontDesc<'static> {
        let style = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        (FAMILY, self.size * scale, style).into_font()
    }
}

/// A surface measured in pixels of the finished image; `scale` device pixels each.
pub(crate) struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
    baseline: f64,
}

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    /// Draws on `area` with `scale` device pixels for each pixel of the finished image.
    pub(crate) fn new(area: &'a DrawingArea<DB, Shift>, scale: f64) -> Self {
        embed_fonts();
        // plotters puts the baseline of painted text half a size below the anchor.
        Self { area, scale, baseline: 0.5 }
    }

    /// Draws on an area of plotters' SVG backend.
    pub(crate) fn vector(area: &'a DrawingArea<DB, Shift>) -> Self {
        // There the baseline lies 0.76 em below the anchor, and 1.24 em are a size.
        Self { baseline: 0.76 / 1.24, ..Self::new(area, 1.0) }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    /// A filled rectangle between two corners.
    pub(crate) fn fill(&self, from: (f64, f64), to: (f64, f64), colour: RGBAColor) -> Result<(), DrawError> {
        let corners = [self.at(from), self.at(to)];
        self.area.draw(&Rectangle::new(corners, colour.filled())).map_err(DrawError::from)
    }

    /// A filled polygon.
    pub(crate) fn polygon(&self, corners: &[(f64, f64)], colour: RGBAColor) -> Result<(), DrawError> {
        let corners: Vec<_> = corners.iter().map(|p| self.at(*p)).collect();
        self.area.draw(&Polygon::new(corners, colour.filled())).map_err(DrawError::from)
    }

    /// A polyline.
    pub(crate) fn line(&self, points: &[(f64, f64)], pen: Pen) -> Result<(), DrawError> {
        if pen.dashed {
            let solid = Pen { dashed: false, ..pen };
            let dashes = dashes(points, 0.0, pen.width * 3.5, pen.width * 2.5);
            return dashes.iter().try_for_each(|dash| self.line(dash, solid));
        }
        let mut points: Vec<_> = points.iter().map(|p| self.at(*p)).collect();
        points.dedup();
        if points.len() < 2 {
            return Ok(());
        }
        let style = pen.colour.stroke_width((pen.width * self.scale).round().max(1.0) as u32);
        self.area.draw(&PathElement::new(points, style)).map_err(DrawError::from)
    }

    /// A polyline along which pens take turns, a dash each.
    pub(crate) fn in_turn(&self, points: &[(f64, f64)], pens: &[Pen]) -> Result<(), DrawError> {
        let others = TURN * pens.len().saturating_sub(1) as f64;
        pens.iter().enumerate().try_for_each(|(place, pen)| {
            let own = dashes(points, TURN * place as f64, TURN, others);
            own.iter().try_for_each(|dash| self.line(dash, *pen))
        })
    }

    /// A point of the given shape; `size` is about its radius.
    pub(crate) fn point(
        &self,
        (x, y): (f64, f64),
        shape: MarkerShape,
        size: f64,
        colour: RGBAColor,
    ) -> Result<(), DrawError> {
        let corners = |offsets: &[(f64, f64)]| -> Vec<(f64, f64)> {
            offsets.iter().map(|(dx, dy)| (x + dx * size, y + dy * size)).collect()
        };
        let disc = |style| {
            let radius = (size * self.scale).round() as i32;
            self.area.draw(&Circle::new(self.at((x, y)), radius, style)).map_err(DrawError::from)
        };
        let stroke = (size * 0.45).max(1.5);
        match shape {
            MarkerShape::Circle => disc(colour.filled()),
            MarkerShape::Ring => disc(colour.stroke_width((stroke * self.scale) as u32)),
            MarkerShape::Square => {
                self.polygon(&corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]), colour)
            }
            MarkerShape::Diamond => {
                self.polygon(&corners(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]), colour)
            }
            MarkerShape::Triangle => self.polygon(&corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]), colour),
            MarkerShape::Cross => {
                let pen = Pen::solid(RGBColor(colour.0, colour.1, colour.2), stroke);
                self.line(&corners(&[(-0.9, -0.9), (0.9, 0.9)]), pen)?;
                self.line(&corners(&[(-0.9, 0.9), (0.9, -0.9)]), pen)
            }
        }
    }

    /// One line of text whose vertical middle (of capitals and digits) lies at the given point, as does the end that `align` names.
    pub(crate) fn text(&self, text: &str, at: (f64, f64), align: HPos, set: Type) -> Result<(), DrawError> {
        self.draw_text(text, at, align, set, FontTransform::None)
    }

    /// One line of text that reads upwards, its middle at the given point.
    pub(crate) fn upward(&self, text: &str, at: (f64, f64), set: Type) -> Result<(), DrawError> {
        self.draw_text(text, at, HPos::Center, set, FontTransform::Rotate270)
    }

    fn draw_text(
        &self,
        text: &str,
        (x, y): (f64, f64),
        align: HPos,
        set: Type,
        turn: FontTransform,
    ) -> Result<(), DrawError> {
        if text.is_empty() {
            return Ok(());
        }
        // A capital is about 0.63 of the size high.
        let lift = (self.baseline - 0.315) * set.size;
        let (x, y) = match turn {
            FontTransform::None => (x, y - lift),
            _ => (x - lift, y),
        };
        let font = set.font(self.scale).transform(turn);
        let style = TextStyle::from(font).color(&set.colour).pos(Pos::new(align, VPos::Top));
        self.area.draw(&Text::new(printable(text).into_owned(), self.at((x, y)), style)).map_err(DrawError::from)
    }
}

/// Width of a line of text, in pixels of the finished image.
pub(crate) fn text_width(text: &str, set: Type) -> f64 {
    embed_fonts();
    set.font(1.0).box_size(text).map_or(0.0, |(width, _)| f64::from(width))
}

/// Breaks text into lines no wider than `width`, at spaces.
pub(crate) fn wrap(text: &str, width: f64, set: Type) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), set) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks a heading that does not fit into `width` into two lines, between a label's options too, and shortens what
/// still does not fit.
pub(crate) fn two_lines(text: &str, width: f64, set: Type) -> Vec<String> {
    let mut end = 0;
    for piece in pieces(text, &[' ', '-', '+', '@', ',']) {
        let longer = end + piece.len();
        if longer > MOST_CHARACTERS || text_width(text[..longer].trim_end(), set) > width {
            break;
        }
        end = longer;
    }
    let lines = [&text[..end], &text[end..]].map(str::trim);
    lines.into_iter().filter(|line| !line.is_empty()).map(|line| shorten(line, width, set)).collect()
}

/// More characters than fit side by side into an image.
const MOST_CHARACTERS: usize = 400;

/// Takes out of the middle of a text what does not fit into `width`: labels differ at their ends.
pub(crate) fn shorten(text: &str, width: f64, set: Type) -> String {
    let characters: Vec<char> = text.chars().collect();
    let keep = |kept: usize| -> String {
        let tail = &characters[characters.len() - kept / 2..];
        characters[..kept.div_ceil(2)].iter().chain(&['…']).chain(tail).collect()
    };
    let mut kept = characters.len().min(MOST_CHARACTERS);
    let mut shortened = if kept < characters.len() { keep(kept) } else { text.to_owned() };
    while kept > 1 && text_width(&shortened, set) > width {
        kept -= 1;
        shortened = keep(kept);
    }
    shortened
}

/// The length of a dash where pens take turns, in pixels of the finished image.
const TURN: f64 = 18.0;

/// Cuts a polyline into dashes of length `on` with gaps of length `off`, after a first gap of length `lead`.
fn dashes(points: &[(f64, f64)], lead: f64, on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut done = Vec::new();
    let Some(first) = points.first().filter(|_| points.iter().all(|p| p.0.is_finite() && p.1.is_finite())) else {
        return done;
    };
    let mut drawing = lead == 0.0;
    let mut left = if drawing { on } else { lead };
    let mut dash = vec![*first];
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = f64::hypot(to.0 - from.0, to.1 - from.1);
            if length <= left {
                left -= length;
                dash.push(to);
                break;
            }
            let share = left / length;
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            dash.push(from);
            if drawing {
                done.push(std::mem::take(&mut dash));
            }
            dash = vec![from];
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
    }
    if drawing && dash.len() > 1 {
        done.push(dash);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_and_leave_gaps() {
        let cut = dashes(&[(0.0, 0.0), (10.0, 0.0)], 0.0, 3.0, 2.0);
        assert_eq!(cut, [vec![(0.0, 0.0), (3.0, 0.0)], vec![(5.0, 0.0), (8.0, 0.0)]]);
        assert!(dashes(&[(0.0, 0.0), (f64::NAN, 0.0)], 0.0, 3.0, 2.0).is_empty(), "a line to nowhere ends");
    }

    #[test]
    fn dashes_of_two_that_take_turns_cover_the_line() {
        let line = [(0.0, 0.0), (4.0, 0.0), (4.0, 5.0)];
        assert_eq!(dashes(&line, 0.0, 3.0, 3.0), [vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 2.0), (4.0, 5.0)]]);
        assert_eq!(dashes(&line, 3.0, 3.0, 3.0), [vec![(3.0, 0.0), (4.0, 0.0), (4.0, 2.0)]]);
    }

    #[test]
    fn wrapped_lines_fit() {
        let set = Type { size: 26.0, bold: false, colour: RGBColor(0, 0, 0) };
        let text = "a band is the 95 % jackknife interval over seeds of the mean";
        let lines = wrap(text, 300.0, set);
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| text_width(line, set) <= 300.0));
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_heading_takes_a_second_line_before_it_is_cut() {
        let set = Type { size: 29.0, bold: true, colour: RGBColor(0, 0, 0) };
        let lines = |text: &str| two_lines(text, 330.0, set);
        assert_eq!(lines("relu · fc1"), ["relu · fc1"]);
        assert_eq!(lines("spectral-coefficient=0.01 · fc1"), ["spectral-", "coefficient=0.01 · fc1"]);
        let long = lines("anti_regularization-coefficient=0.001-radius=1.5 · fc1");
        assert!(long.len() == 2 && long[0] == "anti_regularization-" && long[1].contains('…'), "{long:?}");
        assert!(long.iter().all(|line| text_width(line, set) <= 330.0));
        assert_eq!(lines(&"x".repeat(1_000_000)).len(), 1, "at once");
    }

    #[test]
    fn shortened_labels_keep_both_ends() {
        let set = Type { size: 26.0, bold: false, colour: RGBColor(0, 0, 0) };
        let label = shorten("crelu+wasserstein-coefficient=0.001", 200.0, set);
        assert!(label.starts_with("crelu") && label.contains('…') && label.ends_with("001"), "{label}");
        assert!(text_width(&label, set) <= 200.0);
        assert_eq!(shorten("relu", 200.0, set), "relu");
        assert!(text_width(&shorten(&"x".repeat(1_000_000), 200.0, set), set) <= 200.0, "at once");
    }
}
