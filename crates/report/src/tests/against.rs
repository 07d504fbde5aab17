//! A sweep beside a paper: what is read, what is matched, what is said of it, and what is drawn.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use trainability_record::Glossary;
use trainability_record::text::sentence;

use super::report::{assert_is_a_picture, flat};
use super::rows::read;
use super::synthetic::{Plan, Workplace, run_folder};
use crate::evidence::Evidence;
use crate::evidence::against::Against;
use crate::evidence::against::paper::{Over, Paper, Reported, ReportedAt};
use crate::evidence::rows::CsvLine;
use crate::plot::data::Mark;
use crate::plot::picture::render;
use crate::results::RecordedSweep;
use crate::selected::Selected;
use crate::views::against::{head, tables};
use crate::views::figures::figure::Drawing;
use crate::views::figures::{AGAINST, FIGURES};
use crate::writers::terminal;
use crate::{ReportFiles, Request};

#[test]
fn the_paper_that_comes_with_the_program_is_whole() {
    let paper = Paper::read("paper").unwrap();
    paper.check(&Glossary::format2()).unwrap();
    assert_eq!((&*paper.name, paper.seeds), ("arXiv 2509.19698", 3));
    let of = |quantity: &str| paper.reports.iter().filter(|report| report.quantity == quantity).collect::<Vec<_>>();
    let accuracy = of("online_accuracy");
    let usual: Vec<_> = accuracy.iter().filter(|report| report.setting.is_empty()).collect();
    assert_eq!(
        (accuracy.len(), usual.len()),
        (15, 9),
        "three methods under three schedules, and other lengths of a task"
    );
    let value = |method: &str, schedule: &str, task: usize| {
        let is_it = |report: &Reported| (&*report.method[0].0, &*report.schedule) == (method, schedule);
        let report = usual.iter().find(|report| is_it(report)).unwrap();
        report.values.iter().find(|(moment, _)| *moment == ReportedAt::Task(task)).unwrap().1
    };
    let found = [("crelu", "as_run", 40), ("l2_adam", "constant", 1), ("wasserstein", "reset", 10)];
    assert_eq!(found.map(|(method, schedule, task)| value(method, schedule, task)), [0.537, 0.182, 0.601]);
    let rates = of("learning_rate");
    assert!(rates.iter().any(|report| report.values == [(ReportedAt::Event(85), 0.00054)]));
    assert!(rates.iter().any(|report| report.values == [(ReportedAt::Updates(Over::Lowest, 2, 40), 0.00051)]));
    let paths = paper.setting.iter().map(|(path, _)| path.as_str());
    assert!(paths.clone().any(|path| path == "training.beta_ramp") && paths.clone().any(|path| path == "data.images"));
}

