//! From a plot to the bytes of a PNG and of an SVG file.

use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};
use plotters::style::WHITE;

use crate::plot::canvas::{Canvas, DrawError};
use crate::plot::data::Plot;
use crate::plot::palette::{Indexed, Rgb, index};
use crate::plot::panels::{height, paint};
use crate::plot::style::{FAMILY, SUBTITLE, WIDTH};

/// Device pixels for each pixel of the image: plotters smooths neither thick lines nor areas, averaging does.
const FINE: usize = 2;

/// A finished image.
#[derive(Clone, Debug)]
pub struct Picture {
    /// File name, such as `online_accuracy.png`.
    pub file: String,
    /// What is shown, for readers who do not see it.
    pub alt: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The PNG file.
    pub png: Vec<u8>,
    /// The same as SVG.
    pub svg: String,
}

impl Picture {
    /// The name of the SVG file.
    pub(crate) fn svg_file(&self) -> String {
        format!("{}.svg", self.file.strip_suffix(".png").unwrap_or(&self.file))
    }

    /// What stands within the SVG's root element, if that takes a page less room than the PNG in base64.
    pub(crate) fn smaller_svg(&self) -> Option<&str> {
        let (_, content) = self.svg.split_once('\n')?;
        (content.len() < self.png.len().div_ceil(3) * 4).then_some(content)
    }
}

/// Draws the plot as PNG and as SVG; `file` is the name of the PNG.
///
/// # Errors
/// Only when the drawing backend or the encoder fails.
pub fn render(plot: &Plot, file: String) -> Result<Picture, DrawError> {
    let (width, height) = (WIDTH as u32, height(plot));
    let (fine_width, fine_height) = (width * FINE as u32, height * FINE as u32);
    let mut fine = vec![0; 3 * fine_width as usize * fine_height as usize];
    let backend = BitMapBackend::with_buffer(&mut fine, (fine_width, fine_height));
    fill(plot, backend, |area| Canvas::new(area, FINE as f64))?;
    let pixels = average(&fine, fine_width as usize);
    let needed: Vec<Rgb> = plot.legend.iter().map(|key| key.colour()).collect();
    let png = encode(&index(&pixels, &needed), width, height).map_err(|e| DrawError(e.to_string()))?;
    let svg = vector(plot, width, height)?;
    Ok(Picture { file, alt: format!("{}. {}", plot.title, plot.subtitle), width, height, png, svg })
}

/// The plot as SVG, its text as text.
fn vector(plot: &Plot, width: u32, height: u32) -> Result<String, DrawError> {
    let mut svg = String::new();
    fill(plot, SVGBackend::with_string(&mut svg, (width, height)), |area| Canvas::vector(area))?;
    Ok(compact(&svg))
}

/// Paints the plot on white, over a whole backend.
fn fill<DB: DrawingBackend>(
    plot: &Plot,
    backend: DB,
    canvas: impl FnOnce(&DrawingArea<DB, Shift>) -> Canvas<'_, DB>,
) -> Result<(), DrawError> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(|e| DrawError(e.to_string()))?;
    paint(plot, &canvas(&area))?;
    area.present().map_err(|e| DrawError(e.to_string()))
}

/// The same SVG without what goes without saying: attributes that have their default value or that of the whole image,
/// and decimals that nobody sees. Text cannot be mistaken for an attribute, since its quotation marks are escaped.
fn compact(svg: &str) -> String {
    let said = svg.replacen("<svg ", &format!("<svg font-family=\"{FAMILY}\" "), 1);
    let usual = [" opacity=\"1\"", " stroke=\"none\"", " stroke-width=\"1\"", &format!(" font-family=\"{FAMILY}\"")];
    let (head, body) = said.split_once('\n').unwrap_or((&said, ""));
    let body = usual.iter().fold(body.replace(" \"/>", "\"/>"), |body, usual| body.replace(usual, ""));
    let mut parts = body.split(" font-size=\"");
    let mut compact = format!("{head}\n{}", parts.next().unwrap_or_default());
    for part in parts {
        let (size, rest) = part.split_once('"').unwrap_or((part, ""));
        let size: f64 = size.parse().unwrap_or(SUBTITLE);
        compact.push_str(&format!(" font-size=\"{}\"{rest}", (size * 10.0).round() / 10.0));
    }
    compact
}

