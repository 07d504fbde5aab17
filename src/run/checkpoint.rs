//! A run's state as one file: tensors in safetensors format, everything else as JSON in its header.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};
use trainability_tensor::State;

/// The name of the latest checkpoint in its folder.
pub(crate) const FILE: &str = "state.safetensors";
/// Key of the only header entry: the SHA-256 of the file, taken with [`BLANK_DIGEST`] in its place, and the values after it.
/// One entry, since safetensors writes several in any order, and a state has to have the same bytes every time.
const VALUES: &str = "values";
/// What stands in a digest's place while it is computed.
const BLANK_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why a state cannot be written as a checkpoint, or read from one.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read the checkpoint {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the checkpoint {}: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{} is damaged or not a checkpoint: {source}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        source: Box<CheckpointError>,
    },
    /// What no checkpoint holds.
    #[error("{0}")]
    Content(String),
    /// The values in the header are no JSON.
    #[error(transparent)]
    Values(#[from] serde_json::Error),
    /// The bytes are not in safetensors format.
    #[error(transparent)]
    Format(#[from] SafeTensorError),
}

fn content(reason: impl Into<String>) -> CheckpointError {
    CheckpointError::Content(reason.into())
}

fn dtype(kind: Kind) -> Result<Dtype, CheckpointError> {
    match kind {
        Kind::Float => Ok(Dtype::F32),
        Kind::Double => Ok(Dtype::F64),
        Kind::Int64 => Ok(Dtype::I64),
        other => Err(content(format!("a checkpoint does not hold tensors of {other:?}"))),
    }
}

/// The state as bytes.
///
/// # Errors
/// A tensor of a type that checkpoints do not hold.
pub fn to_bytes(state: &State) -> Result<Vec<u8>, CheckpointError> {
    let values = BLANK_DIGEST.to_owned() + &serde_json::to_string(&state.values)?;
    serialised(&state.tensors, Some(HashMap::from([(VALUES.to_owned(), values)])))
}

/// Tensors, which lie in main memory, in safetensors format.
pub(super) fn serialised(
    tensors: &BTreeMap<String, Tensor>,
    header: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, CheckpointError> {
    let mut raw = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let mut bytes = vec![0u8; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.contiguous().copy_data_u8(&mut bytes, tensor.numel());
        let shape: Vec<usize> = tensor.size().into_iter().map(|length| length as usize).collect();
        raw.push((name.clone(), dtype(tensor.kind())?, shape, bytes));
    }
    let mut views = Vec::with_capacity(raw.len());
    for (name, dtype, shape, bytes) in &raw {
        views.push((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?));
    }
    Ok(safetensors::serialize(views, header)?)
}

/// The state that [`to_bytes`] wrote.
///
/// # Errors
/// Bytes that are no checkpoint.
pub fn from_bytes(bytes: &[u8]) -> Result<State, CheckpointError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let header = metadata.metadata().as_ref().and_then(|header| header.get(VALUES));
    let values = header.and_then(|header| header.get(BLANK_DIGEST.len()..));
    let values = values.ok_or_else(|| content("the checkpoint has no values"))?;
    let values = serde_json::from_str(values)?;
    let mut state = State { values, ..State::default() };
    for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::I64 => Kind::Int64,
            other => return Err(content(format!("the checkpoint's `{name}` is of type {other:?}"))),
        };
        // Beside a length of 0, safetensors lets any other pass.
        let shape: Option<Vec<i64>> = view.shape().iter().map(|&length| i64::try_from(length).ok()).collect();
        let no_shape = || content(format!("the checkpoint's `{name}` has the shape {:?}", view.shape()));
        let tensor = Tensor::f_from_data_size(view.data(), &shape.ok_or_else(no_shape)?, kind)
            .map_err(|error| content(format!("the checkpoint's `{name}`: {error}")))?;
        state.tensors.insert(name.to_owned(), tensor);
    }
    Ok(state)
}

/// Writes the state atomically: the file is the old one or the new one, whatever happens.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, state: &State) -> Result<(), CheckpointError> {
    let mut bytes = to_bytes(state)?;
    write_digest(&mut bytes)?;
    let write = || -> Result<(), io::Error> {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(&bytes)?;
        file.commit()
    };
    write().map_err(|source| CheckpointError::Unwritable { path: path.to_owned(), source })
}