/// A file of one report on L2, with some keys of its report set, or taken out where the value is null.
fn file(changes: &[(&str, Value)]) -> Value {
    let mut report = json!({
        "where": "Table 2", "quantity": "online_accuracy", "method": { "name": "l2_adam", "coefficient": 1e-3 },
        "learning_rate": 1e-3, "schedule": "as_run", "tasks": [1, 2, 6, 7], "values": [0.84, 0.1, 0.7, 0.5],
        "reading_error": 0.002
    });
    for (key, value) in changes {
        match value {
            Value::Null => drop(report.as_object_mut().unwrap().remove(*key)),
            value => report[*key] = value.clone(),
        }
    }
    json!({
        "format": 1, "paper": "Some paper", "title": "On something", "source": "its tables", "seeds": 4,
        "setting": { "stream.tasks": 9, "stream.epochs": 5, "schedule.cool": 0.99 }, "reports": [report]
    })
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_refused_in_a_sentence() {
    let refused = |file: &Value, expected: &str| {
        let error = Paper::parse("my.json", file.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("my.json: ") && error.contains(expected) && !error.contains('\n'), "{error}");
    };
    let report = |key: &str, value: Value, expected: &str| refused(&file(&[(key, value)]), expected);
    report("task", json!([1]), "reports[0].task is no key, expected one of");
    report("task", json!([1]), "did you mean tasks?");
    report("where", Value::Null, "reports[0] is {");
    report("where", Value::Null, "expected the key where in it");
    report("where", json!(5), "reports[0].where is 5, expected a text of 1 to 60 characters");
    report("learning_rate", json!(0), "reports[0].learning_rate is 0, expected a number above 0");
    report("values", json!([0.5]), "reports[0].values is [0.5], expected 4 numbers, one for each moment");
    report("values", json!([0.84, 84, 0.7, 0.5]), "reports[0].values[1] is 84, expected a number from 0 to 1");
    report("tasks", json!([0, 1, 2, 3]), "reports[0].tasks[0] is 0, expected a whole number, at least 1");
    report("tasks", json!([]), "reports[0].tasks is [], expected a list of 1 to 10000 elements");
    report("tasks", Value::Null, "expected a key tasks, or for a layer, either tasks or events");
    report("moment", json!("end"), "reports[0].moment is \"end\", expected none where there are no layer and tasks");
    report("layer", json!("fc1"), "expected a key moment beside layer and tasks");
    report("events", json!([1]), "expected a key tasks");
    report("method", json!(["l2_adam", "reset"]), "reports[0].method[1] is \"reset\", expected a method without reset");
    report(
        "method",
        json!({ "coefficient": 1 }),
        "reports[0].method is {\"coefficient\":1}, expected the key name in it",
    );
    report("setting", json!([]), "reports[0].setting is [], expected an object of options");
    report("reading_error", json!("small"), "reports[0].reading_error is \"small\", expected a number, at least 0");
    let layered = |key: &str, value: Value, expected: &str| {
        let base = [("layer", json!("fc1")), ("quantity", json!("learning_rate")), ("moment", json!("end"))];
        refused(&file(&[&base[..], &[(key, value)]].concat()), expected);
    };
    layered("moment", json!("last"), "reports[0].moment is \"last\", expected begin, end, lowest, highest or mean");
    layered(
        "tasks",
        json!([1, 2, 3, [4, 2]]),
        "reports[0].tasks[3] is [4,2], expected a task, or the first and the last",
    );
    layered("quantity", json!("cooled"), "expected none where there are no layer and tasks");
    let mut whole = file(&[]);
    whole["format"] = json!(2);
    refused(&whole, "format is 2, expected 1");
    whole = file(&[]);
    whole["papers"] = json!(1);
    refused(
        &whole,
        "papers is no key, expected one of format, paper, title, source, seeds, setting, reports (did you mean paper?)",
    );
    refused(&json!([]), "the file is [], expected an object");
    let error = Paper::parse("my.json", b"{").unwrap_err().to_string();
    assert!(error.starts_with("my.json is no JSON: EOF"), "{error}");
}

#[test]
fn a_quantity_that_nobody_records_is_refused() {
    let check = |changes: &[(&str, Value)]| {
        let paper = Paper::parse("my.json", file(changes).to_string().as_bytes()).unwrap();
        paper.check(&Glossary::format2()).map_err(|error| error.to_string())
    };
    let error = check(&[("quantity", json!("online_acuracy"))]).unwrap_err();
    assert!(
        error.contains("my.json: reports[0].quantity is \"online_acuracy\", expected a column of tasks.csv"),
        "{error}"
    );
    assert!(error.ends_with("(did you mean online_accuracy?)"), "{error}");
    let layer = [("layer", json!("fc1")), ("moment", json!("mean"))];
    let error = check(&layer).unwrap_err();
    assert!(error.contains("\"online_accuracy\", expected what is recorded of a layer"), "{error}");
    check(&[&layer[..], &[("quantity", json!("noise_bound"))]].concat()).unwrap();
}

/// A sweep of L2 whose runs have recorded what they are, and a file with the numbers of a paper.
struct Beside {
    workplace: Workplace,
    file: Value,
}

impl Beside {
    fn new(file: Value) -> Beside {
        let plan = Plan { methods: vec!["l2_adam".into()], seeds: 3, ..Plan::small() };
        let workplace = Workplace::new(&plan);
        fs::remove_dir_all(workplace.results().join("runs/l2_adam/debiased")).unwrap();
        for (method, schedule) in
            [("l2_adam", "constant"), ("l2_adam", "paper"), ("l2_adam", "as_run"), ("reset", "constant")]
        {
            let own = json!({ "name": "l2_adam", "options": { "coefficient": 0.001 } });
            let reset = json!({ "name": "reset", "options": {} });
            let options = json!({
                "stream": { "tasks": 6, "epochs": 5 },
                "training": { "learning_rate": 0.001 },
                "method": { "parts": if method == "reset" { json!([own, reset]) } else { json!([own]) } },
                "schedule": match schedule {
                    "constant" => json!({ "name": schedule }),
                    _ => json!({ "name": schedule, "cool": 0.98 }),
                },
            });
            (0..3).for_each(|seed| {
                workplace.edit_record(method, schedule, seed, |record| record.options = options.clone())
            });
        }
        Beside { workplace, file }
    }

    fn against(&self) -> Against {
        let mut sweep = RecordedSweep::survey(&self.workplace.results()).unwrap();
        sweep.read_numbers(&self.workplace.results()).unwrap();
        let paper = Paper::parse("some.json", self.file.to_string().as_bytes()).unwrap();
        Against::of(paper, &sweep, 0).unwrap()
    }

    /// The rows of against.csv, and what is printed, with one space between words.
    fn compare(&self) -> (Vec<BTreeMap<String, String>>, String) {
        let against = self.against();
        let lines: Vec<CsvLine> =
            against.comparisons.iter().map(|comparison| CsvLine::of_comparison(&against, comparison)).collect();
        let mut printed = head(&against).join("\n").into_bytes();
        tables(&against).iter().for_each(|table| terminal::table(&mut printed, table).unwrap());
        (read(&lines), flat(&String::from_utf8(printed).unwrap()))
    }

    /// The whole report.
    fn report(&self) -> (ReportFiles, String) {
        let path = self.workplace.folder.path().join("some.json");
        fs::write(&path, self.file.to_string()).unwrap();
        let ask = |request: &mut Request| request.against = Some(path.to_str().unwrap().to_owned());
        let (files, terminal) = self.workplace.report_with(ask);
        (files.unwrap(), terminal)
    }

    /// The accuracy of each seed under `as_run` at a task, counted from 1.
    fn accuracy(&self, task: usize) -> Vec<f64> {
        let of_seed = |seed| {
            let folder = run_folder(&self.workplace.results(), "l2_adam", "as_run", seed);
            let mut reader = csv::Reader::from_path(folder.join("tasks.csv")).unwrap();
            let place = reader.headers().unwrap().iter().position(|name| name == "online_accuracy").unwrap();
            reader.records().nth(task - 1).unwrap().unwrap()[place].parse::<f64>().unwrap()
        };
        (0..3).map(of_seed).collect()
    }
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

fn columns<'r, const N: usize>(rows: &'r [BTreeMap<String, String>], names: [&str; N]) -> Vec<[&'r str; N]> {
    rows.iter().map(|row| names.map(|name| row[name].as_str())).collect()
}

#[test]
fn every_value_stands_beside_the_mean_over_seeds_and_is_judged_by_their_spread() {
    let mut beside = Beside::new(file(&[]));
    let first = beside.accuracy(1);
    let mean = first.iter().sum::<f64>() / 3.0;
    let deviation = (first.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    // Student's t with two degrees, from a table.
    let spread = 4.30265 * deviation * (1.0 / 3.0 + 1.0 / 4.0_f64).sqrt();
    let values = json!([mean + spread + 0.0019, mean - spread - 0.0021, 0.0, 0.5]);
    beside.file["reports"][0]["values"] = values;
    beside.file["reports"][0]["tasks"] = json!([1, 1, 6, 7]);
    let (rows, told) = beside.compare();
    assert_eq!(columns(&rows, ["verdict"]).concat(), ["within", "outside", "outside", "not_reached"]);
    assert!((number(&rows[0], "ours") - mean).abs() < 1e-12 && rows[0]["n"] == "3");
    assert!((number(&rows[0], "difference") + spread + 0.0019).abs() < 1e-12);
    assert!((number(&rows[0], "spread") - spread).abs() < 1e-5 * spread, "{} is not {spread}", rows[0]["spread"]);
    assert!(number(&rows[0], "ours_low") < mean && mean < number(&rows[0], "ours_high"));
    for text in [
        "Some paper: On something. Source: its tables.",
        "4 comparisons: 1 within the spread of our seeds, 2 beyond it, 1 not reached or not recorded.",
        "The setting is not the paper's, and the values are compared all the same: stream.tasks is 6, the paper's 9; \
         schedule.cool is 0.98, the paper's 0.99.",
        "Beside the paper: online accuracy",
        "not reached",
    ] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    assert!(!told.contains("stream.epochs is"), "the length of a task is the paper's: {told}");
}

#[test]
fn the_page_the_markdown_and_the_terminal_have_the_same_rows() {
    let beside = Beside::new(file(&[]));
    let (files, terminal) = beside.report();
    assert!(files.against.unwrap().is_file());
    let [markdown, html] = [files.markdown, files.html].map(|path| fs::read_to_string(path).unwrap());
    let section = markdown.split("\n## Beside the paper\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| l2")).collect::<Vec<_>>();
    assert_eq!(rows.len(), 4, "{section}");
    for row in rows {
        let cells: Vec<String> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('\\', "")).collect();
        for cell in &cells[1..6] {
            assert!(flat(&terminal).contains(cell) && html.contains(cell.as_str()), "{cell} of {row}");
        }
    }
    assert!(section.contains("](../../plots/quick/against.png)"), "{section}");
    assert!(html.contains("href=\"#paper\"") && html.contains("The setting is not the paper"), "a section of its own");
    assert!(files.summary.is_file() && files.figures.iter().any(|path| path.ends_with("against.png")));
}

