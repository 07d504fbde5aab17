//! A checkout stays clean: git sees nothing of what the program writes, and all of what is published.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::workdir::Workdir;

/// Calls git in a folder, for what it prints.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().expect("git is there");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// This repository's sources.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A place to work in that git watches by this repository's rules.
fn watched() -> Workdir {
    let work = Workdir::new();
    for name in [".gitignore", "results/README.md", "plots/README.md"] {
        work.write(name, fs::read(root().join(name)).unwrap());
    }
    git(&work.path(""), &["init", "--quiet"]);
    git(&work.path(""), &["add", "--all"]);
    work
}

/// New and changed files.
fn changes(work: &Workdir) -> String {
    git(&work.path(""), &["ls-files", "--others", "--modified", "--exclude-standard"])
}

#[test]
fn git_sees_nothing_of_what_the_program_writes() {
    let work = watched();
    let kept = git(&work.path(""), &["ls-files", "results", "plots"]);
    assert_eq!(kept, "plots/README.md\nresults/README.md\n");
    work.run(&["sweep", "tiny.json"]).succeeded();
    work.run(&["report", "results/tiny"]).succeeded();
    work.run(&["report", "results/tiny", "--filter", "schedule=paper"]).succeeded();
    work.run(&["sweep", "tiny.json", "--fork", "more", "--set", "stream.tasks=2"]).succeeded();
    work.run(&["report", "results/tiny", "results/more"]).succeeded();
    for written in ["results/tiny/sweep.json", "results/tiny+more/report.html", "plots/tiny/online_accuracy.svg"] {
        assert!(work.path(written).is_file(), "{written}");
    }
    assert_eq!(changes(&work), "");
    work.write("mine.txt", "git sees this");
    assert_eq!(changes(&work), "mine.txt\n");
}

#[test]
fn published_results_are_whole_and_kept() {
    let work = watched();
    let reference = root().join("docs/reference");
    let mut paths = vec!["docs/reference/field/summary.csv".to_owned()];
    for sweep in ["small", "controls"] {
        let report = fs::read_to_string(reference.join(sweep).join("report.md")).unwrap();
        let links = report.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let pictures: Vec<&str> = links.filter(|link| link.ends_with(".png")).collect();
        assert!(pictures.contains(&"plots/at_a_glance.png"), "{pictures:?}");
        let tables = ["summary.csv", "ordering.csv", "predictiveness.csv", "claims.csv", "report.md"];
        paths.extend(pictures.into_iter().chain(tables).map(|name| format!("docs/reference/{sweep}/{name}")));
    }
    paths.sort();
    let mut expected = String::new();
    for path in paths {
        work.write(&path, fs::read(root().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}")));
        expected += &format!("{path}\n");
    }
    assert_eq!(changes(&work), expected);
}
