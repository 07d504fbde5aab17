//! Networks of the registry other than the perceptron, under the names that PyTorch has for them.

use tch::{Device, Kind, Tensor, no_grad};
use trainability_baselines::activation::relu::Relu;
use trainability_tensor::{Generator, State};

use super::golden::{reading, save};
use crate::data::ImageShape;
use crate::inspection::{Foreign, InspectionError, NewTask, Reading, Sources, compare, measure};
use crate::learner::Precision;
use crate::model::{Model, NetworkOptions, Pass};

/// Tensors with their names.
type Named = Vec<(String, Tensor)>;

const KINDS: [&str; 3] = [
    r#"{ "kind": "convolutional", "channels": [2, 3], "hidden": [5], "filters": 5, "stride": 1 }"#,
    r#"{ "kind": "residual", "channels": [2, 4], "blocks": 1, "groups": 2 }"#,
    r#"{ "kind": "transformer", "patch": 2, "width": 4, "heads": 2, "hidden": [6], "blocks": 1 }"#,
];

fn options(text: &str) -> NetworkOptions {
    serde_json::from_str(text).unwrap()
}

fn network(options: &NetworkOptions) -> Box<dyn Model> {
    tch::set_num_threads(1);
    let image = ImageShape { channels: 1, rows: 4, columns: 4 };
    let mut generator = Generator::named("other networks", 0);
    options.architecture(image, 3, Kind::Double).build(Box::new(Relu), None, Device::Cpu, &mut generator)
}

fn images() -> Tensor {
    Generator::named("images", 0).uniform(&[12, 1, 4, 4], 2.0, Kind::Double)
}

/// Reads a network of these options from its tensors once they are changed.
fn read(options: &NetworkOptions, model: &dyn Model, change: impl Fn(&mut Named)) -> Result<Foreign, InspectionError> {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, batch) = (folder.path().join("net"), folder.path().join("batch"));
    let mut state = State::default();
    model.save(&mut state);
    let mut tensors: Named = state.tensors.into_iter().collect();
    change(&mut tensors);
    save(&checkpoint, &tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect::<Vec<_>>());
    let labels = Generator::named("labels", 0).labels(12, 3);
    save(&batch, &[("images", &images()), ("labels", &labels)]);
    let sources = Sources { checkpoint: &checkpoint, batch: &batch, adam_state: None, initial: None };
    Foreign::read(sources, Reading { network: Some(options.clone()), ..reading(&[], Precision::F64) })
}

#[test]
fn they_are_read_whole_and_measured_layer_by_layer() {
    for options in KINDS.map(options) {
        let model = network(&options);
        let renamed = |tensors: &mut Named| {
            tensors.iter_mut().for_each(|(name, _)| *name = format!("_orig_mod.module.{name}"));
        };
        let mut foreign = read(&options, model.as_ref(), renamed).unwrap();
        let logits = |model: &dyn Model| no_grad(|| model.forward(&images(), &mut Pass::evaluation()));
        assert_eq!(logits(model.as_ref()), logits(foreign.network.as_ref()), "{options:?}");
        let findings = measure(&mut foreign, 0).unwrap();
        let names: Vec<&str> = findings.layers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, options.layer_names());
        for (layer, values) in &findings.layers {
            for wanted in ["noise_variance", "sharpness", "gradient_sq_norm"] {
                let value = values.iter().find(|(name, _)| *name == wanted).unwrap().1;
                assert!(value.is_some_and(f64::is_finite), "{wanted} of {layer}");
            }
        }
        let comparison = compare(foreign, NewTask { seed: 0, epochs: 2, batch_size: 4 });
        assert!(comparison.difference().online_accuracy.is_some());
    }
}

#[test]
fn what_does_not_fit_is_refused_in_one_sentence() {
    let options = options(KINDS[1]);
    let model = network(&options);
    let refuse = |change: &dyn Fn(&mut Named), expected: &str| {
        let message = read(&options, model.as_ref(), change).expect_err("it must be refused").to_string();
        assert!(message.contains(expected), "{message}");
    };
    let index = |tensors: &[(String, Tensor)], name: &str| tensors.iter().position(|(own, _)| own == name).unwrap();
    refuse(
        &|tensors| drop(tensors.remove(index(tensors, "layer1.0.conv2.weight"))),
        "has no `layer1.0.conv2.weight`, expected the parameters of a residual network",
    );
    refuse(
        &|tensors| {
            let place = index(tensors, "conv1.weight");
            tensors[place].1 = Tensor::zeros([2, 3, 3, 3], (Kind::Double, Device::Cpu));
        },
        "`conv1.weight` is of shape [2, 3, 3, 3], expected [2, 1, 3, 3], as `network` options make it",
    );
    refuse(
        &|tensors| tensors.push(("norm1.running_mean".to_owned(), Tensor::zeros([2], (Kind::Double, Device::Cpu)))),
        "`norm1.running_mean` is no tensor of a residual network, expected a network without batch normalisation",
    );
}
