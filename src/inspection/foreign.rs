//! A network that somebody else trained, with a batch and, where there is one, the state of its Adam.

use std::path::Path;

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::method::Rules;
use trainability_baselines::penalty::Penalty;
use trainability_tensor::{Generator, Layer, LinearMap, State, Stateful};

use super::error::InspectionError;
use super::naming::Naming;
use super::other_networks;
use super::tensor_file::{TensorFile, shape_of};
use crate::learner::Precision;
use crate::model::{Architecture, Chain, Model, NetworkOptions, Shape};
use crate::optimizer::{Adam, AdamOptions};
use crate::run::MethodPlan;

/// The files.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// `fc1.weight` (out x in), `fc1.bias` (out), `fc2.weight`, ... as PyTorch saves a multi-layer perceptron, or the parameters of
    /// another network of the registry. A prefix that all have, and the numbers of a `nn.Sequential`, do no harm.
    pub checkpoint: &'a Path,
    /// `images` (N x inputs, or N x channels x height x width) and `labels` (N, I64).
    pub batch: &'a Path,
    /// `fc1.weight.exp_avg_sq` and so on for every parameter, `step`, and `exp_avg` for all parameters or none.
    pub adam_state: Option<&'a Path>,
    /// The parameters from which training began, in the format of the checkpoint.
    pub initial: Option<&'a Path>,
}

/// How the files are to be understood.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The kind of network and its sizes; a perceptron of the checkpoint's widths where it is left out.
    pub network: Option<NetworkOptions>,
    /// Activation, penalties and weight decay.
    pub method: MethodPlan,
    /// Adam's constants.
    pub adam: AdamOptions,
    /// The learning rate of every layer.
    pub learning_rate: f64,
    /// The element type to compute in; the checkpoint's own where it is left out.
    pub precision: Option<Precision>,
    /// Where to compute.
    pub device: Device,
}

/// Everything that is known of the network.
#[derive(Debug)]
pub struct Foreign {
    /// The network.
    pub network: Box<dyn Model>,
    /// What it is.
    pub architecture: Architecture,
    /// N x inputs.
    pub images: Tensor,
    /// N, Int64, each a class of the network.
    pub labels: Tensor,
    /// The parameters from which training began, if they are known.
    pub initial: Option<Vec<Layer>>,
    /// What the method does to training: penalties, weight decay, gradient rule, and no surgery.
    pub rules: Rules,
    /// Adam as it was saved, or without a step where it was not.
    pub optimizer: Adam,
    /// Whether the first moments are known, so that the next update is.
    pub has_first_moments: bool,
    /// How it was read.
    pub reading: Reading,
}

impl Foreign {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// A file that is missing, damaged or of other content than [`Sources`] describes; a method with surgery or normalisation, or
    /// with a penalty on the distance to initial parameters that are not given.
    pub fn read(sources: Sources, reading: Reading) -> Result<Foreign, InspectionError> {
        let method = reading.method.build();
        if let Some(surgery) = method.rules.surgeries.first() {
            let problem = "acts on training alone, expected activations, penalties and weight decays".to_owned();
            return Err(InspectionError::Method { part: surgery.name().to_owned(), problem });
        }
        if let Some(normalization) = &method.normalization {
            let problem = "is not read from a checkpoint, expected activations, penalties and weight decays".to_owned();
            return Err(InspectionError::Method { part: normalization.name().to_owned(), problem });
        }
        let device = reading.device;
        let file = TensorFile::read(sources.checkpoint)?;
        let naming = Naming::of(&file);
        let batch = TensorFile::read(sources.batch)?;
        let wanted = WantedNetwork { reading: &reading, batch: &batch };
        let (architecture, network) =
            wanted.read(&file.renamed(|name| naming.ours(name)), method.activation, reading.precision)?;
        let (images, labels) = read_batch(&batch, network.as_ref())?;
        let (images, labels) = (images.to_device(device), labels.to_device(device));
        let mut rules = method.rules;
        let began =
            sources.initial.map(TensorFile::read).transpose()?.map(|file| file.renamed(|name| naming.ours(name)));
        let initial = begin(&mut rules.penalties, network.as_ref(), began.as_ref(), &wanted)?;
        let mut optimizer = Adam::new(reading.adam, rules.weight_decay, network.layers());
        let mut has_first_moments = false;
        if let Some(path) = sources.adam_state {
            let (state, complete) =
                read_adam_state(&TensorFile::read(path)?.renamed(|name| naming.ours(name)), network.as_ref())?;
            optimizer.restore(&state).expect("a state that was read for this network");
            has_first_moments = complete;
        }
        Ok(Foreign { network, architecture, images, labels, initial, rules, optimizer, has_first_moments, reading })
    }

