//! Every statistic and indicator of a foreign network on its batch, by the code that measures runs.

use tch::{Tensor, no_grad_guard};
use trainability_baselines::indicator::{LayerGradient, Observation, Shared, UpdateSummary};
use trainability_baselines::registry::INDICATORS;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{Generator, Gradients, Layer, LayerDelta, LayerTrace, State, Stateful};

use super::error::InspectionError;
use super::foreign::Foreign;
use crate::learner::LayerMeasurement;
use crate::model::{Model, Pass, correct, cross_entropy, deltas, gradients};
use crate::optimizer::{Adam, Optimizer};
use crate::probe::hessian::Hessian;
use crate::probe::noise::squared_norm;
use crate::probe::tangent_kernel::tangent_kernels;
use crate::probe::{LayerStatistics, Probe, ProbeOptions, UpdateView};
use crate::run::TaskSummary;
use crate::schedule::{BoundEstimator, BoundOptions, Bounds};

/// Values by the names of their columns; `None` is undefined.
pub type Values = Vec<(&'static str, Option<f64>)>;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Of each layer, by its name: the columns of `controls.csv`, and the indicators that make sense for a layer.
    pub layers: Vec<(String, Values)>,
    /// Of the network: accuracy and loss on the batch, and the indicators of `tasks.csv`.
    pub network: Values,
}

/// Much closer than in a run, since it is done once: products at the most from a start, and starts of the spectrum.
const PRODUCTS: usize = 100;
const SPECTRUM: SpectrumOptions = SpectrumOptions { starts: 4, products: 60 };

/// Measures on the batch, as a run measures an update between its backward pass and its step, and as it looks at a task's
/// start and end.
///
/// One measurement has no past: the window's mean, the volatility, and the bounds that are made of them are undefined.
/// Without Adam's state so are the effective step, and what is normalised by it.
///
/// # Errors
/// An output of a layer or a squared gradient is not finite.
pub fn measure(foreign: &mut Foreign, seed: u64) -> Result<Findings, InspectionError> {
    let network: &dyn Model = foreign.network.as_ref();
    let (layers, images, labels) = (network.layers(), &foreign.images, &foreign.labels);
    let mut pass = Pass::evaluation();
    let logits = network.forward(images, &mut pass);
    let graph = pass.into_trace(layers);
    let loss = cross_entropy(&logits, labels);
    let cross_entropy_gradients = gradients(layers, &loss, true);
    let deltas = deltas(&graph, &loss, labels.size()[0]);
    let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
    let final_loss = loss.double_value(&[]);
    let final_accuracy = correct(&logits, labels) as f64 / labels.size()[0] as f64;
    drop((graph, loss));
    let mut total_gradients: Gradients =
        cross_entropy_gradients.iter().map(|layer| layer.iter().map(Tensor::copy).collect()).collect();
    for penalty in &mut foreign.rules.penalties {
        penalty.add_gradient(layers, &mut total_gradients);
    }
    check_finite(foreign, &trace, &deltas, &total_gradients)?;

    let network: &dyn Model = foreign.network.as_ref();
    let layers = network.layers();
    let view = UpdateView {
        model: network,
        inputs: images,
        labels,
        trace: &trace,
        deltas: &deltas,
        cross_entropy_gradients: &cross_entropy_gradients,
        total_gradients: &total_gradients,
        optimizer: &foreign.optimizer,
        learning_rates: &vec![foreign.reading.learning_rate; layers.len()],
        penalties: &foreign.rules.penalties,
    };
    let tolerance = if foreign.precision() == "f64" { 1e-12 } else { 1e-6 };
    let lanczos = LanczosOptions { products: PRODUCTS, tolerance };
    let options = ProbeOptions { window: 1, lanczos, ..ProbeOptions::default() };
    let (statistics, _) = Probe::new(options, layers.len(), seed).measure(&view);
    let statistics: Vec<LayerStatistics> = statistics.into_iter().map(without_past).collect();
    let bounds: Vec<Bounds> =
        statistics.iter().map(|layer| BoundEstimator::new(BoundOptions::default()).push(layer)).collect();

    let of_layers: Vec<LayerGradient> = statistics.iter().map(LayerStatistics::gradient).collect();
    // What updates the network, and undoes it, comes before what looks at the parameters that it has.
    let (update, loss_after) = next_update(foreign, total_gradients).unzip();
    let network: &dyn Model = foreign.network.as_ref();
    let (layers, images, labels) = (network.layers(), &foreign.images, &foreign.labels);
    let hessian = Hessian::of(network, .., images, labels, &foreign.rules.penalties);
    let tangent_kernels = tangent_kernels(network, images);
    let observation = Observation {
        layers,
        trace: &trace,
        deltas: Some(&deltas),
        gradients: Some(&of_layers),
        update,
        losses: loss_after.map(|after| [final_loss, after]),
        initial: foreign.initial.as_deref(),
        tangent_kernels: Some(&tangent_kernels),
        hessian: Some(&hessian),
        lanczos,
        spectrum: SPECTRUM,
        shared: Shared::default(),
    };
    let measured = |((layer, statistics), bounds): ((&Layer, &LayerStatistics), &Bounds)| LayerMeasurement {
        layer: layer.name.clone(),
        statistics: *statistics,
        bounds: *bounds,
        action: None,
    };
    let measured: Vec<_> = layers.iter().zip(&statistics).zip(&bounds).map(measured).collect();
    let mut summary = TaskSummary::default();
    summary.add_bounds(&measured);
    let mut generator = Generator::named("indicators", seed);
    for indicator in INDICATORS {
        let value = indicator.measure(&observation, &mut generator.0);
        summary.add_indicators(indicator.when(), &[(indicator.definition().name, value)]);
    }
    let mut values: Values = vec![("final_accuracy", Some(final_accuracy)), ("final_loss", Some(final_loss))];
    values.extend(summary.indicators());
    let layers = measured.into_iter().enumerate().map(|(index, measured)| {
        let mut values = of_layer(&measured);
        for indicator in INDICATORS {
            if let Some(layerwise) = indicator.layerwise() {
                values.push((indicator.definition().name, layerwise.measure_layer(&observation, index)));
            }
        }
        (measured.layer, values)
    });
    Ok(Findings { layers: layers.collect(), network: values })
}

