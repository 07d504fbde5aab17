//! Images, folders and arguments that are not as they should be: one sentence, and nothing is overwritten.

use std::fs;

use serde_json::json;
use trainability::data::{IMAGE_FILES, Idx, LABEL_FILES};

use super::workdir::{Workdir, assert_contains};

#[test]
fn images_that_are_missing_or_damaged() {
    let work = Workdir::new();
    let refuse = |parts: &[&str]| work.refuse_sweep(&[], &[&["tiny.json: at `data`: "], parts].concat());
    let images = fs::read(work.path("images").join(IMAGE_FILES[0])).unwrap();
    let image_file = format!("images/{}", IMAGE_FILES[0]);
    let label_file = format!("images/{}", LABEL_FILES[0]);

    work.write(&image_file, &images[..100]);
    refuse(&[&image_file, "is truncated", "84 values", "48 x 4 x 4 needs 768"]);
    work.write(&image_file, b"GIF89a and so on");
    refuse(&[&image_file, "is not an IDX file", "47 49 46 38", "00 00 08 03"]);
    work.write(&image_file, &images);
    let mut labels = Idx { dimensions: vec![48], values: vec![0; 48] };
    labels.values[7] = 255;
    work.write(&label_file, labels.encode());
    refuse(&[&label_file, "label 255 at place 7", "labels should go from 0 to 254"]);
    work.write(&label_file, Idx { dimensions: vec![3], values: vec![0; 3] }.encode());
    refuse(&["48 images", "3 labels", "one for each image"]);
    fs::remove_file(work.path(&label_file)).unwrap();
    refuse(&["images has no labels", LABEL_FILES[0], ".gz"]);
    fs::remove_file(work.path(&image_file)).unwrap();
    refuse(&["images has no images", IMAGE_FILES[0], ".gz"]);
    work.experiment(&[("data.folder", json!("nowhere"))]);
    refuse(&["there is no folder nowhere", IMAGE_FILES[0]]);
    work.experiment(&[("data.folder", json!("tiny.json"))]);
    refuse(&["there is no folder tiny.json"]);
    work.experiment(&[("data", json!({ "set": "idx" }))]);
    refuse(&["`idx` needs a folder", "`data.folder`"]);
}

/// The index is one that no machine has.
#[test]
fn a_device_that_is_not_there() {
    let work = Workdir::new();
    work.refuse_sweep(&["--device", "cuda:99"], &["tiny.json: `device` is cuda:99, expected cpu", "GPU"]);
    work.refuse_sweep(
        &["--device", "gpu"],
        &["--device", "--device is \"gpu\", expected cpu, cuda, or cuda:1 and so on"],
    );
    work.experiment(&[("device", json!("cuda:99"))]);
    work.refuse_sweep(&[], &["tiny.json: `device` is cuda:99, expected cpu"]);
    work.sweep("out", &["--device", "cpu"]).succeeded();
}

#[test]
fn a_file_in_the_way_of_the_results_stays_as_it_is() {
    let work = Workdir::new();
    work.write("out", "precious");
    work.refuse_sweep(&[], &["cannot write to the results folder out", "another --out", "Not a directory"]);
    let below = ["sweep", "tiny.json", "--out", "out/deeper"];
    work.refuse(&below, &["cannot write to the results folder out/deeper", "Not a directory"]);
    assert_eq!(work.read("out"), "precious");
}

#[test]
fn results_of_other_options_are_not_overwritten() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    let advice = "choose another --out, or --fork NEW_NAME to keep what still fits in a new folder";
    for (setting, run, difference) in [
        ("training.learning_rate=0.02", "relu/constant/seed-0", "training.learning_rate was 0.01 and is 0.02"),
        ("control.cool=0.8", "relu/paper/seed-0", "schedule.cool was 0.9 and is 0.8"),
        ("stream.tasks=4", "relu/constant/seed-0", "stream.tasks was 3 and is 4"),
        ("data.images=40", "relu/constant/seed-0", "data.images was 48 and is 40"),
    ] {
        work.refuse_sweep(
            &["--set", setting],
            &[&format!("out/runs/{run} holds results of other options"), difference, advice],
        );
    }
    let other_seed = ["--seeds", "1", "--set", "stream.tasks=4"];
    work.refuse_sweep(&other_seed, &["holds results of other options", "stream.tasks was 3 and is 4", advice]);
    let mut images = fs::read(work.path("images").join(IMAGE_FILES[0])).unwrap();
    *images.last_mut().unwrap() ^= 1;
    work.write(format!("images/{}", IMAGE_FILES[0]), images);
    work.refuse_sweep(&[], &["holds results of other options", "data.checksum was"]);
}