    /// The element type's name in configurations.
    pub fn precision(&self) -> &'static str {
        precision_of(self.network.as_ref()).1
    }
}

fn precision_of(network: &dyn Model) -> (Precision, &'static str) {
    match network.layers()[0].weight().kind() {
        Kind::Double => (Precision::F64, "f64"),
        _ => (Precision::F32, "f32"),
    }
}

/// What network is to be read, and the batch whose images tell how pixels lie.
struct WantedNetwork<'a> {
    reading: &'a Reading,
    batch: &'a TensorFile,
}

impl WantedNetwork<'_> {
    fn read(
        &self,
        file: &TensorFile,
        activation: Box<dyn Activation>,
        precision: Option<Precision>,
    ) -> Result<(Architecture, Box<dyn Model>), InspectionError> {
        let device = self.reading.device;
        match &self.reading.network {
            Some(options) if options.sees_pixels() => {
                let image = other_networks::image_shape(self.batch)?;
                other_networks::read(file, options, image, activation, (precision, device))
            }
            _ => {
                let network = read_perceptron(file, activation, precision, device)?;
                Ok((Architecture::Chain(network.shape().clone()), network.into()))
            }
        }
    }
}

/// Lets penalties look at the parameters: those that look back at those from which training began, all others at the present ones.
/// Returns those from which training began, if they are known.
fn begin(
    penalties: &mut [Box<dyn Penalty>],
    network: &dyn Model,
    began: Option<&TensorFile>,
    wanted: &WantedNetwork,
) -> Result<Option<Vec<Layer>>, InspectionError> {
    let Some(file) = began else {
        if let Some(penalty) = penalties.iter().find(|penalty| penalty.needs_initial_parameters()) {
            let problem = "looks back at the parameters from which training began, expected a file of them (--initial)"
                .to_owned();
            return Err(InspectionError::Method { part: penalty.name().to_owned(), problem });
        }
        penalties.iter_mut().for_each(|penalty| penalty.begin(network.layers()));
        return Ok(None);
    };
    let activation = wanted.reading.method.build().activation;
    let (_, first) = wanted.read(file, activation, Some(precision_of(network).0))?;
    let sizes = |network: &dyn Model| network.layers().iter().map(|layer| layer.weight().size()).collect::<Vec<_>>();
    if sizes(first.as_ref()) != sizes(network) {
        let found = format!("begins a network of weights {:?}", sizes(first.as_ref()));
        return Err(file.refuse("fc1.weight", found, format!("those of the checkpoint, {:?}", sizes(network))));
    }
    for penalty in penalties {
        let from = if penalty.needs_initial_parameters() { first.as_ref() } else { network };
        penalty.begin(from.layers());
    }
    Ok(Some(first.layers().iter().map(Layer::copy).collect()))
}

fn read_perceptron(
    file: &TensorFile,
    activation: Box<dyn Activation>,
    precision: Option<Precision>,
    device: Device,
) -> Result<Chain, InspectionError> {
    let convolution = |name: &&str| file.dimensions(name) == Some(4);
    if let Some(name) = file.names().find(convolution) {
        let found = shape_of(&file.floats(name, "")?);
        let expected =
            "a multi-layer perceptron, whose weights are matrices: no convolutions; or the network's kind, by --model";
        return Err(file.refuse(name, found, expected));
    }
    let count = (1..).take_while(|index| file.contains(&format!("fc{index}.weight"))).count().max(1);
    let own = |name: &str| (1..=count).any(|i| name == format!("fc{i}.weight") || name == format!("fc{i}.bias"));
    if let Some(other) = file.names().find(|name| file.contains("fc1.weight") && !own(name)) {
        let expected = "`weight` and `bias` of fc1, fc2 and so on without a gap, and nothing else";
        return Err(file.refuse(other, "is no tensor of a multi-layer perceptron", expected));
    }
    let mut state = State::default();
    let mut widths = Vec::new();
    let (mut fan_in, mut kind) = (None, None);
    for index in 1..=count {
        let name = format!("fc{index}.weight");
        let weight = file.floats(&name, "`weight` and `bias` of fc1, fc2 and so on, as PyTorch saves them")?;
        let (units, features) = match weight.size()[..] {
            [units, features] if units > 0 && features > 0 => (units, features),
            _ => return Err(file.refuse(&name, shape_of(&weight), "a matrix of outputs x inputs, at least 1 x 1")),
        };
        if let Some(below) = fan_in.filter(|below| *below != features) {
            let expected = format!("[{units}, {below}], since fc{} passes on {below} features", index - 1);
            return Err(file.refuse(&name, shape_of(&weight), expected));
        }
        let kind = *kind.get_or_insert(match precision {
            Some(Precision::F32) => Kind::Float,
            Some(Precision::F64) => Kind::Double,
            None => weight.kind(),
        });
        if index == 1 {
            widths.push(features);
        }
        widths.push(units);
        fan_in = Some(activation.features(units));
        let bias_name = format!("fc{index}.bias");
        let bias = file.floats(&bias_name, "a bias for every weight")?;
        if bias.size() != [units] {
            return Err(file.refuse(&bias_name, shape_of(&bias), format!("[{units}], the outputs of `{name}`")));
        }
        for (name, tensor) in [(name, weight), (bias_name, bias)] {
            let tensor = tensor.to_kind(kind);
            file.check_finite(&name, &tensor)?;
            state.tensors.insert(name, tensor);
        }
    }
    let shape = Shape {
        inputs: widths[0],
        convolutions: None,
        hidden: widths[1..count].to_vec(),
        outputs: widths[count],
        kind: kind.expect("there is a first layer"),
    };
    let mut network = Chain::new(shape, activation, device, &mut Generator::named("foreign", 0));
    Model::restore(&mut network, &state).expect("parameters that were read for this shape");
    Ok(network)
}

