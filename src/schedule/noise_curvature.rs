//! The schedule of arXiv 2509.19698 and its presets: bundles of the controller's named options.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use trainability_baselines::options::OptionError;
use trainability_record::glossary::Variant;

use super::controller::{ControlOptions, Controller};
use super::definition::{Resolve, Resolved, RunFacts, ScheduleError, ScheduleKind};

/// What they have in common.
const fn preset(name: &'static str, about: &'static str, resolve: Resolve) -> ScheduleKind {
    ScheduleKind { name, about, needs_measurement: true, schema: ControlOptions::schema, resolve }
}

/// `noise_curvature`: the options as the configuration gives them.
pub(super) const KIND: ScheduleKind = preset(
    "noise_curvature",
    "keeps each layer's effective step below its bound, options as given",
    |control, own, _| resolve("noise_curvature", &json!({}), control, own),
);

/// `paper`: X = Vol, beta = 1, plug-in noise bound.
pub(crate) const PAPER: ScheduleKind =
    preset("paper", "noise_curvature with X = Vol, beta = 1 and the plug-in noise bound", |control, own, _| {
        let preset = json!({ "noise": "plug_in", "smoothing": 0.0, "beta": 1.0, "statistic": "volatility" });
        resolve("paper", &preset, control, own)
    });

/// `as_run`: plug-in noise bound, and X and beta as the runs behind the paper's figures had them for each method.
pub(crate) const AS_RUN: ScheduleKind = preset(
    "as_run",
    "noise_curvature as the runs behind the paper's figures had it, by method",
    |control, own, facts| resolve("as_run", &as_run(facts), control, own),
);

/// `debiased`: X = Vol, beta = 1, debiased and smoothed noise bound.
pub(crate) const DEBIASED: ScheduleKind =
    preset("debiased", "noise_curvature with the batch's own noise taken off the noise bound", |control, own, _| {
        let preset = json!({ "noise": "debiased", "smoothing": 0.9, "beta": 1.0, "statistic": "volatility" });
        resolve("debiased", &preset, control, own)
    });

/// `noise_only`: the noise bound alone, that of `noise`.
pub(crate) const NOISE_ONLY: ScheduleKind =
    preset("noise_only", "noise_curvature that keeps the noise bound alone", |control, own, _| {
        resolve("noise_only", &json!({ "limit": "noise" }), control, own)
    });

/// `volatility_only`: the volatility bound alone.
pub(crate) const VOLATILITY_ONLY: ScheduleKind =
    preset("volatility_only", "noise_curvature that keeps the volatility bound alone", |control, own, _| {
        resolve("volatility_only", &json!({ "limit": "volatility" }), control, own)
    });

/// `level_only`: the level bound alone.
pub(crate) const LEVEL_ONLY: ScheduleKind =
    preset("level_only", "noise_curvature that keeps the level bound alone", |control, own, _| {
        resolve("level_only", &json!({ "limit": "level" }), control, own)
    });

/// `cooling_only`: the combined bound, and rates that never rise.
pub(crate) const COOLING_ONLY: ScheduleKind =
    preset("cooling_only", "noise_curvature that never raises a rate", |control, own, _| {
        resolve("cooling_only", &json!({ "warm_window": "off" }), control, own)
    });

/// `floor_only`: no bound, every event above the floor cools.
pub(crate) const FLOOR_ONLY: ScheduleKind =
    preset("floor_only", "a mere cap: cools every event whose effective step is above the floor", |control, own, _| {
        resolve("floor_only", &json!({ "limit": "floor_only" }), control, own)
    });