/// Statistics of a window of one value say nothing.
fn without_past(statistics: LayerStatistics) -> LayerStatistics {
    LayerStatistics { sharpness_mean: None, deviation_sq: None, volatility: None, ..statistics }
}

/// The columns of `controls.csv`, without those that only a run has.
fn of_layer(measured: &LayerMeasurement) -> Values {
    let statistics = measured.statistics;
    let learning_rate = ("learning_rate", Some(statistics.learning_rate));
    std::iter::once(learning_rate).chain(statistics.columns()).chain(measured.bounds.columns()).collect()
}

/// The update that Adam would make with this gradient, once the method's gradient rule has seen it, and the loss on the batch
/// after it; the network is as before.
fn next_update(foreign: &mut Foreign, mut gradients: Gradients) -> Option<(UpdateSummary, f64)> {
    // What a second pass would add is not known of a gradient alone.
    if !foreign.has_first_moments || foreign.rules.second_pass.is_some() {
        return None;
    }
    let mut state = State::default();
    foreign.optimizer.save(&mut state);
    let mut optimizer = Adam::new(foreign.reading.adam, foreign.rules.weight_decay, foreign.network.layers());
    optimizer.restore(&state).expect("the state of the same network's optimizer");
    let rates = vec![foreign.reading.learning_rate; foreign.network.layers().len()];
    if let Some(rule) = &foreign.rules.gradient_rule {
        rule.apply(&mut gradients);
    }
    let before: Vec<Layer> = foreign.network.layers().iter().map(Layer::copy).collect();
    let update = optimizer.step(foreign.network.layers_mut(), &gradients, &rates, true)?;
    let _guard = no_grad_guard();
    let logits = foreign.network.forward(&foreign.images, &mut Pass::training().without_trace());
    let loss = cross_entropy(&logits, &foreign.labels).double_value(&[]);
    for (layer, before) in foreign.network.layers_mut().iter_mut().zip(&before) {
        layer.parameters.iter_mut().zip(&before.parameters).for_each(|(own, before)| own.value.copy_(&before.value));
    }
    Some((update, loss))
}

/// What follows relies on finite numbers.
fn check_finite(
    foreign: &Foreign,
    trace: &[LayerTrace],
    deltas: &[Option<LayerDelta>],
    gradients: &Gradients,
) -> Result<(), InspectionError> {
    let finite = |tensor: &Tensor| tensor.isfinite().all().int64_value(&[]) == 1;
    let overflow = |what: String| {
        let precision = foreign.precision();
        let advice = if precision == "f32" { ", or --precision f64" } else { "" };
        Err(InspectionError::Overflow { what, precision, advice })
    };
    for (layer, trace) in foreign.network.layers().iter().zip(trace) {
        if !finite(&trace.pre_activation) {
            return overflow(format!("the outputs of {} on the batch are", layer.name));
        }
    }
    for (index, layer) in foreign.network.layers().iter().enumerate() {
        // Products of squares are what the noise is made of, and a difference of infinities would pass for none.
        let delta = deltas[index].as_ref().map_or(0.0, |delta| squared_norm([&delta.pre_activation]));
        let samples = delta * squared_norm([&trace[index].input]);
        if !(samples + squared_norm(&gradients[index])).is_finite() {
            return overflow(format!("the squared gradients of {} on the batch are", layer.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::columns;
    use crate::schedule::bounds::tests::statistics;

    #[test]
    fn a_layer_has_the_columns_of_controls_that_are_not_of_runs_alone() {
        let statistics = statistics(4, 1.0, 1.0);
        let measured =
            LayerMeasurement { layer: "fc1".to_owned(), statistics, bounds: Bounds::default(), action: None };
        let names: Vec<&str> = of_layer(&measured).into_iter().map(|(name, _)| name).collect();
        let of_runs = ["task", "update", "layer", "samples", "action"];
        let expected: Vec<&str> = columns().controls.into_iter().filter(|name| !of_runs.contains(name)).collect();
        assert_eq!(names, expected);
    }
}