#[test]
fn arguments_that_make_no_sense() {
    let work = Workdir::new();
    let refuse = |arguments: &[&str], parts: &[&str]| work.refuse_sweep(arguments, parts);
    for setting in ["stream.tasks", "=3", "stream.=3", "..=1"] {
        refuse(&["--set", setting], &[&format!("--set {setting}"), "expected the form a.b=value"]);
    }
    refuse(&["--set", "seeds.x=3"], &["--set seeds.x=3", "`x` of `seeds.x`", "no object"]);
    let whole = "no object; a list is set whole, as in --set 'methods=[\"relu\",\"crelu\"]'";
    refuse(&["--set", "methods.1=crelu"], &["`1` of `methods.1`", whole]);
    refuse(
        &["--set", "stream.task=3"],
        &["tiny.json (with --set stream.task=3)", "`stream.task`", "did you mean tasks?"],
    );
    refuse(&["--set", "stream.tasks=0"], &["(with --set stream.tasks=0): `stream.tasks` is 0, expected at least 1"]);
    for seeds in ["", "a", "5..x", "1,,2", "-1"] {
        let given = format!("--seeds={seeds}");
        refuse(&[&given], &[&format!("--seeds is {seeds:?}"), "a range such as 0..5 or a list such as 0,3,4"]);
    }
    refuse(&["--seeds", "2,1,2"], &["--seeds is \"2,1,2\", expected each seed once"]);
    refuse(&["--seeds", "0..99999999999"], &["--seeds is \"0..99999999999\", expected at most 10000 seeds"]);
    refuse(&["--only", "foo/*"], &["--only foo/* chooses none of the 2 runs", "like relu/constant/seed-0"]);
    refuse(&["--only", "[a"], &["--only [a is no pattern", "'relu/*/*'", "unclosed character class"]);
    refuse(&["--jobs", "0"], &["--jobs is \"0\", expected a whole number, at least 1"]);
    for seconds in ["-1", "x", "inf", "NaN", ""] {
        let given = format!("--checkpoint-every={seconds}");
        refuse(&[&given], &[&format!("--checkpoint-every is {seconds:?}, expected a number of seconds, 0 or above")]);
    }
    for name in ["../x", "a/b", "", ".."] {
        refuse(&["--fork", name], &[&format!("--fork is {name:?}, expected the name of a new folder: 1 to 80")]);
    }
    refuse(&["--fork", "out"], &["--fork is \"out\", expected another name than that of the sweep's folder, out"]);
}

#[test]
fn folders_that_hold_no_sweep() {
    let work = Workdir::new();
    fs::create_dir(work.path("empty")).unwrap();
    for folder in ["empty", "nowhere", "tiny.json"] {
        work.refuse(&["report", folder], &[folder]);
        work.refuse(&["status", folder], &[folder]);
    }
    work.refuse(&["report", "empty"], &["empty holds no runs", "such as results/quick"]);
    work.refuse(&["report", "nowhere"], &["there is no folder nowhere, expected that of a sweep"]);
}

#[test]
fn damaged_runs_are_named_by_status_and_report_and_enter_no_number() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    let record = "out/runs/relu/paper/seed-0/run.json";
    work.write(record, &work.read(record)[..50]);
    let said = work.run(&["status", "out"]).succeeded();
    assert_contains(&said.stdout, &["2 runs: 1 damaged, 1 finished, 0 not begun", record, "is damaged: EOF while"]);
    let said = work.run(&["report", "out", "--plots", "plots"]).succeeded();
    assert_contains(&said.stdout, &["relu/paper, seed 0 is left out: out/runs/relu/paper/seed-0/run.json is damaged"]);
    assert_eq!(work.read("out/summary.csv").lines().count(), 1 + 1);

    // Valid CSV with another number in it: nothing but the checksum can tell.
    let tasks = "out/runs/relu/constant/seed-0/tasks.csv";
    work.write(tasks, work.read(tasks).replacen("\n1,18,", "\n1,17,", 1));
    let said = work.run(&["status", "out"]).succeeded();
    assert_contains(&said.stdout, &["2 runs: 2 damaged, 0 not begun", "its SHA-256 is not the one in run.json"]);
    let said = work.run(&["report", "out", "--plots", "plots"]);
    let said = said.failed_with(&["none of the 2 runs in out has finished and is whole"]);
    assert_contains(&said.stdout, &["relu/constant, seed 0 is left out", "its SHA-256 is not the one in run.json"]);

    let sweep = work.read("out/sweep.json").replace("\"jobs\": ", "\"jobs\": 1");
    work.write("out/sweep.json", sweep);
    for command in [&["status", "out"][..], &["report", "out", "--plots", "plots"]] {
        work.refuse(command, &["out/sweep.json is damaged", "does not fit its digest", "writes it anew"]);
    }
}

#[test]
fn a_file_in_the_way_of_the_figures_stays_as_it_is() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    work.write("plots", "precious");
    for folder in ["plots", "plots/deeper"] {
        let said = work.run(&["report", "out", "--plots", folder]).failed();
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
        assert!(said.stderr.starts_with("error: "));
        assert_contains(&said.stderr, &[folder]);
    }
    assert_eq!(work.read("plots"), "precious");
}
