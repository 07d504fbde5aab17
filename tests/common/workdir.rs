//! A place to work in, for every test that calls the program: a temporary folder with a tiny image set and a tiny experiment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;
use trainability::data::{ImageSet, load};
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability_record::{RunRecord, read_record};

/// Updates of a run of the tiny experiment.
pub(crate) const UPDATES: u64 = 27;
/// Those of them that are measured: after 3, 6, ... 24 others.
pub(crate) const MEASURED: u64 = 8;

/// What a call left on its streams.
pub(crate) struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Asserts the exit code 0.
    pub(crate) fn succeeded(self) -> Said {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts the exit code 1.
    pub(crate) fn failed(self) -> Said {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts the exit code 1, and that standard error has all of these.
    pub(crate) fn failed_with(self, parts: &[&str]) -> Said {
        let said = self.failed();
        assert_contains(&said.stderr, parts);
        said
    }

    /// Asserts that standard output has all of these, whatever the line breaks.
    pub(crate) fn tells(self, parts: &[&str]) -> Said {
        assert_contains(&self.stdout, parts);
        self
    }
}

/// Asserts that a text has all of these, whatever the line breaks.
pub(crate) fn assert_contains(text: &str, parts: &[&str]) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(words(text).contains(&words(part)), "{part:?} is not in {text}");
    }
}

/// Everything below a folder: folders, and files with their bytes and time of change.
pub(crate) type Snapshot = BTreeMap<PathBuf, Option<(Vec<u8>, SystemTime)>>;

/// Lets a program hear the signals that tests send: what a test ignores, because nohup or a shell's `&` started it, its children
/// would ignore as well.
pub(crate) fn hear_signals(program: &mut Command) {
    // SAFETY: system calls alone, which are allowed between fork and exec.
    unsafe {
        program.pre_exec(|| {
            [libc::SIGHUP, libc::SIGINT].iter().for_each(|&signal| _ = libc::signal(signal, libc::SIG_DFL));
            Ok(())
        });
    }
}

pub(crate) struct Workdir {
    folder: TempDir,
}

