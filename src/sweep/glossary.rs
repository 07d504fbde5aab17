//! The glossary of `sweep.json`, out of the registries of this program.

use serde_json::{Value, json};
use trainability_baselines::registry::PARTS;
use trainability_record::Glossary;
use trainability_record::glossary::{DescribedBound, DescribedIndicator, DescribedPart, DescribedSchedule};

use crate::run::catalogue;

use crate::schedule::{AS_RUN, BOUNDS, RunFacts, SCHEDULES, ScheduleKind, as_run_variants};

/// What the names in a sweep's files mean.
pub(crate) fn glossary() -> Glossary {
    let indicators = catalogue().into_iter().map(|definition| DescribedIndicator {
        name: definition.name.to_owned(),
        title: definition.title.to_owned(),
        role: definition.role,
        loss_follows: definition.loss_follows,
        text: definition.text.to_owned(),
    });
    let bounds = BOUNDS.iter().map(|bound| DescribedBound {
        column: bound.column.to_owned(),
        label: bound.title.to_owned(),
        text: bound.text.to_owned(),
        colour: bound.colour.to_owned(),
        width: bound.width,
    });
    let parts = PARTS.iter().map(|part| {
        (part.name.to_owned(), DescribedPart { about: part.about.to_owned(), defaults: part.default_options() })
    });
    let schedules = SCHEDULES.iter().map(|kind| (kind.name.to_owned(), described(kind)));
    Glossary {
        indicators: indicators.collect(),
        bounds: bounds.collect(),
        parts: parts.collect(),
        schedules: schedules.collect(),
    }
}

fn described(kind: &ScheduleKind) -> DescribedSchedule {
    let facts = RunFacts { learning_rate: f64::NAN, ..RunFacts::default() };
    let resolved = (kind.resolve)(&json!({}), &json!({}), facts);
    DescribedSchedule {
        about: kind.about.to_owned(),
        defaults: resolved.map_or(Value::Null, |resolved| resolved.options),
        variants: if kind.name == AS_RUN.name { as_run_variants() } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_finds_the_defaults_that_a_run_would_have() {
        let glossary = glossary();
        for kind in SCHEDULES {
            for parts in [&["relu"][..], &["crelu"], &["l2_loss"], &["wasserstein"], &["crelu", "wasserstein"]] {
                let parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
                for learning_rate in [1e-4, 1e-3, 3e-3, 4e-3, 1e-2] {
                    let facts = RunFacts { parts: &parts, learning_rate, ..RunFacts::default() };
                    // What cannot do without options has no defaults.
                    let resolved = (kind.resolve)(&json!({}), &json!({}), facts);
                    assert_eq!(resolved.is_err(), kind.name == "replay");
                    let resolved = resolved.map_or(Value::Null, |resolved| resolved.options);
                    let read = glossary.schedules[kind.name].defaults_for(&parts, learning_rate);
                    assert_eq!(read, resolved, "{} {parts:?} {learning_rate}", kind.name);
                }
            }
        }
    }

    #[test]
    fn every_bound_has_its_column() {
        let columns = crate::run::columns().controls;
        assert!(glossary().bounds.iter().all(|bound| columns.contains(&bound.column.as_str())));
    }
}
