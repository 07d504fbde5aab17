//! A run as files that another program can train again: what it begins with, what it is shown, and what its losses were.
//!
//! The files are taken from an ordinary run while it makes its updates, so that they are what a sweep's run uses.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tch::Tensor;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_record::atomic::{self, WriteError};
use trainability_record::tasks::field;
use trainability_tensor::State;

use super::checkpoint::{CheckpointError, serialised};
use super::plan::{MethodPlan, RunPlan};
use super::training::{Run, RunDiverged, UpdateInputs, task_of};
use crate::data::{ImageSet, ImageShape};
use crate::learner::LearnerError;
use crate::stream::Stream;

/// Changes whenever a reader of older exports would misread newer ones.
const FORMAT: u32 = 1;

const SETTINGS: &str = "export.json";
const INITIAL: &str = "initial.safetensors";
const STREAM: &str = "stream.safetensors";
const LOSSES: &str = "losses.csv";

/// Why a run was not exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunExportError {
    /// A part that an export does not describe.
    #[error(
        "{run} cannot be trained by another program: `{part}` acts on the network or passes through it in ways that no \
         export describes; expected a method of activation, normalization, penalties, weight decay and gradient rule"
    )]
    Undescribed {
        /// The run.
        run: String,
        /// The part of the method.
        part: String,
    },
    /// A gradual change between tasks.
    #[error(
        "{run} cannot be exported: `stream.transition` is {transition}, so that minibatches mix two tasks by numbers that \
         this program draws; expected 0"
    )]
    Mixes {
        /// The run.
        run: String,
        /// The option.
        transition: f64,
    },
    /// More updates than there are.
    #[error("--updates is {asked}, expected from 1 to {there}, all that {run} has")]
    Updates {
        /// The run.
        run: String,
        /// What was asked for.
        asked: u64,
        /// How many there are.
        there: u64,
    },
    /// A folder with something else in it.
    #[error("{} is in the folder for the export, expected an empty folder or one of an earlier export", .0.display())]
    Occupied(PathBuf),
    /// A folder that cannot be looked into.
    #[error("cannot read the folder {}: {source}", .folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The run cannot be set up.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// The loss left the real numbers.
    #[error("{run}: {source}; expected --updates below that")]
    Diverged {
        /// The run.
        run: String,
        /// Where.
        source: RunDiverged,
    },
    /// Tensors cannot be put into safetensors format.
    #[error(transparent)]
    Tensors(#[from] CheckpointError),
    /// A file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

/// What was written.
#[derive(Debug)]
pub(crate) struct RunExport {
    /// Tasks that the updates come from.
    pub(crate) tasks: usize,
    /// Bytes of all files.
    pub(crate) bytes: usize,
}

/// What a run was shown at its updates, and what came of them.
#[derive(Default)]
struct Record {
    /// How many images there are.
    images: i64,
    labels: Vec<Tensor>,
    pixels: Vec<Tensor>,
    minibatches: Vec<Tensor>,
    sizes: Vec<i64>,
    tasks: Vec<i64>,
    learning_rates: Vec<f64>,
    losses: String,
}

/// Trains the first `updates` of a run and writes to `out` what another program needs to train them again: settings, the
/// initial network, images, labels, minibatches and learning rates, and the losses that came of them.
///
/// # Errors
/// Another program could not follow the run, its loss left the real numbers, or a file cannot be written.
pub(crate) fn export_run(
    plan: &RunPlan,
    set: &ImageSet,
    updates: u64,
    out: &Path,
) -> Result<RunExport, RunExportError> {
    check(plan, updates)?;
    check_folder(out)?;
    let mut run = Run::new(plan, set)?;
    let mut initial = State::default();
    run.learner.model().save(&mut initial);
    let mut stream = State::default();
    stream.put_tensor("images", run.stream.images());
    let mut record = Record { images: run.stream.images().size()[0], ..Record::default() };
    for _ in 0..updates {
        record.advance(&mut run).map_err(|source| RunExportError::Diverged { run: plan.name(), source })?;
    }
    let tasks = record.labels.len();
    let layers = run.learner.learning_rates().len();
    let settings = settings(plan, set, &run, tasks, updates);
    let losses = record.put_into(&mut stream, layers);
    atomic::make_folder(out)?;
    // The settings go first and come last: where they are, the other files are theirs.
    match fs::remove_file(out.join(SETTINGS)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(WriteError::File { path: out.join(SETTINGS), source }.into());
        }
        _ => {}
    }
    let mut bytes = 0;
    for (name, content) in [
        (LOSSES, losses.into_bytes()),
        (INITIAL, serialised(&initial.tensors, None)?),
        (STREAM, serialised(&stream.tensors, None)?),
        (SETTINGS, format!("{settings:#}\n").into_bytes()),
    ] {
        atomic::write(&out.join(name), &content)?;
        bytes += content.len();
    }
    Ok(RunExport { tasks, bytes })
}

