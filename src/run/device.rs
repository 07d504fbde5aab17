//! The option `device`: the one place where it is decided what a network is trained on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::{Cuda, Device};

/// Where networks are trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceOption(Device);

impl Default for DeviceOption {
    fn default() -> Self {
        DeviceOption(Device::Cpu)
    }
}

impl DeviceOption {
    /// Whether it is the processor.
    pub(crate) fn is_cpu(&self) -> bool {
        self.0 == Device::Cpu
    }

    /// The device, if the machine has it.
    ///
    /// # Errors
    /// It has not: what there is, as a part of a sentence.
    pub fn device(self) -> Result<Device, String> {
        let count = if Cuda::is_available() { Cuda::device_count() } else { 0 };
        match self.0 {
            Device::Cuda(index) if index as i64 >= count => Err(match count {
                0 => "cpu, since libtorch finds no GPU on this machine (make setup TORCH=cuda brings a libtorch that \
                      looks for one)"
                    .to_owned(),
                1 => "cpu or cuda, since there is one GPU on this machine".to_owned(),
                count => format!("cpu, or cuda:0 to cuda:{}, the GPUs of this machine", count - 1),
            }),
            device => Ok(device),
        }
    }
}

impl fmt::Display for DeviceOption {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Device::Cuda(0) => f.write_str("cuda"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            _ => f.write_str("cpu"),
        }
    }
}

impl FromStr for DeviceOption {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceOption, String> {
        let index = |text: &str| text.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        match (text, index(text)) {
            ("cpu", _) => Ok(DeviceOption(Device::Cpu)),
            ("cuda", _) => Ok(DeviceOption(Device::Cuda(0))),
            (_, Some(index)) => Ok(DeviceOption(Device::Cuda(index))),
            _ => Err(format!("found {text:?}, expected cpu, cuda, or cuda:1 and so on")),
        }
    }
}

impl Serialize for DeviceOption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeviceOption, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
