//! The options of `sweep`, the grid, and `status`.

use serde_json::{Value, json};

use super::workdir::{UPDATES, Workdir, assert_contains};

#[test]
fn only_chooses_runs_by_name_and_the_rest_can_follow() {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["relu", "l2_loss"])), ("seeds", json!(2))]);
    work.sweep("out", &["--only", "*/paper/seed-1"]).succeeded();
    assert_eq!(work.runs("out"), ["l2_loss/paper/seed-1", "relu/paper/seed-1"]);
    work.run(&["status", "out"]).succeeded().tells(&["8 runs: 2 finished, 6 not begun"]);
    work.sweep("out", &["--only", "relu/**"]).succeeded().tells(&["3 runs finished, 1 were finished before"]);
    work.sweep("out", &[]).succeeded().tells(&["3 runs finished, 5 were finished before"]);
    work.run(&["status", "out"]).succeeded().tells(&["8 runs: 8 finished, 0 not begun"]);
}

#[test]
fn seeds_are_a_range_or_a_list() {
    let work = Workdir::new();
    let seeds = |out: &str| -> Vec<String> {
        work.runs(out).iter().map(|run| run.rsplit_once('-').unwrap().1.to_owned()).collect()
    };
    for (out, given, expected) in [("range", "0..2", ["0", "1"]), ("list", "1,3", ["1", "3"])] {
        work.sweep(out, &["--seeds", given, "--only", "relu/constant/*"]).succeeded();
        assert_eq!(seeds(out), expected);
    }
    assert_eq!(work.json("list/sweep.json")["experiment"]["seeds"], json!([1, 3]));
    let run = "relu/constant/seed-1";
    assert_eq!(work.rows("list", run), work.rows("range", run));
    assert_ne!(work.rows("list", run), work.rows("list", "relu/constant/seed-3"));
}

#[test]
fn status_counts_the_runs_of_earlier_calls_with_other_seeds() {
    let work = Workdir::new();
    work.sweep("out", &["--seeds", "0..2"]).succeeded();
    work.sweep("out", &["--seeds", "4,7", "--only", "relu/paper/*"]).succeeded();
    work.run(&["status", "out"]).succeeded().tells(&["8 runs: 6 finished, 2 not begun"]);
}

#[test]
fn set_lays_values_over_the_file() {
    let work = Workdir::new();
    let run = "relu/paper/seed-0";
    work.sweep(
        "out",
        &["--set", "stream.tasks=2", "--set", "control.warm_window=run", "--set", "schedules=[\"paper\"]"],
    )
    .succeeded();
    assert_eq!(work.runs("out"), [run]);
    let record = work.record("out", run);
    assert_eq!((record.tasks, record.options["stream"]["tasks"].clone()), (2, json!(2)));
    assert_eq!(work.rows("out", run)[0].lines().count(), 1 + 2);
    let experiment = &work.json("out/sweep.json")["experiment"];
    assert_eq!((&experiment["stream"]["tasks"], &experiment["control"]["warm_window"]), (&json!(2), &json!("run")));
}

#[test]
fn a_dry_run_lists_the_runs_and_writes_nothing() {
    let work = Workdir::new();
    let before = work.snapshot("");
    let said = work.sweep("out", &["--dry-run", "--seeds", "4,7"]).succeeded();
    let updates = |name: &str| format!("{name}  {UPDATES} updates\n");
    let names = ["relu/constant/seed-4", "relu/paper/seed-4", "relu/constant/seed-7", "relu/paper/seed-7"];
    let expected = names.map(updates).concat() + &format!("4 runs, {} updates\n", 4 * UPDATES);
    let (plan, cost) = said.stdout.split_once("\n\n").unwrap();
    assert_eq!((format!("{plan}\n"), said.stderr), (expected, String::new()));
    assert_contains(cost, &["4 108", "relu", "about", "disk"]);
    assert_eq!(work.snapshot(""), before);
}

