//! `Probe::measure` against a second computation in plain numbers: loops over samples, units and parameters without a
//! tensor, Hessian blocks by central differences of the loops' gradients, eigenvalues by Jacobi's rotations.

use tch::{Kind, Tensor};
use trainability::network::{Network, Shape, cross_entropy, logits};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::probe::statistics::{EffectiveStep, SharpnessScale};
use trainability::probe::window::Volatility;
use trainability::probe::{LayerStatistics, Probe, ProbeOptions, Scene};
use trainability::random::Generator;
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu, tanh::Tanh};
use trainability_baselines::lanczos::LanczosOptions;
use trainability_baselines::layers::tensors;
use trainability_baselines::method::{Contribution, Part, WeightDecay};
use trainability_baselines::penalty::{Curvature, Penalty};
use trainability_baselines::{Gradients, LayerDelta, LayerParameters, LayerTrace, State, StateError, Stateful};

/// Far from the usual constants, so that a correction or an epsilon left out shows.
const ADAM: AdamOptions = AdamOptions { beta1: 0.8, beta2: 0.95, epsilon: 3e-3 };
const COEFFICIENT: f64 = 0.05;
const INPUTS: usize = 6;
const CLASSES: usize = 3;

/// The sum of fourth powers: its Hessian is no multiple of the identity.
#[derive(Debug)]
struct Quartic;

impl Penalty for Quartic {
    fn name(&self) -> &'static str {
        "quartic"
    }

    fn begin(&mut self, _layers: &[LayerParameters]) {}

    fn loss(&self, layers: &[&LayerParameters]) -> Tensor {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters);
        parameters.map(|p| p.value.square().square().sum(Kind::Double)).sum::<Tensor>() * COEFFICIENT
    }

    fn add_gradient(&mut self, layers: &[LayerParameters], gradients: &mut Gradients) {
        for (value, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            let theta = value.detach();
            *gradient += theta.square() * theta * (4.0 * COEFFICIENT);
        }
    }

    fn curvature(&self, _layer: &LayerParameters) -> Option<Curvature> {
        None
    }
}

impl Stateful for Quartic {
    fn save(&self, _state: &mut State) {}

    fn restore(&mut self, _state: &State) -> Result<(), StateError> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Relu,
    Crelu,
    Tanh,
}

impl Unit {
    fn activation(self) -> Box<dyn Activation> {
        match self {
            Unit::Relu => Box::new(Relu),
            Unit::Crelu => Box::new(Crelu),
            Unit::Tanh => Box::new(Tanh),
        }
    }

    fn forward(self, sums: &[f64]) -> Vec<f64> {
        match self {
            Unit::Relu => sums.iter().map(|z| z.max(0.0)).collect(),
            Unit::Crelu => sums.iter().map(|z| z.max(0.0)).chain(sums.iter().map(|z| (-z).max(0.0))).collect(),
            Unit::Tanh => sums.iter().map(|z| z.tanh()).collect(),
        }
    }

