//! Whether the runs fit into memory, told before any of them begins.

use sysinfo::{MemoryRefreshKind, System};
use trainability_baselines::method::Method;
use trainability_tensor::LinearMap;

use crate::data::ImageSet;
use crate::learner::EVALUATION_CHUNK;
use crate::model::Shape;
use crate::run::RunPlan;

/// What libtorch, the allocator and the stack keep for a thread at work, in bytes.
const PER_JOB: f64 = 32e6;
/// Copies of a state while its checkpoint is made: tensors, their bytes, and the file.
const CHECKPOINT_COPIES: f64 = 3.0;
/// What the allocator holds beyond the tensors that are alive.
const SPARE: f64 = 1.1;
/// Bytes of a value in the window of normalised sharpness.
const WINDOW_VALUE: f64 = 8.0;

/// How large a layer is, all numbers being counts of values.
struct LayerSize {
    /// What goes into it, a sample.
    inputs: f64,
    /// Its pre-activation, a sample.
    outputs: f64,
    /// Its gains and shifts, and as many numbers of a sample in a pass.
    normalising: f64,
    parameters: f64,
    positions: f64,
    /// A convolution's unfolded input, a sample; 0 in a dense layer.
    patches: f64,
    is_last: bool,
}

fn sizes(shape: &Shape, method: &Method) -> Vec<LayerSize> {
    let activation = method.activation.as_ref();
    let layers = shape.layers(activation);
    let last = layers.len() - 1;
    let mut inputs = shape.inputs;
    let sizes = layers.into_iter().enumerate().map(|(index, layer)| {
        let normalising = if method.normalization.is_some() && index < last { 2 * layer.units() } else { 0 };
        let unfolded = if layer.map == LinearMap::Convolution { layer.fan_in() * layer.positions() } else { 0 };
        LayerSize {
            // An activation such as CReLU widens what the next layer sees.
            inputs: std::mem::replace(&mut inputs, activation.features(layer.units()) * layer.positions()) as f64,
            outputs: (layer.units() * layer.positions()) as f64,
            normalising: normalising as f64,
            parameters: (layer.parameter_count() + normalising) as f64,
            positions: layer.positions() as f64,
            patches: unfolded as f64,
            is_last: index == last,
        }
    });
    sizes.collect()
}

/// The most memory that a run has at a time, in bytes, from the sizes of its tensors.
pub fn estimate(run: &RunPlan, set: &ImageSet) -> f64 {
    let method = run.method.build();
    let element = run.training.precision.kind().elt_size_in_bytes() as f64;
    let (images, features) = (run.images() as f64, set.shape().features() as f64);
    let classes = f64::from(set.classes);
    let (batch, probe) = (run.training.batch_size as f64, images.min(run.measure.probe_images as f64));
    let products = run.measure.lanczos.products as f64;
    let measures = run.measure.interval > 0;

    let layers = sizes(&run.shape(set, &method), &method);
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let most = |of: &dyn Fn(&LayerSize) -> f64| layers.iter().map(of).fold(0.0, f64::max);
    let weights: f64 = layers.iter().map(|layer| layer.parameters).sum();
    let widths: f64 = layers.iter().map(|layer| layer.inputs + layer.outputs + layer.normalising).sum();
    let outputs: f64 = layers.iter().map(|layer| layer.outputs).sum();

    // Value, two moments; and what penalties remember of the start, with room to sort the largest tensor.
    let penalties = method.rules.penalties.len() as f64;
    let state = 3.0 * weights + penalties * weights;
    let sorting = if penalties > 0.0 { 8.0 * most(&|layer| layer.parameters) } else { 0.0 };
    let gradients = 2.0 * weights;
    let update = gradients + sorting + 4.0 * batch * widths;
    // Hidden layers of other networks are measured over the minibatch's pre-activations, if those are fewer and no penalty
    // may need the parameters, with two lists of vectors, on top of a graph to differentiate twice. Convolutions are
    // measured over their parameters.
    let exact = method.activation.piecewise_linear() && method.normalization.is_none();
    let krylov = |layer: &LayerSize| {
        let rows = batch * layer.outputs + layer.normalising;
        let vectors = match exact || layer.is_last {
            _ if layer.patches > 0.0 => layer.parameters,
            true => layer.parameters.min(batch * classes),
            false if layer.parameters > rows && penalties == 0.0 => 2.0 * rows,
            false => layer.parameters,
        };
        products.min(layer.parameters) * vectors
    };
    let graph = if exact { 0.0 } else { 8.0 * batch * (widths - features) + 4.0 * most(&|layer| layer.parameters) };
    // Pulled to a convolution's input and through the activation, factors are wider than its output, and laid out anew.
    let widest = most(&|layer| if layer.patches > 0.0 { 2.0 * (layer.inputs + layer.outputs) } else { layer.outputs });
    let factors = batch * classes * (outputs + 2.0 * widest) + 2.0 * batch * batch;
    // Patches in double precision, beside the samples' own gradients or the smaller of their two Gram matrices.
    let unfolded = |layer: &LayerSize, samples: f64| samples * (layer.patches + layer.outputs) * (1.0 + 16.0 / element);
    let noise = most(&|layer| match layer.patches {
        0.0 => 0.0,
        _ => unfolded(layer, batch) + batch * layer.parameters.min(2.0 * layer.positions.powi(2)) * 16.0 / element,
    });
    let fisher = most(&|layer| match layer.patches {
        0.0 => 0.0,
        _ => unfolded(layer, probe.min(100.0)) + probe.min(100.0) * layer.parameters * 16.0 / element,
    });
    let curvature = most(&krylov) + most(&|layer| 3.0 * batch * layer.patches) + graph;
    let measured =
        update + gradients + batch * outputs + if measures { largest(&[factors + curvature, noise]) } else { 0.0 };
    // The Hessian of the probe batch over all weights: its graph, one vector a product, and those at work.
    let passes = if exact { 8.0 } else { 12.0 };
    let task_end = passes * probe * widths + 12.0 * weights + products.min(weights) * weights;
    let evaluation = 2.0 * images.min(EVALUATION_CHUNK as f64) * widths;
    let saved = CHECKPOINT_COPIES * state;
    let work = SPARE * element * largest(&[measured, task_end, evaluation, saved, fisher + 2.0 * probe * widths]);
    // All images as they are, and the chosen ones three times in double precision while they are normalised.
    let beginning = set.images.len() as f64 + 3.0 * images * features * 8.0;
    let own = set.test.as_ref().map_or(0, |test| test.count);
    let tested = if run.stream.kind().true_labels { run.data.test_images.unwrap_or(own) as f64 } else { 0.0 };
    let kept = (images + tested) * features;
    // Permuted images lie beside the original ones, and so do those of the task before until they are no longer needed,
    // each with what differs from its background; while one order gives way to another, both are there twice.
    let copies = match (run.stream.kind().permutes_pixels, run.stream.transition > 0.0) {
        (false, _) => 0.0,
        (true, false) => 4.0,
        (true, true) => 9.0,
    };
    let work = work + element * copies * images * features;
    let window = run.measure.window as f64 * layers.len() as f64 * WINDOW_VALUE;
    PER_JOB + element * (kept + state) + window + work.max(beginning)
}

