//! Why a network that another program saved cannot be measured.

use safetensors::SafeTensorError;

use trainability_baselines::options::OptionError;

use crate::experiment::ConfigError;

/// One sentence that names the file, the tensor, what was found and what was expected.
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
    /// It is what `torch.save` writes.
    #[error(
        "{path} is a file of torch.save, expected one in safetensors format, which Python makes of it by `from \
         safetensors.torch import save_file` and `save_file(torch.load({path:?}, map_location=\"cpu\"), \
         \"net.safetensors\")`; of a whole model or a dictionary that holds the parameters, take its `state_dict()` or that entry"
    )]
    Pickled {
        /// The file.
        path: String,
    },
    /// Options of the network that cannot be.
    #[error("network: {0}")]
    Network(OptionError),
    /// A tensor is not there.
    #[error("{path} has no `{name}`, expected {expected}")]
    Missing {
        /// The file.
        path: String,
        /// The tensor's name.
        name: String,
        /// What was expected.
        expected: String,
    },
    /// A tensor of another type, shape or content.
    #[error("{path}: `{name}` {found}, expected {expected}")]
    Tensor {
        /// The file.
        path: String,
        /// The tensor's name.
        name: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A part of a method that only makes sense while a network is trained here.
    #[error("the method's `{part}` {problem}")]
    Method {
        /// Name of the part.
        part: String,
        /// Why not, and what was expected.
        problem: String,
    },
    /// The method cannot be read.
    #[error(transparent)]
    Parts(#[from] ConfigError),
    /// The network overflows on the batch.
    #[error("{what} more than {precision} can hold, expected smaller weights or inputs{advice}")]
    Overflow {
        /// What overflows, with its verb.
        what: String,
        /// `f32` or `f64`.
        precision: &'static str,
        /// The advice to use a higher precision, where there is one.
        advice: &'static str,
    },
}
