//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): the averaged gradient of a hidden matrix, orthogonalised by five
//! Newton-Schulz steps; everything else by AdamW. Input and output layers
//! are no hidden matrices, nor are tables of vectors; filters are matrices out x (in k k).
//!
//! The author's program orthogonalises in bfloat16; this one computes in the parameters' own type.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Gradients, Layer, LinearMap, Parameter, Role, State, StateError, Stateful};

use super::adam::Adam;
use super::adam_update::AdamOptions;
use super::definition::{
    DecayFactors, EffectiveStep, Optimizer, OptimizerKind, OptimizerOptions, SharpnessScale, Sums, flush,
};

/// `muon`.
pub(super) const KIND: OptimizerKind = OptimizerKind::of::<MuonOptions>(
    "muon",
    "Muon: hidden matrices by their orthogonalised momentum, everything else by AdamW",
);

/// What is multiplied with x, x^3 and x^5 of each singular value in a Newton-Schulz step, and how often that is done.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.775, 2.0315];
const NEWTON_SCHULZ_STEPS: usize = 5;
/// A matrix of a smaller norm is not brought to norm 1.
const SMALLEST_NORM: f64 = 1e-7;

/// What a step is multiplied with for the shape of its matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MuonScale {
    /// sqrt(max(1, rows / columns)), as the author has it.
    #[default]
    Original,
    /// 0.2 sqrt(max(rows, columns)), which makes a step about as large as one of AdamW (arXiv 2502.16982).
    MatchRmsAdamw,
}

impl MuonScale {
    fn of(self, matrix: &Tensor) -> f64 {
        let [rows, columns] = [0, 1].map(|dimension| matrix.size()[dimension] as f64);
        match self {
            MuonScale::Original => (rows / columns).max(1.0).sqrt(),
            MuonScale::MatchRmsAdamw => 0.2 * rows.max(columns).sqrt(),
        }
    }
}

/// Which rule the weight of the first layer follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstWeight {
    /// That of AdamW, as the author says of input layers.
    #[default]
    Adamw,
    /// That of hidden matrices.
    Muon,
}

/// Constants of Muon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MuonOptions {
    /// How much of the averaged gradient is kept at each step.
    pub momentum: f64,
    /// Whether the gradient is averaged once more with its average (Nesterov's form) before it is orthogonalised.
    pub nesterov: bool,
    /// What a step is multiplied with for the shape of its matrix; torch.optim.Muon calls it `adjust_lr_fn`.
    pub scale: MuonScale,
    /// By which rule the first layer's weight is trained.
    pub first_layer: FirstWeight,
    /// AdamW's learning rate over the layer's own, which is Muon's: .0003 where that is .02, as the author has them.
    pub adamw_ratio: f64,
    /// AdamW's decay rate of the first moment.
    pub beta1: f64,
    /// AdamW's decay rate of the second moment.
    pub beta2: f64,
    /// Added by AdamW to the square root of the second moment.
    pub epsilon: f64,
}

impl Default for MuonOptions {
    fn default() -> Self {
        MuonOptions {
            momentum: 0.95,
            nesterov: true,
            scale: MuonScale::Original,
            first_layer: FirstWeight::Adamw,
            adamw_ratio: 0.015,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-10,
        }
    }
}

impl MuonOptions {
    fn of_adamw(&self) -> AdamOptions {
        AdamOptions { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon, beta_ramp: None }
    }
}

impl OptimizerOptions for MuonOptions {
    fn check(&self) -> Result<(), OptionError> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(OptionError::new("momentum", self.momentum, "at least 0 and below 1"));
        }
        if !(self.adamw_ratio > 0.0 && self.adamw_ratio.is_finite()) {
            return Err(OptionError::new("adamw_ratio", self.adamw_ratio, "a finite number above 0"));
        }
        self.of_adamw().check()
    }

    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(Muon::new(*self, weight_decay, layers))
    }
}

/// What is remembered of one hidden matrix.
#[derive(Debug)]
struct Matrix {
    /// The parameter's name.
    name: String,
    /// The decaying mean of its gradients, in its shape.
    momentum: Tensor,
    /// Of the last step the Frobenius norms of the orthogonalised matrix and of the averaged gradient that it was made of, in f64.
    norms: Tensor,
    /// What its steps are multiplied with for its shape.
    scale: f64,
}

impl Matrix {
    fn of(weight: &Parameter, options: MuonOptions) -> Matrix {
        let value = weight.value.detach();
        Matrix {
            name: weight.name.clone(),
            momentum: value.zeros_like(),
            norms: Tensor::zeros([2], (Kind::Double, value.device())),
            scale: options.scale.of(&value.flatten(1, -1)),
        }
    }