    fn pull_back(self, sums: &[f64], gradient: &[f64]) -> Vec<f64> {
        let slope = |(j, &z): (usize, &f64)| match self {
            Unit::Relu if z > 0.0 => gradient[j],
            Unit::Relu => 0.0,
            Unit::Crelu if z > 0.0 => gradient[j],
            Unit::Crelu => -gradient[sums.len() + j],
            Unit::Tanh => gradient[j] / z.cosh().powi(2),
        };
        sums.iter().enumerate().map(slope).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Terms {
    CrossEntropy,
    /// Plus the sum of squares and the Wasserstein distance.
    Isotropic,
    /// Plus the sum of fourth powers.
    Quartic,
}

impl Terms {
    fn penalties(self, network: &Network) -> Vec<Box<dyn Penalty>> {
        let named = |name: &str| -> Box<dyn Penalty> {
            let options = serde_json::json!({ "coefficient": COEFFICIENT });
            let (contribution, _) = Part::named(name).unwrap().build(options).unwrap();
            let Contribution::Penalty(mut penalty) = contribution else { panic!("{name} is no penalty") };
            penalty.begin(&network.layers);
            penalty
        };
        match self {
            Terms::CrossEntropy => vec![],
            Terms::Isotropic => vec![named("l2_loss"), named("wasserstein")],
            Terms::Quartic => vec![Box::new(Quartic)],
        }
    }
}

struct Batch {
    images: Vec<Vec<f64>>,
    labels: Vec<usize>,
}

/// The network and its loss in plain numbers.
#[derive(Clone)]
struct Plain {
    unit: Unit,
    terms: Terms,
    /// Features that come in and units of each layer.
    sizes: Vec<(usize, usize)>,
    /// Each layer's weight row by row, then its bias.
    parameters: Vec<Vec<f64>>,
    /// The parameters that the Wasserstein distance starts from.
    initial: Vec<Vec<f64>>,
}

impl Plain {
    /// The gradient of one sample's cross-entropy, layer by layer.
    fn sample_gradient(&self, image: &[f64], label: usize) -> Vec<Vec<f64>> {
        let (mut inputs, mut sums) = (vec![image.to_vec()], Vec::<Vec<f64>>::new());
        for (index, &(fan_in, units)) in self.sizes.iter().enumerate() {
            if index > 0 {
                inputs.push(self.unit.forward(&sums[index - 1]));
            }
            let (weight, bias) = self.parameters[index].split_at(fan_in * units);
            let sum = |unit: usize| {
                let row = &weight[unit * fan_in..(unit + 1) * fan_in];
                bias[unit] + row.iter().zip(&inputs[index]).map(|(w, a)| w * a).sum::<f64>()
            };
            sums.push((0..units).map(sum).collect());
        }
        let exponentials: Vec<f64> = sums.last().unwrap().iter().map(|z| z.exp()).collect();
        let total: f64 = exponentials.iter().sum();
        let error = |(class, e): (usize, &f64)| e / total - if class == label { 1.0 } else { 0.0 };
        let mut delta: Vec<f64> = exponentials.iter().enumerate().map(error).collect();
        let mut gradients = Vec::new();
        for (index, &(fan_in, _)) in self.sizes.iter().enumerate().rev() {
            let outer = delta.iter().flat_map(|d| inputs[index].iter().map(move |a| d * a));
            gradients.push(outer.chain(delta.iter().copied()).collect());
            if index > 0 {
                let back = |feature: usize| {
                    let column = self.parameters[index].iter().skip(feature).step_by(fan_in);
                    delta.iter().zip(column).map(|(d, w)| d * w).sum()
                };
                delta = self.unit.pull_back(&sums[index - 1], &(0..fan_in).map(back).collect::<Vec<f64>>());
            }
        }
        gradients.reverse();
        gradients
    }

    /// The gradient of the penalties at a layer's parameters.
    fn penalty_gradient(&self, layer: usize) -> Vec<f64> {
        let theta = &self.parameters[layer];
        match self.terms {
            Terms::CrossEntropy => vec![0.0; theta.len()],
            Terms::Quartic => theta.iter().map(|t| 4.0 * COEFFICIENT * t.powi(3)).collect(),
            Terms::Isotropic => {
                let weights = self.sizes[layer].0 * self.sizes[layer].1;
                let initial = self.initial[layer].split_at(weights);
                let parts = theta.split_at(weights);
                let targets = same_rank(parts.0, initial.0).into_iter().chain(same_rank(parts.1, initial.1));
                theta.iter().zip(targets).map(|(t, target)| 2.0 * COEFFICIENT * (t + t - target)).collect()
            }
        }
    }

    /// The gradient of the total loss at one layer.
    fn total_gradient(&self, batch: &Batch, layer: usize) -> Vec<f64> {
        let mut sum = vec![0.0; self.parameters[layer].len()];
        for (image, &label) in batch.images.iter().zip(&batch.labels) {
            for (sum, g) in sum.iter_mut().zip(&self.sample_gradient(image, label)[layer]) {
                *sum += g;
            }
        }
        let count = batch.labels.len() as f64;
        sum.iter().zip(self.penalty_gradient(layer)).map(|(s, p)| s / count + p).collect()
    }

    /// (1/B) sum_i |g_i - g_mean|^2 of the cross-entropy.
    fn noise_variance(&self, batch: &Batch, layer: usize) -> f64 {
        let samples: Vec<Vec<f64>> = batch
            .images
            .iter()
            .zip(&batch.labels)
            .map(|(image, &label)| self.sample_gradient(image, label).swap_remove(layer))
            .collect();
        let count = samples.len() as f64;
        let mean = |index: usize| samples.iter().map(|g| g[index]).sum::<f64>() / count;
        let spread = |index: usize| samples.iter().map(|g| (g[index] - mean(index)).powi(2)).sum::<f64>() / count;
        (0..samples[0].len()).map(spread).sum()
    }

    /// The spectrum, ascending, of the layer's block of the Hessian of the total loss.
    fn spectrum(&self, batch: &Batch, layer: usize) -> Vec<f64> {
        const STEP: f64 = 1e-6;
        let shifted = |index: usize, by: f64| {
            let mut other = self.clone();
            other.parameters[layer][index] += by;
            other.total_gradient(batch, layer)
        };
        let row = |index: usize| -> Vec<f64> {
            let (above, below) = (shifted(index, STEP), shifted(index, -STEP));
            above.iter().zip(below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect()
        };
        let rows: Vec<Vec<f64>> = (0..self.parameters[layer].len()).map(row).collect();
        let symmetric = |i: usize| (0..rows.len()).map(|j| 0.5 * (rows[i][j] + rows[j][i])).collect();
        eigenvalues((0..rows.len()).map(symmetric).collect())
    }
}

/// For each value, the other value of the same rank.
fn same_rank(values: &[f64], others: &[f64]) -> Vec<f64> {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    values.iter().map(|value| sorted[values.iter().filter(|other| *other < value).count()]).collect()
}

/// Eigenvalues of a symmetric matrix in ascending order.
fn eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let size = a.len();
    for _ in 0..15 {
        for p in 0..size {
            for q in p + 1..size {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for row in &mut a {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..size).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn square_sum(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// A real training with the moments kept a second time in plain numbers.
struct Training {
    network: Network,
    penalties: Vec<Box<dyn Penalty>>,
    adam: Adam,
    rates: Vec<f64>,
    generator: Generator,
    plain: Plain,
    /// Adam's second moments of each layer, weight and bias.
    second: Vec<Vec<f64>>,
    steps: i32,
}

/// One update before its optimizer step.
struct Update {
    labels: Tensor,
    trace: Vec<LayerTrace>,
    deltas: Vec<Option<LayerDelta>>,
    cross_entropy: Gradients,
    total: Gradients,
    batch: Batch,
}

impl Training {
    fn new(unit: Unit, hidden: &[i64], terms: Terms, seed: u64) -> Training {
        tch::set_num_threads(1);
        let shape = Shape {
            inputs: INPUTS as i64,
            convolutions: None,
            hidden: hidden.to_vec(),
            outputs: CLASSES as i64,
            kind: Kind::Double,
        };
        let mut generator = Generator::named("test", seed);
        let mut network = Network::new(shape, unit.activation(), &mut generator);
        let penalties = terms.penalties(&network);
        let mut plain = Plain {
            unit,
            terms,
            sizes: network
                .layers
                .iter()
                .map(|l| (l.weight().size()[1] as usize, l.weight().size()[0] as usize))
                .collect(),
            parameters: Vec::new(),
            initial: parameters(&network),
        };
        // Away from the initial parameters, and from biases of zero.
        for parameter in network.layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
            let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
            tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
        }
        plain.parameters = parameters(&network);
        Training {
            penalties,
            adam: Adam::new(ADAM, WeightDecay::None, &network.layers),
            rates: (0..network.layers.len()).map(|layer| 0.01 * (1 + layer) as f64).collect(),
            generator,
            second: plain.parameters.iter().map(|layer| vec![0.0; layer.len()]).collect(),
            network,
            plain,
            steps: 0,
        }
    }

    /// The next minibatch and its gradients, formed as a run forms them.
    fn begin(&mut self, samples: usize) -> Update {
        let images = self.generator.uniform(&[samples as i64, INPUTS as i64], 2.0, Kind::Double);
        let labels = self.generator.labels(samples, CLASSES as i64);
        let trace = self.network.forward(&images);
        let loss = cross_entropy(logits(&trace), &labels);
        let cross_entropy = self.network.gradients(&loss, true);
        let deltas = Network::deltas(&trace, &loss);
        let mut total: Gradients = cross_entropy.iter().map(|layer| layer.iter().map(Tensor::copy).collect()).collect();
        for penalty in &mut self.penalties {
            penalty.add_gradient(&self.network.layers, &mut total);
        }
        let classes: Vec<i64> = Vec::try_from(&labels).unwrap();
        Update {
            trace: trace.iter().map(LayerTrace::detach).collect(),
            labels,
            deltas,
            cross_entropy,
            total,
            batch: Batch {
                images: numbers(&images).chunks(INPUTS).map(<[f64]>::to_vec).collect(),
                labels: classes.into_iter().map(|class| class as usize).collect(),
            },
        }
    }

    fn measure(&self, update: &Update, probe: &mut Probe) -> Vec<LayerStatistics> {
        let scene = Scene {
            network: &self.network,
            trace: &update.trace,
            labels: &update.labels,
            deltas: &update.deltas,
            cross_entropy_gradients: &update.cross_entropy,
            total_gradients: &update.total,
            optimizer: &self.adam,
            learning_rates: &self.rates,
            penalties: &self.penalties,
        };
        probe.measure(&scene).0
    }

    /// The optimizer step, here and in plain numbers.
    fn end(&mut self, update: &Update) {
        for (layer, second) in self.second.iter_mut().enumerate() {
            let gradient = self.plain.total_gradient(&update.batch, layer);
            for (v, g) in second.iter_mut().zip(gradient) {
                *v = ADAM.beta2 * *v + (1.0 - ADAM.beta2) * g * g;
            }
        }
        self.steps += 1;
        self.adam.step(&mut self.network.layers, &update.total, &self.rates, false);
        self.plain.parameters = parameters(&self.network);
    }

    fn train(&mut self, updates: usize, samples: usize) {
        for _ in 0..updates {
            let update = self.begin(samples);
            self.end(&update);
        }
    }

    /// v_rms: sqrt(mean(v) / (1 - beta2^t)) over the weight.
    fn weight_rms(&self, layer: usize) -> f64 {
        let weights = self.plain.sizes[layer].0 * self.plain.sizes[layer].1;
        (mean(&self.second[layer][..weights]) / (1.0 - ADAM.beta2.powi(self.steps))).sqrt()
    }

    fn effective_step(&self, layer: usize, form: EffectiveStep) -> f64 {
        let step = |root: f64| self.rates[layer] / ((1.0 - ADAM.beta1.powi(self.steps)) * (root + ADAM.epsilon));
        match form {
            EffectiveStep::Rms => step(self.weight_rms(layer)),
            EffectiveStep::Elementwise => {
                let root = |v: &f64| (v / (1.0 - ADAM.beta2.powi(self.steps))).sqrt();
                mean(&self.second[layer].iter().map(|v| step(root(v))).collect::<Vec<_>>())
            }
        }
    }

    /// lambda_bar over lambda.
    fn scale(&self, layer: usize, form: SharpnessScale) -> f64 {
        match form {
            SharpnessScale::Layer => self.rates[layer] / (self.weight_rms(layer) + ADAM.epsilon),
            SharpnessScale::Global => self.rates[0] / (mean(&self.second.concat()).sqrt() + ADAM.epsilon),
        }
    }
}

fn parameters(network: &Network) -> Vec<Vec<f64>> {
    network.layers.iter().map(|layer| layer.parameters.iter().flat_map(|p| numbers(&p.value)).collect()).collect()
}

/// Lanczos to the last digit.
fn exact() -> ProbeOptions {
    ProbeOptions { lanczos: LanczosOptions { products: 400, tolerance: 1e-12 }, ..ProbeOptions::default() }
}

/// `tolerance` is relative; an expected zero has to be met.
#[track_caller]
fn close(what: &str, found: impl Into<Option<f64>>, expected: f64, tolerance: f64) {
    let found = found.into().unwrap_or_else(|| panic!("{what} is undefined, expected {expected}"));
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what} is {found}, expected {expected}");
}

/// What differences of gradients allow.
const DIFFERENCES: f64 = 1e-6;
const ROUNDING: f64 = 1e-10;

#[test]
fn the_defaults_are_the_methods() {
    let options = ProbeOptions::default();
    assert_eq!((options.interval, options.window), (40, 30));
    assert_eq!(options.effective_step, EffectiveStep::Rms);
    assert_eq!(options.sharpness_scale, SharpnessScale::Layer);
    assert_eq!(options.volatility, Volatility::Instant);
}

#[test]
fn every_statistic_equals_a_recomputation_in_plain_numbers() {
    let cases = [
        (Unit::Relu, vec![5, 4], Terms::CrossEntropy),
        (Unit::Relu, vec![5, 4], Terms::Isotropic),
        (Unit::Crelu, vec![4, 3], Terms::Isotropic),
        // Neither linear between kinks nor with a shift for a Hessian: the blocks take two derivatives.
        (Unit::Tanh, vec![5, 4], Terms::CrossEntropy),
        (Unit::Relu, vec![4], Terms::Quartic),
        // Linear in its parameters.
        (Unit::Relu, vec![], Terms::CrossEntropy),
    ];
    for (seed, (unit, hidden, terms)) in cases.into_iter().enumerate() {
        let mut training = Training::new(unit, &hidden, terms, seed as u64);
        let layers = hidden.len() + 1;
        let mut probe = Probe::new(exact(), layers, 0);
        let mut windows = vec![Vec::new(); layers];
        training.train(2, 7);
        for _ in 0..3 {
            let update = training.begin(7);
            let found = training.measure(&update, &mut probe);
            assert_eq!(found.len(), layers);
            for (layer, found) in found.iter().enumerate() {
                let plain = &training.plain;
                assert_eq!((found.batch, found.learning_rate), (7, training.rates[layer]));
                let step = training.effective_step(layer, EffectiveStep::Rms);
                close("effective_step", found.effective_step, step, ROUNDING);
                let gradient = plain.total_gradient(&update.batch, layer);
                close("gradient_sq_norm", found.gradient_sq_norm, square_sum(&gradient), ROUNDING);
                let variance = plain.noise_variance(&update.batch, layer);
                close("noise_variance", found.noise_variance.unwrap(), variance, ROUNDING);
                let spectrum = plain.spectrum(&update.batch, layer);
                let (lambda, lambda_min) = (spectrum[spectrum.len() - 1], spectrum[0]);
                close("sharpness", found.sharpness, lambda, DIFFERENCES);
                let smallest = found.sharpness_min.unwrap();
                assert!((smallest - lambda_min).abs() <= DIFFERENCES * lambda, "{smallest} against {lambda_min}");
                assert!(found.sharpness_residual.unwrap() < 1e-5);
                let lambda_bar = lambda * training.scale(layer, SharpnessScale::Layer);
                close("normalized_sharpness", found.normalized_sharpness, lambda_bar, DIFFERENCES);
                windows[layer].push(lambda_bar);
                let mu = mean(&windows[layer]);
                close("sharpness_mean", found.sharpness_mean, mu, DIFFERENCES);
                let (deviation_sq, volatility) = (found.deviation_sq.unwrap(), found.volatility.unwrap());
                let expected = (lambda_bar - mu).powi(2);
                assert!((deviation_sq - expected).abs() <= DIFFERENCES * mu * mu, "{deviation_sq} against {expected}");
                let expected = expected / (mu + 1e-8);
                assert!((volatility - expected).abs() <= DIFFERENCES * mu, "{volatility} against {expected}");
            }
            training.end(&update);
        }
    }
}

#[test]
fn both_forms_of_the_effective_step_at_every_age_of_the_moments() {
    for form in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::Isotropic, 11);
        let mut probe = Probe::new(ProbeOptions { effective_step: form, ..exact() }, 3, 0);
        for _ in 0..30 {
            training.train(1, 7);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                close("effective_step", found.effective_step, training.effective_step(layer, form), ROUNDING);
            }
            // A controller changes rates on the way: the step is of the rate that stands.
            training.rates[1] *= 0.9;
        }
    }
}

#[test]
fn an_elementwise_step_counts_units_without_gradient_at_the_rate_over_epsilon() {
    let mut training = Training::new(Unit::Relu, &[5], Terms::CrossEntropy, 12);
    kill_hidden_units(&mut training);
    training.train(3, 7);
    let rate_over_epsilon = training.rates[0] / ((1.0 - ADAM.beta1.powi(3)) * ADAM.epsilon);
    for effective_step in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        let update = training.begin(7);
        let mut probe = Probe::new(ProbeOptions { effective_step, ..exact() }, 2, 0);
        let found = training.measure(&update, &mut probe);
        close("effective_step", found[0].effective_step, rate_over_epsilon, ROUNDING);
        // The second layer's weight never had a gradient, its bias had: only the elementwise form can tell.
        match effective_step {
            EffectiveStep::Rms => assert_eq!(found[1].effective_step, found[0].effective_step.map(|step| 2.0 * step)),
            EffectiveStep::Elementwise => assert!(found[1].effective_step < found[0].effective_step.map(|s| 2.0 * s)),
        }
    }
}

#[test]
fn normalised_sharpness_of_the_layer_and_of_the_whole_network() {
    for scale in [SharpnessScale::Layer, SharpnessScale::Global] {
        let mut training = Training::new(Unit::Crelu, &[4, 3], Terms::Isotropic, 13);
        let mut probe = Probe::new(ProbeOptions { sharpness_scale: scale, ..exact() }, 3, 0);
        for _ in 0..5 {
            training.train(2, 7);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                let expected = found.sharpness.unwrap() * training.scale(layer, scale);
                close("normalized_sharpness", found.normalized_sharpness, expected, ROUNDING);
            }
            training.rates[0] *= 0.9;
        }
    }
}