/// Reads a state.
///
/// # Errors
/// There is no such file, or it is no checkpoint.
pub fn read(path: &Path) -> Result<State, CheckpointError> {
    let mut bytes = fs::read(path).map_err(|source| CheckpointError::Unreadable { path: path.to_owned(), source })?;
    let state = verify(&mut bytes).and_then(|()| from_bytes(&bytes));
    state.map_err(|error| CheckpointError::Damaged { path: path.to_owned(), source: Box::new(error) })
}

/// Puts the digest of the whole file into its place.
fn write_digest(bytes: &mut [u8]) -> Result<(), CheckpointError> {
    let place = digest_place(bytes).ok_or_else(|| content("the checkpoint has no place for a digest"))?;
    let digest = hex::encode(Sha256::digest(&bytes));
    bytes[place].copy_from_slice(digest.as_bytes());
    Ok(())
}

/// Takes the digest out of its place and compares it: no bit of a file may differ from what was written.
fn verify(bytes: &mut [u8]) -> Result<(), CheckpointError> {
    let place = digest_place(bytes).ok_or_else(|| content("it has no digest"))?;
    let found = bytes[place.clone()].to_vec();
    bytes[place].copy_from_slice(BLANK_DIGEST.as_bytes());
    match found == hex::encode(Sha256::digest(&bytes)).as_bytes() {
        true => Ok(()),
        false => Err(content("its content does not fit its digest")),
    }
}

/// Where the digest stands in the header. Inside of a value the quotes of the key would have a backslash each.
fn digest_place(bytes: &[u8]) -> Option<Range<usize>> {
    let header = usize::try_from(u64::from_le_bytes(bytes.first_chunk().copied()?)).ok()?.checked_add(8)?;
    let key = format!("\"{VALUES}\":\"");
    let found = bytes.get(8..header)?.windows(key.len()).position(|window| window == key.as_bytes())?;
    let start = 8 + found + key.len();
    (start + BLANK_DIGEST.len() <= header).then_some(start..start + BLANK_DIGEST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        let mut state = State::default();
        state.put_tensor("single", &Tensor::from_slice(&[1.5f32, f32::MIN_POSITIVE, -0.0]).view([3, 1]));
        state.put_tensor("transposed", &Tensor::from_slice(&[1i64, 2, 3, 4]).view([2, 2]).tr());
        state.put_numbers("numbers", &[0.1, f64::NAN, f64::NEG_INFINITY]);
        state.put_numbers("empty", &[]);
        state.put_value("count", &u64::MAX);
        let back = from_bytes(&to_bytes(&state).unwrap()).unwrap();
        assert_eq!(back.tensors["single"], state.tensors["single"]);
        assert_eq!(back.tensors["transposed"], state.tensors["transposed"]);
        let numbers = back.numbers("numbers").unwrap();
        assert!(numbers[0] == 0.1 && numbers[1].is_nan() && numbers[2] == f64::NEG_INFINITY);
        assert_eq!(back.numbers("empty").unwrap(), Vec::<f64>::new());
        assert_eq!(back.value::<u64>("count").unwrap(), u64::MAX);
    }

    #[test]
    fn no_changed_bit_of_a_file_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let mut state = State::default();
        state.put_numbers("numbers", &[1.0, 2.0]);
        state.put_value("text", &"\"values\":\"");
        write(&path, &state).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(read(&path).unwrap().numbers("numbers").unwrap(), [1.0, 2.0]);
        assert!(SafeTensors::deserialize(&bytes).is_ok(), "other readers of the format can read it");
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            fs::write(&path, damaged).unwrap();
            assert!(read(&path).is_err(), "byte {place}");
        }
        fs::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
        assert!(read(&path).is_err(), "something was added");
        fs::write(&path, []).unwrap();
        assert!(read(&path).is_err(), "it was emptied");
    }

    #[test]
    fn damage_is_an_error() {
        let mut state = State::default();
        state.put_numbers("numbers", &[1.0, 2.0]);
        let bytes = to_bytes(&state).unwrap();
        for length in 0..bytes.len() {
            assert!(from_bytes(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
