//! The figure and the table that the book shows.

use std::sync::Arc;

use trainability_record::Glossary;

use super::last_task::FIGURE;
use super::report::assert_is_a_picture;
use super::synthetic::{options, run};
use super::what_is_left::what_is_left;
use crate::evidence::Evidence;
use crate::plot::data::Mark;
use crate::plot::picture::render;
use crate::results::RecordedSweep;
use crate::selected::Selected;

#[test]
fn the_book_shows_the_figure_and_the_table_that_are_drawn_here() {
    let book = include_str!("../../../../docs/architecture.md");
    assert!(book.contains(include_str!("last_task.rs")) && book.contains(include_str!("what_is_left.rs")));
    let ends_at = |schedule, last| {
        let mut run = run("relu", schedule, 0, options("relu", 1));
        Arc::make_mut(&mut run.series.columns).insert("online_accuracy".to_owned(), vec![Some(0.9), Some(last)]);
        run
    };
    let runs = vec![ends_at("constant", 0.5), ends_at("paper", 0.75)];
    let sweep = RecordedSweep { name: "t".into(), provenance: None, glossary: Glossary::format2(), runs };
    let evidence = Evidence::of(Selected { sweep, ..Selected::default() });
    let drawings = (FIGURE.draw)(&evidence);
    let bars = drawings[0].plot.panels[0].marks.iter().map(|mark| match mark {
        Mark::Bar { y, from: 0.0, to, .. } => (*y, *to),
        other => panic!("{other:?}"),
    });
    assert_eq!(bars.collect::<Vec<_>>(), [(0.0, 0.5), (1.0, 0.75)]);
    // It is held to what every figure of a report is held to.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last_task.png");
    std::fs::write(&path, render(&drawings[0].plot, "last_task.png".into()).unwrap().png).unwrap();
    assert_is_a_picture(&path);
    let expected = [["relu", "constant", "1", "0.500"], ["relu", "paper", "1", "0.750"]];
    assert_eq!(what_is_left(&evidence).rows, expected);
}
