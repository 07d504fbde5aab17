//! Sweeps as processes that can be ended at any moment, and what must be true of their folders then.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use trainability_record::{Status, read_record};

use super::workdir::Workdir;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether the long version was asked for.
pub(crate) fn long() -> bool {
    std::env::var("TRAINABILITY_FAULTS").is_ok_and(|version| version == "long")
}

/// The generator of one test.
pub(crate) fn generator(stream: u64) -> ChaCha8Rng {
    let seed = std::env::var("TRAINABILITY_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

/// Tells what a test did; seen with `--nocapture`.
pub(crate) fn tell(text: &str) {
    println!("faults: {text}");
}

/// Two runs of less than a second each, with penalties, decays and a schedule that remembers.
pub(crate) fn workplace() -> Workdir {
    let work = Workdir::new();
    work.experiment(&[
        ("methods", json!(["crelu+wasserstein", "l2_adam"])),
        ("schedules", json!(["debiased"])),
        ("stream.tasks", json!(4)),
        ("stream.epochs", json!(40)),
    ]);
    work.sweep("whole", &["--jobs", "2"]).succeeded();
    work
}

/// `sweep tiny.json --out OUT` and more arguments, as a process.
pub(crate) fn command(work: &Workdir, out: &str, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", out]).args(arguments).current_dir(work.path(""));
    program.env("OMP_NUM_THREADS", "1").env("RUST_BACKTRACE", "0");
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// A process that is ended with the test, whatever becomes of it.
pub(crate) struct Sweeping(Option<Child>);

impl Sweeping {
    pub(crate) fn start(command: &mut Command) -> Sweeping {
        Sweeping(Some(command.spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    pub(crate) fn id(&mut self) -> u32 {
        self.child().id()
    }

    /// Waits until the sweep says that it goes to work, or is over.
    pub(crate) fn at_work(&mut self) {
        let mut line = String::new();
        BufReader::with_capacity(1, self.child().stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    }

    /// Waits until something holds; false if the process is over before.
    pub(crate) fn until(&mut self, mut holds: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !holds() {
            if self.child().try_wait().unwrap().is_some() {
                return holds();
            }
            assert!(start.elapsed() < PATIENCE, "it never came to that");
            sleep(Duration::from_millis(1));
        }
        true
    }

    /// Kills the process; false if it was over before.
    pub(crate) fn kill(mut self) -> bool {
        let running = self.child().try_wait().unwrap().is_none();
        self.child().kill().unwrap();
        self.child().wait().unwrap();
        running
    }

    /// Waits for the end.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How often files below a folder were seen to change: every version that was looked at is counted once.
#[derive(Default)]
pub(crate) struct Changes(HashSet<(u64, u64, i64, i64)>);

impl Changes {
    /// Looks at the files of that name, or with an empty name at all, and returns the number of versions seen so far. Files come
    /// and go while this looks.
    pub(crate) fn look(&mut self, folder: &Path, name: &str) -> usize {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => {
                    self.look(&entry.path(), name);
                }
                Ok(found) if name.is_empty() || entry.file_name() == name => {
                    self.0.insert((found.ino(), found.len(), found.mtime(), found.mtime_nsec()));
                }
                _ => {}
            }
        }
        self.0.len()
    }
}

/// Names the first row that is not the same; whole files would be too long to read.
fn assert_same_rows(work: &Workdir, out: &str, run: &str) {
    for (found, expected) in work.rows(out, run).iter().zip(work.rows("whole", run)) {
        let differ = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(differ.is_none(), "{out}/{run} has another row than whole: {differ:?}");
        assert!(*found == expected, "{out}/{run} has {} bytes, whole has {}", found.len(), expected.len());
    }
}

/// What must be true at any moment: every record can be read, and what counts as finished is the same as in `whole`.
/// Returns how many runs have a checkpoint.
pub(crate) fn assert_sound(work: &Workdir, out: &str) -> usize {
    let mut checkpoints = 0;
    for run in work.runs("whole") {
        let folder = work.path(format!("{out}/runs/{run}"));
        let record = read_record(&folder).unwrap_or_else(|damage| panic!("{damage}"));
        if record.is_some_and(|record| record.status == Status::Finished) {
            assert_same_rows(work, out, &run);
        }
        checkpoints += usize::from(folder.join("checkpoint/state.safetensors").exists());
    }
    checkpoints
}

/// The sweep is the same as `whole`, byte by byte where bytes are promised, and nothing is left over. Returns how often
/// its runs were resumed.
pub(crate) fn assert_whole(work: &Workdir, out: &str) -> u64 {
    assert_eq!(work.runs(out), work.runs("whole"));
    let mut resumptions = 0;
    for run in work.runs("whole") {
        assert_same_rows(work, out, &run);
        let (found, expected) = (work.record(out, &run), work.record("whole", &run));
        assert_eq!((found.status, found.updates, &found.events), (expected.status, expected.updates, &expected.events));
        assert_eq!(found.checksums, expected.checksums);
        resumptions += found.resumptions;
    }
    let names = |out: &str| work.snapshot(&format!("{out}/runs")).into_keys().collect::<Vec<_>>();
    assert_eq!(names(out), names("whole"), "something is left over");
    resumptions
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
