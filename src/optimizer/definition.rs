//! What an optimizer is, and how one is chosen.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Kind, Tensor};
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::part::PartError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::slices::{Float, on_host, view, view_mut};
use trainability_tensor::{Gradients, Layer, OuterGradient, Role, Stateful, for_float};

/// How the effective step is formed where an optimizer has a scale for each element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectiveStep {
    /// With the root mean square of the second moment over the layer's weight, as in the runs behind the paper.
    #[default]
    Rms,
    /// The mean over the layer's parameters of each element's own step, as in the paper's appendix.
    Elementwise,
}

/// What normalises a layer's sharpness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharpnessScale {
    /// The layer's own learning rate and root mean square.
    #[default]
    Layer,
    /// The first layer's learning rate, and one root mean square over all parameters without bias correction, as in the
    /// runs behind the paper.
    Global,
}

/// Turns gradients into updates, with a learning rate for each layer and a memory of its own.
pub trait Optimizer: Stateful + Debug + Send {
    /// Told before an update, and before its measurement, which share of the epochs of its task is over: 0 to below 1.
    fn begin_update(&mut self, _share_of_epochs: f64) {}

    /// Updates all parameters, layer l with `learning_rates[l]`; sums up the update if it is asked to.
    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary>;

    /// The same step for dense layers of a weight and a bias in main memory, from the gradients of a single sample; to the bit what
    /// [`Optimizer::step`] makes of them written out. Returns false, and does nothing, where it cannot.
    fn step_of_one(&mut self, _layers: &mut [Layer], _gradients: &[OuterGradient], _learning_rates: &[f64]) -> bool {
        false
    }

    /// What it remembers of each parameter, in tensors of the parameter's shape, to be laid beside those of others: the first
    /// index is the parameter's, over all layers. None where it cannot step together with others.
    fn memory_mut(&mut self) -> Option<Vec<Vec<&mut Tensor>>> {
        None
    }

    /// Counts a step that is made together with others, and returns for each layer the numbers that make it this optimizer's.
    fn begin_step(&mut self, _learning_rates: &[f64]) -> Vec<Vec<f64>> {
        Vec::new()
    }

    /// Such a step of one layer of R networks: values, gradients and memory are R x n, and each of the numbers R x 1.
    fn step_together(&self, _value: &mut Tensor, _gradient: &Tensor, _memory: &mut [Tensor], _numbers: &[Tensor]) {}

    /// Takes over sums of its memory that were computed together with those of others: for each tensor of memory and each layer,
    /// over the weight and over all parameters. They hold until the next step.
    fn take_sums(&mut self, _sums: &[Vec<[f64; 2]>]) {}

    /// Steps made so far.
    fn steps(&self) -> u64;

    /// Goes back to its state before the first step.
    fn clear(&mut self);

    /// Goes back to that state for the entries at `indices` along `dimension` of one parameter tensor. [`Optimizer::steps`]
    /// stays the count of the whole.
    fn restart(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]);

    /// Whether it can train these layers with the weight decay that it was built with, or why not. Without layers, which there are
    /// none of before a network is built, it is asked about the decay alone.
    ///
    /// # Errors
    /// The reason, a sentence.
    fn fits(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether it has an effective step at all, or why not: schedules that act on it refuse an optimizer without.
    ///
    /// # Errors
    /// The reason, a part of a sentence.
    fn has_effective_step(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// alpha, the scalar by which the averaged gradient of these layers, taken together, is multiplied at that learning rate;
    /// undefined before the first step.
    fn effective_step(&self, layers: Range<usize>, learning_rate: f64, form: EffectiveStep) -> Option<f64>;

    /// What a sharpness of these layers, taken together, is multiplied with to become the normalised sharpness; undefined
    /// before the first step.
    fn sharpness_factor(&self, layers: Range<usize>, learning_rates: &[f64], scale: SharpnessScale) -> Option<f64>;
}

/// Builds an optimizer without a past for the layers of a network, with that weight decay.
pub type OptimizerFactory = Arc<dyn Fn(WeightDecay, &[Layer]) -> Box<dyn Optimizer> + Send + Sync>;

/// The options of an optimizer: plain data with defaults, which build it.
pub trait OptimizerOptions: DeserializeOwned + Serialize + JsonSchema + Default + Send + Sync + 'static {
    /// Checks the values.
    ///
    /// # Errors
    /// A value that the optimizer cannot work with.
    fn check(&self) -> Result<(), OptionError>;

    /// Builds the optimizer.
    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer>;
}

/// An optimizer that a configuration can name.
#[derive(Debug)]
pub struct OptimizerKind {
    /// The name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    read: fn(Value) -> Result<(OptimizerFactory, Value), PartError>,
    schema: fn() -> Value,
}