#[test]
fn arms_that_differ_in_name_only_are_told_before_anything_runs() {
    let work = Workdir::new();
    let note = |changes: &[(&str, Value)], arguments: &[&str]| {
        work.experiment(changes);
        work.sweep("out", &[&["--dry-run"], arguments].concat()).succeeded().stderr
    };
    let default = json!({ "name": "l2_loss", "coefficient": 0.001 });
    let base = json!({ "name": "constant", "learning_rate": 0.01 });
    let changes = [("methods", json!(["l2_loss", default])), ("schedules", json!(["constant", base]))];
    let names = [
        "l2_loss/constant",
        "l2_loss/constant-learning_rate=0.01",
        "l2_loss-coefficient=0.001/constant",
        "l2_loss-coefficient=0.001/constant-learning_rate=0.01",
    ];
    let expected = format!(
        "note: {} and {} differ in name only: with defaults filled in they have the same options, and every seed is trained \
         4 times with the same result; keep one of them\n",
        names[..3].join(", "),
        names[3]
    );
    assert_eq!(note(&changes, &[]), expected);
    // It is true.
    let said = work.sweep("out", &[]).succeeded();
    assert!(said.stderr.starts_with(&expected), "{}", said.stderr);
    let rows = |name: &str| work.rows("out", &format!("{name}/seed-0"));
    names.iter().for_each(|name| assert_eq!(rows(name), rows(names[0]), "{name}"));
    // Nobody is told of what was not chosen.
    assert_eq!(note(&changes, &["--only", "l2_loss/constant/*"]), "");

    let same = |changes: &[(&str, Value)]| {
        let told = note(changes, &[]);
        told.lines().map(|line| line.split(" differ ").next().unwrap()[6..].to_owned()).collect::<Vec<_>>()
    };
    let constant = || ("schedules", json!(["constant"]));
    let order = json!(["crelu+wasserstein", "wasserstein+crelu", "relu+reset", "reset"]);
    assert_eq!(
        same(&[("methods", order), constant()]),
        ["crelu+wasserstein/constant and wasserstein+crelu/constant", "relu+reset/constant and reset/constant"]
    );
    assert_eq!(
        same(&[("schedules", json!(["paper", "noise_curvature", { "name": "paper", "warm_share": 0.1 }, "debiased"]))]),
        ["relu/paper, relu/noise_curvature and relu/paper-warm_share=0.1"]
    );
    // A schedule with a learning rate of its own does not see the grid's.
    let grid = ("grid", json!({ "training.learning_rate": [0.01, 0.002] }));
    assert_eq!(
        same(&[("schedules", json!(["constant", base])), grid]),
        ["relu@learning_rate=0.01/constant, relu@learning_rate=0.01/constant-learning_rate=0.01 and \
          relu@learning_rate=0.002/constant-learning_rate=0.01"]
    );
    let grid = json!({ "control.cool": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] });
    assert_eq!(
        same(&[constant(), ("grid", grid)]),
        ["relu@cool=0.1/constant, relu@cool=0.2/constant, relu@cool=0.3/constant and 3 more"]
    );
    // What is measured is written, and differs.
    assert_eq!(note(&[constant(), ("grid", json!({ "measure.window": [3, 4], "control.beta": [1, 2] }))], &[]), "");
    let methods = json!(["relu", "crelu", "l2_loss", "l2_init", "wasserstein+spectral", "spectral+wasserstein"]);
    assert_eq!(note(&[("methods", methods), ("schedules", json!(["constant", "paper", "debiased"]))], &[]), "");
}

#[test]
fn results_go_into_a_folder_of_the_experiments_name() {
    let work = Workdir::new();
    work.run(&["sweep", "tiny.json", "--only", "relu/constant/*"]).succeeded().tells(&["results in results/tiny"]);
    work.experiment(&[("name", json!("other"))]);
    work.run(&["sweep", "tiny.json", "--only", "relu/constant/*"]).succeeded();
    assert_eq!(work.runs("results/tiny"), work.runs("results/other"));
    work.run(&["report", "results/other"]).succeeded();
    assert!(work.path("plots/other/online_accuracy.png").is_file());
}

