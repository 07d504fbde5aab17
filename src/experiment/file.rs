//! The experiment file as plain data, its defaults, and the checks of single values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use trainability_baselines::options::{OptionError, check};
use trainability_baselines::part::PartError;
use trainability_record::label;

use super::engine::Engine;
use super::error::ConfigError;
use super::seeds::Seeds;
use super::slurm::SlurmOptions;
use super::{json, schema, wording};
use crate::data::DataOptions;
use crate::learner::Training;
use crate::model::NetworkOptions;
use crate::probe::ProbeOptions;
use crate::run::DeviceOption;
use crate::stream::{StreamOptions, stream};

/// Sections that must be objects: serde would take a list as well, its values in the order of the keys.
const SECTIONS: [&str; 8] =
    ["data", "stream", "network", "training", "measure", "measure/lanczos", "measure/spectrum", "slurm"];

/// An experiment as it stands in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The sweep's name and folder. By default the file's name.
    #[serde(default)]
    pub name: String,
    /// What the experiment is for, in the author's words.
    #[serde(default)]
    pub about: String,
    /// The images.
    #[serde(default)]
    pub data: DataOptions,
    /// The tasks.
    pub stream: StreamOptions,
    /// The network.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub network: NetworkOptions,
    /// The training.
    #[serde(default)]
    pub training: Training,
    /// Where networks are trained: `cpu`, `cuda`, or `cuda:1` for the second of several.
    #[serde(default, skip_serializing_if = "DeviceOption::is_cpu")]
    #[schemars(with = "String", extend("default" = "cpu"))]
    pub device: DeviceOption,
    /// The measurements.
    #[serde(default)]
    pub measure: ProbeOptions,
    /// Options of every schedule that is a variant of `noise_curvature`.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub control: serde_json::Map<String, Value>,
    /// The methods: names, names joined by `+`, or objects with options.
    pub methods: Vec<Value>,
    /// The schedules: names, or objects with options.
    pub schedules: Vec<Value>,
    /// A number n for the seeds 0 to n - 1, or a list of seeds.
    #[schemars(with = "Value", extend("type" = ["integer", "array"]))]
    pub(super) seeds: Seeds,
    /// Lists of values by key path; the sweep runs their product.
    #[serde(default)]
    pub grid: BTreeMap<String, Vec<Value>>,
    /// Patterns of runs such as `l2_adam/*/seed-0` that are trained before all others, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
    /// How its runs are trained: `local`, each by itself, or `lockstep`, those whose networks have one shape together.
    #[serde(default, skip_serializing_if = "Engine::is_local")]
    #[schemars(with = "String", extend("default" = "local", "enum" = ["local", "lockstep"]))]
    pub(crate) engine: Engine,
    /// What Slurm is asked for with `--engine slurm`.
    #[serde(default, skip_serializing_if = "SlurmOptions::is_empty")]
    pub(crate) slurm: SlurmOptions,
    /// Where it came from, for messages.
    #[serde(skip)]
    pub(super) path: String,
}

impl Experiment {
    /// Reads an experiment file and lays `a.b=value` settings over it.
    ///
    /// # Errors
    /// The file cannot be read, or is refused by [`Experiment::parse`].
    pub fn load(path: &Path, settings: &[String]) -> Result<Experiment, ConfigError> {
        let shown = path.display().to_string();
        let text =
            super::source::read(path).map_err(|problem| ConfigError::Unreadable { path: shown.clone(), problem })?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Experiment::parse(&text, settings, &shown, &stem)
    }

