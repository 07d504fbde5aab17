//! The book, the README and CONTRIBUTING.md: pages and summary agree, links and anchors resolve, documented commands exist, and
//! the code cites sections and equations of docs/method.md that are there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use trainability::optimizer::OPTIMIZERS;
use trainability::schedule::SCHEDULES;
use trainability::stream::STREAMS;
use trainability_baselines::registry::{INDICATORS, PARTS};

/// The most lines of the README: a door, not a house.
const README_LINES: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with an extension, relative to the repository, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The pages of the book: docs/*.md but the summary. What a reference sweep wrote lies below docs/reference, and is no page.
fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.parent() == Some(Path::new("docs")) && !path.ends_with("SUMMARY.md");
    files("docs", "md").into_iter().filter(is_page).collect()
}

fn documents() -> Vec<PathBuf> {
    let mut all = pages();
    all.extend(["README.md", "CONTRIBUTING.md", "docs/SUMMARY.md"].map(PathBuf::from));
    all
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Where the links and images of a document lead.
fn links(text: &str) -> Vec<String> {
    let target = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    };
    events(text).filter_map(target).collect()
}

/// What a link can point at in a document: its headings as mdBook and GitHub name them, and `<a id="...">`.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut heading) = (BTreeSet::new(), None::<String>);
    for event in events(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), Some(text)) => {
                let anchor = anchor(text);
                assert!(anchors.insert(anchor.clone()), "two headings are called #{anchor}");
                heading = None;
            }
            (Event::Text(part) | Event::Code(part), Some(text)) => text.push_str(&part),
            (Event::Html(html) | Event::InlineHtml(html), None) => {
                let ids = html.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
                anchors.extend(ids.map(str::to_owned));
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    heading.trim().chars().filter_map(kept).collect()
}

/// A relative path without `.` and `..`.
fn tidied(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(tidy.pop(), "{} leads out of the repository", path.display()),
            Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    tidy
}

#[test]
fn every_page_is_in_the_summary_once_and_the_other_way_round() {
    let mut listed: Vec<PathBuf> =
        links(&read(Path::new("docs/SUMMARY.md"))).iter().map(|link| Path::new("docs").join(link)).collect();
    listed.sort();
    assert_eq!(listed, pages());
}

#[test]
fn every_link_and_anchor_resolves() {
    let anchors: HashMap<PathBuf, BTreeSet<String>> =
        documents().into_iter().map(|page| (page.clone(), anchors(&read(&page)))).collect();
    let mut seen = 0;
    for page in documents() {
        for link in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, anchor) = link.split_once('#').map_or((&*link, None), |(path, anchor)| (path, Some(anchor)));
            let target = match path {
                "" => page.clone(),
                path => tidied(&page.parent().unwrap().join(path)),
            };
            assert!(root().join(&target).exists(), "{}: {link} leads to nothing", page.display());
            if let Some(anchor) = anchor {
                let there = anchors.get(&target).is_some_and(|there| there.contains(anchor));
                assert!(there, "{}: there is no #{anchor} in {}", page.display(), target.display());
            }
        }
    }
    assert!(seen > 50, "{seen} links");
}

#[test]
fn the_readme_is_short() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= README_LINES, "{lines} lines");
}

/// A document's blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut block) = (Vec::new(), None::<String>);
    for event in events(text) {
        match (event, &mut block) {
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(found))), _) if &*found == language => {
                block = Some(String::new());
            }
            (Event::Text(part), Some(block)) => block.push_str(&part),
            (Event::End(TagEnd::CodeBlock), _) => blocks.extend(block.take()),
            _ => {}
        }
    }
    blocks
}

/// The lines of a document's blocks of shell commands.
fn commands(text: &str) -> Vec<String> {
    let lines = |block: String| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>();
    blocks(text, "sh").into_iter().flat_map(lines).collect()
}

/// The words of a shell command, without its comment; quotes hold a word together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            ('#', None) if word.is_empty() => break,
            (c, None) if c.is_whitespace() => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (c, _) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn help(arguments: &[&str]) -> String {
    let mut program = assert_cmd::cargo::cargo_bin_cmd!("trainability");
    let output = program.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "trainability {arguments:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the subcommands, as the help lists them.
fn subcommands() -> Vec<String> {
    let help = help(&[]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let name = |line: &str| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).map(str::to_owned);
    let names = listed.filter_map(name).filter_map(|rest| rest.split_whitespace().next().map(str::to_owned));
    names.collect()
}

/// The flags of a subcommand.
fn flags(help: &str) -> BTreeSet<String> {
    let of_line = |line: &str| {
        let named = line.trim_start().split(['[', '<']).next().unwrap_or_default().to_owned();
        let words: Vec<String> =
            named.split([' ', ',']).filter(|word| word.starts_with('-')).map(str::to_owned).collect();
        words
    };
    help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(of_line).collect()
}

#[test]
fn every_documented_command_exists_with_its_flags() {
    let known: BTreeMap<String, BTreeSet<String>> = subcommands()
        .into_iter()
        .filter(|name| name != "help")
        .map(|name| (name.clone(), flags(&help(&[&name]))))
        .collect();
    assert!(known.len() >= 5 && known["sweep"].contains("--dry-run"), "{known:?}");
    let makefile = read(Path::new("Makefile"));
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', ' ', '#', '.']))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let mut seen = BTreeSet::new();
    for page in documents() {
        for line in commands(&read(&page)) {
            let place = page.display();
            // What others begin: parallel, ssh, a loop of the shell.
            let begun = ["parallel ", "ssh ", "for ", "done"].iter().any(|word| line.trim_start().starts_with(word));
            let own = line
                .find("trainability sweep")
                .map_or("", |at| line[at..].split(['"', '>']).next().unwrap_or_default());
            let words = words(if begun { own } else { &line });
            match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["trainability", name, ref rest @ ..] => {
                    let flags = known.get(name).unwrap_or_else(|| panic!("{place}: no command {name}: {line}"));
                    for flag in rest.iter().filter(|word| word.starts_with("--")) {
                        let flag = flag.split('=').next().unwrap_or(flag);
                        assert!(flags.contains(flag), "{place}: {name} has no {flag}: {line}");
                    }
                    for config in rest.iter().filter(|word| word.starts_with("configs/")) {
                        assert!(root().join(config).exists(), "{place}: there is no {config}: {line}");
                    }
                    seen.insert(name.to_owned());
                }
                ["make", target, ..] => assert!(targets.contains(target), "{place}: no target {target}: {line}"),
                ["python3", script, ref rest @ ..] => {
                    let output = Command::new("python3").arg(root().join(script)).arg("--help").output().unwrap();
                    assert!(output.status.success(), "{place}: {script} tells of no options: {line}");
                    let flags = flags(&String::from_utf8(output.stdout).unwrap());
                    let unknown = rest.iter().find(|word| word.starts_with("--") && !flags.contains(**word));
                    assert_eq!(unknown, None, "{place}: {script}: {line}");
                }
                ["cargo" | "git" | "cd" | "tensorboard", ..] | [] => {}
                _ => panic!("{place}: not checked: {line}"),
            }
        }
    }
    assert_eq!(seen, known.into_keys().collect(), "every command is documented somewhere");
}

#[test]
fn every_documented_experiment_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.json");
    let mut seen = 0;
    for page in documents() {
        for block in blocks(&read(&page), "json") {
            fs::write(&file, &block).unwrap();
            let mut program = assert_cmd::cargo::cargo_bin_cmd!("trainability");
            let output = program.arg("sweep").arg(&file).arg("--dry-run").current_dir(&folder).output().unwrap();
            assert!(output.status.success(), "{}: {}", page.display(), String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} experiments");
}

/// The numbers of the equations of docs/method.md in order, and of its sections.
fn method() -> (Vec<u32>, BTreeSet<String>) {
    let text = read(Path::new("docs/method.md"));
    let number = |formula: String| -> u32 {
        let end = formula.trim_end().strip_suffix(')').and_then(|text| text.rsplit_once('('));
        end.and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("no number ends {formula}"))
    };
    let equations = blocks(&text, "text").into_iter().map(number).collect();
    let (mut sections, mut heading) = (BTreeSet::new(), false);
    for event in events(&text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = true,
            Event::End(TagEnd::Heading(_)) => heading = false,
            Event::Text(text) if heading => {
                let number = text.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
                if number.starts_with(|c: char| c.is_ascii_digit()) {
                    sections.insert(number.to_owned());
                }
            }
            _ => {}
        }
    }
    (equations, sections)
}

#[test]
fn equations_are_numbered_in_order_and_have_their_anchors() {
    let (equations, sections) = method();
    let count = u32::try_from(equations.len()).unwrap();
    assert!(count > 30 && sections.len() > 10, "{count} equations, sections {sections:?}");
    assert_eq!(equations, Vec::from_iter(1..=count));
    let anchors = anchors(&read(Path::new("docs/method.md")));
    for number in equations {
        assert!(anchors.contains(&format!("eq-{number}")), "no anchor of equation ({number})");
    }
}

/// What the code says after `docs/method.md, `: sections and equations, several with commas and `and` between them.
fn cited(text: &str) -> Vec<(&'static str, String)> {
    let mut cited = Vec::new();
    // Comments break lines anywhere.
    let joined: Vec<&str> = text.lines().map(|line| line.trim_start().trim_start_matches(['/', '!']).trim()).collect();
    let joined = joined.join(" ");
    for rest in joined.split("docs/method.md, ").skip(1) {
        let mut kind = None;
        for word in rest.split_whitespace() {
            match word {
                "section" | "sections" => kind = Some("section"),
                "equation" | "equations" => kind = Some("equation"),
                "and" | "to" | "or" => {}
                word => {
                    let number = word.trim_matches(|c: char| !c.is_ascii_digit());
                    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
                    match kind.filter(|_| is_number) {
                        Some(kind) => cited.push((kind, number.to_owned())),
                        None => break,
                    }
                    if word.ends_with(['.', ':', ';']) {
                        break;
                    }
                }
            }
        }
    }
    cited
}

#[test]
fn the_code_cites_what_is_there() {
    let (equations, sections) = method();
    let mut seen = 0;
    for folder in ["src", "baselines", "crates", "tests", "benches", "examples"] {
        if !root().join(folder).exists() {
            continue;
        }
        for file in files(folder, "rs") {
            let text = read(&file);
            let place = file.display();
            for (kind, number) in cited(&text) {
                let there = match kind {
                    "section" => sections.contains(&number),
                    _ => number.parse().is_ok_and(|number: u32| equations.contains(&number)),
                };
                assert!(there, "{place} cites {kind} {number} of docs/method.md, which has none");
                seen += usize::from(!file.ends_with("book.rs"));
            }
            let strays = text.split("METHOD").skip(1).filter(|rest| {
                let rest = rest.strip_prefix(".md").unwrap_or(rest);
                rest.trim_start().starts_with(|c: char| c.is_ascii_digit())
            });
            assert_eq!(strays.count(), 0, "{place} cites a METHOD that nobody has, and not docs/method.md");
        }
    }
    assert!(seen >= 10, "{seen} citations");
}

#[test]
fn citations_are_found_however_they_are_written() {
    let text = "/// The bounds (docs/method.md, section 3), and\n/// more (docs/method.md, equations (16)\n/// and (17)): docs/method.md, \
                section 2.4. 5 is no number of it.";
    let expected = [("section", "3"), ("equation", "16"), ("equation", "17"), ("section", "2.4")];
    assert_eq!(cited(text), expected.map(|(kind, number)| (kind, number.to_owned())));
}

/// What is registered has its row, so that a reader finds it.
#[test]
fn everything_that_a_configuration_can_name_has_a_row() {
    let methods = read(Path::new("docs/methods.md"));
    let first_cells: Vec<&str> =
        methods.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    let has_row = |name: &str| first_cells.iter().any(|cell| cell.contains(&format!("`{name}`")));
    let parts = PARTS.iter().map(|part| part.name);
    let optimizers = OPTIMIZERS.iter().map(|kind| kind.name);
    let schedules = SCHEDULES.iter().map(|kind| kind.name);
    let streams = STREAMS.iter().map(|kind| kind.name);
    let missing: Vec<&str> =
        parts.chain(optimizers).chain(schedules).chain(streams).filter(|name| !has_row(name)).collect();
    assert!(missing.is_empty(), "docs/methods.md has no row for {missing:?}");
    let columns = read(Path::new("docs/results-format.md"));
    let indicators = INDICATORS.iter().map(|indicator| indicator.definition().name);
    let missing: Vec<&str> = indicators.filter(|name| !columns.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/results-format.md does not name {missing:?}");
}
