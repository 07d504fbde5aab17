//! A tiny convolutional network in f64, and the same written out with tch alone.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::deep_fourier::DeepFourier;
use trainability_baselines::activation::identity::Identity;
use trainability_baselines::activation::leaky_relu::LeakyRelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::activation::tanh::Tanh;
use trainability_tensor::layer::tensors;
use trainability_tensor::{Filters, Generator, Gradients, LayerDelta, LayerTrace};

use super::traced;
use crate::data::ImageShape;
use crate::model::{Chain, Convolutions, Model, Pass, Shape, cross_entropy, deltas, gradients};

pub(crate) struct Case {
    pub(crate) network: Chain,
    pub(crate) images: Tensor,
    pub(crate) labels: Tensor,
}

pub(crate) fn shape(image: [usize; 3], channels: &[i64], hidden: &[i64]) -> Shape {
    let image = ImageShape { channels: image[0], rows: image[1], columns: image[2] };
    let convolutions = Some(Convolutions { image, channels: channels.to_vec(), filters: Filters::default() });
    let inputs = image.features() as i64;
    Shape { inputs, convolutions, hidden: hidden.to_vec(), outputs: 3, kind: Kind::Double }
}

/// A network with biases that are not zero, and a random batch.
pub(crate) fn case(activation: Box<dyn Activation>, shape: Shape, samples: usize, seed: u64) -> Case {
    tch::set_num_threads(1);
    let mut generator = Generator::named("test", seed);
    let images = generator.uniform(&[samples as i64, shape.inputs], 2.0, Kind::Double);
    let mut network = Chain::new(shape, activation, Device::Cpu, &mut generator);
    for parameter in network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
        tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
    Case { network, images, labels: generator.labels(samples, 3) }
}

/// Odd and even sides, one and two samples, one convolution and two, with and without hidden layers above.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(Box::new(Relu), shape([1, 5, 4], &[2, 3], &[4]), 7, 1),
        case(Box::new(Crelu), shape([2, 5, 6], &[2, 2], &[3]), 5, 2),
        case(Box::new(Relu), shape([3, 7, 3], &[3], &[]), 6, 3),
        case(Box::new(Relu), shape([1, 4, 4], &[2, 2], &[3]), 1, 4),
        case(Box::new(Crelu), shape([1, 3, 5], &[2], &[]), 2, 5),
        case(Box::new(LeakyRelu { slope: 0.3 }), shape([1, 6, 6], &[2, 2], &[3]), 4, 6),
        case(Box::new(Identity), shape([1, 4, 5], &[2, 2], &[3]), 4, 7),
        // More positions than taps: what is smaller is another form.
        case(Box::new(Crelu), shape([1, 8, 7], &[2, 2], &[3]), 4, 10),
        // Not piecewise linear: its blocks have more than the Gauss-Newton part.
        case(Box::new(Tanh), shape([1, 5, 5], &[2, 2], &[3]), 4, 8),
        case(Box::new(DeepFourier), shape([1, 5, 5], &[2, 2], &[3]), 4, 11),
        // Fewer parameters than logits in a batch.
        case(Box::new(Relu), shape([1, 4, 3], &[2, 2], &[2]), 40, 9),
    ]
}

impl Case {
    pub(crate) fn trace(&self) -> Vec<LayerTrace> {
        self.measure().0
    }

    /// The logits by tch alone.
    pub(crate) fn plain_logits(&self, images: &Tensor) -> Tensor {
        let parameters: Vec<&Tensor> = tensors(self.network.layers()).collect();
        let image = self.network.shape().convolutions.as_ref().unwrap().image;
        let mut signal = images.view([-1, image.channels as i64, image.rows as i64, image.columns as i64]);
        for (index, pair) in parameters.chunks(2).enumerate() {
            if index > 0 {
                signal = match format!("{:?}", self.network.activation()).as_str() {
                    "Relu" => signal.relu(),
                    "Crelu" => Tensor::cat(&[signal.relu(), (-&signal).relu()], 1),
                    "LeakyRelu { slope: 0.3 }" => signal.maximum(&(&signal * 0.3)),
                    "Tanh" => signal.tanh(),
                    "DeepFourier" => Tensor::cat(&[signal.sin(), signal.cos()], 1),
                    "Identity" => signal,
                    other => panic!("{other} is not written out"),
                };
            }
            signal = if pair[0].dim() == 4 {
                signal.conv2d(pair[0], Some(pair[1]), [2, 2], [1, 1], [1, 1], 1)
            } else {
                signal.reshape([images.size()[0], -1]).mm(&pair[0].tr()) + pair[1]
            };
        }
        signal
    }

    /// The mean cross-entropy by tch alone, of images and their labels.
    pub(crate) fn plain_loss(&self, images: &Tensor, labels: &Tensor) -> Tensor {
        let logits = self.plain_logits(images);
        let right = logits.gather(1, &labels.unsqueeze(1), false).squeeze_dim(1);
        (logits.logsumexp([1i64].as_slice(), false) - right).mean(Kind::Double)
    }

    /// The gradient of a scalar at all parameters, flattened.
    pub(crate) fn flat_gradient(&self, loss: &Tensor) -> Vec<Tensor> {
        let parameters: Vec<&Tensor> = tensors(self.network.layers()).collect();
        let gradients = Tensor::run_backward(&[loss], &parameters, false, false);
        gradients.chunks(2).map(|pair| Tensor::cat(&[pair[0].flatten(0, -1), pair[1].flatten(0, -1)], 0)).collect()
    }

    /// Gradients of each sample's own loss, by a backward pass a sample: for each layer, B rows of all its parameters.
    pub(crate) fn per_sample_gradients(&self) -> Vec<Tensor> {
        let mut rows: Vec<Vec<Tensor>> = self.network.layers().iter().map(|_| Vec::new()).collect();
        for sample in 0..self.images.size()[0] {
            let loss = self.plain_loss(&self.images.narrow(0, sample, 1), &self.labels.narrow(0, sample, 1));
            for (rows, gradient) in rows.iter_mut().zip(self.flat_gradient(&loss)) {
                rows.push(gradient);
            }
        }
        rows.iter().map(|rows| Tensor::stack(rows, 0)).collect()
    }

    /// Trace without graph, deltas, and the gradient of the mean cross-entropy.
    pub(crate) fn measure(&self) -> (Vec<LayerTrace>, Vec<Option<LayerDelta>>, Gradients) {
        let (logits, trace) = traced(&self.network, &self.images, Pass::evaluation());
        let loss = cross_entropy(&logits, &self.labels);
        let gradients = gradients(self.network.layers(), &loss, true);
        let deltas = deltas(&trace, &loss, self.labels.size()[0]);
        (trace.iter().map(LayerTrace::detach).collect(), deltas, gradients)
    }

    pub(crate) fn is_convolution(&self, layer: usize) -> bool {
        self.network.layers()[layer].map.is_convolution()
    }
}

pub(crate) fn relative(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE)
}