fn read_batch(file: &TensorFile, network: &dyn Model) -> Result<(Tensor, Tensor), InspectionError> {
    let (first, last) = (&network.layers()[0], &network.layers()[network.layers().len() - 1]);
    let images = file.floats("images", "the inputs, N x D")?;
    let sizes = images.size();
    let features: i64 = sizes.iter().skip(1).product();
    let fits = !first.map.is_convolution() && first.map == LinearMap::Dense;
    let wanted = if fits { first.weight().size()[1] } else { features };
    if sizes.len() < 2 || sizes[0] == 0 || features != wanted {
        let expected = format!("[N, {wanted}] with N at least 1, since {} takes {wanted} features", first.name);
        return Err(file.refuse("images", shape_of(&images), expected));
    }
    let images = images.to_kind(first.weight().kind()).flatten(1, -1).contiguous();
    file.check_finite("images", &images)?;
    let labels = file.integers("labels", "the classes, N numbers of type I64")?;
    if labels.size() != images.size()[..1] {
        return Err(file.refuse("labels", shape_of(&labels), format!("[{}], one for each image", images.size()[0])));
    }
    let (least, most, outputs) = (labels.min().int64_value(&[]), labels.max().int64_value(&[]), last.units());
    if least < 0 || most >= outputs {
        let begins_at_1 = if least == 1 && most == outputs { "; take 1 off each" } else { "" };
        let expected = format!("classes from 0 to {}, the network having {outputs} outputs{begins_at_1}", outputs - 1);
        return Err(file.refuse("labels", format!("goes from {least} to {most}"), expected));
    }
    Ok((images, labels))
}

/// Adam's state by the names under which it restores itself, and whether it has first moments.
fn read_adam_state(file: &TensorFile, network: &dyn Model) -> Result<(State, bool), InspectionError> {
    let steps = file.scalar("step", "the number of updates made, one number")?;
    // Beyond that a whole number is no longer exact in f64.
    if steps.fract() != 0.0 || !(1.0..=(1u64 << 53) as f64).contains(&steps) {
        return Err(file.refuse("step", format!("is {steps}"), "a whole number of updates, at least 1"));
    }
    let mut state = State::default();
    state.put_value("steps", &(steps as u64));
    let complete = file.names().any(|name| name.ends_with(".exp_avg"));
    for parameter in network.layers().iter().flat_map(|layer| &layer.parameters) {
        let moment = |role: &str| {
            let name = format!("{}.{role}", parameter.name);
            let tensor = file.floats(&name, "Adam's moments of every parameter")?;
            if tensor.size() != parameter.value.size() {
                let expected = format!("{:?}, as `{}` is", parameter.value.size(), parameter.name);
                return Err(file.refuse(&name, shape_of(&tensor), expected));
            }
            let tensor = tensor.to_kind(parameter.value.kind());
            file.check_finite(&name, &tensor)?;
            Ok((name, tensor))
        };
        let (name, second) = moment("exp_avg_sq")?;
        let least = second.min().double_value(&[]);
        if least < 0.0 {
            return Err(file.refuse(&name, format!("goes down to {least}"), "means of squares, 0 or above"));
        }
        state.tensors.insert(name, second);
        if complete {
            state.tensors.extend([moment("exp_avg")?]);
        } else {
            state.put_tensor(&format!("{}.exp_avg", parameter.name), &parameter.value.detach().zeros_like());
        }
    }
    Ok((state, complete))
}
