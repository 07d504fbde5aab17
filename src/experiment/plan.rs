//! The plan: every run of a sweep with all its options, and a hash that tells whether two are the same.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainability_baselines::method::Method;
use trainability_baselines::options::{OptionError, did_you_mean};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_record::label;

use super::error::ConfigError;
use super::file::{Experiment, set};
use super::grid_keys::may_vary;
use super::images::{ImageFacts, count_images, groups_of};
use super::labels::names;
use super::schedule::SchedulePlan;
use super::wanted::WantedRuns;
use crate::data::DataOptions;
use crate::model::NetworkKind;
use crate::probe::NoiseSamples;
use crate::run::{MethodPlan, RunPlan};
use crate::schedule::bounds::{COMBINED, NOISE, NOISE_DEBIASED};
use crate::schedule::{Resolved, RunFacts, constant};
use crate::stream::redrawn;

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
        Plan::wanting(experiment, images, &|_| true)
    }

    /// Expands an experiment of which only the runs are wanted whose names a predicate holds of. The others are in the plan too,
    /// but for those that are refused.
    ///
    /// # Errors
    /// As of [`Plan::new`], about a run that is wanted.
    pub(crate) fn wanting(
        experiment: Experiment,
        images: &ImageFacts,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Plan, ConfigError> {
        let seeds = experiment.seeds();
        let lists = [experiment.methods.len(), experiment.schedules.len(), seeds.len()];
        let mut lengths = lists.into_iter().chain(experiment.grid.values().map(Vec::len));
        if lengths.try_fold(1, |product: usize, length| product.checked_mul(length)).is_none_or(|runs| runs > MOST_RUNS)
        {
            let expected = format!("at most {MOST_RUNS} runs, the seeds and the values of every grid list counted in");
            let found = format!("a product of {} methods and {} schedules", lists[0], lists[1]);
            return Err(experiment.refuse("methods", found, expected));
        }
        if let Some(held_out) = experiment.data.test_images.filter(|_| !experiment.asks_for_test_images()) {
            let expected = format!("left out, since labels of {} say nothing of other images", experiment.stream.kind);
            return Err(experiment.refuse("data.test_images", held_out, expected));
        }
        let (mut arms, mut folders) = (Vec::new(), BTreeSet::new());
        for point in grid(&experiment)? {
            let (suffix, point) = point;
            let wanted = WantedRuns { seeds: &seeds, suffix: &suffix, runs: wanted };
            let arms_of_point = point.and_then(|point| arms_of(&point, images, &wanted));
            let [methods, schedules] = names(&experiment);
            let arms_of_point = wanted.unless_left_out(arms_of_point, [methods, with_constant(&schedules)])?;
            for arm in arms_of_point.unwrap_or_default() {
                let RunPlan { method, schedule, .. } = &arm[0];
                if !folders.insert(format!("{}/{schedule}", method.label).to_ascii_lowercase()) {
                    let found = format!("a product with {:?} twice", method.label);
                    return Err(experiment.refuse("grid", found, "each value of a list once"));
                }
                arms.push(arm.into_iter().peekable());
            }
        }
        let mut runs = Vec::new();
        for &seed in &seeds {
            // A run that is refused and not wanted is missing in its arm.
            runs.extend(arms.iter_mut().filter_map(|arm| arm.next_if(|run| run.seed == seed)));
        }
        let first = patterns(&experiment)?;
        // Stable, so that each pattern's runs and the others keep their order.
        runs.sort_by_cached_key(|run| {
            first.iter().position(|pattern| pattern.is_match(run.name())).unwrap_or(first.len())
        });
        Ok(Plan { name: experiment.name.clone(), experiment, runs })
    }

    /// Updates of all runs.
    pub fn updates(&self) -> u64 {
        self.runs.iter().map(RunPlan::updates).sum()
    }
}

/// The patterns of the runs that come first.
fn patterns(experiment: &Experiment) -> Result<Vec<GlobMatcher>, ConfigError> {
    let compile = |(index, pattern): (usize, &String)| {
        let refused = |_| experiment.refuse(&format!("first[{index}]"), pattern, "a pattern such as l2_adam/*/seed-0");
        Ok(Glob::new(pattern).map_err(refused)?.compile_matcher())
    };
    experiment.first.iter().enumerate().map(compile).collect()
}

