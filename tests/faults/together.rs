//! Two sweeps on one folder.

use super::harness::{Sweeping, assert_whole, command, long, tell, workplace};
use super::workdir::assert_contains;

#[test]
fn the_second_of_two_is_refused_and_the_first_is_not_disturbed() {
    let work = workplace();
    let mut first = Sweeping::start(&mut command(&work, "out", &["--jobs", "2"]));
    first.at_work();
    work.sweep("out", &[])
        .failed_with(&["error: another sweep is at work in out (process ", "): wait for it, or choose another --out"]);
    assert_eq!(first.output().status.code(), Some(0));
    assert_whole(&work, "out");

    // A killed one leaves its claim, which is known to be a dead process's.
    let mut killed = Sweeping::start(&mut command(&work, "killed", &["--jobs", "2"]));
    killed.at_work();
    killed.kill();
    work.sweep("killed", &[]).succeeded();
    assert_whole(&work, "killed");
}

#[test]
fn of_two_that_start_at_once_one_works_and_the_results_are_whole() {
    let work = workplace();
    let rounds = if long() { 20 } else { 2 };
    let (mut refused, mut late) = (0, 0);
    for round in 0..rounds {
        let out = format!("out{round}");
        let pair = [0, 1].map(|_| Sweeping::start(&mut command(&work, &out, &["--jobs", "2"])));
        let outputs = pair.map(Sweeping::output);
        let told = |index: usize| {
            let output = &outputs[index];
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let codes = [0, 1].map(|index| outputs[index].status.code());
        match codes.iter().filter(|code| **code == Some(0)).count() {
            1 => {
                let loser = codes.iter().position(|code| *code == Some(1)).unwrap();
                assert_contains(&told(loser), &["another sweep is at work in"]);
                refused += 1;
            }
            // So slow a start that the other was over before.
            2 => {
                assert!([0, 1].iter().any(|&index| told(index).contains("2 were finished before")));
                late += 1;
            }
            _ => panic!("{}{}", told(0), told(1)),
        }
        assert_whole(&work, &out);
    }
    tell(&format!("{rounds} pairs on one folder: the second was refused {refused} times, and came late {late} times"));
}
