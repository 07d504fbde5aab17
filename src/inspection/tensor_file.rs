//! A file of named tensors in safetensors format, whoever wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use tch::{Kind, Tensor};

use super::InspectionError;

/// Tensors by name.
#[derive(Debug)]
pub struct TensorFile {
    path: String,
    tensors: BTreeMap<String, Stored>,
}

/// A tensor, or the name of a type that is of no use here.
#[derive(Debug)]
enum Stored {
    Known(Tensor),
    Other(Dtype),
}

impl TensorFile {
    /// Reads the whole file. Tensors of other types than F32, F64 and I64 are an error only when they are asked for.
    ///
    /// # Errors
    /// There is no such file, or it is no safetensors file.
    pub fn read(path: &Path) -> Result<TensorFile, InspectionError> {
        let shown = path.display().to_string();
        let unreadable = |problem| InspectionError::Unreadable { path: shown.clone(), problem };
        let bytes = std::fs::read(path).map_err(unreadable)?;
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

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor of finite F32 or F64; `what` says what is expected where there is none.
    ///
    /// # Errors
    /// There is none, it is of another type, or holds something else than numbers.
    pub fn floats(&self, name: &str, what: &str) -> Result<Tensor, InspectionError> {
        let tensor = self.of_kind(name, what, &[Kind::Float, Kind::Double], "F32 or F64")?;
        self.check_finite(name, &tensor)?;
        Ok(tensor)
    }

    /// A tensor of I64.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub fn integers(&self, name: &str, what: &str) -> Result<Tensor, InspectionError> {
        self.of_kind(name, what, &[Kind::Int64], "I64")
    }

    /// A tensor of I64, F32 or F64 that holds one number.
    ///
    /// # Errors
    /// There is none, or it is of another type or shape.
    pub fn scalar(&self, name: &str, what: &str) -> Result<f64, InspectionError> {
        let tensor = self.of_kind(name, what, &[Kind::Int64, Kind::Float, Kind::Double], "I64, F32 or F64")?;
        match tensor.numel() {
            1 => Ok(tensor.to_kind(Kind::Double).flatten(0, -1).double_value(&[0])),
            _ => Err(self.refuse(name, format!("is of shape {:?}", tensor.size()), "one number")),
        }
    }

    /// Refuses a tensor that has been rounded to infinity, or was never finite.
    ///
    /// # Errors
    /// It has an infinity or something that is not a number.
    pub fn check_finite(&self, name: &str, tensor: &Tensor) -> Result<(), InspectionError> {
        let odd = tensor.numel() as i64 - tensor.isfinite().sum(Kind::Int64).int64_value(&[]);
        match odd {
            0 => Ok(()),
            odd => {
                let found = format!("has {odd} values of {} that are infinite or not a number", tensor.numel());
                Err(self.refuse(name, found, "finite numbers that its precision can hold"))
            }
        }
    }

    /// A complaint about a tensor of this file.
    pub fn refuse(&self, name: &str, found: impl ToString, expected: impl ToString) -> InspectionError {
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