impl Workdir {
    pub(crate) fn new() -> Workdir {
        let work = Workdir { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(work.path("images")).unwrap();
        image_set().write_idx(&work.path("images")).unwrap();
        work.experiment(&[]);
        work
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn json(&self, name: impl AsRef<Path>) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes `tiny.json` with some values set by their key path.
    pub(crate) fn experiment(&self, changes: &[(&str, Value)]) {
        let mut experiment = tiny();
        for (key, value) in changes {
            let mut place = &mut experiment;
            for part in key.split('.') {
                place = &mut place[part];
            }
            *place = value.clone();
        }
        self.write("tiny.json", experiment.to_string());
    }

    /// The plan of `tiny.json` and its images, for runs in this process.
    pub(crate) fn plan(&self) -> (Plan, ImageSet) {
        tch::set_num_threads(1);
        let set = load("idx", Some(&self.path("images"))).unwrap();
        let experiment = Experiment::load(&self.path("tiny.json"), &[]).unwrap();
        let facts = ImageFacts::of(&set);
        (Plan::new(experiment, &facts).unwrap(), set)
    }

    /// Calls the program in this folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(&[], arguments)
    }

    /// Calls it with environment variables set.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut program = assert_cmd::cargo::cargo_bin_cmd!("trainability");
        program.args(arguments).current_dir(self.folder.path()).envs(variables.iter().copied());
        let output = program.env("OMP_NUM_THREADS", "1").env("RUST_BACKTRACE", "0").output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// `sweep tiny.json --out OUT` and more arguments.
    pub(crate) fn sweep(&self, out: &str, arguments: &[&str]) -> Said {
        self.run(&[&["sweep", "tiny.json", "--out", out], arguments].concat())
    }

    /// The same with an environment variable set.
    pub(crate) fn sweep_with(&self, variable: &str, value: &str, out: &str, arguments: &[&str]) -> Said {
        self.run_with(&[(variable, value)], &[&["sweep", "tiny.json", "--out", out], arguments].concat())
    }

    /// A call that must be refused in one sentence with these parts, and must change nothing.
    pub(crate) fn refuse(&self, arguments: &[&str], parts: &[&str]) {
        let before = self.snapshot("");
        let said = self.run(arguments).failed();
        let line = said.stderr.strip_suffix('\n').unwrap_or(&said.stderr);
        assert!(line.starts_with("error: ") && !line.contains('\n'), "one sentence: {:?}", said.stderr);
        assert!(!line.contains("panicked"), "{line}");
        assert_contains(line, parts);
        assert_eq!(said.stdout, "");
        assert_eq!(self.snapshot(""), before, "something changed: {line}");
    }

    /// The same for a sweep.
    pub(crate) fn refuse_sweep(&self, arguments: &[&str], parts: &[&str]) {
        self.refuse(&[&["sweep", "tiny.json", "--out", "out"], arguments].concat(), parts);
    }

    /// Everything below a folder.
    pub(crate) fn snapshot(&self, folder: &str) -> Snapshot {
        let mut found = Snapshot::new();
        collect(&self.path(folder), &self.path(folder), &mut found);
        found
    }

    /// The names of the runs in a sweep's folder, in alphabetical order.
    pub(crate) fn runs(&self, out: &str) -> Vec<String> {
        let names = self.snapshot(&format!("{out}/runs")).into_keys();
        names.filter_map(|path| Some(path.to_str()?.strip_suffix("/run.json")?.to_owned())).collect()
    }

    /// A folder with an experiment of twelve runs of two kinds of schedules, and in `whole` what one process makes of it.
    pub(crate) fn of_twelve_runs(epochs: usize) -> Workdir {
        let work = Workdir::new();
        work.experiment(&[
            ("methods", json!(["relu", "crelu", "wasserstein"])),
            ("schedules", json!(["constant", "paper"])),
            ("stream.epochs", json!(epochs)),
            ("seeds", json!(2)),
        ]);
        work.sweep("whole", &["--jobs", "2"]).succeeded();
        work
    }

    /// Asserts that two sweeps have the same runs, with the same rows and decisions.
    pub(crate) fn assert_same_runs(&self, out: &str, whole: &str) {
        assert_eq!(self.runs(out), self.runs(whole));
        for run in self.runs(whole) {
            assert_eq!(self.rows(out, &run), self.rows(whole, &run), "{run}");
            assert_eq!(self.record(out, &run).events, self.record(whole, &run).events, "{run}");
        }
    }

    /// The record of a run.
    pub(crate) fn record(&self, out: &str, run: &str) -> RunRecord {
        read_record(&self.path(format!("{out}/runs/{run}"))).unwrap().unwrap()
    }

    /// `tasks.csv` and `controls.csv` of a run.
    pub(crate) fn rows(&self, out: &str, run: &str) -> [String; 2] {
        ["tasks.csv", "controls.csv"].map(|name| self.read(format!("{out}/runs/{run}/{name}")))
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Snapshot) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if path.is_dir() {
            found.insert(name, None);
            collect(root, &path, found);
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(name, Some((fs::read(&path).unwrap(), changed)));
        }
    }
}

pub(crate) fn image_set() -> ImageSet {
    let count = 48;
    ImageSet {
        name: "synthetic".to_owned(),
        images: (0..count * 16).map(|place| (place * place / 7 % 256) as u8).collect(),
        labels: (0..count).map(|place| (place % 10) as u8).collect(),
        count,
        rows: 4,
        columns: 4,
        channels: 1,
        classes: 10,
        first_label: 0,
        checksum: String::new(),
        test: None,
    }
}

fn tiny() -> Value {
    json!({
        "data": { "set": "idx", "folder": "images" },
        "stream": { "tasks": 3, "epochs": 3 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 20, "learning_rate": 0.01 },
        "measure": { "interval": 3, "window": 3, "probe_images": 16 },
        "control": { "cool": 0.9, "floor": 0.0 },
        "methods": ["relu"],
        "schedules": ["constant", "paper"],
        "seeds": 1
    })
}