#[test]
fn arms_that_match_have_rows_of_their_own_and_say_what_tells_them_apart() {
    let beside = Beside::new(file(&[("schedule", json!("constant")), ("tasks", json!([1])), ("values", json!([0.8]))]));
    for seed in 0..3 {
        beside.workplace.edit_record("l2_adam", "paper", seed, |record| {
            record.options["schedule"] = json!({ "name": "constant" });
            record.options["training"]["beta_ramp"] = json!({ "beta1": 0.945, "layers": 1 });
        });
    }
    let (rows, told) = beside.compare();
    let expected = [["constant", "no beta_ramp"], ["paper", "beta_ramp"]];
    assert_eq!(columns(&rows, ["arm_schedule", "arm_apart"]), expected);
    assert!(told.contains("constant, no beta_ramp"), "{told}");
    let panels = drawn(&beside).remove(0).plot.panels;
    let titles: Vec<&str> = panels.iter().map(|panel| &*panel.title).collect();
    assert_eq!(titles, ["l2_adam at 1e-3, no beta_ramp", "l2_adam at 1e-3, beta_ramp"]);
}

/// The images of the figure.
fn drawn(beside: &Beside) -> Vec<Drawing> {
    let against = beside.against();
    let mut sweep = RecordedSweep::survey(&beside.workplace.results()).unwrap();
    sweep.read_numbers(&beside.workplace.results()).unwrap();
    let mut evidence = Evidence::of(Selected { sweep, ..Selected::default() });
    evidence.against = Some(against);
    let figure = FIGURES.iter().find(|figure| figure.name == AGAINST).unwrap();
    (figure.draw)(&evidence)
}

