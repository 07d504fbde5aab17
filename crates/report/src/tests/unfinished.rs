//! Sweeps that are looked at while they run: what is not finished is shown, and counts for nothing.

use std::fs;
use std::path::Path;

use trainability_record::text::sentence;

use super::report::{assert_is_a_picture, flat};
use super::synthetic::{Plan, Workplace, run_folder};
use crate::results::{RecordedRun, RecordedSweep};

fn plan() -> Plan {
    Plan { methods: vec!["l2_adam".into()], seeds: 2, ..Plan::small() }
}

const RUN: (&str, &str, u64) = ("l2_adam", "as_run", 1);

/// The CSV files that hold what is concluded.
fn conclusions(folder: &Path) -> Vec<String> {
    let names = ["summary.csv", "ordering.csv", "predictiveness.csv", "claims.csv"];
    names.map(|name| fs::read_to_string(folder.join(name)).unwrap()).to_vec()
}

#[test]
fn a_run_that_has_not_finished_is_shown_and_changes_no_number() {
    let workplace = Workplace::new(&plan());
    let accuracy: Vec<String> = {
        let folder = run_folder(&workplace.results(), RUN.0, RUN.1, RUN.2);
        let text = fs::read_to_string(folder.join("tasks.csv")).unwrap();
        let place = text.lines().next().unwrap().split(',').position(|name| name == "online_accuracy").unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
    };
    workplace.interrupt(RUN, 4);
    let (files, terminal) = workplace.report();
    let files = files.unwrap();
    let last: f64 = accuracy[3].parse().unwrap();
    let row = format!("l2_adam as_run 1 4 of 6 {last:.3}");
    assert!(flat(&terminal).contains(&row), "{row} is not in {terminal}");
    for file in [&files.markdown, &files.html] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("Unfinished runs") && text.contains("4 of 6"), "{}", file.display());
        assert!(text.contains("9 of 10 runs have finished, 1 is unfinished"), "{}", file.display());
    }
    let with = conclusions(&workplace.results());
    let curve = |name: &str| fs::read_to_string(workplace.plots().join(name)).unwrap();
    let drawn = [curve("online_accuracy.svg"), curve("learning_rate.svg"), curve("at_a_glance.svg")];
    for drawn in &drawn[..2] {
        assert!(drawn.contains("\nunfinished\n") && drawn.contains("no part of n"), "{drawn}");
    }
    assert!(!drawn[2].contains("unfinished"), "the answer is of what has finished");

    fs::remove_dir_all(run_folder(&workplace.results(), RUN.0, RUN.1, RUN.2)).unwrap();
    let (files, terminal) = workplace.report();
    files.unwrap();
    assert!(!terminal.contains("Unfinished runs"));
    assert_eq!(conclusions(&workplace.results()), with);
    assert!(!curve("online_accuracy.svg").contains("unfinished"));
    assert_eq!(curve("at_a_glance.svg"), drawn[2]);
}

/// The run that has not finished, as it is read.
fn read(workplace: &Workplace) -> RecordedRun {
    let mut sweep = RecordedSweep::survey(&workplace.results()).unwrap();
    sweep.read_numbers(&workplace.results()).unwrap();
    let is_it = |run: &RecordedRun| (&*run.arm.method, &*run.arm.schedule, run.seed) == RUN;
    sweep.runs.into_iter().find(is_it).unwrap()
}

#[test]
fn rows_that_are_half_there_do_not_count_wherever_they_end() {
    let workplace = Workplace::new(&plan());
    workplace.interrupt(RUN, 3);
    let folder = run_folder(&workplace.results(), RUN.0, RUN.1, RUN.2);
    let [tasks, controls] = ["tasks.csv.partial", "controls.csv.partial"].map(|name| folder.join(name));
    let whole = fs::read(&tasks).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] == b'\n').collect();
    assert_eq!(ends.len(), 4, "a header and three tasks");
    for end in (0..whole.len()).filter(|end| end % 7 == 0 || ends.iter().any(|row| end.abs_diff(*row) < 2)) {
        fs::write(&tasks, &whole[..end]).unwrap();
        let run = read(&workplace);
        let expected = ends.iter().filter(|row| **row < end).count().saturating_sub(1);
        assert!(
            run.unfinished() && run.tasks() == expected,
            "{end}: {} instead of {expected}: {:?}",
            run.tasks(),
            run.damage
        );
    }
    fs::write(&tasks, &whole).unwrap();
    let rows = read(&workplace).trace("fc3").unwrap().updates.len();
    assert!((20..25).contains(&rows), "eight events a task, and at most one more: {rows}");
    // The rows of layers may be a task behind, or none may be there.
    for rows in ["", "task,upd"] {
        fs::write(&controls, rows).unwrap();
        assert!(read(&workplace).tasks() == 3 && read(&workplace).traces.is_empty());
    }
    // A file that just got its name, of a run that has not said so yet.
    fs::rename(&tasks, folder.join("tasks.csv")).unwrap();
    assert_eq!(read(&workplace).tasks(), 3);
}

