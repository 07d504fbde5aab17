//! Where the results of a sweep come from: code, libraries, machine, images, time.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use serde_json::{Value, json};
use trainability_record::Glossary;
use trainability_record::digest::{Digest, read_json, write_json};
use trainability_record::run::run_folders;

use super::error::SweepError;
use super::glossary::glossary;
use super::options::SweepOptions;
use crate::data::ImageSet;
use crate::experiment::Plan;

/// The content of `sweep.json`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Provenance {
    name: String,
    about: String,
    /// The experiment with settings laid over it and defaults filled in.
    experiment: Value,
    /// Runs of the plan, and those of earlier calls with other seeds or labels.
    runs: usize,
    classes: u32,
    /// The commit that the program was built from; absent where its sources have changed since.
    git_commit: Option<String>,
    /// Whether files differed from that commit.
    git_dirty: Option<bool>,
    program: &'static str,
    tch: Option<String>,
    libtorch: Option<&'static str>,
    /// Whether MKL was made to take its fast paths: `fast`, or `default` where TRAINABILITY_MKL says so.
    mkl: &'static str,
    processor: String,
    jobs: usize,
    threads_per_run: usize,
    data: Value,
    /// The sweep whose finished runs were kept by `--fork`, and how many were kept in this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<Value>,
    start: String,
    end: Option<String>,
    /// What the names in the sweep's files mean.
    glossary: Glossary,
}

impl Provenance {
    /// What is known at the start; `fork` names the sweep that runs were kept from, and how many.
    pub(super) fn begin(
        plan: &Plan,
        set: &ImageSet,
        options: &SweepOptions,
        fork: Option<(&Path, usize)>,
    ) -> Provenance {
        let status = git(&["status", "--porcelain"]);
        Provenance {
            name: plan.name.clone(),
            about: plan.experiment.about.clone(),
            experiment: serde_json::to_value(&plan.experiment).unwrap_or(Value::Null),
            runs: count_runs(&options.out, plan),
            classes: u32::from(set.classes),
            git_commit: git(&["rev-parse", "HEAD"]).filter(|_| !is_older_than_its_sources()),
            git_dirty: status.map(|status| !status.is_empty()),
            program: env!("CARGO_PKG_VERSION"),
            tch: locked_version("tch"),
            libtorch: option_env!("TRAINABILITY_LIBTORCH_VERSION"),
            mkl: if trainability_tensor::mkl::is_default() { "default" } else { "fast" },
            processor: processor(),
            jobs: options.jobs,
            threads_per_run: 1,
            data: json!({ "set": set.name, "images": set.count, "checksum": set.checksum }),
            fork: fork.map(|(source, kept)| json!({ "of": source, "kept": kept })),
            start: jiff::Timestamp::now().to_string(),
            end: None,
            glossary: glossary(),
        }
    }

    /// Whether an earlier `sweep.json` describes the same sweep.
    pub(super) fn is_of(&self, earlier: &Value) -> bool {
        earlier.get("experiment") == Some(&self.experiment) && earlier.get("runs") == Some(&json!(self.runs))
    }
}

/// Notes in `sweep.json` that the sweep, or a share of it, has ended now.
///
/// # Errors
/// The file is damaged, or cannot be written.
pub(super) fn note_end(path: &Path) -> Result<(), SweepError> {
    let mut provenance = read_json(path, Digest::Optional).map_err(SweepError::Changed)?;
    provenance["end"] = jiff::Timestamp::now().to_string().into();
    Ok(write_json(path, &provenance)?)
}

/// The runs of the plan, and those in the sweep's folder that it does not have.
fn count_runs(results: &Path, plan: &Plan) -> usize {
    let planned: HashSet<PathBuf> = plan.runs.iter().map(|run| results.join("runs").join(run.name())).collect();
    planned.len() + run_folders(results).iter().filter(|folder| !planned.contains(*folder)).count()
}

/// What git says of the folder that this program was built in, if both are still there.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a source file is newer than the program, so that the commit beside it is not the one that it was built from.
fn is_older_than_its_sources() -> bool {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let Some(built) = std::env::current_exe().ok().and_then(|program| modified(&program)) else { return true };
    let sources = git(&["ls-files", "*.rs", "Cargo.lock"]).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    sources.lines().filter_map(|file| modified(&root.join(file))).any(|changed| changed > built)
}

/// The version of a crate that this program was built with.
fn locked_version(package: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"\n")))?;
    Some(entry.split("version = \"").nth(1)?.split('"').next()?.to_owned())
}

/// The processor's name where the system tells it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1).map(str::trim));
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_the_version_of_tch() {
        assert!(locked_version("tch").unwrap().starts_with("0.26."));
        assert_eq!(locked_version("no-such-crate"), None);
    }
}
