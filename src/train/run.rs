//! One run: stream, network, probe, schedule and optimizer, update by update.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Kind, Tensor, no_grad};
use trainability_baselines::indicator::{INDICATORS, Observation, UpdateSummary, When};
use trainability_baselines::lanczos::SymmetricOperator;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::surgery::{Subject, Surgery};
use trainability_baselines::{Gradients, LayerTrace, State, StateError, Stateful};

use super::record::{ControlRow, LayerEvents};
use super::recorder::{TaskRow, field};
use super::summary::TaskSummary;
use crate::config::{Precision, RunPlan};
use crate::data::ImageSet;
use crate::network::{Network, Shape, correct, cross_entropy, logits};
use crate::optimizer::{Adam, AdamOptions};
use crate::probe::hessian::Hessian;
use crate::probe::noise::squared_norm;
use crate::probe::{LayerStatistics, Probe, Scene};
use crate::random::Generator;
use crate::schedule::{Action, BoundEstimator, Bounds, Progress, Schedule, Start};
use crate::stream::random_labels::Lengths;
use crate::stream::{RandomLabels, Stream};

/// Images that are evaluated at once at a task's end, which bounds the memory.
const EVALUATION_CHUNK: i64 = 4096;

/// The run left the real numbers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value} in task {task}, at update {update}; the last finite loss was {last_finite}")]
pub struct Diverged {
    /// What is not finite.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// The task, counted from 0.
    pub task: usize,
    /// The update, counted from 1.
    pub update: u64,
    /// Cross-entropy of the last minibatch that had a finite one.
    pub last_finite: f64,
}

/// What an update leaves to be written.
#[derive(Debug)]
pub struct Advance {
    /// A row of `controls.csv` for each layer, if the update was measured.
    pub controls: Vec<ControlRow>,
    /// The row of `tasks.csv`, if the update was its task's last.
    pub task: Option<TaskRow>,
}

/// Everything that a run carries from one update to the next.
#[derive(Debug)]
pub struct Run {
    seed: u64,
    stream: Box<dyn Stream>,
    network: Network,
    initialisation: Generator,
    optimizer: Adam,
    penalties: Vec<Box<dyn Penalty>>,
    surgeries: Vec<Box<dyn Surgery>>,
    probe: Probe,
    probe_images: Tensor,
    indicator_generator: Generator,
    lanczos: trainability_baselines::lanczos::LanczosOptions,
    bounds: Vec<BoundEstimator>,
    schedule: Box<dyn Schedule>,
    events: Vec<LayerEvents>,
    task: usize,
    update: u64,
    update_in_task: u64,
    summary: TaskSummary,
    last_finite: f64,
    seconds: BTreeMap<&'static str, f64>,
}

impl Run {
    /// Sets up the run that a plan describes.
    pub fn new(plan: &RunPlan, set: &ImageSet) -> Run {
        let kind = match plan.training.precision {
            Precision::F32 => Kind::Float,
            Precision::F64 => Kind::Double,
        };
        let images = select_images(set, plan.images(), kind, plan.seed);
        let probe_count = images.size()[0].min(plan.measure.probe_images as i64);
        let probe_images = images.narrow(0, 0, probe_count);
        let shape = Shape {
            inputs: images.size()[1],
            hidden: plan.network.hidden.clone(),
            outputs: i64::from(set.classes),
            kind,
        };
        let mut method = plan.method.build();
        let mut initialisation = Generator::named("initialisation", plan.seed);
        let network = Network::new(shape, method.activation, &mut initialisation);
        for penalty in &mut method.penalties {
            penalty.begin(&network.layers);
        }
        let options =
            AdamOptions { beta1: plan.training.beta1, beta2: plan.training.beta2, epsilon: plan.training.epsilon };
        let layers = network.layers.len();
        let lengths =
            Lengths { tasks: plan.stream.tasks, epochs: plan.stream.epochs, batch_size: plan.training.batch_size };
        let event_of = |layer: &trainability_baselines::LayerParameters| LayerEvents {
            layer: layer.name.clone(),
            ..LayerEvents::default()
        };
        Run {
            seed: plan.seed,
            optimizer: Adam::new(options, method.weight_decay, &network.layers),
            stream: Box::new(RandomLabels::new(images, i64::from(set.classes), lengths, plan.seed)),
            probe: Probe::new(plan.measure, layers, plan.seed),
            bounds: vec![BoundEstimator::new(plan.resolved.bounds); layers],
            schedule: (plan.resolved.factory)(Start { learning_rate: plan.training.learning_rate, layers }),
            events: network.layers.iter().map(event_of).collect(),
            network,
            initialisation,
            penalties: method.penalties,
            surgeries: method.surgeries,
            probe_images,
            indicator_generator: Generator::named("indicators", plan.seed),
            lanczos: plan.measure.lanczos,
            task: 0,
            update: 0,
            update_in_task: 0,
            summary: TaskSummary::default(),
            last_finite: f64::NAN,
            seconds: BTreeMap::new(),
        }
    }