#[test]
fn what_is_of_an_arms_very_setting_stands_in_the_place_of_what_is_not() {
    let mut both = file(&[("tasks", json!([1])), ("values", json!([0.8]))]);
    let mut nearer = both["reports"][0].clone();
    nearer["setting"] = json!({ "stream.epochs": 5 });
    nearer["values"] = json!([0.85]);
    let mut elsewhere = nearer.clone();
    elsewhere["setting"] = json!({ "stream.epochs": 500 });
    both["setting"]["stream.epochs"] = json!(250);
    both["reports"].as_array_mut().unwrap().extend([nearer, elsewhere]);
    let (rows, told) = Beside::new(both).compare();
    let found = columns(&rows, ["paper_value", "setting", "arm_schedule", "verdict"]);
    let expected = [
        ["0.85", "stream.epochs=5", "as_run", rows[0]["verdict"].as_str()],
        ["0.85", "stream.epochs=500", "", "not_run"],
    ];
    assert_eq!(found, expected);
    assert!(told.contains("Not listed: 1 value of settings that were not run (stream.epochs = 500)."), "{told}");
    assert!(!told.contains("stream.epochs is 5"), "this value is of five epochs: {told}");
}

#[test]
fn one_seed_has_no_spread_and_what_has_not_finished_is_marked() {
    let beside = Beside::new(file(&[]));
    beside.workplace.interrupt(("l2_adam", "as_run", 2), 2);
    fs::remove_dir_all(run_folder(&beside.workplace.results(), "l2_adam", "as_run", 1)).unwrap();
    let (rows, told) = beside.compare();
    let expected = [
        ["finished", "1", "too_few_seeds", ""],
        ["finished", "1", "too_few_seeds", ""],
        ["finished", "1", "too_few_seeds", ""],
        ["finished", "0", "not_reached", "6"],
        ["unfinished", "1", "unfinished", ""],
        ["unfinished", "1", "unfinished", ""],
        ["unfinished", "0", "not_reached", "2"],
        ["unfinished", "0", "not_reached", "2"],
    ];
    assert_eq!(columns(&rows, ["runs", "n", "verdict", "tasks_done"]), expected);
    assert!(rows[4]["ours_low"].is_empty() && rows[0]["spread"].is_empty(), "no interval, no spread");
    assert!(!rows[4]["ours"].is_empty() && !rows[4]["difference"].is_empty());
    assert!(told.contains("5 of fewer than three seeds or of unfinished runs") && told.contains("one seed"), "{told}");
    assert!(told.contains("0.700–0.500") && told.contains("6–7"), "what is missing takes one row: {told}");
    let plot = drawn(&beside).remove(0).plot;
    assert_eq!(plot.panels[0].note, "n = 1 seed + 1 unfinished");
    let dashed = |mark: &Mark| matches!(mark, Mark::Line { points, pen } if pen.dashed && points.len() == 2);
    assert_eq!(plot.panels[0].marks.iter().filter(|mark| dashed(mark)).count(), 1, "two tasks in dashes");
    assert!(plot.legend.iter().any(|key| key.label == "unfinished"));
}