/// The product of the grid's lists, the last list's values following each other: a label suffix and the experiment at
/// each point.
fn grid(
    experiment: &Experiment,
) -> Result<impl Iterator<Item = (String, Result<Experiment, ConfigError>)>, ConfigError> {
    for (key, values) in &experiment.grid {
        if values.is_empty() {
            return Err(experiment.refuse(&format!("grid.{key}"), "[]", "at least one value"));
        }
        if key == "network.kind" {
            let expected = "an experiment for each kind, whose other keys and defaults differ";
            return Err(experiment.refuse("grid", format!("over {key:?}"), expected));
        }
        if !may_vary(key) {
            let paths: Vec<String> = Experiment::key_paths().into_iter().filter(|path| may_vary(path)).collect();
            let same = paths.iter().find(|path| path.rsplit('.').next() == Some(key));
            let guess = did_you_mean(same.unwrap_or(key), paths.iter().map(String::as_str));
            let expected = format!("`data.images` or a key of stream, network, training, measure or control{guess}");
            return Err(experiment.refuse("grid", format!("over {key:?}"), expected));
        }
    }
    let mut base = experiment.without_lists();
    if experiment.grid.contains_key("training.optimizer") {
        // Each optimizer has defaults of its own.
        base.training.drop_default_options();
    }
    let base = serde_json::to_value(base).unwrap_or(Value::Null);
    let points = experiment.grid.values().map(Vec::len).product();
    Ok((0..points).map(move |place| point(experiment, &base, place, points)))
}

/// The point of the grid at one place of `points`.
fn point(
    experiment: &Experiment,
    base: &Value,
    place: usize,
    points: usize,
) -> (String, Result<Experiment, ConfigError>) {
    let (mut suffix, mut point, mut block, mut failure) = (String::new(), base.clone(), points, None);
    for (key, values) in &experiment.grid {
        block /= values.len();
        let value = &values[place / block % values.len()];
        let failed =
            |message| ConfigError::Shape { path: experiment.path.clone(), key: format!("grid.{key}"), message };
        failure = failure.or(set(&mut point, key, value.clone()).map_err(failed).err());
        let last = key.rsplit('.').next().unwrap_or(key);
        suffix.push_str(&format!("@{last}={}", label::of_value(value)));
    }
    let made = match failure {
        None => Experiment::from_value(point, &experiment.path, &experiment.name),
        Some(failure) => Err(failure),
    };
    (suffix, made)
}