    fn update(
        &mut self,
        value: &mut Tensor,
        gradient: &Tensor,
        options: MuonOptions,
        learning_rate: f64,
        decay: DecayFactors,
    ) {
        let keep = options.momentum;
        let gradient = gradient + &*value * decay.coupled;
        let _ = self.momentum.lerp_(&gradient, 1.0 - keep);
        flush(&mut self.momentum);
        let averaged = match options.nesterov {
            true => gradient.lerp(&self.momentum, keep),
            false => self.momentum.shallow_clone(),
        };
        let averaged = averaged.flatten(1, -1);
        let direction = orthogonalised(&averaged);
        self.norms = Tensor::stack(&[norm(&direction), norm(&averaged)], 0);
        let change = direction.reshape(value.size()) * (learning_rate * self.scale);
        let _ = value.g_mul_scalar_(decay.shrink).g_sub_(&change);
    }

    /// By how much the last step's averaged gradient was multiplied at a learning rate of 1; undefined where it was zero.
    fn multiple(&self) -> Option<f64> {
        let [direction, averaged] = [0, 1].map(|place| self.norms.double_value(&[place]));
        (averaged != 0.0).then(|| self.scale * direction / averaged)
    }
}

/// The Frobenius norm, summed up in f64.
fn norm(matrix: &Tensor) -> Tensor {
    matrix.to_kind(Kind::Double).norm()
}

/// About the nearest matrix whose singular values are all 1: Newton-Schulz steps bring those that are not tiny to between .7 and 1.2.
fn orthogonalised(matrix: &Tensor) -> Tensor {
    let is_tall = matrix.size()[0] > matrix.size()[1];
    let start = if is_tall { matrix.tr() } else { matrix.shallow_clone() };
    let mut wide = start / norm(matrix).clamp_min(SMALLEST_NORM).to_kind(matrix.kind());
    let [linear, cubic, quintic] = COEFFICIENTS;
    for _ in 0..NEWTON_SCHULZ_STEPS {
        let gram = wide.matmul(&wide.tr());
        let mix = &gram * cubic + gram.matmul(&gram) * quintic;
        wide = &wide * linear + mix.matmul(&wide);
    }
    if is_tall { wide.tr() } else { wide }
}

/// Muon over the layers of a network.
#[derive(Debug)]
struct Muon {
    options: MuonOptions,
    weight_decay: WeightDecay,
    steps: u64,
    /// One a layer, none where AdamW has the weight.
    matrices: Vec<Option<Matrix>>,
    /// AdamW over the same layers, but for the weights that are matrices.
    rest: Adam,
    /// Scalars in each layer.
    counts: Vec<usize>,
}

impl Muon {
    /// An optimizer without a past for these layers.
    fn new(options: MuonOptions, weight_decay: WeightDecay, layers: &[Layer]) -> Muon {
        let matrix = |(index, layer): (usize, &Layer)| {
            let is_hidden = (index > 0 || options.first_layer == FirstWeight::Muon) && index + 1 < layers.len();
            let weight = layer.parameters.iter().find(|parameter| parameter.role == Role::Weight);
            let is_matrix = layer.matrix().is_some() && layer.map != LinearMap::Embedding;
            weight.filter(|_| is_hidden && is_matrix).map(|weight| Matrix::of(weight, options))
        };
        let matrices: Vec<Option<Matrix>> = layers.iter().enumerate().map(matrix).collect();
        let rest: Vec<Layer> = layers.iter().zip(&matrices).map(|(layer, matrix)| rest_of(layer, matrix)).collect();
        Muon {
            rest: Adam::new(options.of_adamw(), weight_decay, &rest),
            counts: layers.iter().map(Layer::count).collect(),
            options,
            weight_decay,
            steps: 0,
            matrices,
        }
    }

    /// Of some layers the mean of a value of each, a parameter a vote; undefined before the first step.
    fn mean_over(&self, layers: Range<usize>, of_layer: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let (mut mean, mut all) = (0.0, 0);
        for layer in layers.filter(|_| self.steps > 0) {
            all += self.counts[layer];
            mean += (of_layer(layer)? - mean) * (self.counts[layer] as f64 / all as f64);
        }
        (all > 0).then_some(mean)
    }
}