const ADVICE: &str = "choose a smaller network.hidden, training.batch_size, data.images or measure.probe_images";

/// Runs that do not fit into memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Not even one at a time.
    #[error("{run} needs about {} of memory, and {} are free: {}", gigabytes(*.needed), gigabytes(*.available), ADVICE)]
    Run {
        /// The name of the run that needs most.
        run: String,
        /// Bytes that it needs.
        needed: f64,
        /// Bytes that are free.
        available: f64,
    },
    /// Fewer at a time would.
    #[error(
        "{jobs} runs at a time need about {} of memory, and {} are free: --jobs {fitting} fits, or {}",
        gigabytes(*.needed), gigabytes(*.available), ADVICE
    )]
    Jobs {
        /// Runs at a time.
        jobs: usize,
        /// Bytes that the largest of them need together.
        needed: f64,
        /// Bytes that are free.
        available: f64,
        /// How many at a time fit.
        fitting: usize,
    },
}

/// Refuses runs of which `jobs` at a time would not fit into `available` bytes.
///
/// # Errors
/// In a sentence: what they need, what there is, and what would fit.
pub fn check(runs: &[&RunPlan], set: &ImageSet, jobs: usize, available: f64) -> Result<(), MemoryError> {
    let mut needs: Vec<(f64, &RunPlan)> = runs.iter().map(|run| (estimate(run, set), *run)).collect();
    needs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(&(most, run)) = needs.first() else { return Ok(()) };
    let jobs = jobs.min(needs.len());
    // The largest together: they may meet.
    let together = |jobs: usize| needs.iter().take(jobs).map(|(need, _)| need).sum::<f64>();
    let fitting = (1..=jobs).take_while(|&jobs| together(jobs) <= available).count();
    match fitting {
        0 => Err(MemoryError::Run { run: run.name(), needed: most, available }),
        _ if fitting < jobs => Err(MemoryError::Jobs { jobs, needed: together(jobs), available, fitting }),
        _ => Ok(()),
    }
}

/// Bytes that this process may still take: of the machine, and of its control group if that has a limit.
pub(super) fn available() -> f64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // Where the system does not tell, nothing is refused.
    if system.total_memory() == 0 || system.available_memory() == 0 {
        return f64::INFINITY;
    }
    // Not what the group has free: its page cache counts as used there, and yields when memory is asked for.
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    system.available_memory().min(group) as f64
}

fn gigabytes(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.0} MB", bytes / 1e6) } else { format!("{:.1} GB", bytes / 1e9) }
}