/// The arms of one point of the grid, each with a run a seed.
fn arms_of(
    experiment: &Experiment,
    images: &ImageFacts,
    wanted: &WantedRuns,
) -> Result<Vec<Vec<RunPlan>>, ConfigError> {
    let count = count_images(experiment, images)?;
    let shown = experiment.stream.sample.unwrap_or(count);
    if shown > count {
        return Err(experiment.refuse("stream.sample", shown, format!("at most {count}, the number of images")));
    }
    if experiment.training.batch_size > shown {
        let of_task = if shown < count { "images of a task" } else { "images" };
        let expected = format!("at most {shown}, the number of {of_task}");
        return Err(experiment.refuse("training.batch_size", experiment.training.batch_size, expected));
    }
    if experiment.network.sees_pixels() {
        let Some(shape) = images.shape else {
            let expected = format!("mlp, since the set {} does not tell height and width", experiment.data.set);
            return Err(experiment.refuse("network.kind", experiment.network.kind.name(), expected));
        };
        let refuse =
            |error: OptionError| experiment.refuse(&format!("network.{}", error.key), error.found, error.expected);
        experiment.network.check_for(shape).map_err(refuse)?;
    }
    let (stream, updates) = (&experiment.stream, shown.div_ceil(experiment.training.batch_size));
    if redrawn(stream.fraction, count) == 0 {
        let expected = format!("a share that redraws at least one label of {count} images");
        return Err(experiment.refuse("stream.fraction", stream.fraction, expected));
    }
    let product =
        [stream.most_epochs(), updates].iter().try_fold(stream.tasks, |product, &factor| product.checked_mul(factor));
    if product.is_none_or(|product| product as u64 > MOST_UPDATES) {
        let found = format!("{} with {} epochs of {updates} updates each", stream.tasks, stream.epochs);
        return Err(experiment.refuse("stream.tasks", found, format!("at most {MOST_UPDATES} updates in a run")));
    }
    let groups = wanted.seeds.iter().map(|&seed| groups_of(experiment, images, count, seed));
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    refuse_unfit_optimizer(experiment)?;
    let [method_names, schedule_names] = names(experiment);
    let mut schedules = Vec::new();
    for (index, name) in schedule_names.iter().enumerate() {
        let read = SchedulePlan::read(experiment, index);
        schedules.extend(wanted.unless_left_out(read, [method_names.clone(), vec![name.clone()]])?);
    }
    let constant_alone = Experiment { schedules: vec![json!(constant::KIND.name)], ..experiment.clone() };
    let constant_alone = [SchedulePlan::read(&constant_alone, 0)?];
    let mut methods = Vec::new();
    for (index, name) in method_names.into_iter().enumerate() {
        let read = MethodPlan::read(experiment, index).and_then(|method| {
            check_fit(experiment, &method.build()).map_err(|expected| {
                experiment.refuse(&format!("methods[{index}]"), &experiment.methods[index], expected)
            })?;
            Ok(method)
        });
        methods.extend(wanted.unless_left_out(read, [vec![name], with_constant(&schedule_names)])?);
    }
    refuse_twice(experiment, "methods", methods.iter().map(|method| &method.label))?;
    refuse_twice(experiment, "schedules", schedules.iter().map(|schedule| &schedule.label))?;
    experiment.device.device().map_err(|expected| experiment.refuse("device", experiment.device, expected))?;
    let (mut arms, layers) = (Vec::new(), experiment.network.layer_names());
    for mut method in methods {
        let parts: Vec<String> = method.parts.iter().map(|(name, _)| name.clone()).collect();
        let learning_rate = experiment.training.learning_rate;
        let facts = RunFacts { parts: &parts, learning_rate, layers: &layers, ..RunFacts::default() };
        // The whole `control` section is checked, even where presets lie over it.
        let plain = constant_alone[0].resolve(experiment, facts)?;
        method.label.push_str(wanted.suffix);
        if !label::is_valid(&method.label) {
            return Err(experiment.refuse("grid", format!("the label {:?}", method.label), label::RULE));
        }
        for schedule in if method.schedulable { &schedules[..] } else { &constant_alone[..] } {
            let mut arm = Vec::new();
            for (&seed, groups) in wanted.seeds.iter().zip(&groups) {
                let run = RunPlan {
                    resolved: plain.clone(),
                    method: method.clone(),
                    schedule: schedule.label.clone(),
                    seed,
                    device: experiment.device,
                    data: DataOptions { images: Some(count), images_at_most: None, ..experiment.data.clone() },
                    groups: groups.clone(),
                    stream: experiment.stream.clone(),
                    network: experiment.network.clone(),
                    training: experiment.training.clone(),
                    measure: experiment.measure,
                    options: Value::Null,
                    hash: String::new(),
                };
                let facts = RunFacts { method: &method.label, seed, updates: run.updates(), ..facts };
                match schedule.resolve(experiment, facts).and_then(|resolved| check_noise(experiment, resolved)) {
                    Ok(resolved) => arm.push(with_options(RunPlan { resolved, ..run }, images)),
                    Err(_) if !(wanted.runs)(&run.name()) => {}
                    Err(error) => return Err(error),
                }
            }
            // An arm of which every run is left out.
            arms.extend((!arm.is_empty()).then_some(arm));
        }
    }
    Ok(arms)
}

/// Names of schedules, and that of the one that every method can have.
fn with_constant(schedules: &[Option<String>]) -> Vec<Option<String>> {
    [schedules, &[Some(constant::KIND.name.to_owned())]].concat()
}

