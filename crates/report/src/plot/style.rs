//! Colours, sizes and the typeface: what makes every figure look like the others.
//!
//! Colours are Okabe and Ito's and Paul Tol's, which stay apart for colour-blind readers. The same schedule, method,
//! bound or role has the same colour wherever it appears.

use std::sync::OnceLock;

use plotters::style::{FontStyle, RGBColor, register_font};
use trainability_record::glossary::{DescribedBound, IndicatorRole};

use crate::evidence::claims::claim::Verdict;
use crate::plot::data::Pen;

/// Width of every image, in pixels: twice what a README shows.
pub(crate) const WIDTH: f64 = 1600.0;
/// Size of the title.
pub(crate) const TITLE: f64 = 40.0;
/// Size of the subtitle and of legend keys.
pub(crate) const SUBTITLE: f64 = 28.0;
/// Size of panel headings and axis labels.
pub(crate) const HEADING: f64 = 29.0;
/// Size of tick labels and row labels.
pub(crate) const TICK: f64 = 26.0;

/// Text.
pub(crate) const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Secondary text.
pub(crate) const SOFT: RGBColor = RGBColor(0x59, 0x59, 0x59);
/// Frames of panels.
pub(crate) const FRAME: RGBColor = RGBColor(0x9a, 0x9a, 0x9a);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(0xe6, 0xe6, 0xe6);
/// Reference lines: chance, ceiling.
pub const REFERENCE: RGBColor = RGBColor(0x8c, 0x8c, 0x8c);

const BLACK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const VERMILLION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const PURPLE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);
const OLIVE: RGBColor = RGBColor(0x99, 0x8a, 0x00);

/// A colour written as 0xRRGGBB.
fn rgb(hexadecimal: u32) -> RGBColor {
    let [_, red, green, blue] = hexadecimal.to_be_bytes();
    RGBColor(red, green, blue)
}

const TOL: [u32; 9] = [0x332288, 0xcc6677, 0x117733, 0xddaa33, 0x44aad5, 0x882255, 0x44aa99, 0xaa4499, 0x999933];

/// The line of a schedule; `all` are the sweep's schedules in their order. Constant is drawn wider, since it is
/// painted first and has to show under a schedule that is identical to it.
pub(crate) fn schedule_pen(schedule: &str, all: &[String]) -> Pen {
    let named = [("constant", BLACK), ("paper", BLUE), ("as_run", VERMILLION), ("debiased", GREEN)];
    if let Some((name, colour)) = named.iter().find(|(name, _)| *name == schedule) {
        return Pen::solid(*colour, if *name == "constant" { 6.0 } else { 3.0 });
    }
    let others = [ORANGE, SKY, PURPLE, OLIVE, rgb(TOL[0]), rgb(TOL[5])];
    let unnamed = all.iter().filter(|s| named.iter().all(|(name, _)| name != s));
    let place = unnamed.into_iter().position(|s| s == schedule).unwrap_or(0);
    let colour = others[place % others.len()];
    Pen { colour, width: 3.0, dashed: place >= others.len() }
}

/// Fills for the parts of the work: Tol's light scheme.
const SECTIONS: [u32; 8] = [0x77aadd, 0xee8866, 0xeedd88, 0x44bb99, 0xffaabb, 0x99ddff, 0xbbcc33, 0xaaaa00];

/// How many parts of the work have a colour of their own.
pub(crate) const MOST_SECTIONS: usize = SECTIONS.len();

/// The fill of a part of the work.
pub(crate) fn section_colour(place: usize) -> RGBColor {
    rgb(SECTIONS[place % SECTIONS.len()])
}

/// The fill of what belongs to no part.
pub(crate) const REST: RGBColor = RGBColor(0xc8, 0xc8, 0xc8);

/// The colour of an indicator's role.
pub(crate) fn role_colour(role: IndicatorRole) -> RGBColor {
    match role {
        IndicatorRole::Rejected => VERMILLION,
        IndicatorRole::Compared => PURPLE,
        IndicatorRole::Method => BLUE,
        IndicatorRole::Trivial => BLACK,
    }
}

/// Low, and high.
pub(crate) const SIDES: [RGBColor; 2] = [VERMILLION, BLUE];

/// The colour of what is said of a claim.
pub(crate) fn verdict_colour(verdict: Verdict) -> RGBColor {
    match verdict {
        Verdict::Supported => GREEN,
        Verdict::Refuted => VERMILLION,
        Verdict::Negligible => PURPLE,
        Verdict::Undecided => BLUE,
        Verdict::NotTested => REFERENCE,
    }
}

/// The colour of a value from -1 (blue) over 0 (white) to 1 (vermillion).
pub(crate) fn diverging(value: f64) -> RGBColor {
    let end = if value < 0.0 { BLUE } else { VERMILLION };
    let share = value.abs().clamp(0.0, 1.0);
    // White itself is the paper, and would look like a gap.
    let middle = 0xf2 as f64;
    let mix = |channel: u8| (middle + (f64::from(channel) - middle) * share).round() as u8;
    RGBColor(mix(end.0), mix(end.1), mix(end.2))
}

/// The line of the effective step.
pub(crate) const STEP_PEN: Pen = Pen { colour: BLACK, width: 4.5, dashed: false };

/// The line of a bound, as a glossary describes it; grey where its colour is none.
pub(crate) fn bound_pen(bound: &DescribedBound) -> Pen {
    let channels = bound.colour.strip_prefix('#').and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let colour = channels.filter(|_| bound.colour.len() == 7).map_or(REFERENCE, rgb);
    Pen::solid(colour, bound.width)
}

/// What was measured, in figures of prediction against outcome.
pub(crate) const ACTUAL_PEN: Pen = Pen { colour: BLACK, width: 4.0, dashed: false };
/// The prediction as it is.
pub(crate) const RAW_PEN: Pen = Pen { colour: BLUE, width: 3.0, dashed: false };
/// The prediction rescaled to the outcome's range.
pub(crate) const SCALED_PEN: Pen = Pen { colour: SKY, width: 3.0, dashed: true };

/// The name under which the embedded typeface is known to plotters.
pub(crate) const FAMILY: &str = "sans-serif";

/// Registers the embedded DejaVu Sans, so that figures need no font on the machine.
pub(crate) fn embed_fonts() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let normal = register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular());
        let bold = register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold());
        debug_assert!(normal.is_ok() && bold.is_ok(), "the embedded fonts are valid");
    });
}
