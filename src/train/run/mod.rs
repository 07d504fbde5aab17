//! One run: stream, network, probe, schedule and optimizer, update by update.

mod boundary;
mod observe;
mod state;
mod surgery;

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Kind, Tensor};
use trainability_baselines::gradient_rule::GradientRule;
use trainability_baselines::indicator::When;
use trainability_baselines::penalty::{Elapsed, Penalty};
use trainability_baselines::surgery::Surgery;
use trainability_baselines::{Gradients, LayerTrace, LinearMap};
use trainability_record::{ControlRow, LayerEvents, TaskRow};

use self::boundary::Announced;
pub(crate) use self::observe::EVALUATION_CHUNK;
use super::images::{HeldOut, select_classes, select_images};
use super::columns::layer_values;
use super::summary::TaskSummary;
use crate::config::{Precision, RunPlan};
use crate::data::ImageSet;
use crate::network::{Backward, CrossEntropy, Network, TaskImages, correct};
use crate::optimizer::{Adam, AdamOptions};
use crate::probe::{LayerStatistics, Probe, Scene};
use crate::random::Generator;
use crate::schedule::{Action, BoundEstimator, Bounds, Progress, Schedule, Scope, Start};
use crate::stream::{self, Stream};

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
    stream: Stream,
    images: TaskImages,
    held_out: Option<HeldOut>,
    network: Network,
    initialisation: Generator,
    optimizer: Adam,
    penalties: Vec<Box<dyn Penalty>>,
    gradient_rule: Option<Box<dyn GradientRule>>,
    surgeries: Vec<Box<dyn Surgery>>,
    surgery_generator: Generator,
    probe: Probe,
    /// Images of the task, from its first on, that the indicators of its start and end look at.
    probe_images: i64,
    indicator_generator: Generator,
    lanczos: trainability_baselines::lanczos::LanczosOptions,
    spectrum: trainability_baselines::spectrum::SpectrumOptions,
    /// One a layer, and the whole network's last.
    bounds: Vec<BoundEstimator>,
    schedule: Box<dyn Schedule>,
    /// Builds the schedule anew where the learner is told that a task begins.
    announced: Option<Announced>,
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
        let mut method = plan.method.build();
        let shape = plan.shape(set, &method);
        let mut initialisation = Generator::named("initialisation", plan.seed);
        let network = Network::with_normalization(shape, method.activation, method.normalization, &mut initialisation);
        for penalty in &mut method.penalties {
            penalty.begin(&network.layers);
        }
        let options =
            AdamOptions { beta1: plan.training.beta1, beta2: plan.training.beta2, epsilon: plan.training.epsilon };
        let layers = network.layers.len();
        let true_labels = plan.stream.entry().true_labels;
        let held_out = true_labels.then(|| HeldOut::select(set, plan.data.test_images, kind, plan.seed)).flatten();
        let start = Start { learning_rate: plan.training.learning_rate, layers };
        let announced = plan.stream.announce_boundaries;
        let event_of = |layer: &trainability_baselines::LayerParameters| LayerEvents {
            layer: layer.name.clone(),
            ..LayerEvents::default()
        };
        Run {
            optimizer: Adam::new(options, method.weight_decay, &network.layers),
            images: match network.layers[0].map() {
                LinearMap::Dense => TaskImages::new(&images, plan.training.batch_size),
                LinearMap::Convolution => TaskImages::whole(&images),
            },
            probe_images: images.size()[0].min(plan.measure.probe_images as i64),
            stream: Stream::new(stream::Start {
                entry: plan.stream.entry(),
                images,
                true_classes: select_classes(set, plan.images(), plan.seed),
                classes: i64::from(set.classes),
                lengths: plan.lengths(),
                fraction: plan.stream.fraction,
                composition: plan.stream.composition(),
                seed: plan.seed,
            }),
            held_out,
            probe: Probe::new(plan.measure, layers, plan.seed),
            bounds: vec![BoundEstimator::new(plan.resolved.bounds); layers + 1],
            schedule: (plan.resolved.factory)(start),
            announced: announced.then(|| Announced { factory: plan.resolved.factory.clone(), start }),
            events: network.layers.iter().map(event_of).collect(),
            network,
            initialisation,
            penalties: method.penalties,
            gradient_rule: method.gradient_rule,
            surgeries: method.surgeries,
            surgery_generator: Generator::named("surgery", plan.seed),
            indicator_generator: Generator::named("indicators", plan.seed),
            lanczos: plan.measure.lanczos,
            spectrum: plan.measure.spectrum,
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
        self.task == self.stream.lengths().tasks()
    }

    /// Tasks completed.
    pub fn tasks(&self) -> usize {
        self.task
    }

    /// Updates made.
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Cross-entropy of the last minibatch that had a finite one.
    pub fn last_finite_loss(&self) -> Option<f64> {
        Some(self.last_finite).filter(|loss| loss.is_finite())
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
        let updates_in_task = self.stream.lengths().updates_of(self.task);
        if self.update_in_task == 0 {
            self.summary = TaskSummary::default();
            self.stream.begin_task();
            self.announce_task();
            let task = self.task;
            self.operate(|surgery, subject| surgery.at_task_start(task, subject));
            self.read_indicators(When::TaskStart);
        }
        let progress = Progress {
            update: self.update,
            updates: self.stream.lengths().updates(),
            task: self.task as u64,
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
            return Err(self.diverged("the loss over the task", final_loss, self.update));
        }
        self.read_indicators(When::TaskEnd);
        let test_accuracy = self.test_accuracy();
        let row = self.summary.row(self.task, self.update, final_accuracy, final_loss, test_accuracy);
        self.task += 1;
        self.update_in_task = 0;
        Ok(row)
    }

    fn train_update(&mut self, progress: Progress) -> Result<Vec<ControlRow>, Diverged> {
        let start = Instant::now();
        let batch = self.stream.next_minibatch();
        self.images.follow(self.stream.minibatch_images());
        self.count_seconds("data", start);

        let start = Instant::now();
        self.schedule.begin_update(progress);
        let measured = self.probe.is_due(self.update);
        let pass = self.network.training_pass(self.images.inputs(&batch.rows));
        let samples = batch.labels.size()[0];
        self.summary.add_accuracy(correct(pass.logits(), &batch.labels) as f64 / samples as f64);
        let loss = CrossEntropy::of(pass.logits(), &batch.labels);
        let value = loss.mean().double_value(&[]);
        if !value.is_finite() {
            return Err(self.diverged("the loss", value, self.update + 1));
        }
        self.last_finite = value;
        let Backward { mut gradients, deltas } = self.network.backward(&pass, &loss, measured);
        self.network.follow(&pass);
        self.count_seconds("forward_backward", start);

        let activations = if self.surgeries.is_empty() { Vec::new() } else { pass.hidden_activations() };
        let measurement = measured.then(|| {
            let trace = pass.into_trace(self.images.dense(&batch.rows));
            let copies = |layer: &Vec<Tensor>| layer.iter().map(Tensor::copy).collect();
            let cross_entropy_gradients: Gradients = gradients.iter().map(copies).collect();
            let trace: Vec<LayerTrace> = trace.iter().map(LayerTrace::detach).collect();
            (trace, deltas, cross_entropy_gradients)
        });
        drop(loss);

        let start = Instant::now();
        let share = |passed: u64, whole: u64| passed as f64 / whole as f64;
        let elapsed = Elapsed {
            of_run: share(progress.update, progress.updates),
            of_task: share(progress.update_in_task, progress.updates_in_task),
        };
        for penalty in &mut self.penalties {
            penalty.begin_update(elapsed);
            penalty.add_gradient(&self.network.layers, &mut gradients);
        }
        self.count_seconds("penalty", start);

        let (mut controls, mut layer_gradients) = (Vec::new(), Vec::new());
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
            let whole = self.schedule.scope() == Scope::Network;
            let network = whole.then(|| self.probe.measure_network(&scene, &statistics));
            *self.seconds.entry("variance").or_default() += seconds.variance;
            *self.seconds.entry("curvature").or_default() += seconds.curvature;
            controls = self.control(progress, &statistics, network);
            layer_gradients = statistics.iter().map(LayerStatistics::gradient).collect();
        }

        let start = Instant::now();
        if let Some(rule) = &self.gradient_rule {
            rule.apply(&mut gradients);
        }
        let rates = self.schedule.learning_rates();
        let update = self.optimizer.step(&mut self.network.layers, &gradients, rates, measured);
        self.penalties.iter().for_each(|penalty| penalty.after_step(&mut self.network.layers));
        self.update += 1;
        self.count_seconds("optimizer", start);

        if let Some((trace, deltas, _)) = &measurement {
            let start = Instant::now();
            self.read_measured_indicators(trace, deltas, &layer_gradients, update);
            self.count_seconds("indicators", start);
        }
        let update = self.update;
        self.operate(|surgery, subject| surgery.after_update(update, &activations, subject));
        Ok(controls)
    }

    /// Forms the bounds, lets the schedule act, and keeps the rows, whose statistics and bounds are always the layers'.
    fn control(
        &mut self,
        progress: Progress,
        statistics: &[LayerStatistics],
        network: Option<LayerStatistics>,
    ) -> Vec<ControlRow> {
        let bounds: Vec<Bounds> =
            self.bounds.iter_mut().zip(statistics).map(|(estimator, layer)| estimator.push(layer)).collect();
        self.summary.add_bounds(statistics, &bounds);
        let actions = match network {
            None => self.schedule.control(progress, statistics, &bounds),
            Some(network) => {
                let layers = statistics.len();
                let bounds = self.bounds[layers].push(&network);
                self.schedule.control(progress, &vec![network; layers], &vec![bounds; layers])
            }
        };
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
            values: layer_values(layer, bounds).map(|(name, value)| (name.into(), value)).collect(),
            action: actions.get(index).map_or("", |action| action.name()).to_owned(),
        });
        rows.collect()
    }

    /// `update` is the last that was begun, counted from 1.
    fn diverged(&self, what: &'static str, value: f64, update: u64) -> Diverged {
        Diverged { what, value, task: self.task, update, last_finite: self.last_finite }
    }
}
