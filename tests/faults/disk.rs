//! Disks that are full, read-only, or have their files taken away: named, and the same command goes on when they are well.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::harness::{Sweeping, assert_sound, assert_whole, command, long, tell, workplace};
use super::workdir::{Workdir, assert_contains};

const RUN: &str = "l2_adam/debiased/seed-0";
const OTHER: &str = "crelu+wasserstein/debiased/seed-0";

/// A small file system in memory, taken away with the test.
struct Mount(PathBuf);

impl Mount {
    /// None where mounting is not permitted.
    fn new(path: &Path, options: &str) -> Option<Mount> {
        fs::create_dir_all(path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], path);
        mounted.then(|| Mount(path.to_owned()))
    }

    /// The same place once more, so that it can be made read-only while files are open.
    fn bound(path: &Path) -> Option<Mount> {
        mount(&["--bind", path.to_str().unwrap()], path).then(|| Mount(path.to_owned()))
    }

    /// The kernel refuses to make a place read-only in the moments in which somebody has a file open for writing there.
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        for _ in 0..500 {
            if mount(&["-o", &options], &self.0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it was mounted a moment ago, and cannot be remounted with {options}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

/// Asserts that a sweep failed in an orderly way, and returns what it told.
fn failed_orderly(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stdout.contains("not finished: ") || stderr.contains("error: cannot write "), "{stdout}{stderr}");
    format!("{stdout}{stderr}")
}

fn sweep(work: &Workdir, arguments: &[&str]) -> Output {
    command(work, "out", arguments).output().unwrap()
}

#[test]
fn a_full_disk_is_named_and_the_same_command_goes_on_when_there_is_room() {
    let work = workplace();
    let sizes =
        (0..).map(|index| if long() { 8 << index } else { 8 << (2 * index) }).map(|size| format!("size={size}k"));
    let files = (3..).step_by(if long() { 1 } else { 4 }).map(|files| format!("size=64m,nr_inodes={files}"));
    for (what, limits) in
        [("room", &mut sizes.take(12) as &mut dyn Iterator<Item = String>), ("files", &mut files.take(40))]
    {
        let (mut full, mut with_checkpoint) = (0, 0);
        for limit in limits {
            let Some(disk) = Mount::new(&work.path("out"), &limit) else {
                return tell("skipped the full disk: mounting is not permitted here");
            };
            let output = sweep(&work, &["--jobs", "2", "--checkpoint-every", "0.05"]);
            if output.status.success() {
                assert_whole(&work, "out");
                break;
            }
            let told = failed_orderly(&output);
            assert_contains(&told, &["No space left on device", "out/"]);
            with_checkpoint += assert_sound(&work, "out");
            full += 1;
            disk.remount("size=256m,nr_inodes=100000");
            work.sweep("out", &["--jobs", "2"]).succeeded();
            assert_whole(&work, "out");
        }
        assert!(full > 1, "a disk was too small");
        tell(&format!("{full} disks without {what}, {with_checkpoint} runs with a checkpoint: each sweep went on"));
    }
}

#[test]
fn files_that_may_not_grow_are_named_and_the_same_command_goes_on() {
    let work = workplace();
    let mut tried = 0;
    // The checkpoint, then the rows, do not fit.
    for blocks in [4, 16, 64, 256] {
        let mut limited = Command::new("sh");
        let sweep = command(&work, "out", &["--jobs", "2", "--checkpoint-every", "0.05"]);
        // The signal would end the process; what remains is the error.
        limited.args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &blocks.to_string()]);
        limited.arg(sweep.get_program()).args(sweep.get_args()).current_dir(work.path(""));
        limited.env("OMP_NUM_THREADS", "1").env("RUST_BACKTRACE", "0");
        let output = limited.output().unwrap();
        if output.status.success() {
            continue;
        }
        assert_contains(&failed_orderly(&output), &["File too large", "out/"]);
        assert_sound(&work, "out");
        work.sweep("out", &["--jobs", "2"]).succeeded();
        assert_whole(&work, "out");
        fs::remove_dir_all(work.path("out")).unwrap();
        tried += 1;
    }
    assert!(tried > 1, "a limit was too small");
    tell(&format!("{tried} limits on the size of files: each sweep went on without them"));
}