#[test]
fn a_grid_is_a_product_and_every_point_is_the_run_that_its_label_says() {
    let work = Workdir::new();
    let grid = json!({ "training.learning_rate": [0.01, 0.002], "control.cool": [0.5, 0.9] });
    work.experiment(&[("grid", grid), ("schedules", json!(["paper"]))]);
    work.sweep("grid", &[]).succeeded();
    let name = |cool: &str, rate: &str| format!("relu@cool={cool}@learning_rate={rate}/paper/seed-0");
    let expected = [name("0.5", "0.002"), name("0.5", "0.01"), name("0.9", "0.002"), name("0.9", "0.01")];
    assert_eq!(work.runs("grid"), expected);
    work.experiment(&[]);
    work.sweep("single", &["--set", "training.learning_rate=0.002", "--set", "control.cool=0.5"]).succeeded();
    assert_eq!(work.rows("single", "relu/paper/seed-0"), work.rows("grid", &expected[0]));
    assert_ne!(work.rows("grid", &expected[1]), work.rows("grid", &expected[0]));
}

#[test]
fn reset_runs_under_the_constant_schedule_alone() {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["reset", "relu"])), ("schedules", json!(["paper", "debiased"]))]);
    work.sweep("out", &[]).succeeded();
    assert_eq!(work.runs("out"), ["relu/debiased/seed-0", "relu/paper/seed-0", "reset/constant/seed-0"]);
}

#[test]
fn labels_and_options_tell_variants_of_a_method_and_a_schedule_apart() {
    let work = Workdir::new();
    let methods = json!([
        { "name": "l2_loss", "coefficient": 0.01 },
        { "name": "l2_loss", "coefficient": 0.1, "label": "strong" },
        { "parts": ["crelu", { "name": "wasserstein", "coefficient": 0.5 }] }
    ]);
    let schedules = json!([{ "name": "paper", "cool": 0.5 }, { "name": "debiased", "label": "mine" }]);
    work.experiment(&[("methods", methods), ("schedules", schedules)]);
    work.sweep("out", &[]).succeeded();
    let methods = ["crelu+wasserstein-coefficient=0.5", "l2_loss-coefficient=0.01", "strong"];
    let expected: Vec<String> = methods
        .iter()
        .flat_map(|method| ["mine", "paper-cool=0.5"].map(|schedule| format!("{method}/{schedule}/seed-0")))
        .collect();
    assert_eq!(work.runs("out"), expected);
    let options = work.record("out", "strong/paper-cool=0.5/seed-0").options;
    assert_eq!(options["method"]["parts"], json!([{ "name": "l2_loss", "options": { "coefficient": 0.1 } }]));
    assert_eq!((&options["schedule"]["name"], &options["schedule"]["cool"]), (&json!("paper"), &json!(0.5)));
}

#[test]
fn what_happens_is_told_on_standard_error_and_the_outcome_on_standard_output() {
    let work = Workdir::new();
    let said = work.sweep("out", &["--jobs", "1"]).succeeded();
    assert_contains(
        &said.stderr,
        &["2 runs, 54 updates", "relu/constant/seed-0 finished", "relu/paper/seed-0 finished"],
    );
    assert!(!said.stderr.contains('\u{1b}'), "no bar where there is no terminal: {:?}", said.stderr);
    assert_eq!(said.stdout, "2 runs finished, 0 were finished before; results in out\n");
}

#[test]
fn data_tells_what_a_set_is() {
    let work = Workdir::new();
    let said = work.run(&["data", "idx", "--folder", "images"]).succeeded();
    assert_contains(&said.stdout, &["idx: 48 images of 4 x 4 pixels, 10 classes", "SHA-256"]);
    work.run(&["data"]).succeeded().tells(&["mnist-5k", "idx"]);
    work.refuse(&["data", "mnists"], &["no image set `mnists`", "`mnist-5k`", "`idx`"]);
    work.refuse(&["data", "idx"], &["`idx` needs a folder", "--folder"]);
}