#[test]
fn what_was_not_run_or_not_recorded_says_so() {
    let mut several = file(&[("method", json!("wasserstein"))]);
    let layer = |layer: &str, quantity: &str| vec![("layer", json!(layer)), ("quantity", json!(quantity))];
    let elsewhere = [layer("fc9", "noise_bound"), vec![("moment", json!("end"))]].concat();
    let counted = [layer("fc1", "cooled"), vec![("tasks", Value::Null), ("values", json!([12]))]].concat();
    let events = vec![("tasks", Value::Null), ("events", json!([1, 48, 49])), ("values", json!([1e-3, 1e-3, 1e-3]))];
    let late = [layer("fc1", "learning_rate"), events].concat();
    for more in [elsewhere, counted, late] {
        several["reports"].as_array_mut().unwrap().push(file(&more)["reports"][0].clone());
    }
    let (rows, told) = Beside::new(several).compare();
    let verdicts = columns(&rows, ["verdict"]).concat();
    assert_eq!(verdicts[..4], ["not_run"; 4]);
    assert_eq!(
        verdicts[4..8],
        ["not_recorded", "not_recorded", "not_recorded", "not_reached"],
        "there is no fc9, nor task 7"
    );
    assert_eq!(
        verdicts[8..],
        ["within", "within", "within", "not_reached"],
        "12 of 48 events cooled; there is no 49th"
    );
    assert_eq!((&*rows[9]["ours"], &*rows[9]["event"]), ("0.001", "1"));
    assert!(told.contains("1–7 0.840–0.500 – – – not run"), "{told}");
    assert!(
        told.contains("Beside the paper: learning rate of fc1")
            && told.contains("whole run")
            && told.contains("event 48"),
        "{told}"
    );
}

