//! From an experiment to its plan, for every subcommand that trains.

use std::path::Path;

use anyhow::{Context, Result};

use crate::data::{ImageSet, load, load_with_test};
use crate::experiment::{Experiment, ImageFacts, Plan};

/// The plan of the experiment that stands in a file, and its images.
pub(super) fn plan(experiment: Experiment, config: &Path) -> Result<(Plan, ImageSet)> {
    let load = if experiment.asks_for_test_images() { load_with_test } else { load };
    let set = load(&experiment.data.set, experiment.data.folder.as_deref())
        .with_context(|| format!("{}: at `data`", config.display()))?;
    let facts = ImageFacts::of(&set);
    Ok((Plan::new(experiment, &facts)?, set))
}
