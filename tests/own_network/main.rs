//! Networks that are no chains: every layer's noise variance against a loop over samples, and both ends of its curvature
//! against the explicit Hessian. And a chain that does not say that it is one is measured as the chain that does.

mod builder;
mod nn_layers;
mod oracle;

use serde_json::json;
use tch::{Device, Kind, Tensor};
use trainability::data::ImageShape;
use trainability::model::{Architecture, Chain, Convolutions, ResidualShape, Shape, TransformerShape};
use trainability::prelude::*;
use trainability::probe::LayerStatistics;
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::leaky_relu::LeakyRelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::activation::tanh::Tanh;
use trainability_baselines::method::Method;
use trainability_baselines::registry::part;
use trainability_tensor::Generator;

use oracle::{Batch, assert_close, check, learner, update};

#[allow(dead_code)]
#[path = "../../examples/own_network.rs"]
mod example;

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// A residual layer at each of three positions, then the mean over positions: B x (3 4) inputs.
#[derive(Debug)]
struct Sequence([Layer; 3]);

impl Sequence {
    fn new() -> Sequence {
        let shared = |name, inputs, units| Layer::shared(name, inputs, units, DOUBLE);
        Sequence([shared("embed", 4, 5), shared("mix", 5, 5), Layer::dense("head", 5, 3, DOUBLE)])
    }
}

impl Model for Sequence {
    fn layers(&self) -> &[Layer] {
        &self.0
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.0
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let [embed, mix, head] = &self.0;
        let tokens = pass.hidden_layer(embed, &inputs.view([-1, 3, 4]), Tensor::tanh);
        let tokens = &tokens + pass.hidden_layer(mix, &tokens, Tensor::tanh);
        pass.layer(head, &tokens.mean_dim([1i64].as_slice(), false, Kind::Double))
    }
}

/// A convolution of 1 x 5 x 5 images beside a dense layer on the same pixels: B x 25 inputs.
#[derive(Debug)]
struct TwoBranches([Layer; 3]);

impl TwoBranches {
    fn new() -> TwoBranches {
        let convolution = Layer::convolution("filters", 1, 2, Filters::default(), DOUBLE);
        TwoBranches([convolution, Layer::dense("pixels", 25, 4, DOUBLE), Layer::dense("head", 6, 3, DOUBLE)])
    }
}

impl Model for TwoBranches {
    fn layers(&self) -> &[Layer] {
        &self.0
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.0
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let [filters, pixels, head] = &self.0;
        let planes = pass.hidden_layer(filters, &inputs.view([-1, 1, 5, 5]), Tensor::tanh);
        let planes = planes.mean_dim([2i64, 3].as_slice(), false, Kind::Double);
        let dense = pass.hidden_layer(pixels, inputs, Tensor::sigmoid);
        pass.layer(head, &Tensor::cat(&[planes, dense], 1))
    }
}

/// A chain that does not say so.
#[derive(Debug)]
struct Unsaid(Chain);

impl Model for Unsaid {
    fn layers(&self) -> &[Layer] {
        self.0.layers()
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        self.0.layers_mut()
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        self.0.forward(inputs, pass)
    }
}

#[test]
fn the_residual_network_of_the_example_is_measured_exactly() {
    // With 5 samples some layers have more parameters than B x out, with 40 none.
    for samples in [5, 40] {
        check(example::Residual::new([4, 6, 2, 3], DOUBLE), &Batch::new(samples, 4));
    }
}

#[test]
fn a_network_on_sequences_is_measured_exactly() {
    check(Sequence::new(), &Batch::new(6, 12));
}

#[test]
fn a_convolution_in_a_graph_with_two_branches_is_measured_exactly() {
    check(TwoBranches::new(), &Batch::new(6, 25));
}

#[test]
fn the_residual_network_and_the_transformer_of_the_registry_are_measured_exactly() {
    let image = ImageShape { channels: 1, rows: 4, columns: 4 };
    let residual = ResidualShape { image, channels: vec![2, 4], blocks: 1, groups: 2, outputs: 3, kind: Kind::Double };
    let transformer =
        TransformerShape { image, patch: 2, width: 4, blocks: 1, heads: 2, hidden: 5, outputs: 3, kind: Kind::Double };
    for architecture in [Architecture::Residual(residual), Architecture::Transformer(transformer)] {
        let mut generator = Generator::named("network", 0);
        let model = architecture.build(Box::new(Tanh), None, Device::Cpu, &mut generator);
        check(model, &Batch::new(6, 16));
    }
}

fn statistics(model: Box<dyn Model>, batch: &Batch) -> Vec<LayerStatistics> {
    let mut learner = learner(model, batch);
    update(&mut learner, batch).into_iter().map(|measured| measured.statistics).collect()
}

#[test]
fn a_chain_is_measured_alike_whether_it_says_so_or_not() {
    let image = ImageShape { channels: 1, rows: 5, columns: 5 };
    let convolutions = Convolutions { image, channels: vec![2, 3], filters: Filters::square(3, 2, 1) };
    let perceptron = Shape { inputs: 25, convolutions: None, hidden: vec![6, 5], outputs: 3, kind: Kind::Double };
    let convolutional = Shape { convolutions: Some(convolutions), ..perceptron.clone() };
    let activations: [fn() -> Box<dyn Activation>; 3] =
        [|| Box::new(Relu), || Box::new(LeakyRelu { slope: 0.1 }), || Box::new(Tanh)];
    for (shape, activation) in [&perceptron, &convolutional].into_iter().flat_map(|s| activations.map(|a| (s, a))) {
        for samples in [2, 60] {
            let batch = Batch::new(samples, 25);
            let chain = || Chain::new(shape.clone(), activation(), Device::Cpu, &mut Generator::named("network", 0));
            let said = statistics(Box::new(chain()), &batch);
            let unsaid = statistics(Box::new(Unsaid(chain())), &batch);
            for (layer, (said, unsaid)) in said.iter().zip(&unsaid).enumerate() {
                for ((name, said_value), (_, unsaid_value)) in said.columns().zip(unsaid.columns()) {
                    // What is left over when an iteration stops is rounding.
                    if name == "sharpness_residual" {
                        continue;
                    }
                    let expected = said_value.unwrap_or_else(|| panic!("{name} of layer {layer} is undefined"));
                    let scale = if name == "sharpness_min" { said.sharpness } else { said_value };
                    let scale = scale.unwrap().abs().max(expected.abs());
                    let what = format!("{name} of layer {layer}, {:?}, {samples} samples", activation());
                    assert_close(unsaid_value, expected, scale, &what);
                }
            }
        }
    }
}

#[test]
fn surgery_that_replaces_units_refuses_what_is_no_chain() {
    for name in ["redo", "continual_backprop"] {
        let surgery = part(name).unwrap().build(json!({})).unwrap().0;
        let model = example::Residual::new([4, 6, 2, 3], DOUBLE);
        let rules = Method::of(vec![surgery]).unwrap().rules;
        let refused = Learner::new(model, AdamOptions::default()).rules(rules).build().unwrap_err();
        assert_eq!(refused, LearnerError::NeedsChain(name));
    }
}