    /// Whether tasks are left.
    pub fn is_over(&self) -> bool {
        self.task == self.stream.tasks()
    }

    /// Tasks completed.
    pub fn tasks(&self) -> usize {
        self.task
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// What the schedule did, layer by layer; empty if it takes no decisions.
    pub fn events(&self) -> &[LayerEvents] {
        if self.schedule.takes_decisions() { &self.events } else { &[] }
    }

    /// Whether the schedule takes decisions.
    pub fn is_scheduled(&self) -> bool {
        self.schedule.takes_decisions()
    }

    /// Wall-clock seconds so far by part of the work.
    pub fn seconds(&self) -> &BTreeMap<&'static str, f64> {
        &self.seconds
    }

    /// Measured blocks with flat curvature, and those whose Lanczos iteration did not converge.
    pub fn curvature_events(&self) -> (u64, u64) {
        (self.probe.flat_events, self.probe.unconverged_events)
    }

    /// Adds the time since `start` to a part of the work.
    pub fn count_seconds(&mut self, part: &'static str, start: Instant) {
        *self.seconds.entry(part).or_default() += start.elapsed().as_secs_f64();
    }

    /// Makes the next update, and what belongs before the first and after the last of a task.
    ///
    /// # Errors
    /// The loss left the real numbers.
    pub fn advance(&mut self) -> Result<Advance, Diverged> {
        let updates_in_task = self.stream.updates_per_task();
        if self.update_in_task == 0 {
            self.summary = TaskSummary::default();
            self.stream.begin_task();
            self.operate();
            self.read_indicators(When::TaskStart);
        }
        let progress = Progress {
            update: self.update,
            updates: updates_in_task * self.stream.tasks() as u64,
            update_in_task: self.update_in_task,
            updates_in_task,
        };
        let controls = self.train_update(progress)?;
        self.update_in_task += 1;
        if self.update_in_task < updates_in_task {
            return Ok(Advance { controls, task: None });
        }
        let row = self.end_task()?;
        Ok(Advance { controls, task: Some(row) })
    }

    fn end_task(&mut self) -> Result<TaskRow, Diverged> {
        let (final_accuracy, final_loss) = self.evaluate();
        if !final_loss.is_finite() {
            return Err(self.diverged("the loss over the task", final_loss));
        }
        self.read_indicators(When::TaskEnd);
        let mut row: TaskRow = vec![
            ("task", self.task.to_string()),
            ("updates", self.update.to_string()),
            ("online_accuracy", field(Some(self.summary.online_accuracy()))),
            ("final_accuracy", field(Some(final_accuracy))),
            ("final_loss", field(Some(final_loss))),
        ];
        row.extend(self.summary.indicators().into_iter().map(|(name, value)| (name, field(value))));
        row.push(("task_age", (self.task + 1).to_string()));
        self.task += 1;
        self.update_in_task = 0;
        Ok(row)
    }

    fn operate(&mut self) {
        let mut subject = Patient {
            network: &mut self.network,
            optimizer: &mut self.optimizer,
            initialisation: &mut self.initialisation,
        };
        for surgery in &mut self.surgeries {
            surgery.at_task_start(self.task, &mut subject);
        }
    }

    fn train_update(&mut self, progress: Progress) -> Result<Vec<ControlRow>, Diverged> {
        let start = Instant::now();
        let batch = self.stream.next_minibatch();
        self.count_seconds("data", start);

        let start = Instant::now();
        let measured = self.probe.is_due(self.update + 1);
        let trace = self.network.forward(&batch.images);
        let samples = batch.labels.size()[0];
        self.summary.add_accuracy(correct(logits(&trace), &batch.labels) as f64 / samples as f64);
        let loss = cross_entropy(logits(&trace), &batch.labels);
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            return Err(self.diverged("the loss", value));
        }
        self.last_finite = value;
        let mut gradients = self.network.gradients(&loss, measured);
        self.count_seconds("forward_backward", start);

        let measurement = measured.then(|| {
            let start = Instant::now();
            let deltas = Network::deltas(&trace, &loss);
            self.count_seconds("variance", start);
            let copies = |layer: &Vec<Tensor>| layer.iter().map(Tensor::copy).collect();
            let cross_entropy_gradients: Gradients = gradients.iter().map(copies).collect();
            let trace: Vec<LayerTrace> = trace.iter().map(LayerTrace::detach).collect();
            (trace, deltas, cross_entropy_gradients)
        });
        drop((loss, trace));

