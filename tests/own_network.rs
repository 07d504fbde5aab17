//! Networks that are no chains: every layer's noise variance against a loop over samples, and both ends of its curvature
//! against the explicit Hessian. And a chain that does not say that it is one is measured as the chain that does.

use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};
use trainability::data::ImageShape;
use trainability::learner::{LayerMeasurement, Learner, LearnerError, LearnerOptions, Task};
use trainability::model::{Chain, Convolutions, Model, Pass, Shape, cross_entropy};
use trainability::probe::{LayerStatistics, ProbeOptions};
use trainability::schedule::Progress;
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::leaky_relu::LeakyRelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::activation::tanh::Tanh;
use trainability_baselines::method::Method;
use trainability_baselines::registry::part;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::{Generator, Layer};

#[allow(dead_code)]
#[path = "../examples/own_network.rs"]
mod example;

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);
const TOLERANCE: f64 = 1e-8;

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
        let convolution = Layer::convolution("filters", 1, 2, DOUBLE);
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

/// A learner that has made an update, whose next is measured with eigenvalues to the last digits. Its biases are not zero.
fn learner(mut model: Box<dyn Model>, batch: &Batch) -> Learner {
    // Several threads in each of several tests only wait for each other.
    tch::set_num_threads(1);
    let mut generator = Generator::named("initialisation", 7);
    model.initialise(&mut generator);
    for parameter in model.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
        no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
    let lanczos = LanczosOptions { products: 1000, tolerance: 1e-14 };
    let measure = ProbeOptions { interval: 1, lanczos, ..ProbeOptions::default() };
    let options = LearnerOptions { learning_rate: 0.01, measure, ..LearnerOptions::default() };
    let mut learner = Learner::new(model, generator, options.scheduled("debiased", &json!({})).unwrap()).unwrap();
    assert!(update(&mut learner, batch).is_empty(), "no update is measured before the first");
    learner
}

struct Batch {
    inputs: Tensor,
    labels: Tensor,
}

impl Batch {
    fn new(samples: i64, inputs: i64) -> Batch {
        let mut generator = Generator::named("batch", 3);
        let labels = generator.labels(samples as usize, 3);
        Batch { inputs: generator.uniform(&[samples, inputs], 1.5, Kind::Double), labels }
    }
}

fn update(learner: &mut Learner, Batch { inputs, labels }: &Batch) -> Vec<LayerMeasurement> {
    let progress = Progress::in_tasks(learner.updates(), 2, 2);
    let made = learner.update(inputs, labels, progress, Task { inputs, chosen: None, labels }).unwrap();
    made.measured.map_or(Vec::new(), |measured| measured.layers)
}

fn loss(model: &dyn Model, inputs: &Tensor, labels: &Tensor) -> Tensor {
    cross_entropy(&model.forward(inputs, &mut Pass::training().without_trace()), labels)
}

fn flat_gradient(loss: &Tensor, layer: &Layer, create_graph: bool) -> Tensor {
    let parameters: Vec<&Tensor> = layer.parameters.iter().map(|parameter| &parameter.value).collect();
    let gradients = Tensor::run_backward(&[loss], &parameters, true, create_graph);
    Tensor::cat(&gradients.iter().map(|gradient| gradient.flatten(0, -1)).collect::<Vec<_>>(), 0)
}

/// (1/B) sum_i |g_i - g_mean|^2, one sample at a time.
fn noise_by_loop(model: &dyn Model, layer: usize, Batch { inputs, labels }: &Batch) -> f64 {
    let one = |sample| loss(model, &inputs.narrow(0, sample, 1), &labels.narrow(0, sample, 1));
    let gradients = (0..labels.size()[0]).map(|sample| flat_gradient(&one(sample), &model.layers()[layer], false));
    let gradients = Tensor::stack(&gradients.collect::<Vec<_>>(), 0);
    let mean = gradients.mean_dim([0i64].as_slice(), true, Kind::Double);
    (gradients - mean).square().sum(Kind::Double).double_value(&[]) / labels.size()[0] as f64
}

/// The smallest and the largest eigenvalue of the layer's block of the Hessian, built column by column.
fn ends_of_hessian(model: &dyn Model, layer: usize, Batch { inputs, labels }: &Batch) -> [f64; 2] {
    let layer = &model.layers()[layer];
    let gradient = flat_gradient(&loss(model, inputs, labels), layer, true);
    let columns = (0..gradient.numel() as i64).map(|index| flat_gradient(&gradient.get(index), layer, false));
    let values = Tensor::stack(&columns.collect::<Vec<_>>(), 0).linalg_eigvalsh("L");
    [values.double_value(&[0]), values.double_value(&[values.numel() as i64 - 1])]
}

fn assert_close(found: Option<f64>, expected: f64, scale: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} is undefined"));
    assert!((found - expected).abs() <= TOLERANCE * scale, "{what}: {found}, expected {expected}");
}

fn check(model: impl Model + 'static, batch: &Batch) {
    assert!(model.chain().is_none());
    let mut learner = learner(Box::new(model), batch);
    let expected: Vec<(f64, [f64; 2])> = (0..learner.model().layers().len())
        .map(|layer| (noise_by_loop(learner.model(), layer, batch), ends_of_hessian(learner.model(), layer, batch)))
        .collect();
    let measured = update(&mut learner, batch);
    assert_eq!(measured.len(), expected.len());
    for (LayerMeasurement { layer, statistics, .. }, (noise, [smallest, largest])) in measured.iter().zip(expected) {
        assert!(noise > 0.0 && largest > 0.0, "{layer} has something to measure");
        assert_close(statistics.noise_variance, noise, noise, &format!("noise variance of {layer}"));
        let scale = largest.max(-smallest);
        assert_close(statistics.sharpness, largest, scale, &format!("sharpness of {layer}"));
        assert_close(statistics.sharpness_min, smallest, scale, &format!("smallest eigenvalue of {layer}"));
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

fn statistics(model: Box<dyn Model>, batch: &Batch) -> Vec<LayerStatistics> {
    let mut learner = learner(model, batch);
    update(&mut learner, batch).into_iter().map(|measured| measured.statistics).collect()
}

#[test]
fn a_chain_is_measured_alike_whether_it_says_so_or_not() {
    let image = ImageShape { channels: 1, rows: 5, columns: 5 };
    let convolutions = Convolutions { image, channels: vec![2, 3] };
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
        let options = LearnerOptions { rules: Method::of(vec![surgery]).unwrap().rules, ..LearnerOptions::default() };
        let refused = Learner::initialised(example::Residual::new([4, 6, 2, 3], DOUBLE), options).unwrap_err();
        assert_eq!(refused, LearnerError::NeedsChain(name));
    }
}