/// Refuses what another program could not follow.
fn check(plan: &RunPlan, updates: u64) -> Result<(), RunExportError> {
    let (run, there) = (plan.name(), plan.updates());
    let is_described = |parts: &[(String, Value)]| {
        let rules = MethodPlan { label: String::new(), parts: parts.to_vec(), schedulable: true }.build().rules;
        rules.surgeries.is_empty() && rules.second_pass.is_none()
    };
    if let Some(part) = plan.method.parts.iter().find(|part| !is_described(&[(*part).clone()])) {
        return Err(RunExportError::Undescribed { run, part: part.0.clone() });
    }
    if plan.stream.transition > 0.0 {
        return Err(RunExportError::Mixes { run, transition: plan.stream.transition });
    }
    match (1..=there).contains(&updates) {
        true => Ok(()),
        false => Err(RunExportError::Updates { run, asked: updates, there }),
    }
}

/// Refuses a folder with files that no export writes.
fn check_folder(out: &Path) -> Result<(), RunExportError> {
    let unreadable = |source| RunExportError::Unreadable { folder: out.to_owned(), source };
    let entries = match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if ![SETTINGS, INITIAL, STREAM, LOSSES].iter().any(|own| path.ends_with(own)) {
            return Err(RunExportError::Occupied(path));
        }
    }
    Ok(())
}

impl Record {
    /// Makes a run's next update, and what belongs before and after it.
    fn advance(&mut self, run: &mut Run) -> Result<(), RunDiverged> {
        let begins = run.begins_task();
        run.begin_task_if_due();
        if begins {
            self.labels.push(labels_by_image(&run.stream, self.images));
            self.pixels.extend(run.stream.content().and_then(|content| content.pixels.as_ref()).map(Tensor::copy));
        }
        let progress = run.next_progress();
        let UpdateInputs { inputs, labels, rows } = run.next_minibatch();
        let update = run.learner.update_in(inputs, &labels, progress, task_of(&run.stream));
        if let Ok(update) = &update {
            self.sizes.push(rows.size()[0]);
            self.minibatches.push(run.stream.original_rows(&rows));
            self.tasks.push(progress.task as i64);
            // A schedule acts before the step.
            self.learning_rates.extend(run.learner.learning_rates());
            let [loss, accuracy] = [update.loss, update.accuracy].map(|value| field(Some(value)));
            _ = writeln!(self.losses, "{},{},{loss},{accuracy}", progress.update + 1, progress.task);
        }
        run.conclude(update, progress).map(drop)
    }

    /// Puts the tensors into a state, and returns the table of losses.
    fn put_into(self, state: &mut State, layers: usize) -> String {
        state.put_tensor("labels", &Tensor::stack(&self.labels, 0));
        if !self.pixels.is_empty() {
            state.put_tensor("pixels", &Tensor::stack(&self.pixels, 0));
        }
        state.put_tensor("minibatches", &Tensor::cat(&self.minibatches, 0));
        state.put_tensor("sizes", &Tensor::from_slice(&self.sizes));
        state.put_tensor("tasks", &Tensor::from_slice(&self.tasks));
        let learning_rates = Tensor::from_slice(&self.learning_rates).view([-1, layers as i64]);
        state.put_tensor("learning_rates", &learning_rates);
        format!("update,task,loss,accuracy\n{}", self.losses)
    }
}

/// The labels of a stream's task in the order in which the images lie, of which there are so many; 0 where it does not show
/// one.
fn labels_by_image(stream: &Stream, count: i64) -> Tensor {
    let labels = stream.labels();
    match stream.shown() {
        None => labels.copy(),
        Some(shown) => Tensor::zeros([count], (labels.kind(), labels.device())).index_copy(0, shown, labels),
    }
}

/// Everything that is no tensor.
fn settings(plan: &RunPlan, set: &ImageSet, run: &Run, tasks: usize, updates: u64) -> Value {
    let ImageShape { channels, rows, columns } = set.shape();
    let names: Vec<&String> = run.learner.model().layers().iter().map(|layer| &layer.name).collect();
    let (activation, others) = parts(&plan.method);
    let mut optimizer = Map::from_iter([("name".to_owned(), json!(plan.training.optimizer))]);
    optimizer.extend(plan.training.optimizer_options.clone());
    json!({
        "format": FORMAT,
        "run": plan.name(),
        "configuration_hash": plan.hash,
        "updates": updates,
        "tasks": tasks,
        "updates_of_run": plan.updates(),
        "precision": plan.training.precision,
        "network": {
            "kind": plan.network.kind,
            "filters": plan.network.filters,
            "stride": plan.network.stride,
            "image": [channels, rows, columns],
            "classes": set.classes,
            "layers": names,
            "activation": activation,
        },
        "optimizer": optimizer,
        "parts": others,
        "schedule": plan.schedule,
        "announce_boundaries": plan.stream.announce_boundaries,
        "options": plan.options,
    })
}

/// A method's activation, and its other parts, each with its options.
fn parts(method: &MethodPlan) -> (Value, Vec<Value>) {
    let is_activation = |name: &str, options: &Value| {
        let built = part(name).map(|part| part.build(options.clone()));
        matches!(built, Some(Ok((Contribution::Activation(..), _))))
    };
    let (mut activation, mut others) = (json!({ "name": "relu", "options": {} }), Vec::new());
    for (name, options) in &method.parts {
        let described = json!({ "name": name, "options": options });
        if is_activation(name, options) { activation = described } else { others.push(described) }
    }
    (activation, others)
}