#[test]
fn a_penalty_moves_the_gradient_and_the_curvature_but_not_the_noise() {
    let first = |terms: Terms| {
        let mut training = Training::new(Unit::Relu, &[5, 4], terms, 14);
        let update = training.begin(7);
        let found = training.measure(&update, &mut Probe::new(exact(), 3, 0));
        (training, update, found)
    };
    let (_, _, bare) = first(Terms::CrossEntropy);
    for terms in [Terms::Isotropic, Terms::Quartic] {
        let (training, update, found) = first(terms);
        for (layer, (found, bare)) in found.iter().zip(&bare).enumerate() {
            let total = square_sum(&training.plain.total_gradient(&update.batch, layer));
            close("gradient_sq_norm", found.gradient_sq_norm, total, ROUNDING);
            assert!((found.gradient_sq_norm / bare.gradient_sq_norm - 1.0).abs() > 1e-3);
            assert_eq!(found.noise_variance, bare.noise_variance);
            let (lambda, without) = (found.sharpness.unwrap(), bare.sharpness.unwrap());
            match terms {
                // Two penalties whose Hessian is twice the coefficient.
                Terms::Isotropic => close("sharpness", lambda - without, 4.0 * COEFFICIENT, 1e-9),
                _ => assert!(lambda > without),
            }
        }
    }
}

