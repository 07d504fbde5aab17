//! The plan: every run of a sweep with all its options, and a hash that tells whether two are the same.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::experiment::set;
use super::label;
use super::{ConfigError, Data, Experiment, MethodPlan, Networks, SchedulePlan, Streams, Training};
use crate::probe::ProbeOptions;
use crate::schedule::Resolved;

/// What a plan has to know of the images.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// How many there are.
    pub count: usize,
    /// SHA-256 over their content.
    pub checksum: String,
}

/// One run: method, schedule and seed with every option resolved.
#[derive(Clone)]
pub struct RunPlan {
    /// The method.
    pub method: MethodPlan,
    /// The schedule's label.
    pub schedule: String,
    /// The schedule's options, and how it is built.
    pub resolved: Resolved,
    /// The seed.
    pub seed: u64,
    /// The images, their number resolved.
    pub data: Data,
    /// The tasks.
    pub stream: Streams,
    /// The network.
    pub network: Networks,
    /// The training.
    pub training: Training,
    /// The measurements.
    pub measure: ProbeOptions,
    /// All of the above as one JSON object.
    pub options: Value,
    /// SHA-256 of `options`.
    pub hash: String,
}

impl RunPlan {
    /// Images of the run.
    pub fn images(&self) -> usize {
        self.data.images.expect("resolved by the plan")
    }

    /// Updates of the whole run.
    pub fn updates(&self) -> u64 {
        (self.stream.tasks * self.stream.epochs * self.images().div_ceil(self.training.batch_size)) as u64
    }

    /// `METHOD/SCHEDULE/seed-N`, the run's place in the sweep's folder and its name in messages.
    pub fn name(&self) -> String {
        format!("{}/{}/seed-{}", self.method.label, self.schedule, self.seed)
    }
}

/// A sweep: its name and its runs, seed by seed so that every arm of a seed is complete early.
pub struct Plan {
    /// The sweep's name.
    pub name: String,
    /// The experiment with the settings laid over it.
    pub experiment: Experiment,
    /// The runs in the order of work.
    pub runs: Vec<RunPlan>,
}

impl Plan {
    /// Expands an experiment.
    ///
    /// # Errors
    /// Names in no registry, options out of range, labels given twice, more images than there are.
    pub fn new(experiment: Experiment, images: &ImageFacts) -> Result<Plan, ConfigError> {
        let mut arms = Vec::new();
        for (suffix, point) in grid(&experiment)? {
            for arm in arms_of(&point, &suffix, images)? {
                if arms
                    .iter()
                    .any(|other: &RunPlan| other.method.label == arm.method.label && other.schedule == arm.schedule)
                {
                    let name = format!("{} under {}", arm.method.label, arm.schedule);
                    return Err(experiment.refuse(
                        "methods",
                        format!("twice {name:?}"),
                        "each arm once, or a `label` that tells them apart",
                    ));
                }
                arms.push(arm);
            }
        }
        let seeds = experiment.seeds();
        let runs = seeds.iter().flat_map(|&seed| arms.iter().map(move |arm| with_seed(arm, seed, images))).collect();
        Ok(Plan { name: experiment.name.clone(), experiment, runs })
    }

    /// Updates of all runs.
    pub fn updates(&self) -> u64 {
        self.runs.iter().map(RunPlan::updates).sum()
    }
}

/// The product of the grid's lists: a label suffix and the experiment at each point.
fn grid(experiment: &Experiment) -> Result<Vec<(String, Experiment)>, ConfigError> {
    let mut points = vec![(String::new(), serde_json::to_value(experiment).unwrap_or(Value::Null))];
    for (key, values) in &experiment.grid {
        if values.is_empty() {
            return Err(experiment.refuse(&format!("grid.{key}"), "[]", "at least one value"));
        }
        let mut longer = Vec::new();
        for (suffix, point) in &points {
            for value in values {
                let mut point = point.clone();
                set(&mut point, key, value.clone())
                    .map_err(|message| experiment.refuse(&format!("grid.{key}"), value, message))?;
                let last = key.rsplit('.').next().unwrap_or(key);
                longer.push((format!("{suffix}@{last}={}", label::of_value(value)), point));
            }
        }
        points = longer;
    }
    points
        .into_iter()
        .map(|(suffix, point)| Ok((suffix, Experiment::from_value(point, &experiment.path, &experiment.name)?)))
        .collect()
}

fn arms_of(experiment: &Experiment, suffix: &str, images: &ImageFacts) -> Result<Vec<RunPlan>, ConfigError> {
    let most = experiment.data.images_at_most.unwrap_or(usize::MAX).min(images.count);
    let count = experiment.data.images.unwrap_or(most);
    if count > images.count {
        let expected = format!("at most {}, the images that the set {} has", images.count, experiment.data.set);
        return Err(experiment.refuse("data.images", count, expected));
    }
    if experiment.training.batch_size > count {
        let expected = format!("at most {count}, the number of images");
        return Err(experiment.refuse("training.batch_size", experiment.training.batch_size, expected));
    }
    let schedules: Vec<SchedulePlan> =
        (0..experiment.schedules.len()).map(|index| SchedulePlan::read(experiment, index)).collect::<Result<_, _>>()?;
    let constant = Experiment { schedules: vec![json!("constant")], ..experiment.clone() };
    let constant = [SchedulePlan::read(&constant, 0)?];
    let mut arms = Vec::new();
    for index in 0..experiment.methods.len() {
        let mut method = MethodPlan::read(experiment, index)?;
        method.label.push_str(suffix);
        if !label::is_valid(&method.label) {
            return Err(experiment.refuse("grid", format!("the label {:?}", method.label), label::RULE));
        }
        for schedule in if method.schedulable { &schedules[..] } else { &constant[..] } {
            arms.push(RunPlan {
                resolved: schedule.resolve(experiment, &method)?,
                method: method.clone(),
                schedule: schedule.label.clone(),
                seed: 0,
                data: Data { images: Some(count), images_at_most: None, ..experiment.data.clone() },
                stream: experiment.stream.clone(),
                network: experiment.network.clone(),
                training: experiment.training.clone(),
                measure: experiment.measure,
                options: Value::Null,
                hash: String::new(),
            });
        }
    }
    Ok(arms)
}

/// Changes whenever the same options would give other bytes.
const FORMAT: u32 = 1;

fn with_seed(arm: &RunPlan, seed: u64, images: &ImageFacts) -> RunPlan {
    let parts: Vec<Value> =
        arm.method.parts.iter().map(|(name, options)| json!({ "name": name, "options": options })).collect();
    let options = json!({
        "format": FORMAT,
        "data": { "set": arm.data.set, "images": arm.data.images, "checksum": images.checksum },
        "stream": arm.stream,
        "network": arm.network,
        "training": arm.training,
        "measure": arm.measure,
        "method": { "parts": parts },
        "schedule": arm.resolved.options,
        "seed": seed,
    });
    let hash = Sha256::digest(options.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    RunPlan { seed, options, hash, ..arm.clone() }
}
