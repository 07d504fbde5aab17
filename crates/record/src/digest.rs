//! Files that show when they were changed: JSON whose last key is a digest of all others, and SHA-256 of whole files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::atomic::{WriteError, write};

/// The key that holds the digest.
const KEY: &str = "digest";

/// Why the content of a file is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It should be there.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// It is there and cannot be read, which may pass.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{} is damaged: {reason}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
}

impl Damage {
    /// The file's content is not what was written.
    pub(crate) fn changed(path: &Path, reason: impl ToString) -> Damage {
        Damage::Changed { path: path.to_owned(), reason: reason.to_string() }
    }

    /// What the system says of a file that should be there.
    pub(crate) fn of_reading(path: &Path, source: io::Error) -> Damage {
        match source.kind() {
            ErrorKind::NotFound => Damage::Missing(path.to_owned()),
            _ => Damage::Unreadable { path: path.to_owned(), source },
        }
    }
}

/// What is thought of a JSON file without a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It is damaged.
    Required,
    /// It was written by something else, and is believed.
    Optional,
}

/// Writes a value, a JSON object, with its digest: the old file or the new one, never a part of it.
///
/// # Errors
/// The value is no object, or what the file system says.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    let refuse = |reason: &dyn ToString| WriteError::Content {
        path: path.to_owned(),
        format: "JSON",
        reason: reason.to_string(),
    };
    let mut value = serde_json::to_value(value).map_err(|error| refuse(&error))?;
    let digest = digest_of(&value);
    value.as_object_mut().ok_or_else(|| refuse(&"only an object has a digest"))?.insert(KEY.to_owned(), digest.into());
    write(path, format!("{value:#}\n").as_bytes())
}

/// The value that [`write_json`] wrote. The digest is over what the JSON means: another layout does no harm.
///
/// # Errors
/// The file is missing, cannot be read, is no JSON, or does not fit its digest.
pub fn read_json(path: &Path, digest: Digest) -> Result<Value, Damage> {
    let bytes = fs::read(path).map_err(|error| Damage::of_reading(path, error))?;
    let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| Damage::changed(path, error))?;
    let object = value.as_object_mut().ok_or_else(|| Damage::changed(path, "it is no JSON object"))?;
    match (object.shift_remove(KEY), digest) {
        (Some(found), _) if found == digest_of(&value) => Ok(value),
        (Some(_), _) => Err(Damage::changed(path, "its content does not fit its digest")),
        (None, Digest::Required) => Err(Damage::changed(path, "it has no digest")),
        (None, Digest::Optional) => Ok(value),
    }
}

fn digest_of(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_comes_back_and_no_changed_byte_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let value = json!({ "number": 0.1, "text": "a\u{e9}", "inner": { "list": [1, null, u64::MAX] } });
        write_json(&path, &value).unwrap();
        assert_eq!(read_json(&path, Digest::Required).unwrap(), value);

        let bytes = fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            for flipped in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << flipped;
                fs::write(&path, &damaged).unwrap();
                let found = read_json(&path, Digest::Required);
                assert!(found.as_ref().map_or(true, |found| *found == value), "byte {place}: {found:?}");
            }
            fs::write(&path, &bytes[..place]).unwrap();
            let cut = read_json(&path, Digest::Required);
            assert!(cut.is_err() || place == bytes.len() - 1, "cut at {place}: only the last line break may go");
        }
        fs::write(&path, value.to_string()).unwrap();
        assert!(read_json(&path, Digest::Required).unwrap_err().to_string().ends_with("it has no digest"));
        assert_eq!(read_json(&path, Digest::Optional).unwrap(), value);
        fs::remove_file(&path).unwrap();
        assert!(matches!(read_json(&path, Digest::Optional), Err(Damage::Missing(_))));
    }

    #[test]
    fn the_checksum_is_sha_256() {
        // printf abc | sha256sum
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(b"abc"), expected);
    }
}