#[test]
fn mean_and_volatility_are_of_the_last_w_events_of_each_layer() {
    const W: usize = 3;
    for form in [Volatility::Instant, Volatility::Window] {
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 15);
        // So small that the 1e-8 beside the mean counts.
        training.rates[1] = 1e-9;
        let mut probe = Probe::new(ProbeOptions { window: W, volatility: form, ..exact() }, 3, 0);
        let mut all = [const { Vec::new() }; 3];
        for event in 1..=3 * W {
            training.train(1, 7);
            let update = training.begin(7);
            for (values, found) in all.iter_mut().zip(training.measure(&update, &mut probe)) {
                let newest = found.normalized_sharpness.unwrap();
                values.push(newest);
                let window = &values[values.len().saturating_sub(W)..];
                assert_eq!(window.len(), event.min(W));
                let mu = mean(window);
                let deviation_sq = (newest - mu).powi(2);
                let spread = match form {
                    Volatility::Instant => deviation_sq,
                    Volatility::Window => mean(&window.iter().map(|value| (value - mu).powi(2)).collect::<Vec<_>>()),
                };
                close("sharpness_mean", found.sharpness_mean, mu, 1e-12);
                close("deviation_sq", found.deviation_sq, deviation_sq, 1e-9);
                close("volatility", found.volatility, spread / (mu + 1e-8), 1e-9);
            }
        }
        assert!(mean(&all[1]) < 1e-7);
    }
}

