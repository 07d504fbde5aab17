//! Imports point down: no circle among files or modules, no crate that knows one above it, no room that imports from a
//! higher one. Every path in the sources is followed to the file that defines what it names, so that an import through a
//! facade counts as one of the definer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod imports;
mod reader;

use imports::Sources;

/// Every crate's folder, its package, and the packages of this workspace that it may know; a crate may be absent.
const CRATES: [(&str, &str, &str); 6] = [
    ("crates/stats", "trainability-stats", ""),
    ("crates/record", "trainability-record", ""),
    ("crates/report", "trainability-report", "trainability-stats trainability-record"),
    ("crates/tensor", "trainability-tensor", ""),
    ("baselines", "trainability-baselines", "trainability-record trainability-tensor"),
    (
        "",
        "trainability",
        "trainability-stats trainability-record trainability-report trainability-tensor trainability-baselines",
    ),
];

/// The rooms of the root package from the bottom up: each imports only from those before it.
const ROOMS: &str = "data stream model optimizer probe schedule learner prelude run experiment sweep inspection cli";

/// Public items in all library crates: functions, methods, types, traits, constants, macros.
const PUBLIC_ITEMS: usize = 680;

/// Imports of the root package from a higher room, and rooms that have no place in the order.
fn upward(sources: &Sources) -> BTreeSet<String> {
    // The library's table of contents and the program lie above all rooms.
    let order: Vec<&str> = ROOMS.split(' ').chain(["main"]).collect();
    let mut wrong = BTreeSet::new();
    let rooms: Vec<Option<usize>> = (sources.files.iter())
        .map(|(_, module)| {
            let name = (module[0] == "trainability").then(|| module.get(1).map_or("main", |name| name))?;
            let place = order.iter().position(|room| *room == name);
            if place.is_none() {
                wrong.insert(format!("`{name}` has no place among the rooms"));
            }
            place
        })
        .collect();
    for (&(from, to), items) in &sources.imports {
        if rooms[from].is_some() && rooms[from] < rooms[to] {
            wrong.insert(format!("upward: {}", sources.sentence(from, to, items)));
        }
    }
    wrong
}

fn sources() -> Sources {
    Sources::new(&texts())
}

/// All files below the `src` of every crate that there is, by path.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    let mut open: Vec<PathBuf> = CRATES.iter().map(|(folder, ..)| root.join(folder).join("src")).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            texts.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    texts.sort();
    texts
}

#[test]
fn imports_point_down_and_never_in_a_circle() {
    let sources = sources();
    assert!(sources.imports.len() > 100, "only {} imports were found", sources.imports.len());
    let wrong: Vec<String> = sources.circles().into_iter().chain(upward(&sources)).collect();
    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// Libraries have types of errors; only the program's own surface wraps whatever comes into sentences.
#[test]
fn anyhow_stays_in_the_command_line() {
    let of_it = texts().into_iter().filter(|(_, text)| text.contains("anyhow")).map(|(name, _)| name);
    let (surface, below): (Vec<_>, Vec<_>) = of_it.partition(|name| name.starts_with("src/cli/"));
    assert!(!surface.is_empty() && below.is_empty(), "{below:?}");
}

#[test]
fn crates_know_none_above_them() {
    for (folder, package, may_know) in CRATES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
        let Ok(manifest) = fs::read_to_string(path) else { continue };
        let of_ours = |line: &&str| line.starts_with("trainability");
        for line in manifest.lines().filter(of_ours) {
            let name = line.split(|letter: char| !letter.is_alphanumeric() && letter != '-').next().unwrap();
            assert!(may_know.split(' ').any(|known| known == name), "{package} knows {name}");
        }
        assert!(manifest.contains(&format!("name = \"{package}\"")), "{folder} is {package}");
    }
}

#[test]
fn public_surface() {
    let sources = sources();
    let twice = sources.types.iter().filter(|(_, files)| files.len() > 1);
    let twice: Vec<String> = twice.map(|(name, files)| format!("{name} in {}", files.join(", "))).collect();
    assert!(
        sources.public <= PUBLIC_ITEMS && twice.is_empty(),
        "{} public items, at most {PUBLIC_ITEMS}; {} names of types are there twice:\n{}",
        sources.public,
        twice.len(),
        twice.join("\n")
    );
}

/// Sources out of paths and texts, and an empty library's root.
fn synthetic(files: &[(&str, &str)]) -> Sources {
    let files = [files, &[("src/lib.rs", "")]].concat();
    Sources::new(&files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect::<Vec<_>>())
}