/// The statistic and beta of each method (docs/method.md, section 3.3), the first that fits. A method that the table
/// does not name gets those of L2. CReLU has an entry for each of two learning rates; another rate takes the nearer one
/// on a log scale.
pub(crate) fn as_run_variants() -> Vec<Variant> {
    let middle = 1e-2_f64.sqrt() * 1e-3_f64.sqrt();
    let variant = |part: &str, learning_rate_above, statistic: &str, beta: f64| Variant {
        part: part.to_owned(),
        learning_rate_above,
        options: Map::from_iter([("beta".to_owned(), json!(beta)), ("statistic".to_owned(), json!(statistic))]),
    };
    vec![
        variant("wasserstein", None, "squared_ratio", 20.0),
        variant("crelu", Some(middle), "squared_deviation", 20.0),
        variant("crelu", None, "sharpness", 10.0),
    ]
}

fn as_run(facts: RunFacts) -> Value {
    let mut preset = json!({ "noise": "plug_in", "smoothing": 0.0, "beta": 20.0, "statistic": "normalized_sharpness" });
    let fitting = as_run_variants().into_iter().find(|variant| variant.fits(facts.parts, facts.learning_rate));
    for (key, value) in fitting.into_iter().flat_map(|variant| variant.options) {
        preset[key] = value;
    }
    preset
}

/// The configuration's `control` section comes first, the preset over it, the entry's own keys last. What the section
/// says must not be overruled in silence.
fn resolve(name: &'static str, preset: &Value, control: &Value, own: &Value) -> Result<Resolved, ScheduleError> {
    for (key, value) in preset.as_object().into_iter().flatten() {
        if let Some(given) = control.get(key).filter(|given| *given != value && own.get(key).is_none()) {
            let expected = format!("{value}, which the preset `{name}` sets, or left to the schedules' own entries");
            return Err(OptionError::new(key, given, &expected).into());
        }
    }
    let options = ControlOptions::layered(&[control, preset, own])?;
    let mut record = serde_json::to_value(&options)?;
    record["name"] = json!(name);
    Ok(Resolved {
        options: record,
        bounds: options.bounds(),
        factory: Arc::new(move |start| Box::new(Controller::new(options.clone(), start))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(entry: &ScheduleKind, parts: &[&str], learning_rate: f64, own: Value) -> Value {
        let parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
        let facts = RunFacts { parts: &parts, learning_rate, ..RunFacts::default() };
        (entry.resolve)(&json!({ "cool": 0.95 }), &own, facts).unwrap().options
    }

    #[test]
    fn presets_lie_over_the_section_and_under_the_entrys_own_keys() {
        let options = resolved(&DEBIASED, &["relu"], 1e-3, json!({ "beta": 0.5 }));
        assert_eq!(options["noise"], "debiased");
        assert_eq!(options["smoothing"], 0.9);
        assert_eq!(options["beta"], 0.5);
        assert_eq!(options["cool"], 0.95);
        assert_eq!(options["safety"], 0.8);
    }

    #[test]
    fn a_section_that_a_preset_would_overrule_is_refused() {
        let facts = RunFacts { learning_rate: 1e-3, ..RunFacts::default() };
        let resolve = |own: Value| (PAPER.resolve)(&json!({ "beta": 20.0 }), &own, facts);
        let message = resolve(json!({})).err().unwrap().to_string();
        assert!(message.starts_with("`beta` is 20.0, expected 1.0, which the preset `paper` sets"), "{message}");
        assert_eq!(resolve(json!({ "beta": 0.5 })).unwrap().options["beta"], 0.5);
    }

    #[test]
    fn as_run_chooses_by_method_and_learning_rate() {
        for (parts, learning_rate, statistic, beta) in [
            (vec!["relu"], 1e-3, "normalized_sharpness", 20.0),
            (vec!["l2_loss"], 1e-3, "normalized_sharpness", 20.0),
            (vec!["crelu", "wasserstein"], 1e-3, "squared_ratio", 20.0),
            (vec!["crelu"], 1e-2, "squared_deviation", 20.0),
            (vec!["crelu"], 1e-3, "sharpness", 10.0),
        ] {
            let options = resolved(&AS_RUN, &parts, learning_rate, json!({}));
            assert_eq!((options["statistic"].as_str(), options["beta"].as_f64()), (Some(statistic), Some(beta)));
        }
    }
}