impl OptimizerKind {
    /// The optimizer with options of type `O`.
    pub const fn of<O: OptimizerOptions>(name: &'static str, about: &'static str) -> OptimizerKind {
        OptimizerKind { name, about, read: read::<O>, schema: schema::<O> }
    }

    /// What options there are, a JSON Schema.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Reads the options, and returns them with all defaults filled in.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong type or out of range.
    pub fn read(&self, options: Value) -> Result<(OptimizerFactory, Value), PartError> {
        (self.read)(options)
    }
}

fn schema<O: OptimizerOptions>() -> Value {
    schemars::schema_for!(O).to_value()
}

fn read<O: OptimizerOptions>(options: Value) -> Result<(OptimizerFactory, Value), PartError> {
    let options: O = serde_json::from_value(options)?;
    options.check()?;
    let used = serde_json::to_value(&options)?;
    Ok((Arc::new(move |weight_decay, layers| options.build(weight_decay, layers)), used))
}

/// What one step of a layer needs to know beside the tensors.
#[derive(Clone, Copy)]
pub(super) struct DecayFactors {
    /// Joins the gradient, times the parameter.
    pub(super) coupled: f64,
    /// Multiplies the parameter.
    pub(super) shrink: f64,
}

impl DecayFactors {
    /// Whether nothing decays.
    pub(super) fn is_none(self) -> bool {
        self.coupled == 0.0 && self.shrink == 1.0
    }

    /// Of a step at that learning rate.
    pub(super) fn of(weight_decay: WeightDecay, learning_rate: f64) -> DecayFactors {
        match weight_decay {
            WeightDecay::None => DecayFactors { coupled: 0.0, shrink: 1.0 },
            WeightDecay::Coupled(coefficient) => DecayFactors { coupled: coefficient, shrink: 1.0 },
            WeightDecay::Decoupled(coefficient) => {
                DecayFactors { coupled: 0.0, shrink: 1.0 - learning_rate * coefficient }
            }
        }
    }
}

/// Makes zero of memory that has faded below the normal numbers, as that of dead units does: what it would still do to a weight is
/// far below its last bit, and a processor takes many times as long for it.
pub(super) fn flush(memory: &mut Tensor) {
    if on_host(memory) {
        for_float!(memory, flush_numbers(memory));
    }
}

fn flush_numbers<T: Float>(memory: &mut Tensor) {
    // SAFETY: an optimizer's memory is its own.
    for number in unsafe { view_mut::<T>(memory) } {
        *number = number.flushed();
    }
}

/// Sums over the elements of what a step changed.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums {
    absolute_update: f64,
    absolute_weight: f64,
    count: usize,
}

impl Sums {
    /// Makes a step of one tensor, and adds up what it changed if that is wanted.
    pub(super) fn of_step(&mut self, value: &mut Tensor, summarise: bool, step: impl FnOnce(&mut Tensor)) {
        let before = summarise.then(|| value.detach().copy());
        step(value);
        let Some(before) = before else { return };
        let after = value.detach();
        let (update, weight) = match on_host(&after) {
            true => for_float!(after, changes(&before, &after)),
            false => (sum_of_magnitudes(&(&after - &before)), sum_of_magnitudes(&before)),
        };
        self.absolute_update += update;
        self.absolute_weight += weight;
        self.count += after.numel();
    }

    /// Adds the means over so many elements.
    pub(super) fn add(&mut self, means: UpdateSummary, count: usize) {
        self.absolute_update += means.mean_absolute_update * count as f64;
        self.absolute_weight += means.mean_absolute_weight * count as f64;
        self.count += count;
    }

    /// The means.
    pub(super) fn means(self, summarise: bool) -> Option<UpdateSummary> {
        summarise.then(|| UpdateSummary {
            mean_absolute_update: self.absolute_update / self.count as f64,
            mean_absolute_weight: self.absolute_weight / self.count as f64,
        })
    }
}

fn sum_of_magnitudes(tensor: &Tensor) -> f64 {
    tensor.abs().sum(Kind::Double).double_value(&[])
}

/// The sums of |after - before| and of |before|, in f64.
fn changes<T: Float>(before: &Tensor, after: &Tensor) -> (f64, f64) {
    // SAFETY: nobody writes to either meanwhile.
    let (before, after) = unsafe { (view::<T>(before), view::<T>(after)) };
    let update = after.iter().zip(before).map(|(&new, &old)| (new - old).magnitude().wide()).sum();
    (update, before.iter().map(|theta| theta.magnitude().wide()).sum())
}