#[test]
fn a_circle_through_a_facade_is_found() {
    let facade = ("src/data/mod.rs", "mod shape; mod set; pub use set::*; pub use self::{shape::Shape as Form};");
    let set = "use super::Form; pub struct Set(Form);";
    let shape = "fn f() { let set = crate::data::Set::new(); }";
    let sources = synthetic(&[facade, ("src/data/set.rs", set), ("src/data/shape.rs", shape)]);
    let circles = sources.circles();
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert!(circles[0].contains("src/data/set.rs imports Shape from src/data/shape.rs"), "{circles:?}");
    assert!(circles[0].contains("src/data/shape.rs imports Set from src/data/set.rs"), "{circles:?}");
    // The facade defines nothing and is outside of the circle.
    assert!(circles[0].contains(r#"{"set", "shape"}"#), "{circles:?}");
    let sources = synthetic(&[facade, ("src/data/set.rs", set), ("src/data/shape.rs", "pub struct Shape;")]);
    assert_eq!(sources.circles(), [""; 0]);
}

#[test]
fn a_parent_that_defines_what_its_child_imports_is_in_a_circle_with_it() {
    let parent = ("src/data/mod.rs", "mod child; pub use child::Child; pub trait Kind {}");
    for child in
        ["use super::Kind;", "fn f(_: &dyn super::Kind) {}", "use crate::data::*;", "struct A<T: super::Kind>;"]
    {
        let circles = synthetic(&[parent, ("src/data/child.rs", &format!("pub struct Child; {child}"))]).circles();
        assert!(circles.len() == 1 && circles[0].contains("src/data/child.rs imports"), "{child}: {circles:?}");
    }
}

#[test]
fn modules_are_in_a_circle_though_their_files_are_not() {
    let sources = synthetic(&[
        ("src/data/mod.rs", "mod low; mod high;"),
        ("src/data/low.rs", "pub struct Low;"),
        ("src/data/high.rs", "use crate::stream::Middle;"),
        ("src/stream/mod.rs", "pub struct Middle(crate::data::low::Low);"),
    ]);
    let circles = sources.circles();
    assert!(
        circles.len() == 1 && circles[0].starts_with(r#"circle in trainability of {"data", "stream"}"#),
        "{circles:?}"
    );
    assert_eq!(upward(&sources).len(), 1);
}

#[test]
fn an_upward_import_is_found_in_whatever_way_it_is_written() {
    let run = ("src/run/mod.rs", "mod task; pub use task::{Task, start}; pub mod deep { pub const N: usize = 1; }");
    let task =
        ("src/run/task.rs", "pub struct Task; pub fn start() {} #[macro_export] macro_rules! tasks { () => {} }");
    for text in [
        "use crate::run::Task;",
        "use crate::{data, run::{self, Task as T}};",
        "use crate::run; fn f() { run::start() }",
        "use super::run as above; fn f() { let _ = above::task::start; }",
        "fn f() { crate::run::start() }",
        "fn f(_: Vec<Option<crate::run::Task>>) {}",
        "fn f() { println!(\"{}\", crate::run::deep::N) }",
        "fn f() { tasks!() }",
        "mod inner { pub fn f() { super::super::run::start() } }",
        "use trainability::run::*; fn f() { start() }",
        "fn f() { use crate::run; run::start() }",
    ] {
        let sources = synthetic(&[run, task, ("src/data/mod.rs", text)]);
        let wrong = upward(&sources);
        assert!(wrong.iter().any(|line| line.starts_with("upward: src/data/mod.rs imports")), "{text}: {wrong:?}");
    }
    let downward = synthetic(&[run, task, ("src/main.rs", "use trainability::run::Task;"), ("src/run/text.rs", "")]);
    assert_eq!(upward(&downward), BTreeSet::new());
    assert_eq!(upward(&synthetic(&[("src/attic.rs", "")])).len(), 1);
}

#[test]
fn what_only_tests_import_does_not_count() {
    let run = ("src/run.rs", "pub struct Task;");
    for text in [
        "#[cfg(test)] mod tests { use crate::run::Task; }",
        "#[cfg(test)] use crate::run::Task;",
        "#[cfg(all(test, unix))] fn f() { crate::run::Task; }",
        "struct A; impl A { #[cfg(test)] fn f() { crate::run::Task; } }",
        "mod run { pub struct Task; } use run::Task;",
        "fn f(run: f64) -> f64 { run.abs() }",
        "/// [`crate::run::Task`]\nfn f() {}",
        "use std::thread::Builder as Task;",
    ] {
        let sources = synthetic(&[run, ("src/data.rs", text)]);
        assert!(sources.imports.is_empty(), "{text}: {:?}", sources.imports);
    }
    let declared = ("src/data/mod.rs", "#[cfg(test)] mod tests;");
    let sources = synthetic(&[run, declared, ("src/data/tests.rs", "use crate::run::Task; mod more;")]);
    assert!(sources.imports.is_empty() && sources.files.len() == 3);
    // The same import where it counts.
    assert_eq!(synthetic(&[run, ("src/data.rs", "#[cfg(unix)] use crate::run::Task;")]).imports.len(), 1);
}

#[test]
fn other_crates_are_followed_by_the_name_of_their_package() {
    let sources = synthetic(&[
        ("baselines/src/lib.rs", "pub mod method; pub use method::Method;"),
        ("baselines/src/method.rs", "pub struct Method;"),
        ("src/run.rs", "use trainability_baselines::Method;"),
    ]);
    let lines: Vec<String> =
        sources.imports.iter().map(|(&(from, to), items)| sources.sentence(from, to, items)).collect();
    assert!(lines.contains(&"src/run.rs imports Method from baselines/src/method.rs".to_owned()), "{lines:?}");
}
