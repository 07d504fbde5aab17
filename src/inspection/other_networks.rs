//! Checkpoints of the registry's networks other than the perceptron.

use tch::{Device, Kind};
use trainability_baselines::activation::Activation;
use trainability_baselines::options::OptionError;
use trainability_tensor::{Generator, State};

use super::error::InspectionError;
use super::tensor_file::{TensorFile, shape_of};
use crate::data::ImageShape;
use crate::learner::Precision;
use crate::model::{Architecture, Model, NetworkKind, NetworkOptions};

/// How the images of a batch lie, which a network that sees pixels has to know.
///
/// # Errors
/// They are no planes of pixels.
pub(super) fn image_shape(batch: &TensorFile) -> Result<ImageShape, InspectionError> {
    let images = batch.floats("images", "the inputs, N x channels x height x width")?;
    match images.size()[..] {
        [_, channels, rows, columns] if channels * rows * columns > 0 => {
            Ok(ImageShape { channels: channels as usize, rows: rows as usize, columns: columns as usize })
        }
        _ => Err(batch.refuse(
            "images",
            shape_of(&images),
            "[N, channels, height, width], since the network sees pixels",
        )),
    }
}

/// Reads a network of that kind.
///
/// # Errors
/// Options that the images do not allow; a tensor that is missing, of another shape, or of no layer of the network.
pub(super) fn read(
    file: &TensorFile,
    options: &NetworkOptions,
    image: ImageShape,
    activation: Box<dyn Activation>,
    (precision, device): (Option<Precision>, Device),
) -> Result<(Architecture, Box<dyn Model>), InspectionError> {
    options.check_for(image).map_err(InspectionError::Network)?;
    if options.kind != NetworkKind::Convolutional && activation.features(2) != 2 {
        let found = format!("{:?} with {activation:?}", options.kind.name());
        let expected = "mlp or convolutional, or an activation that does not widen";
        return Err(InspectionError::Network(OptionError::new("kind", found, expected)));
    }
    let names = options.layer_names();
    let head = format!("{}.weight", names[names.len() - 1]);
    let what = format!("the parameters of a {} network", options.kind.name());
    let weight = file.floats(&head, &what)?;
    if weight.dim() != 2 {
        return Err(file.refuse(&head, shape_of(&weight), "a matrix of classes x features"));
    }
    let kind = match precision {
        Some(Precision::F32) => Kind::Float,
        Some(Precision::F64) => Kind::Double,
        None => weight.kind(),
    };
    let architecture = options.architecture(image, weight.size()[0], kind);
    let mut random = Generator::named("foreign", 0);
    let mut model = architecture.clone().build(activation, None, device, &mut random);
    let mut state = State::default();
    for parameter in model.layers().iter().flat_map(|layer| &layer.parameters) {
        let tensor = file.floats(&parameter.name, &what)?;
        if tensor.size() != parameter.value.size() {
            let expected = format!("{:?}, as `network` options make it", parameter.value.size());
            return Err(file.refuse(&parameter.name, shape_of(&tensor), expected));
        }
        let tensor = tensor.to_kind(kind);
        file.check_finite(&parameter.name, &tensor)?;
        state.tensors.insert(parameter.name.clone(), tensor);
    }
    if let Some(other) = file.names().find(|name| !state.tensors.contains_key(*name)) {
        let expected = match other.contains("running_") || other.ends_with("num_batches_tracked") {
            true => "a network without batch normalisation",
            false => "the parameters of its layers and nothing else",
        };
        return Err(file.refuse(other, format!("is no tensor of a {} network", options.kind.name()), expected));
    }
    Model::restore(model.as_mut(), &state).expect("parameters that were read for this network");
    Ok((architecture, model))
}
