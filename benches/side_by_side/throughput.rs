//! Whole runs through the program: what measuring costs them, what a second core brings, and what lock step costs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use trainability_record::read_record;

/// `configs/standard.json`, shortened to three tasks.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/standard.json");
const TASKS: &str = "stream.tasks=3";

/// One call of the program.
#[derive(Debug, Serialize)]
struct Row {
    /// `unmeasured`, `measured`, `two_jobs` for two measured runs at once, or `lockstep` for two in lock step on one core.
    case: &'static str,
    round: usize,
    runs: usize,
    /// Seconds of the longest run, by its own record; of runs in lock step each has its share.
    seconds: f64,
    /// Of these, for indicators at the start and end of tasks.
    indicators_seconds: f64,
}

/// Calls the program in turn and prints a row of CSV for each call.
pub(crate) fn throughput(program: &Path, rounds: usize) -> Result<()> {
    let mut writer = csv::Writer::from_writer(std::io::stdout());
    for round in 0..rounds {
        let cases = [
            ("unmeasured", 0, 1, "local"),
            ("measured", 40, 1, "local"),
            ("two_jobs", 40, 2, "local"),
            ("lockstep", 40, 2, "lockstep"),
        ];
        for (case, interval, runs, engine) in cases {
            let (seconds, indicators_seconds) = sweep(program, interval, runs, engine)?;
            writer.serialize(Row { case, round, runs, seconds, indicators_seconds })?;
            writer.flush()?;
        }
    }
    Ok(())
}

/// Makes as many runs at once, in lock step on one core and elsewhere each on its own, and returns the seconds of the longest and its seconds for indicators.
fn sweep(program: &Path, interval: usize, runs: usize, engine: &str) -> Result<(f64, f64)> {
    let jobs = if engine == "lockstep" { 1 } else { runs };
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let out = folder.path().join("sweep");
    let output = Command::new(program)
        .args(["sweep", CONFIG, "--set", TASKS, "--set", &format!("measure.interval={interval}")])
        .args(["--set", r#"methods=["relu"]"#, "--set", r#"schedules=["constant"]"#])
        .args(["--seeds", &format!("0..{runs}"), "--jobs", &jobs.to_string(), "--engine", engine, "--out"])
        .arg(&out)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} sweep failed: {}", program.display(), complaint.trim());
    let mut longest = (0.0, 0.0);
    for seed in 0..runs {
        let folder = out.join(format!("runs/relu/constant/seed-{seed}"));
        let record = read_record(&folder)?.with_context(|| format!("{} holds no record", folder.display()))?;
        let part = |name: &str| record.seconds.get(name).copied().unwrap_or_default();
        if part("total") > longest.0 {
            longest = (part("total"), part("indicators"));
        }
    }
    Ok(longest)
}