#[test]
fn rows_that_no_run_can_have_written_are_damage() {
    let workplace = Workplace::new(&plan());
    workplace.interrupt(RUN, 4);
    let folder = run_folder(&workplace.results(), RUN.0, RUN.1, RUN.2);
    let (tasks, controls) = (folder.join("tasks.csv.partial"), folder.join("controls.csv.partial"));
    let whole = fs::read_to_string(&tasks).unwrap();
    let damaged = |expected: &str| {
        let run = read(&workplace);
        let damage = run.damage.as_deref().unwrap();
        assert!(damage.contains(expected) && !run.unfinished() && run.tasks() == 0, "{damage}");
    };
    for (changed, expected) in [
        (whole.replacen("\n1,", "\none,", 1), "tasks.csv.partial, line 3: task holds \"one\"; expected a number"),
        (whole.replacen("\n1,", "\n2,", 1), "tasks.csv.partial: its tasks do not follow each other"),
        (whole.replace("online_accuracy", "accuracy"), "has no column online_accuracy"),
    ] {
        fs::write(&tasks, changed).unwrap();
        damaged(expected);
    }
    fs::write(&tasks, &whole).unwrap();
    assert!(read(&workplace).damage.is_none());
    fs::write(&controls, fs::read_to_string(&controls).unwrap().replacen("fc1,", "fc1,x", 1)).unwrap();
    damaged("controls.csv.partial, line 2: learning_rate holds");
    let (files, terminal) = workplace.report();
    files.unwrap();
    assert!(flat(&terminal).contains("l2_adam/as_run, seed 1 is left out: ") && !terminal.contains("Unfinished runs"));
}

/// Every run but one was not begun; that one goes on.
fn alone(tasks: usize) -> Workplace {
    let workplace = Workplace::new(&Plan { methods: vec!["l2_adam".into()], seeds: 1, ..Plan::small() });
    let run = ("l2_adam", "as_run", 0);
    workplace.interrupt(run, tasks);
    for other in ["l2_adam/constant", "l2_adam/paper", "l2_adam/debiased", "reset"] {
        fs::remove_dir_all(workplace.results().join("runs").join(other)).unwrap();
    }
    workplace
}

#[test]
fn a_sweep_of_which_nothing_has_finished_is_shown_as_far_as_it_is() {
    let workplace = alone(5);
    let (files, terminal) = workplace.report();
    let files = files.unwrap();
    let opening = "No run has finished yet: this is how far 1 run that is under way or was interrupted has come";
    assert!(terminal.starts_with(opening), "{terminal}");
    assert!(flat(&terminal).contains("l2_adam as_run 0 5 of 6"), "{terminal}");
    assert!(!terminal.contains("Verdicts"), "{terminal}");
    let markdown = fs::read_to_string(&files.markdown).unwrap();
    assert!(markdown.lines().nth(2).unwrap().starts_with(opening), "{markdown}");
    assert!(markdown.contains("0 of 1 runs have finished, 1 is unfinished"), "{markdown}");
    assert!(fs::read_to_string(&files.html).unwrap().contains(opening));
    let names: Vec<&str> = files.figures.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["online_accuracy.png", "learning_rate.png"]);
    files.figures.iter().for_each(|figure| assert_is_a_picture(figure));
    for file in [&files.summary, &files.ordering, &files.predictiveness, &files.claims] {
        assert!(!file.exists(), "{} holds conclusions", file.display());
    }
    // A part of the tasks, and no groups.
    let (files, terminal) = workplace.report_with(|request| request.filters = vec!["task=2..3".parse().unwrap()]);
    files.unwrap();
    assert!(
        flat(&terminal).contains("Only tasks 2 to 3 enter") && flat(&terminal).contains("as_run 0 3 of 6"),
        "{terminal}"
    );
    let (refused, _) = workplace.report_with(|request| request.group_by = Some("method".into()));
    assert!(
        sentence(&refused.unwrap_err()).contains("--group-by is \"method\", expected none before a run has finished")
    );
}

#[test]
fn before_the_first_task_is_done_there_is_nothing_to_show() {
    let workplace = alone(0);
    let error = workplace.error();
    assert!(error.contains("none of the 1 runs in") && error.contains("has finished or completed a task"), "{error}");
    assert!(!workplace.plots().exists());
}

#[test]
fn of_many_runs_the_first_are_shown_and_the_others_counted() {
    let workplace = Workplace::new(&Plan { methods: vec!["l2_adam".into()], seeds: 8, ..Plan::small() });
    for seed in 0..8 {
        for schedule in ["paper", "as_run", "debiased"] {
            workplace.interrupt(("l2_adam", schedule, seed), 2);
        }
    }
    let (files, terminal) = workplace.report();
    for text in [flat(&terminal), flat(&fs::read_to_string(files.unwrap().markdown).unwrap())] {
        assert!(text.contains("These are the first 20 of 24 such runs."), "{text}");
        assert!(text.contains("And 19 more have not finished."), "{text}");
        assert_eq!(text.matches("has not finished. No number counts it").count(), 5, "{text}");
    }
}