/// Whether a method can be trained with the experiment's network and optimizer, or else what would be right.
fn check_fit(experiment: &Experiment, method: &Method) -> Result<(), String> {
    let kind = experiment.network.kind;
    if experiment.network.sees_pixels() && method.normalization.is_some() {
        return Err(match kind {
            NetworkKind::Convolutional => "a method without normalisation, which convolutional networks have none of",
            _ => "a method without normalisation, of which this kind of network has its own",
        }
        .to_owned());
    }
    // In a chain alone is it known which weights a unit's output enters, and how wide that is.
    let is_chain = matches!(kind, NetworkKind::Mlp | NetworkKind::Convolutional);
    let replaces = || method.rules.surgeries.iter().any(|surgery| surgery.needs_chain());
    if !is_chain && (method.activation.features(2) != 2 || replaces()) {
        let chains = "`network.kind` = \"mlp\" or \"convolutional\"";
        return Err(format!("a method that leaves the number of features as it is and replaces no units, or {chains}"));
    }
    let (training, layers) = (&experiment.training, experiment.network.layer_names().len());
    let unfit = |reason| format!("one that fits `training.optimizer` {:?}: {reason}", training.optimizer);
    training.fits(method.rules.weight_decay, layers).map_err(unfit)
}

/// Refuses an optimizer that cannot train the network.
fn refuse_unfit_optimizer(experiment: &Experiment) -> Result<(), ConfigError> {
    let (training, layers) = (&experiment.training, experiment.network.layer_names().len());
    training.fits(WeightDecay::None, layers).map_err(|reason| {
        let expected = format!("one that fits the network: {reason}");
        experiment.refuse("training.optimizer", format!("{:?}", training.optimizer), expected)
    })
}

/// Refuses a schedule that acts on gradient noise which is not measured: one sample has no variance.
fn check_noise(experiment: &Experiment, resolved: Resolved) -> Result<Resolved, ConfigError> {
    let limit = resolved.options["limit"].as_str();
    let needs = [&COMBINED, &NOISE, &NOISE_DEBIASED].iter().any(|bound| limit == Some(bound.name));
    let has_none = experiment.training.batch_size == 1 && experiment.measure.noise == NoiseSamples::Minibatch;
    if !needs || !has_none {
        return Ok(resolved);
    }
    let name = resolved.options["name"].as_str().unwrap_or_default();
    let expected = format!(
        "at least 2 for the schedule {name}, whose bound needs the gradients' variance, or `measure.noise` \"probe\""
    );
    Err(experiment.refuse("training.batch_size", 1, expected))
}

/// Refuses the second entry of a list with the same label.
fn refuse_twice<'a>(
    experiment: &Experiment,
    list: &str,
    labels: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let mut seen: Vec<&String> = Vec::new();
    for (index, label) in labels.enumerate() {
        if seen.iter().any(|other| label::same_folder(other, label)) {
            let expected = "each once, or a `label` that tells variants apart";
            return Err(experiment.refuse(&format!("{list}[{index}]"), format!("{label:?} a second time"), expected));
        }
        seen.push(label);
    }
    Ok(())
}

/// Updates of a run beyond which something else must have been meant: weeks of work for one core.
const MOST_UPDATES: u64 = 1_000_000_000;

/// Runs of a sweep beyond which something else must have been meant.
const MOST_RUNS: usize = 200_000;

/// Changes whenever the same options would give other bytes.
const FORMAT: u32 = 2;

/// The run with its options as one object, and their hash.
fn with_options(run: RunPlan, images: &ImageFacts) -> RunPlan {
    let parts: Vec<Value> =
        run.method.parts.iter().map(|(name, options)| json!({ "name": name, "options": options })).collect();
    let mut data = json!({ "set": run.data.set, "images": run.data.images, "checksum": images.checksum });
    if let Some(count) = run.data.test_images {
        data["test_images"] = json!(count);
    }
    if let Some(checksum) = images.test.as_ref().filter(|_| run.stream.kind().true_labels) {
        data["test_checksum"] = json!(checksum);
    }
    let mut options = json!({
        "format": FORMAT,
        "data": data,
        "stream": run.stream,
        "network": run.network,
        "training": run.training,
        "measure": run.measure,
        "method": { "parts": parts },
        "schedule": run.resolved.options,
        "seed": run.seed,
    });
    if !run.device.is_cpu() {
        options["device"] = json!(run.device);
    }
    let hash = hex::encode(Sha256::digest(options.to_string()));
    RunPlan { options, hash, ..run }
}