#[test]
fn before_the_optimizers_first_step_only_what_needs_no_moments_is_defined() {
    for effective_step in [EffectiveStep::Rms, EffectiveStep::Elementwise] {
        for sharpness_scale in [SharpnessScale::Layer, SharpnessScale::Global] {
            let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 16);
            let mut probe = Probe::new(ProbeOptions { effective_step, sharpness_scale, ..exact() }, 3, 0);
            let update = training.begin(7);
            for (layer, found) in training.measure(&update, &mut probe).iter().enumerate() {
                assert_eq!((found.effective_step, found.normalized_sharpness), (None, None));
                assert_eq!((found.sharpness_mean, found.deviation_sq, found.volatility), (None, None, None));
                let spectrum = training.plain.spectrum(&update.batch, layer);
                close("sharpness", found.sharpness, spectrum[spectrum.len() - 1], DIFFERENCES);
                let variance = training.plain.noise_variance(&update.batch, layer);
                close("noise_variance", found.noise_variance.unwrap(), variance, ROUNDING);
            }
            training.end(&update);
            let update = training.begin(7);
            for found in training.measure(&update, &mut probe) {
                assert!(found.effective_step.is_some() && found.normalized_sharpness.is_some());
                // The undefined value has not entered the window.
                assert_eq!(found.sharpness_mean, found.normalized_sharpness);
                assert_eq!(found.volatility, Some(0.0));
            }
        }
    }
}

