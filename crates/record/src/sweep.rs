//! `sweep.json`: what was configured, where and when it ran, and what the names in the other files mean.

use std::path::Path;

use serde_json::Value;

use crate::digest::{Damage, Digest, read_json};
use crate::glossary::Glossary;

/// Reads the file in a sweep's folder, if there is one: configuration and provenance, which is everything but the glossary,
/// and what the names mean.
///
/// # Errors
/// It is there but cannot be read, or is damaged.
pub fn read_sweep(folder: &Path) -> Result<Option<(Value, Glossary)>, Damage> {
    let path = folder.join("sweep.json");
    let mut provenance = match read_json(&path, Digest::Optional) {
        Ok(value) => value,
        Err(Damage::Missing(_)) => return Ok(None),
        Err(damage) => return Err(damage),
    };
    let glossary = match provenance.as_object_mut().and_then(|object| object.shift_remove("glossary")) {
        Some(glossary) => serde_json::from_value(glossary).map_err(|error| Damage::changed(&path, error))?,
        None => Glossary::format2(),
    };
    Ok(Some((provenance, glossary)))
}
