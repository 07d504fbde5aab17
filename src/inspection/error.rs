//! What is wrong with somebody else's files.

use safetensors::SafeTensorError;

use crate::experiment::ConfigError;

/// One sentence with the file, the tensor, what was there and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// A file cannot be read.
    #[error("cannot read {path}: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        problem: std::io::Error,
    },
    /// It is not in safetensors format.
    #[error("{path} is damaged or not a safetensors file: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What the format's reader says.
        problem: SafeTensorError,
    },
    /// It lacks a tensor.
    #[error("{path} has no `{name}`, expected {expected}")]
    Missing {
        /// The file.
        path: String,
        /// The tensor's name.
        name: String,
        /// What would be right.
        expected: String,
    },
    /// A tensor of another type, shape or content.
    #[error("{path}: `{name}` {found}, expected {expected}")]
    Tensor {
        /// The file.
        path: String,
        /// The tensor's name.
        name: String,
        /// What was there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A method that no foreign network can be measured with.
    #[error("the method's `{part}` {problem}")]
    Method {
        /// Name of the part.
        part: String,
        /// Why not, and what would be right.
        problem: String,
    },
    /// A method that is none.
    #[error(transparent)]
    Parts(#[from] ConfigError),
    /// The network leaves the real numbers on the batch.
    #[error("{what} more than {precision} can hold, expected smaller weights or inputs{advice}")]
    Overflow {
        /// What leaves them, with its verb.
        what: String,
        /// `f32` or `f64`.
        precision: &'static str,
        /// A higher precision, where there is one.
        advice: &'static str,
    },
}
