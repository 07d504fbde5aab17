//! `docs/configuration.md` is what the program's types say.

mod reference;

use std::path::Path;

use reference::reference;
use trainability_baselines::part::Part;
use trainability_baselines::registry::PARTS;

#[test]
fn the_configuration_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let written = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(written.lines()).find(|(found, written)| found != written);
    assert!(
        found == written,
        "docs/configuration.md is not current, first at {differs:?}: UPDATE=1 cargo test --test configuration writes it anew"
    );
}

/// A key without a word of what it means is as good as undocumented.
#[test]
fn every_key_has_a_meaning_and_a_type() {
    let page = reference();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 80, "{} keys", rows.len());
    // The weight decays and the penalties have one each.
    let has_one = |part: &&&Part| part.default_options().get("coefficient").is_some();
    let expected = PARTS.iter().filter(has_one).count();
    assert!(expected >= 7);
    assert_eq!(rows.iter().filter(|row| row.starts_with("| `coefficient`")).count(), expected);
    for row in rows {
        // A bar within a cell is escaped.
        let cells: Vec<String> = row.replace("\\|", "").split('|').map(|cell| cell.trim().to_owned()).collect();
        let [_, _key, kind, default, meaning, _] = &cells[..] else { panic!("{row}") };
        assert!(!kind.is_empty() && !default.is_empty() && meaning.len() > 3, "{row}");
    }
}