#[test]
fn a_batch_of_one_has_a_gradient_and_curvature_but_no_noise() {
    let mut training = Training::new(Unit::Crelu, &[4, 3], Terms::Isotropic, 17);
    training.train(3, 7);
    let update = training.begin(1);
    let found = training.measure(&update, &mut Probe::new(exact(), 3, 0));
    for (layer, found) in found.iter().enumerate() {
        assert_eq!((found.batch, found.noise_variance), (1, Some(0.0)));
        let gradient = training.plain.total_gradient(&update.batch, layer);
        close("gradient_sq_norm", found.gradient_sq_norm, square_sum(&gradient), ROUNDING);
        let spectrum = training.plain.spectrum(&update.batch, layer);
        close("sharpness", found.sharpness, spectrum[spectrum.len() - 1], DIFFERENCES);
        close("effective_step", found.effective_step, training.effective_step(layer, EffectiveStep::Rms), ROUNDING);
    }
}

/// No unit of the first layer is ever on.
fn kill_hidden_units(training: &mut Training) {
    tch::no_grad(|| drop(training.network.layers[0].parameters[1].value.fill_(-100.0)));
    training.plain.parameters = parameters(&training.network);
}

#[test]
fn flat_and_unconverged_blocks_are_counted_and_are_no_errors() {
    let mut training = Training::new(Unit::Relu, &[5], Terms::CrossEntropy, 18);
    kill_hidden_units(&mut training);
    training.train(1, 7);
    let mut probe = Probe::new(exact(), 2, 0);
    for events in 1..=2 {
        let update = training.begin(7);
        let found = training.measure(&update, &mut probe);
        assert_eq!((found[0].sharpness, found[0].normalized_sharpness), (Some(0.0), Some(0.0)));
        // 0 / (0 + 1e-8).
        assert_eq!((found[0].sharpness_mean, found[0].volatility), (Some(0.0), Some(0.0)));
        assert!(found[1].sharpness > Some(0.01));
        assert_eq!((probe.flat_events, probe.unconverged_events), (events, 0));
    }
    let (mut state, mut restored) = (State::default(), Probe::new(exact(), 2, 0));
    probe.save(&mut state);
    restored.restore(&state).unwrap();
    assert_eq!((restored.flat_events, restored.unconverged_events), (2, 0));

    let mut training = Training::new(Unit::Relu, &[5, 4], Terms::CrossEntropy, 18);
    training.train(1, 7);
    let hasty = LanczosOptions { products: 1, tolerance: 1e-12 };
    let mut probe = Probe::new(ProbeOptions { lanczos: hasty, ..exact() }, 3, 0);
    let update = training.begin(7);
    assert!(training.measure(&update, &mut probe).iter().all(|found| found.sharpness_residual > Some(0.01)));
    assert_eq!((probe.flat_events, probe.unconverged_events), (0, 3));
}

