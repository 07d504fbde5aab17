//! From an experiment to its plan, for every subcommand that trains.

use std::path::Path;

use anyhow::{Context, Result};

use crate::data::{ImageSet, load, load_with_test};
use crate::experiment::{Experiment, ImageFacts, Plan};

/// The plan of the experiment that stands in a file, and its images. What is refused of runs that are not wanted, by name, is no
/// error.
pub(super) fn plan(experiment: Experiment, config: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<(Plan, ImageSet)> {
    let load = if experiment.asks_for_test_images() { load_with_test } else { load };
    let set = load(&experiment.data.set, experiment.data.folder.as_deref())
        .with_context(|| format!("{}: at `data`", config.display()))?;
    let facts = ImageFacts::of(&set);
    Ok((Plan::wanting(experiment, &facts, wanted)?, set))
}
