//! Every claim with what the runs say of it, finding by finding: a forest plot each.

use plotters::style::RGBColor;
use trainability_stats::Interval;

use crate::evidence::Evidence;
use crate::evidence::claims::claim::{Finding, Judgement, NEGLIGIBLE, Verdict};
use crate::plot::axis::extent;
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Row, Scale};
use crate::plot::style::{REFERENCE, verdict_colour};
use crate::views::claims::effect_text;
use crate::views::figures::figure::{Drawing, Figure};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "claims",
    title: "The paper's claims, finding by finding",
    caption: "Each point is the effect in one member of the claim with its 95 % interval over seeds; in claim (a) the interval is \
              that in which the next family of methods is to be expected. The solid line is no effect, and between the dashed \
              lines an effect is too small to matter. Colours are the verdicts of single findings; the verdict on the claim, \
              corrected for all claims, stands below the title.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let tested = evidence.judgements.iter().filter(|judgement| judgement.verdict != Verdict::NotTested);
    tested.map(drawing).collect()
}

fn drawing(judgement: &Judgement) -> Drawing {
    let Judgement { claim, findings, .. } = judgement;
    let null = Pen::solid(REFERENCE, 3.0);
    let small = Pen::dashed(REFERENCE, 2.0);
    let mut marks = vec![Mark::Vertical { x: claim.null, pen: null }];
    if claim.margin > 0.0 {
        marks.extend([-claim.margin, claim.margin].map(|x| Mark::Vertical { x: claim.null + x, pen: small }));
    }
    let mut verdicts = Vec::new();
    for (place, finding) in findings.iter().enumerate() {
        let verdict = finding.verdict(claim, findings.len());
        if !verdicts.contains(&verdict) && verdict != Verdict::NotTested {
            verdicts.push(verdict);
        }
        marks.extend(row(place as f64, finding, verdict_colour(verdict)));
    }
    verdicts.sort_unstable();
    let point = |verdict: Verdict| Key::point(verdict.to_string(), verdict_colour(verdict), MarkerShape::Circle);
    let mut legend: Vec<Key> = verdicts.into_iter().map(point).collect();
    legend.push(Key::line("no effect", null));
    if claim.margin > 0.0 {
        legend.push(Key::line(format!("{} from it", claim.margin), small));
    }
    let rows = findings.iter().map(|finding| Row { label: finding.subject.clone(), note: note(judgement, finding) });
    let seeds = findings.iter().filter_map(|finding| finding.effect.ok()).map(|effect| effect.n()).max().unwrap_or(0);
    let plot = Plot {
        title: format!("({}) {}: {}", claim.letter, claim.title, judgement.verdict),
        subtitle: format!("{}; n = {seeds} seeds.", claim.statement),
        legend,
        panel_height: 46.0 * findings.len().max(2) as f64,
        panels: vec![Panel {
            x: axis(judgement),
            y: Axis { scale: Scale::Rows(rows.collect()), ..Axis::default() },
            marks,
            ..Panel::default()
        }],
        columns: 1,
        x_label: x_label(judgement),
        ..Plot::default()
    };
    Drawing { suffix: format!("-{}", claim.letter.replace('\'', "-prime")), plot }
}

fn x_label(judgement: &Judgement) -> String {
    match (judgement.claim.letter, judgement.claim.null == 0.0) {
        (letter, true) if letter.starts_with('b') => "difference in matched concordance".into(),
        (_, true) => "difference in mean online accuracy".into(),
        ("a", false) => "matched concordance, high values read as good".into(),
        _ => "share of random falling curves that are fitted worse".into(),
    }
}

/// All intervals, nothing, and a little air; differences of the same size in either direction.
fn axis(judgement: &Judgement) -> Axis {
    let Interval { low, high } = judgement.claim.range;
    let ends = judgement.findings.iter().filter_map(|finding| finding.effect.ok()).flat_map(|effect| {
        let interval = effect.interval().unwrap_or(Interval { low: effect.point(), high: effect.point() });
        [interval.low, interval.high]
    });
    let null = judgement.claim.null;
    let (least, most) = extent(ends.chain([null - 2.0 * NEGLIGIBLE, null + 2.0 * NEGLIGIBLE])).unwrap_or((low, high));
    let air = 0.04 * (most - least);
    Axis::linear((least - air).max(low), (most + air).min(high))
}

fn row(y: f64, finding: &Finding, colour: RGBColor) -> Vec<Mark> {
    let Ok(effect) = finding.effect else { return Vec::new() };
    let mut marks = Vec::new();
    if let Ok(interval) = effect.interval() {
        marks.push(Mark::Line { points: vec![(interval.low, y), (interval.high, y)], pen: Pen::solid(colour, 4.0) });
    }
    marks.push(Mark::Points { points: vec![(effect.point(), y)], colour, shape: MarkerShape::Circle, size: 9.0 });
    marks
}

fn note(judgement: &Judgement, finding: &Finding) -> String {
    match finding.effect {
        Ok(_) => effect_text(judgement.claim, &finding.effect),
        Err(_) if finding.note.is_empty() => "not tested".into(),
        Err(_) => finding.note.clone(),
    }
}
