//! The glossary of `sweep.json`, out of the registries of this program.

use serde_json::{Value, json};
use trainability_baselines::method::PARTS;
use trainability_record::Glossary;
use trainability_record::glossary::{DescribedBound, DescribedIndicator, DescribedPart, DescribedSchedule};

use crate::probe::catalogue::catalogue;
use crate::schedule::noise_curvature::{AS_RUN, as_run_variants};
use crate::schedule::{Entry, RunFacts, SCHEDULES};

/// Column, label, explanation, and the colour and width of the line of each bound on the effective step.
const BOUNDS: [(&str, &str, &str, &str, f64); 5] = [
    ("noise_bound", "noise bound", "B |g|^2 / sigma2", "#0072b2", 3.5),
    ("noise_bound_debiased", "debiased noise bound", "the noise bound without the batch's own noise", "#56b4e9", 3.0),
    ("volatility_bound", "volatility bound", "1 / (kappa Vol)", "#e69f00", 3.0),
    ("level_bound", "level bound", "2 mu / (s2 + mu^2)", "#cc79a7", 3.0),
    ("combined_bound", "combined bound", "alpha_safe by the run's options", "#d55e00", 8.0),
];

/// What the names in a sweep's files mean.
pub fn glossary() -> Glossary {
    let indicators = catalogue().into_iter().map(|definition| DescribedIndicator {
        name: definition.name.to_owned(),
        title: definition.title.to_owned(),
        role: definition.role,
        text: definition.text.to_owned(),
    });
    let bounds = BOUNDS.map(|(column, label, text, colour, width)| DescribedBound {
        column: column.to_owned(),
        label: label.to_owned(),
        text: text.to_owned(),
        colour: colour.to_owned(),
        width,
    });
    let parts = PARTS.iter().map(|part| {
        (part.name.to_owned(), DescribedPart { about: part.about.to_owned(), defaults: part.default_options() })
    });
    let schedules = SCHEDULES.iter().map(|entry| (entry.name.to_owned(), described(entry)));
    Glossary {
        indicators: indicators.collect(),
        bounds: bounds.to_vec(),
        parts: parts.collect(),
        schedules: schedules.collect(),
    }
}

fn described(entry: &Entry) -> DescribedSchedule {
    let facts = RunFacts { parts: &[], learning_rate: f64::NAN };
    let resolved = (entry.resolve)(&json!({}), &json!({}), facts);
    DescribedSchedule {
        about: entry.about.to_owned(),
        defaults: resolved.map_or(Value::Null, |resolved| resolved.options),
        variants: if entry.name == AS_RUN.name { as_run_variants() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_finds_the_defaults_that_a_run_would_have() {
        let glossary = glossary();
        for entry in SCHEDULES {
            for parts in [&["relu"][..], &["crelu"], &["l2_loss"], &["wasserstein"], &["crelu", "wasserstein"]] {
                let parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
                for learning_rate in [1e-4, 1e-3, 3e-3, 4e-3, 1e-2] {
                    let facts = RunFacts { parts: &parts, learning_rate };
                    let resolved = (entry.resolve)(&json!({}), &json!({}), facts).unwrap().options;
                    let read = glossary.schedules[entry.name].defaults_for(&parts, learning_rate);
                    assert_eq!(read, resolved, "{} {parts:?} {learning_rate}", entry.name);
                }
            }
        }
    }

    /// Writes the glossary: `cargo test --lib write_the_glossary -- --ignored --nocapture`.
    #[test]
    #[ignore = "prints"]
    fn write_the_glossary() {
        println!("{}", serde_json::to_string_pretty(&glossary()).unwrap());
    }

    #[test]
    fn every_bound_has_its_column() {
        let columns = crate::train::columns::columns().controls;
        assert!(glossary().bounds.iter().all(|bound| columns.contains(&bound.column.as_str())));
    }
}