        let start = Instant::now();
        for penalty in &mut self.penalties {
            penalty.add_gradient(&self.network.layers, &mut gradients);
        }
        self.count_seconds("penalty", start);

        let mut controls = Vec::new();
        if let Some((trace, deltas, cross_entropy_gradients)) = &measurement {
            let scene = Scene {
                network: &self.network,
                trace,
                labels: &batch.labels,
                deltas,
                cross_entropy_gradients,
                total_gradients: &gradients,
                optimizer: &self.optimizer,
                learning_rates: self.schedule.learning_rates(),
                penalties: &self.penalties,
            };
            let (statistics, seconds) = self.probe.measure(&scene);
            *self.seconds.entry("variance").or_default() += seconds.variance;
            *self.seconds.entry("curvature").or_default() += seconds.curvature;
            controls = self.control(progress, &statistics);
        }

        let start = Instant::now();
        let rates = self.schedule.learning_rates();
        let update = self.optimizer.step(&mut self.network.layers, &gradients, rates, measured);
        self.update += 1;
        self.count_seconds("optimizer", start);

        if let Some((trace, deltas, _)) = &measurement {
            let start = Instant::now();
            self.read_measured_indicators(trace, deltas, &gradients, update);
            self.count_seconds("indicators", start);
        }
        Ok(controls)
    }

    /// Forms the bounds, lets the schedule act, and keeps the rows.
    fn control(&mut self, progress: Progress, statistics: &[LayerStatistics]) -> Vec<ControlRow> {
        let bounds: Vec<Bounds> =
            self.bounds.iter_mut().zip(statistics).map(|(estimator, layer)| estimator.push(layer)).collect();
        self.summary.add_bounds(statistics, &bounds);
        let actions = self.schedule.control(progress, statistics, &bounds);
        for (events, action) in self.events.iter_mut().zip(&actions) {
            match action {
                Action::Cooled => events.cooled += 1,
                Action::Warmed => events.warmed += 1,
                Action::Held => events.held += 1,
                Action::Undefined => {
                    events.held += 1;
                    events.undefined += 1;
                }
            }
        }
        let rows = statistics.iter().zip(&bounds).enumerate().map(|(index, (layer, bounds))| ControlRow {
            task: self.task,
            update: self.update + 1,
            layer: self.network.layers[index].name.clone(),
            learning_rate: layer.learning_rate,
            effective_step: layer.effective_step,
            gradient_sq_norm: Some(layer.gradient_sq_norm),
            noise_variance: Some(layer.noise_variance),
            sharpness: layer.sharpness,
            sharpness_min: layer.sharpness_min,
            sharpness_residual: layer.sharpness_residual,
            normalized_sharpness: layer.normalized_sharpness,
            sharpness_mean: layer.sharpness_mean,
            volatility: layer.volatility,
            noise_bound: bounds.noise,
            noise_bound_debiased: bounds.noise_debiased,
            volatility_bound: bounds.volatility,
            level_bound: bounds.level,
            combined_bound: bounds.combined,
            action: actions.get(index).map_or("", |action| action.name()).to_owned(),
        });
        rows.collect()
    }

    fn read_measured_indicators(
        &mut self,
        trace: &[LayerTrace],
        deltas: &[Tensor],
        gradients: &Gradients,
        update: Option<UpdateSummary>,
    ) {
        let observation = Observation {
            layers: &self.network.layers,
            activation: self.network.activation(),
            trace,
            deltas: Some(deltas),
            gradient_sq_norm: Some(squared_norm(gradients.iter().flatten())),
            update,
            hessian: None,
            lanczos: self.lanczos,
        };
        for indicator in INDICATORS.iter().filter(|indicator| indicator.when() == When::MeasuredUpdate) {
            self.summary.add_indicator(*indicator, indicator.measure(&observation, &mut self.indicator_generator.0));
        }
    }

    /// Reads the indicators of a task's start or end on the probe batch.
    fn read_indicators(&mut self, when: When) {
        let start = Instant::now();
        let labels = self.stream.labels().narrow(0, 0, self.probe_images.size()[0]);
        let graph = self.network.forward(&self.probe_images);
        let loss = cross_entropy(logits(&graph), &labels);
        let deltas = Network::deltas(&graph, &loss);
        let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
        drop((graph, loss));
        let hessian = (when == When::TaskEnd)
            .then(|| Hessian::of_network(&self.network, &self.probe_images, &labels, &self.penalties));
        let observation = Observation {
            layers: &self.network.layers,
            activation: self.network.activation(),
            trace: &trace,
            deltas: Some(&deltas),
            gradient_sq_norm: None,
            update: None,
            hessian: hessian.as_ref().map(|hessian| hessian as &dyn SymmetricOperator),
            lanczos: self.lanczos,
        };
        for indicator in INDICATORS.iter().filter(|indicator| indicator.when() == when) {
            self.summary.add_indicator(*indicator, indicator.measure(&observation, &mut self.indicator_generator.0));
        }
        self.count_seconds("indicators", start);
    }

    /// Accuracy and mean cross-entropy over the task's whole training set.
    fn evaluate(&mut self) -> (f64, f64) {
        let start = Instant::now();
        let (images, labels) = (self.stream.images(), self.stream.labels());
        let count = images.size()[0];
        let (mut hits, mut loss) = (0, 0.0);
        no_grad(|| {
            for first in (0..count).step_by(EVALUATION_CHUNK as usize) {
                let length = EVALUATION_CHUNK.min(count - first);
                let labels = labels.narrow(0, first, length);
                let trace = self.network.forward(&images.narrow(0, first, length));
                hits += correct(logits(&trace), &labels);
                loss += cross_entropy(logits(&trace), &labels).double_value(&[]) * length as f64;
            }
        });
        self.count_seconds("forward_backward", start);
        (hits as f64 / count as f64, loss / count as f64)
    }

    fn diverged(&self, what: &'static str, value: f64) -> Diverged {
        Diverged { what, value, task: self.task, update: self.update + 1, last_finite: self.last_finite }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// The seed's choice of images in a random order, N x features, normalised by their own mean and standard deviation.
fn select_images(set: &ImageSet, count: usize, kind: Kind, seed: u64) -> Tensor {
    let features = (set.rows * set.columns * set.channels) as i64;
    let all = Tensor::from_slice(&set.images).view([set.count as i64, features]);
    let chosen = Generator::named("images", seed).permutation(set.count).narrow(0, 0, count as i64);
    let images = all.index_select(0, &chosen).to_kind(Kind::Double);
    let mean = images.mean(Kind::Double);
    let deviation = images.std(false).clamp_min(f64::MIN_POSITIVE);
    ((images - mean) / deviation).to_kind(kind)
}

/// What surgery reaches of a run.
struct Patient<'a> {
    network: &'a mut Network,
    optimizer: &'a mut Adam,
    initialisation: &'a mut Generator,
}

