//! Every layer's noise variance by a loop over samples, and both ends of its curvature by the explicit Hessian.

use tch::{Kind, Tensor, no_grad};
use trainability::model::cross_entropy;
use trainability::prelude::*;
use trainability_tensor::Generator;
use trainability_tensor::lanczos::LanczosOptions;

const TOLERANCE: f64 = 1e-8;

/// A learner that has made an update, whose next is measured with eigenvalues to the last digits. Its biases are not zero.
pub(crate) fn learner(mut model: Box<dyn Model>, batch: &Batch) -> Learner {
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
    let builder = Learner::new(model, AdamOptions::default()).schedule(NoiseCurvature::debiased());
    let mut learner = builder.learning_rate(0.01).measure(measure).tasks(2, 2).build().unwrap();
    assert!(update(&mut learner, batch).is_empty(), "no update is measured before the first");
    learner
}

pub(crate) struct Batch {
    pub(crate) inputs: Tensor,
    pub(crate) labels: Tensor,
}

impl Batch {
    pub(crate) fn new(samples: i64, inputs: i64) -> Batch {
        let mut generator = Generator::named("batch", 3);
        let labels = generator.labels(samples as usize, 3);
        Batch { inputs: generator.uniform(&[samples, inputs], 1.5, Kind::Double), labels }
    }
}

pub(crate) fn update(learner: &mut Learner, Batch { inputs, labels }: &Batch) -> Vec<LayerMeasurement> {
    let made = learner.update(inputs, labels).unwrap();
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
/// A sample passes alone, or, where others are coupled with it, among them.
fn noise_by_loop(model: &dyn Model, layer: usize, Batch { inputs, labels }: &Batch, alone: bool) -> f64 {
    let among = model.forward(inputs, &mut Pass::training().without_trace());
    let one = |sample| match alone {
        true => loss(model, &inputs.narrow(0, sample, 1), &labels.narrow(0, sample, 1)),
        false => cross_entropy(&among.narrow(0, sample, 1), &labels.narrow(0, sample, 1)),
    };
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

pub(crate) fn assert_close(found: Option<f64>, expected: f64, scale: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} is undefined"));
    assert!((found - expected).abs() <= TOLERANCE * scale, "{what}: {found}, expected {expected}");
}

pub(crate) fn check(model: impl Into<Box<dyn Model>>, batch: &Batch) {
    check_coupled(model, batch, &[]);
}

/// The same where samples are coupled in these layers, whose noise is undefined.
pub(crate) fn check_coupled(model: impl Into<Box<dyn Model>>, batch: &Batch, coupled: &[&str]) {
    let mut learner = learner(model.into(), batch);
    assert!(learner.model().chain().is_none());
    let expected: Vec<(f64, [f64; 2])> = (0..learner.model().layers().len())
        .map(|layer| {
            (
                noise_by_loop(learner.model(), layer, batch, coupled.is_empty()),
                ends_of_hessian(learner.model(), layer, batch),
            )
        })
        .collect();
    let measured = update(&mut learner, batch);
    assert_eq!(measured.len(), expected.len());
    for (LayerMeasurement { layer, statistics, .. }, (noise, [smallest, largest])) in measured.iter().zip(expected) {
        let is_coupled = coupled.contains(&layer.as_str());
        assert!((is_coupled || noise > 0.0) && largest > 0.0, "{layer} has something to measure");
        if !is_coupled {
            assert_close(statistics.noise_variance, noise, noise, &format!("noise variance of {layer}"));
        } else {
            assert_eq!(statistics.noise_variance, None, "samples are coupled in {layer}");
            assert!(statistics.noise_undefined.is_some_and(|why| why.contains("couples its samples")));
        }
        let scale = largest.max(-smallest);
        assert_close(statistics.sharpness, largest, scale, &format!("sharpness of {layer}"));
        assert_close(statistics.sharpness_min, smallest, scale, &format!("smallest eigenvalue of {layer}"));
    }
}