/// Averages squares of `FINE` x `FINE` pixels.
fn average(fine: &[u8], fine_width: usize) -> Vec<u8> {
    let stride = 3 * fine_width;
    let mut pixels = Vec::with_capacity(fine.len() / (FINE * FINE));
    for rows in fine.chunks_exact(stride * FINE) {
        for x in (0..stride).step_by(3 * FINE) {
            for channel in 0..3 {
                let square = (0..FINE * FINE).map(|i| rows[(i / FINE) * stride + x + 3 * (i % FINE) + channel]);
                let sum: usize = square.map(usize::from).sum();
                pixels.push((sum / (FINE * FINE)) as u8);
            }
        }
    }
    pixels
}

fn encode(image: &Indexed, width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(image.palette.as_slice());
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_filter(png::FilterType::NoFilter);
    encoder.set_compression(png::Compression::Default);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::claims::claim::Verdict;
    use crate::plot::data::{Axis, Mark, Panel, Pen};
    use crate::plot::style::verdict_colour;

    /// The SVG of a panel among three columns.
    fn drawn(title: &str, marks: Vec<Mark>) -> String {
        let axis = Axis::linear(0.0, 1.0);
        let panel = Panel { title: title.into(), note: "a note".into(), x: axis.clone(), y: axis, marks };
        let plot = Plot { panels: vec![panel], columns: 3, panel_height: 200.0, ..Plot::default() };
        render(&plot, "a.png".into()).unwrap().svg
    }

    #[test]
    fn a_long_title_stands_whole_on_two_lines_and_makes_room_for_them() {
        let long = drawn("log_cosh-scale=0.5-coefficient=0.001 · fc1", Vec::new());
        assert!(long.contains("\nlog_cosh-scale=0.5-\n") && long.contains("\ncoefficient=0.001 · fc1\n"), "{long}");
        let height =
            |svg: &str| svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse::<u32>().unwrap();
        assert!(height(&long) > height(&drawn("relu · fc1", Vec::new())) + 30);
    }

    #[test]
    fn every_pen_shows_on_a_shared_line() {
        let pens = [verdict_colour(Verdict::Supported), verdict_colour(Verdict::Refuted)]
            .map(|colour| Pen::solid(colour, 3.0))
            .to_vec();
        let svg = drawn("", vec![Mark::Shared { points: vec![(0.0, 0.5), (1.0, 0.5)], pens }]);
        assert!(svg.matches("#009E73").count() > 5 && svg.matches("#D55E00").count() > 5, "{svg}");
    }

    #[test]
    fn the_smaller_of_the_two_is_for_pages() {
        let picture = |png: usize, svg: &str| Picture {
            file: "a.png".into(),
            alt: String::new(),
            width: 1,
            height: 1,
            png: vec![0; png],
            svg: format!("<svg>\n{svg}"),
        };
        assert_eq!(picture(3, "<g/>").smaller_svg(), None, "three bytes are four letters in base64");
        assert_eq!(picture(4, "<g/>").smaller_svg(), Some("<g/>"));
        assert_eq!(picture(3, "").svg_file(), "a.svg");
    }

    #[test]
    fn what_goes_without_saying_is_left_out_of_attributes_and_not_of_text() {
        let svg = "<svg width=\"9\">\n<text font-family=\"sans-serif\" font-size=\"20.967\" opacity=\"1\">\nopacity=&quot;1&quot;\n</text>\n\
                   <circle opacity=\"0.85\" stroke=\"none\"/>\n</svg>";
        let expected = "<svg font-family=\"sans-serif\" width=\"9\">\n<text font-size=\"21\">\nopacity=&quot;1&quot;\n</text>\n\
                        <circle opacity=\"0.85\"/>\n</svg>";
        assert_eq!(compact(svg), expected);
    }
}