#[test]
fn accuracies_and_rates_are_drawn() {
    let mut all = file(&[]);
    let constant = file(&[("schedule", json!("constant")), ("values", json!([0.83, 0.8, 0.7, 0.6]))]);
    let reset = file(&[("schedule", json!("reset")), ("values", json!([0.86, 0.86, 0.85, 0.85]))]);
    let rate = file(&[
        ("quantity", json!("learning_rate")),
        ("layer", json!("fc1")),
        ("moment", json!("lowest")),
        ("tasks", json!([6, [2, 6]])),
        ("values", json!([0.0006, 0.0005])),
    ]);
    for more in [constant, reset, rate] {
        all["reports"].as_array_mut().unwrap().push(more["reports"][0].clone());
    }
    let beside = Beside::new(all);
    let mut images = drawn(&beside);
    let suffixes: Vec<String> = images.iter().map(|drawing| drawing.suffix.clone()).collect();
    assert_eq!(suffixes, ["", "-learning_rate-fc1"]);
    let marks = &images[0].plot.panels[0].marks;
    let of = |is: fn(&Mark) -> bool| marks.iter().filter(|mark| is(mark)).count();
    assert_eq!(of(|mark| matches!(mark, Mark::Band { .. })), 3, "an interval an arm");
    assert_eq!(of(|mark| matches!(mark, Mark::Points { points, .. } if points.len() == 4)), 3, "the paper's values");
    let curve = |mark: &Mark| matches!(mark, Mark::Line { points, .. } if points.len() == 6 && points[0].0 == 1.0);
    assert_eq!(marks.iter().filter(|mark| curve(mark)).count(), 3, "tasks are counted from 1");
    let rates = &images[1].plot.panels[0].marks;
    let reaches = |mark: &Mark| mark.line().last().is_some_and(|point| (point.0 - 6.0).abs() < 1e-9);
    assert!(rates.iter().filter(|mark| reaches(mark)).count() >= 2, "ours and the range end with task 6: {rates:?}");
    for (place, image) in images.drain(..).enumerate() {
        let path = beside.workplace.folder.path().join(format!("{place}.png"));
        fs::write(&path, render(&image.plot, "a.png".into()).unwrap().png).unwrap();
        assert_is_a_picture(&path);
        let keys: Vec<&str> = image.plot.legend.iter().map(|key| &*key.label).collect();
        assert!(keys.contains(&"as_run") && keys.contains(&"Some paper, in the same colours"), "{keys:?}");
    }
}

#[test]
fn a_paper_that_is_not_there_is_refused_before_anything_is_read() {
    let beside = Beside::new(file(&[]));
    let refused = |given: &str| {
        let (files, printed) = beside.workplace.report_with(|request| request.against = Some(given.to_owned()));
        assert_eq!(printed, "");
        sentence(&files.unwrap_err())
    };
    assert!(
        refused("no-paper")
            .contains("--against is \"no-paper\", expected paper, or a JSON file with the numbers of another")
    );
    assert!(refused(beside.workplace.results().to_str().unwrap()).contains("expected a JSON file of at most 4 MiB"));
}

#[test]
fn the_paper_of_the_book_is_one() {
    let book = include_str!("../../../../docs/report.md");
    let block = book.split("```json paper\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let paper = Paper::parse("the book", block.as_bytes()).unwrap();
    paper.check(&Glossary::format2()).unwrap();
    assert!(paper.reports.len() >= 2, "{paper:?}");
}