/// Of what is given for each parameter of a layer that for those that AdamW has.
fn of_rest<'a, T>(layer: &'a Layer, matrix: &Option<Matrix>, all: &'a [T]) -> impl Iterator<Item = &'a T> {
    let is_matrix = matrix.is_some();
    let of_rest =
        move |(parameter, of): (&Parameter, &'a T)| (!is_matrix || parameter.role != Role::Weight).then_some(of);
    layer.parameters.iter().zip(all).filter_map(of_rest)
}

/// The layer with the parameters alone that AdamW has; their memory is the same.
fn rest_of(layer: &Layer, matrix: &Option<Matrix>) -> Layer {
    let own = |Parameter { name, role, value }: &Parameter| Parameter {
        name: name.clone(),
        role: *role,
        value: value.shallow_clone(),
    };
    let parameters = of_rest(layer, matrix, &layer.parameters).map(own).collect();
    Layer { name: layer.name.clone(), map: layer.map, parameters }
}

impl Optimizer for Muon {
    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let (mut rest, mut of_their) = (Vec::with_capacity(layers.len()), Vec::with_capacity(layers.len()));
        for ((layer, matrix), gradients) in layers.iter().zip(&self.matrices).zip(gradients) {
            rest.push(rest_of(layer, matrix));
            of_their.push(of_rest(layer, matrix, gradients).map(Tensor::shallow_clone).collect());
        }
        let rates: Vec<f64> = learning_rates.iter().map(|rate| rate * self.options.adamw_ratio).collect();
        let mut sums = Sums::default();
        if let Some(summary) = self.rest.step(&mut rest, &of_their, &rates, summarise) {
            sums.add(summary, rest.iter().map(Layer::count).sum());
        }
        for (index, layer) in layers.iter_mut().enumerate() {
            let (options, rate) = (self.options, learning_rates[index]);
            let decay = DecayFactors::of(self.weight_decay, rate);
            let parameters = layer.parameters.iter_mut().zip(&gradients[index]);
            let weight = parameters.into_iter().find(|(parameter, _)| parameter.role == Role::Weight);
            if let (Some((weight, gradient)), Some(matrix)) = (weight, &mut self.matrices[index]) {
                let value = &mut weight.value;
                sums.of_step(value, summarise, |value| matrix.update(value, gradient, options, rate, decay));
            }
        }
        sums.means(summarise)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn clear(&mut self) {
        self.steps = 0;
        self.rest.clear();
        for Matrix { momentum, norms, .. } in self.matrices.iter_mut().flatten() {
            let _ = (momentum.zero_(), norms.zero_());
        }
    }

    fn restart(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        match &mut self.matrices[layer] {
            Some(Matrix { momentum, .. }) if role == Role::Weight => {
                let indices = Tensor::from_slice(indices).to_device(momentum.device());
                let _ = momentum.index_fill_(dimension, &indices, 0.0);
            }
            _ => self.rest.restart(layer, role, dimension, indices),
        }
    }

    fn fits(&self) -> Result<(), &'static str> {
        if self.matrices.is_empty() || self.matrices.iter().any(Option::is_some) {
            return Ok(());
        }
        Err("Muon has nothing to do where no layer lies between the first and the last; `first_layer` may be \"muon\"")
    }

    /// lr s |O| / |m| of the last step, or AdamW's where that has the weight; of several layers the mean over their parameters
    /// (docs/method.md, equation (47)).
    fn effective_step(&self, layers: Range<usize>, learning_rate: f64, form: EffectiveStep) -> Option<f64> {
        self.mean_over(layers, |layer| match &self.matrices[layer] {
            Some(matrix) => Some(learning_rate * matrix.multiple()?),
            None => self.rest.effective_step(layer..layer + 1, learning_rate * self.options.adamw_ratio, form),
        })
    }

    /// The same, had the gradients of the past been averaged without end (docs/method.md, equation (48)).
    fn sharpness_factor(&self, layers: Range<usize>, learning_rates: &[f64], scale: SharpnessScale) -> Option<f64> {
        let (layers, rate) = match scale {
            SharpnessScale::Layer => (layers.clone(), learning_rates[layers.start]),
            SharpnessScale::Global => (0..self.matrices.len(), learning_rates[0]),
        };
        let MuonOptions { momentum, nesterov, adamw_ratio, .. } = self.options;
        let averaged = 1.0 - momentum.powf(self.steps as f64 + f64::from(u8::from(nesterov)));
        let of_adamw = vec![rate * adamw_ratio; self.matrices.len()];
        self.mean_over(layers, |layer| match &self.matrices[layer] {
            Some(matrix) => Some(rate * matrix.multiple()? * averaged),
            None => self.rest.sharpness_factor(layer..layer + 1, &of_adamw, SharpnessScale::Layer),
        })
    }
}

impl Stateful for Muon {
    fn save(&self, state: &mut State) {
        state.put_value("steps", &self.steps);
        state.put_part("adamw", &self.rest);
        for Matrix { name, momentum, norms, .. } in self.matrices.iter().flatten() {
            state.put_tensor(&format!("{name}.momentum_buffer"), momentum);
            state.put_tensor(&format!("{name}.norms"), norms);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.steps = state.count("steps", State::MOST_COUNT)?;
        state.restore_part("adamw", &mut self.rest)?;
        for Matrix { name, momentum, norms, .. } in self.matrices.iter_mut().flatten() {
            state.copy_into(&format!("{name}.momentum_buffer"), momentum)?;
            state.copy_into(&format!("{name}.norms"), norms)?;
        }
        Ok(())
    }
}
