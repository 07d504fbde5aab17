//! `sweep.json`: what was configured, where and when it ran, and what the names in the other files mean.

use std::path::Path;

use serde_json::Value;

use crate::digest::{Damage, Digest, read_json};
use crate::glossary::Glossary;

/// The name of the file in a sweep's folder.
pub const SWEEP_FILE: &str = "sweep.json";

/// The key of the glossary.
const GLOSSARY: &str = "glossary";

/// The content of the file.
#[derive(Clone, Debug)]
pub struct SweepRecord {
    /// Configuration and provenance: everything but the glossary.
    pub provenance: Value,
    /// What the names mean.
    pub glossary: Glossary,
}

/// Reads the file in a sweep's folder, if there is one.
///
/// # Errors
/// It is there but cannot be read, or is damaged.
pub fn read_sweep(folder: &Path) -> Result<Option<SweepRecord>, Damage> {
    let path = folder.join(SWEEP_FILE);
    let mut provenance = match read_json(&path, Digest::Optional) {
        Ok(value) => value,
        Err(Damage::Missing(_)) => return Ok(None),
        Err(damage) => return Err(damage),
    };
    let glossary = match provenance.as_object_mut().and_then(|object| object.shift_remove(GLOSSARY)) {
        Some(glossary) => serde_json::from_value(glossary).map_err(|error| Damage::changed(&path, error))?,
        None => Glossary::format2(),
    };
    Ok(Some(SweepRecord { provenance, glossary }))
}