impl Subject for Patient<'_> {
    fn initialise_parameters(&mut self) {
        self.network.initialise(self.initialisation);
    }

    fn clear_optimizer(&mut self) {
        self.optimizer.clear();
    }
}

impl Stateful for Run {
    fn save(&self, state: &mut State) {
        state.put_part("stream", self.stream.as_ref());
        state.put_part("network", &self.network);
        state.put_part("initialisation", &self.initialisation);
        state.put_part("optimizer", &self.optimizer);
        for penalty in &self.penalties {
            state.put_part(&format!("penalty.{}", penalty.name()), penalty.as_ref());
        }
        for surgery in &self.surgeries {
            state.put_part(&format!("surgery.{}", surgery.name()), surgery.as_ref());
        }
        state.put_part("probe", &self.probe);
        state.put_part("indicators", &self.indicator_generator);
        for (layer, estimator) in self.bounds.iter().enumerate() {
            state.put_part(&format!("bounds{layer}"), estimator);
        }
        state.put_part("schedule", self.schedule.as_ref());
        state.put_value("events", &self.events);
        state.put_value("task", &self.task);
        state.put_value("update", &self.update);
        state.put_value("update_in_task", &self.update_in_task);
        state.put_part("summary", &self.summary);
        state.put_numbers("last_finite", &[self.last_finite]);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.restore_part("stream", self.stream.as_mut())?;
        state.restore_part("network", &mut self.network)?;
        state.restore_part("initialisation", &mut self.initialisation)?;
        state.restore_part("optimizer", &mut self.optimizer)?;
        for penalty in &mut self.penalties {
            state.restore_part(&format!("penalty.{}", penalty.name()), penalty.as_mut())?;
        }
        for surgery in &mut self.surgeries {
            state.restore_part(&format!("surgery.{}", surgery.name()), surgery.as_mut())?;
        }
        state.restore_part("probe", &mut self.probe)?;
        state.restore_part("indicators", &mut self.indicator_generator)?;
        for (layer, estimator) in self.bounds.iter_mut().enumerate() {
            state.restore_part(&format!("bounds{layer}"), estimator)?;
        }
        state.restore_part("schedule", self.schedule.as_mut())?;
        self.events = state.value("events")?;
        self.task = state.value("task")?;
        self.update = state.value("update")?;
        self.update_in_task = state.value("update_in_task")?;
        state.restore_part("summary", &mut self.summary)?;
        self.last_finite = state.numbers("last_finite")?.first().copied().unwrap_or(f64::NAN);
        Ok(())
    }
}
