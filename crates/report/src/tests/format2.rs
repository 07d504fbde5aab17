//! Results of format 2 stay readable: `fixtures/format2` holds a tiny sweep as the last program of that format wrote it, and
//! what that program printed and wrote in its report (`summary.csv`, `claims.csv`, the tables).

use std::fs;
use std::path::{Path, PathBuf};

use super::synthetic::write;
use crate::Format;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format2").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let goal = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &goal),
            false => assert!(fs::copy(entry.path(), goal).unwrap() > 0),
        }
    }
}

#[test]
fn results_of_format_2_have_the_report_that_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("format2");
    copy(&fixture("results"), &results);
    let mut printed = Vec::new();
    write(&results, &folder.path().join("plots"), Format::Terminal, &mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    for name in ["summary.csv", "claims.csv"] {
        assert_eq!(read(results.join(name)), read(fixture(name)), "{name}");
    }
    let (tables, _) = printed.split_once("Figures\n").unwrap();
    assert_eq!(tables, read(fixture("printed.txt")));
}