#[test]
fn a_read_only_folder_is_refused_and_left_as_it_is() {
    let work = workplace();
    let disk = Mount::new(&work.path("out"), "size=64m");
    work.sweep("out", &["--only", RUN]).succeeded();
    let (reason, writable): (_, Box<dyn FnOnce()>) = match disk {
        Some(disk) => {
            disk.remount("ro");
            (
                "Read-only file system",
                Box::new(move || {
                    disk.remount("rw");
                    std::mem::forget(disk);
                }),
            )
        }
        None => {
            fs::set_permissions(work.path("out"), Permissions::from_mode(0o555)).unwrap();
            if fs::write(work.path("out/trial"), "").is_ok() {
                return tell(
                    "skipped the read-only folder: permissions do not bind this user, who may not mount either",
                );
            }
            let path = work.path("out");
            ("Permission denied", Box::new(move || fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap()))
        }
    };
    let before = work.snapshot("out");
    let said = work.sweep("out", &[]).failed_with(&["error: cannot write to the results folder out", reason]);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    let said = work
        .run(&["report", "out", "--plots", "plots"])
        .failed_with(&["error: cannot write out/summary.csv: ", reason]);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    work.run(&["status", "out"]).succeeded();
    assert_eq!(work.snapshot("out"), before);
    writable();
    work.sweep("out", &[]).succeeded();
    assert_whole(&work, "out");
    let _ = Command::new("umount").arg("-l").arg(work.path("out")).output();
    tell(&format!("a read-only folder ({reason}): refused, and the sweep went on when it was writable"));
}

#[test]
fn a_folder_that_becomes_read_only_under_a_run_fails_that_run_alone_and_is_listed() {
    let work = workplace();
    let mut sweeping = Sweeping::start(&mut command(&work, "out", &["--jobs", "2", "--checkpoint-every", "0.05"]));
    let folder = work.path("out/runs").join(RUN);
    assert!(sweeping.until(|| folder.join("checkpoint").exists()));
    let Some(disk) = Mount::bound(&folder) else {
        return tell("skipped the folder that becomes read-only: mounting is not permitted here");
    };
    disk.remount("bind,ro");
    let told = failed_orderly(&sweeping.output());
    assert_contains(
        &told,
        &["1 runs finished", &format!("not finished: {RUN}: cannot write"), "Read-only file system"],
    );
    assert_sound(&work, "out");
    drop(disk);
    work.sweep("out", &[]).succeeded().tells(&["1 runs finished, 1 were finished before"]);
    assert!(assert_whole(&work, "out") > 0, "it went on from its checkpoint");
    tell("a folder that became read-only under a run: listed, and the run went on from its checkpoint");
}

#[test]
fn files_that_are_taken_away_while_running_are_named_and_the_same_command_goes_on() {
    let work = workplace();
    let mut tried = 0;
    for gone in ["out", "out/runs", &format!("out/runs/{RUN}"), &format!("out/runs/{RUN}/tasks.csv.partial")] {
        let mut sweeping = Sweeping::start(&mut command(&work, "out", &["--jobs", "2"]));
        let both = || [RUN, OTHER].iter().all(|run| work.path("out/runs").join(run).join("run.json").exists());
        assert!(sweeping.until(both));
        let path = work.path(gone);
        // A run may write into the folder while it is being removed.
        let removed = |_: usize| if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.is_ok();
        assert!((0..100).any(removed), "{gone}");
        let told = failed_orderly(&sweeping.output());
        assert_contains(&told, &["not finished: ", "No such file or directory", "out/runs/"]);
        let alone = gone.contains(RUN);
        assert_contains(&told, &[if alone { "1 runs finished" } else { "0 runs finished" }]);
        assert_sound(&work, "out");
        work.sweep("out", &["--jobs", "2"]).succeeded();
        assert_whole(&work, "out");
        fs::remove_dir_all(work.path("out")).unwrap();
        tried += 1;
    }
    tell(&format!("{tried} times something was removed under a sweep at work: it was named, and the sweep went on"));
}
