//! A file of named tensors in safetensors format, written by any program.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use tch::{Kind, Tensor};

use super::error::InspectionError;

/// Tensors by name.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: String,
    tensors: BTreeMap<String, Stored>,
}

/// A tensor, or the element type of one that cannot be used here.
#[derive(Debug)]
enum Stored {
    Known(Tensor),
    Other(Dtype),
}

impl TensorFile {
    /// Reads the whole file. A tensor of a type other than F32, F64 and I64 is an error only when it is asked for.
    ///
    /// # Errors
    /// The file cannot be read, or is not in safetensors format.
    pub(super) fn read(path: &Path) -> Result<TensorFile, InspectionError> {
        let shown = path.display().to_string();
        let unreadable = |problem| InspectionError::Unreadable { path: shown.clone(), problem };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        // A zip archive, as PyTorch writes it since 1.6, or a pickle.
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 0x02]) {
            return Err(InspectionError::Pickled { path: shown });
        }
        let damaged = |problem| InspectionError::Damaged { path: shown.clone(), problem };
        let content = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in content.iter() {
            let kind = match view.dtype() {
                Dtype::F32 => Some(Kind::Float),
                Dtype::F64 => Some(Kind::Double),
                Dtype::I64 => Some(Kind::Int64),
                _ => None,
            };
            let shape: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
            let stored = match kind {
                Some(kind) => Stored::Known(Tensor::from_data_size(view.data(), &shape, kind)),
                None => Stored::Other(view.dtype()),
            };
            tensors.insert(name.to_owned(), stored);
        }
        Ok(TensorFile { path: shown, tensors })
    }

    /// The same tensors under our names.
    pub(super) fn renamed(self, ours: impl Fn(&str) -> String) -> TensorFile {
        let tensors = self.tensors.into_iter().map(|(name, tensor)| (ours(&name), tensor)).collect();
        TensorFile { tensors, ..self }
    }

    /// Of how many dimensions a tensor is, if it can be used here.
    pub(super) fn dimensions(&self, name: &str) -> Option<usize> {
        match self.tensors.get(name)? {
            Stored::Known(tensor) => Some(tensor.dim()),
            Stored::Other(_) => None,
        }
    }

    /// The names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The F32 or F64 tensor of that name, all of whose values are finite; `what` describes it in the message if it is missing.
    ///
    /// # Errors
    /// It is missing, has another type, or has a value that is infinite or not a number.
    pub(super) fn floats(&self, name: &str, what: &str) -> Result<Tensor, InspectionError> {
        let tensor = self.of_kind(name, what, &[Kind::Float, Kind::Double], "F32 or F64")?;
        self.check_finite(name, &tensor)?;
        Ok(tensor)
    }

    /// The I64 tensor of that name.
    ///
    /// # Errors
    /// It is missing or has another type.
    pub(super) fn integers(&self, name: &str, what: &str) -> Result<Tensor, InspectionError> {
        self.of_kind(name, what, &[Kind::Int64], "I64")
    }

    /// The one number in the I64, F32 or F64 tensor of that name.
    ///
    /// # Errors
    /// It is missing, or has another type or more than one element.
    pub(super) fn scalar(&self, name: &str, what: &str) -> Result<f64, InspectionError> {
        let tensor = self.of_kind(name, what, &[Kind::Int64, Kind::Float, Kind::Double], "I64, F32 or F64")?;
        match tensor.numel() {
            1 => Ok(tensor.to_kind(Kind::Double).flatten(0, -1).double_value(&[0])),
            _ => Err(self.refuse(name, format!("is of shape {:?}", tensor.size()), "one number")),
        }
    }

    /// Checks that every value of a tensor is finite, also after it was rounded to a lower precision.
    ///
    /// # Errors
    /// A value is infinite or not a number.
    pub(super) fn check_finite(&self, name: &str, tensor: &Tensor) -> Result<(), InspectionError> {
        let odd = tensor.numel() as i64 - tensor.isfinite().sum(Kind::Int64).int64_value(&[]);
        match odd {
            0 => Ok(()),
            odd => {
                let found = format!("has {odd} values of {} that are infinite or not a number", tensor.numel());
                Err(self.refuse(name, found, "finite numbers that its precision can hold"))
            }
        }
    }

    /// The error about a tensor of this file.
    pub(super) fn refuse(&self, name: &str, found: impl ToString, expected: impl ToString) -> InspectionError {
        InspectionError::Tensor {
            path: self.path.clone(),
            name: name.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    fn of_kind(&self, name: &str, what: &str, kinds: &[Kind], wording: &str) -> Result<Tensor, InspectionError> {
        let found = match self.tensors.get(name) {
            Some(Stored::Known(tensor)) if kinds.contains(&tensor.kind()) => return Ok(tensor.shallow_clone()),
            Some(Stored::Known(tensor)) => match tensor.kind() {
                Kind::Int64 => "I64".to_owned(),
                Kind::Float => "F32".to_owned(),
                _ => "F64".to_owned(),
            },
            Some(Stored::Other(dtype)) => format!("{dtype}"),
            None => {
                let expected = what.to_owned();
                return Err(InspectionError::Missing { path: self.path.clone(), name: name.to_owned(), expected });
            }
        };
        Err(self.refuse(name, format!("is of type {found}"), wording))
    }
}

/// A tensor's shape, for a sentence.
pub(super) fn shape_of(tensor: &Tensor) -> String {
    format!("is of shape {:?}", tensor.size())
}