#[test]
fn a_restored_probe_goes_on_with_the_same_bits() {
    // Two products from a random start: the eigenvalues tell whether the generator was restored too.
    let lanczos = LanczosOptions { products: 2, tolerance: 1e-12 };
    for volatility in [Volatility::Instant, Volatility::Window] {
        let options = ProbeOptions { window: 4, volatility, lanczos, ..ProbeOptions::default() };
        let mut training = Training::new(Unit::Relu, &[5, 4], Terms::Isotropic, 19);
        let mut probe = Probe::new(options, 3, 1);
        let mut next = |probes: &mut [&mut Probe]| -> Vec<Vec<LayerStatistics>> {
            training.train(1, 7);
            let update = training.begin(7);
            probes.iter_mut().map(|probe| training.measure(&update, probe)).collect()
        };
        for _ in 0..3 {
            next(&mut [&mut probe]);
        }
        let mut state = State::default();
        probe.save(&mut state);
        // One that has seen other updates, with another seed: nothing of its own may be left.
        let mut restored = Probe::new(options, 3, 2);
        for _ in 0..5 {
            next(&mut [&mut restored]);
        }
        restored.restore(&state).unwrap();
        let mut fresh = Probe::new(options, 3, 1);
        for _ in 0..4 {
            let [expected, found, other] =
                <[_; 3]>::try_from(next(&mut [&mut probe, &mut restored, &mut fresh])).unwrap();
            assert_eq!(found, expected);
            assert_ne!(other, expected);
            assert_eq!(restored.flat_events, probe.flat_events);
            assert_eq!(restored.unconverged_events, probe.unconverged_events);
        }
        assert_eq!(probe.unconverged_events, 7 * 3);
    }
}