    /// Reads an experiment from the text of its file and lays `a.b=value` settings over it; `path` is for messages,
    /// `default_name` for an experiment without a name.
    ///
    /// # Errors
    /// It is not JSON, has unknown keys, a key twice, or values of the wrong type or out of range.
    pub fn parse(text: &str, settings: &[String], path: &str, default_name: &str) -> Result<Experiment, ConfigError> {
        let mut value = json::parse(text, path)?;
        for setting in settings {
            let failed = |message: &str| ConfigError::Set { given: setting.clone(), message: message.to_owned() };
            let (key, new) = setting
                .split_once('=')
                .filter(|(key, _)| key.split('.').all(|part| !part.is_empty()))
                .ok_or_else(|| failed("expected the form a.b=value"))?;
            if key.contains('[') {
                return Err(failed(WHOLE_LIST));
            }
            // What is not JSON is meant as a string: --set data.set=mnist-5k.
            let new = match json::parse(new, "") {
                Ok(new) => new,
                Err(ConfigError::Shape { key, message, .. }) => return Err(failed(&format!("at `{key}`: {message}"))),
                Err(ConfigError::Syntax { problem, .. }) if new.trim_start().starts_with(['[', '{', '"']) => {
                    return Err(failed(&format!("the value is not valid JSON: {problem}")));
                }
                Err(_) => Value::String(new.to_owned()),
            };
            set(&mut value, key, new).map_err(|message| failed(&message))?;
        }
        let shown = match settings {
            [] => path.to_owned(),
            _ => format!("{path} (with --set {})", settings.join(" --set ")),
        };
        Experiment::from_value(value, &shown, default_name)
    }

    /// Reads an experiment from JSON; `path` is for messages, `default_name` for an experiment without a name.
    ///
    /// # Errors
    /// Unknown keys or values of the wrong type or out of range.
    pub fn from_value(mut value: Value, path: &str, default_name: &str) -> Result<Experiment, ConfigError> {
        let wrong = |key: &str, found: &Value| ConfigError::Value {
            path: path.to_owned(),
            key: key.to_owned(),
            found: found.to_string(),
            expected: "an object".to_owned(),
        };
        let Some(object) = value.as_object_mut() else {
            return Err(wrong("the whole file", &value));
        };
        // For editors alone: it is no part of the experiment.
        object.retain(|key, value| key != schema::SCHEMA_KEY || !value.is_string());
        let written = [["experiment", "glossary"], ["status", "options"]];
        if let Some([key, _]) = written.into_iter().find(|keys| keys.iter().all(|key| object.contains_key(*key))) {
            let key = key.to_owned();
            let message = "this is what a sweep wrote, expected the file of an experiment".to_owned();
            return Err(ConfigError::Shape { path: path.to_owned(), key, message });
        }
        for section in SECTIONS {
            if let Some(list @ Value::Array(_)) = value.pointer(&format!("/{section}")) {
                return Err(wrong(&section.replace('/', "."), list));
            }
        }
        let mut experiment: Experiment = serde_path_to_error::deserialize(value)
            .map_err(|error| wording::complaint(path, &error.path().to_string(), error.inner(), Self::key_paths))?;
        experiment.path = path.to_owned();
        if experiment.name.is_empty() {
            experiment.name = default_name.to_owned();
        }
        experiment.check()?;
        experiment.resolve_training()?;
        Ok(experiment)
    }

    /// Checks the section `training`, and fills in what the optimizer has by default.
    fn resolve_training(&mut self) -> Result<(), ConfigError> {
        let given = self.training.optimizer_options.clone();
        self.training.resolve().map_err(|error| {
            self.refuse_options("training", &given, error, |option| self.training.optimizer_kind().read(option))
        })
    }

    /// A complaint about the options that stand at `key`, which `read` does not take.
    pub(super) fn refuse_options<T>(
        &self,
        key: &str,
        options: &serde_json::Map<String, Value>,
        error: PartError,
        read: impl Fn(Value) -> Result<T, PartError>,
    ) -> ConfigError {
        match error {
            PartError::Value(error) => self.refuse(&format!("{key}.{}", error.key), error.found, error.expected),
            PartError::Options(source) => {
                let alone = |option| matches!(read(option), Err(PartError::Options(_)));
                let guilty = wording::guilty(key, options, alone);
                self.complaint(guilty.as_deref().unwrap_or(key), &source)
            }
        }
    }

    /// What an experiment's file may hold, a JSON Schema with the options of every method, schedule and optimizer.
    pub fn schema() -> Value {
        schema::complete(schemars::schema_for!(Experiment).to_value())
    }

    /// The paths of all keys.
    pub(super) fn key_paths() -> Vec<String> {
        schema::key_paths(&Experiment::schema())
    }

    /// A complaint about what the reader of options says of what stands at `key`.
    pub(super) fn complaint(&self, key: &str, error: &serde_json::Error) -> ConfigError {
        wording::complaint(&self.path, key, error, Experiment::key_paths)
    }

