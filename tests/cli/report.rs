//! `report` of a part of a sweep, of several sweeps, and by groups.

use serde_json::json;

use super::workdir::{Workdir, assert_contains};

/// A sweep `one` of two methods and reset under two schedules and two seeds.
fn one() -> Workdir {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["relu", "crelu", "reset"])), ("seeds", json!(2))]);
    work.sweep("results/one", &[]).succeeded();
    work
}

/// The arms and their n in `summary.csv`.
fn arms(work: &Workdir, folder: &str) -> Vec<(String, String, String)> {
    let text = work.read(format!("{folder}/summary.csv"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let place = headers.iter().position(|name| name == "n").unwrap();
    reader.records().map(Result::unwrap).map(|row| (row[0].into(), row[1].into(), row[place].into())).collect()
}

fn triples(expected: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    expected.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect()
}

#[test]
fn a_filter_makes_a_report_of_its_own_and_says_what_it_left_out() {
    let work = one();
    work.run(&["report", "results/one"]).succeeded();
    let whole = work.snapshot("results/one");
    // A damaged run that is left out is not even looked at.
    let record = work.path("results/one/runs/crelu/paper/seed-1/tasks.csv");
    std::fs::write(&record, "nothing").unwrap();
    let said = work.run(&["report", "results/one", "--filter", "method=re*", "--filter", "seed=1"]).succeeded();
    assert_contains(
        &said.stdout,
        &[
            "by the filter method=re* and seed=1: 3 of 10 runs are read, 7 left out",
            "results/one@method=re_@seed=1/report.html",
        ],
    );
    let slice = "results/one@method=re_@seed=1";
    let expected = [("relu", "constant", "1"), ("relu", "paper", "1"), ("reset", "constant", "1")];
    assert_eq!(arms(&work, slice), triples(&expected));
    let page = work.read(format!("{slice}/report.html"));
    assert!(page.find("This is a slice").unwrap() < page.find("runs have finished").unwrap(), "it stands on top");
    let mut after = work.snapshot("results/one");
    let damaged = std::path::Path::new("runs/crelu/paper/seed-1/tasks.csv");
    after.insert(damaged.into(), whole[damaged].clone());
    assert_eq!(after, whole, "the sweep's own report is untouched");
}

#[test]
fn the_reset_arm_stays_as_reference() {
    let work = one();
    let said =
        work.run(&["report", "results/one", "--filter", "method=relu", "--filter", "schedule=paper"]).succeeded();
    assert_contains(
        &said.stdout,
        &[
            "2 runs of the reset arm are among them",
            "The constant schedule is not in the slice",
            "below the reset arm's",
        ],
    );
    let expected = [("relu", "paper", "2"), ("reset", "constant", "2")];
    assert_eq!(arms(&work, "results/one@method=relu@schedule=paper"), triples(&expected));
}

#[test]
fn tasks_can_be_chosen() {
    let work = one();
    work.run(&["report", "results/one", "--filter", "task=2..3", "--out", "late"])
        .succeeded()
        .tells(&["Only tasks 2 to 3 enter"]);
    let mean = |folder: &str| -> f64 {
        let text = work.read(format!("{folder}/summary.csv"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let place = reader.headers().unwrap().iter().position(|name| name == "mean_online_accuracy").unwrap();
        let row = reader.records().map(Result::unwrap).find(|row| &row[0] == "relu" && &row[1] == "paper").unwrap();
        row[place].parse().unwrap()
    };
    let accuracies: Vec<f64> = (0..2)
        .flat_map(|seed| {
            let [tasks, _] = work.rows("results/one", &format!("relu/paper/seed-{seed}"));
            tasks.lines().skip(2).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect::<Vec<f64>>()
        })
        .collect();
    assert_eq!(accuracies.len(), 4);
    assert!((mean("late") - accuracies.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    assert!(work.path("plots/late/online_accuracy.svg").is_file());
}

#[test]
fn what_cannot_be_reported_on_is_refused_in_a_sentence() {
    let work = one();
    let refuse =
        |arguments: &[&str], parts: &[&str]| work.refuse(&[&["report", "results/one"], arguments].concat(), parts);
    refuse(&["--filter", "relu"], &["--filter is \"relu\"", "KEY=VALUE"]);
    refuse(&["--filter", "method=tanh"], &["\"tanh\" matches none of the 10 runs", "relu, crelu, reset"]);
    refuse(&["--filter", "method=relu,tanh"], &["\"tanh\" matches none"]);
    refuse(&["--filter", "metod=relu"], &["no run has the key \"metod\"", "did you mean method?"]);
    refuse(&["--filter", "training.learning_rat=1"], &["did you mean training.learning_rate?"]);
    refuse(&["--filter", "training.learning_rate=7"], &["\"7\" matches none", "training.learning_rate is 0.01"]);
    refuse(&["--filter", "task=0..2"], &["counted from 1"]);
    refuse(&["--filter", "task=4..9"], &["matches no task", "3 tasks"]);
    refuse(&["--filter", "seed=0", "--filter", "seed=1"], &["together match none of the 10 runs"]);
    refuse(&["--filter", "seed=0", "--out", "results/one"], &["--out is results/one", "a sweep's own folder"]);
    refuse(&["--group-by", "seed"], &["--group-by is \"seed\"", "method, schedule or an option"]);
    refuse(&["--group-by", "optimiser"], &["--group-by: no run has the key \"optimiser\""]);
    refuse(&["results/one"], &["two of the sweeps are called one"]);
    let long = [
        "--filter",
        "method=*",
        "--filter",
        "schedule=*",
        "--filter",
        "seed=*",
        "--filter",
        "stream.epochs=3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3,3",
    ];
    refuse(&long, &["expected --out DIR"]);
}

#[test]
fn seeds_of_another_sweep_join_and_what_differs_is_told_apart() {
    let work = one();
    work.experiment(&[("methods", json!(["relu"])), ("schedules", json!(["constant", "debiased"]))]);
    work.sweep("results/more", &["--seeds", "1,4"]).succeeded();
    let said =
        work.run(&["report", "results/one", "results/more", "--filter", "method=relu", "--out", "both"]).succeeded();
    assert_contains(&said.stdout, &["These are the sweeps one, more together.", "1 run is in more than one of them"]);
    assert!(!said.stdout.contains("differ in their configuration"), "{}", said.stdout);
    // Seed 1 is in both; the pairs of debiased are those of the constant schedule in either sweep.
    let expected =
        [("relu", "constant", "3"), ("relu", "paper", "2"), ("relu", "debiased", "2"), ("reset", "constant", "2")];
    let mut found = arms(&work, "both");
    found.sort();
    let mut expected = triples(&expected);
    expected.sort();
    assert_eq!(found, expected);

    work.experiment(&[("methods", json!(["relu", "reset"])), ("stream.epochs", json!(2))]);
    work.sweep("results/short", &[]).succeeded();
    let said = work.run(&["report", "results/one", "results/short"]).succeeded();
    assert_contains(
        &said.stdout,
        &["The sweeps differ in their configuration: stream.epochs is 3 in one and 2 in short"],
    );
    let methods: Vec<String> = arms(&work, "results/one+short").into_iter().map(|arm| arm.0).collect();
    for method in ["crelu", "one/relu", "one/reset", "short/relu", "short/reset"] {
        assert!(methods.iter().any(|found| found == method), "{method} is not in {methods:?}");
    }
    assert!(!methods.contains(&"relu".to_owned()));
    assert!(work.path("plots/one+short/task_length.png").is_file(), "they differ in the length of a task");
    assert!(!work.path("plots/one+short/learning_rate_sensitivity.png").exists());
    let page = work.read("results/one+short/report.html");
    assert_contains(&page, &["No schedule was run with two base learning rates"]);
}

#[test]
fn groups_have_their_own_tables_and_scores() {
    let work = Workdir::new();
    let grid = json!({ "training.learning_rate": [0.1, 0.001] });
    work.experiment(&[("methods", json!(["relu", "reset"])), ("grid", grid)]);
    work.sweep("results/grid", &[]).succeeded();
    let said = work.run(&["report", "results/grid", "--group-by", "training.learning_rate"]).succeeded();
    assert_contains(
        &said.stdout,
        &[
            "Accuracy by arm, training.learning_rate = 0.001",
            "Gain over the constant schedule, training.learning_rate = 0.1",
            "Predictiveness by training.learning_rate",
            "indicator all 0.001 0.1",
            // Every point of the grid has its own reset arm.
            "below the reset arm's on the same task and seed",
        ],
    );
    let first = said.stdout.split("Accuracy by arm, training.learning_rate = 0.1\n").next().unwrap();
    assert!(first.contains("relu@learning_r") && !first.contains("=0.1 "), "{first}");
    for figure in ["learning_rate_sensitivity.png", "online_accuracy-training.learning_rate_0.1.png"] {
        assert!(work.path("plots/grid").join(figure).is_file(), "{figure}");
    }
}

#[test]
fn what_filters_groups_and_sweeps_are_called_becomes_no_markup() {
    let work = one();
    let hostile = "x<u>&'";
    std::fs::rename(work.path("results/one/runs/crelu"), work.path("results/one/runs").join(hostile)).unwrap();
    std::fs::rename(work.path("results/one"), work.path("results/a<i>")).unwrap();
    work.experiment(&[("methods", json!(["relu"])), ("stream.epochs", json!(2))]);
    work.sweep("results/b", &[]).succeeded();
    let arguments = ["report", "results/a<i>", "results/b"];
    work.refuse(&arguments, &["would be called \"a<i>+b\"", "--out DIR"]);
    let more = ["--out", "out", "--group-by", "method", "--filter", "schedule=[c<p]*", "--plots", "plots"];
    work.run(&[&arguments[..], &more].concat()).succeeded();
    let page = work.read("out/report.html");
    for (raw, safe) in [("a<i>", "a&lt;i&gt;"), ("x<u>", "x&lt;u&gt;"), ("[c<p]", "[c&lt;p]")] {
        assert!(!page.contains(raw) && page.contains(safe), "{raw}");
    }
    let markdown = work.read("out/report.md");
    let prose = markdown.split("```").next().unwrap();
    assert!(!prose.contains("<i>") && !prose.contains("<u>"), "markup got through");
}