    /// The seeds, in order.
    pub fn seeds(&self) -> Vec<u64> {
        match &self.seeds {
            Seeds::Count(count) => (0..*count).collect(),
            Seeds::List(list) => list.clone(),
        }
    }

    /// Whether any of its streams can be asked about images that nobody trained on.
    pub(crate) fn asks_for_test_images(&self) -> bool {
        let kinds = self.grid.get("stream.kind").into_iter().flatten().filter_map(Value::as_str);
        let mut entries = kinds.chain([self.stream.kind.as_str()]).filter_map(stream);
        entries.any(|kind| kind.true_labels)
    }

    /// The experiment at one point of its grid: the same with one seed and no grid, whose copies would fill the memory.
    pub(super) fn without_lists(&self) -> Experiment {
        Experiment { seeds: Seeds::Count(1), grid: BTreeMap::new(), ..self.clone() }
    }

    /// Replaces the seeds.
    pub(crate) fn set_seeds(&mut self, seeds: Vec<u64>) {
        self.seeds = Seeds::List(seeds);
    }

    /// A complaint about a value of this file.
    pub(super) fn refuse(&self, key: &str, found: impl ToString, expected: impl ToString) -> ConfigError {
        ConfigError::Value {
            path: self.path.clone(),
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |section: &str, error: OptionError| {
            self.refuse(&format!("{section}{}", error.key), error.found, error.expected)
        };
        self.check_own().map_err(|error| refuse("", error))?;
        self.slurm.check().map_err(|error| refuse("slurm.", error))?;
        self.stream.check().map_err(|error| refuse("stream.", error))?;
        self.network.check().map_err(|error| refuse("network.", error))
    }

    /// What the sections do not check themselves.
    fn check_own(&self) -> Result<(), OptionError> {
        let shown = |value: Option<usize>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        let at_least_1 = |key: &str, value: usize| check(key, value, value > 0, "at least 1");
        let Experiment { data, stream, measure, .. } = self;
        check("name", format!("{:?}", self.name), label::is_valid(&self.name), label::RULE)?;
        check("data.images", shown(data.images), data.images != Some(0), "at least 1")?;
        let alone = data.images_at_most.is_none_or(|most| most > 0 && data.images.is_none());
        let expected = "at least 1, and left out where `data.images` is given";
        check("data.images_at_most", shown(data.images_at_most), alone, expected)?;
        check("data.test_images", shown(data.test_images), data.test_images != Some(0), "at least 1")?;
        at_least_1("stream.tasks", stream.tasks)?;
        at_least_1("stream.epochs", stream.epochs)?;
        measure.check().map_err(|error| OptionError { key: format!("measure.{}", error.key), ..error })?;
        check("methods", "[]", !self.methods.is_empty(), "at least one method")?;
        check("schedules", "[]", !self.schedules.is_empty(), "at least one schedule")?;
        let (seeds, given) = (self.seeds(), serde_json::to_string(&self.seeds).unwrap_or_default());
        check("seeds", given, !seeds.is_empty(), "a number above 0 or a list of seeds")?;
        let once = seeds.iter().collect::<BTreeSet<_>>().len() == seeds.len();
        check("seeds", format!("{seeds:?}"), once, "each seed once")
    }
}

/// More keys than the path of any option has: an object is not made so deep that dropping it would fill the stack.
const MOST_DEPTH: usize = 8;

/// What to do about a part of a list.
const WHOLE_LIST: &str = "a list is set whole, as in --set 'methods=[\"relu\",\"crelu\"]'";

/// Sets the value at a path of keys joined by dots, making objects on the way.
pub(super) fn set(target: &mut Value, key: &str, new: Value) -> Result<(), String> {
    if key.split('.').count() > MOST_DEPTH {
        return Err(format!("expected at most {MOST_DEPTH} keys joined by dots"));
    }
    let mut at = target;
    // The keys of a grid are paths themselves.
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let parts = if first == "grid" && !rest.is_empty() { vec![first, rest] } else { key.split('.').collect() };
    for part in parts {
        let Value::Object(object) = at else {
            let whole = if at.is_array() { format!("; {WHOLE_LIST}") } else { String::new() };
            return Err(format!("`{part}` of `{key}` lies inside something that is no object{whole}"));
        };
        at = object.entry(part).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    *at = new;
    Ok(())
}
