//! Every statistic and indicator of a foreign network on its batch, by the code that measures runs.

use tch::Tensor;
use trainability_baselines::indicator::{INDICATORS, LayerGradient, Observation, Shared, UpdateSummary};
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_baselines::{Gradients, LayerDelta, LayerParameters, LayerTrace, Parameter, State, Stateful};

use super::{Foreign, InspectionError};
use crate::model::{Network, correct, cross_entropy, logits};
use crate::optimizer::Adam;
use crate::probe::hessian::Hessian;
use crate::probe::noise::squared_norm;
use crate::probe::{LayerStatistics, Probe, ProbeOptions, Scene};
use trainability_tensor::Generator;
use crate::schedule::{BoundEstimator, BoundOptions, Bounds};
use crate::train::summary::TaskSummary;

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
    let network = &foreign.network;
    let graph = network.forward(&foreign.images);
    let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
    let loss = cross_entropy(logits(&graph), &foreign.labels);
    let cross_entropy_gradients = network.gradients(&loss, true);
    let deltas = Network::deltas(&graph, &loss);
    let final_loss = loss.double_value(&[]);
    let final_accuracy = correct(logits(&trace), &foreign.labels) as f64 / foreign.labels.size()[0] as f64;
    drop((graph, loss));
    let mut total_gradients: Gradients =
        cross_entropy_gradients.iter().map(|layer| layer.iter().map(Tensor::copy).collect()).collect();
    for penalty in &mut foreign.penalties {
        penalty.add_gradient(&network.layers, &mut total_gradients);
    }
    check_finite(foreign, &trace, &deltas, &total_gradients)?;

    let scene = Scene {
        network,
        trace: &trace,
        labels: &foreign.labels,
        deltas: &deltas,
        cross_entropy_gradients: &cross_entropy_gradients,
        total_gradients: &total_gradients,
        optimizer: &foreign.optimizer,
        learning_rates: &vec![foreign.reading.learning_rate; network.layers.len()],
        penalties: &foreign.penalties,
    };
    let tolerance = if foreign.precision() == "f64" { 1e-12 } else { 1e-6 };
    let lanczos = LanczosOptions { products: PRODUCTS, tolerance };
    let options = ProbeOptions { window: 1, lanczos, ..ProbeOptions::default() };
    let (statistics, _) = Probe::new(options, network.layers.len(), seed).measure(&scene);
    let statistics: Vec<LayerStatistics> = statistics.into_iter().map(without_past).collect();
    let bounds: Vec<Bounds> =
        statistics.iter().map(|layer| BoundEstimator::new(BoundOptions::default()).push(layer)).collect();

    let gradients: Vec<LayerGradient> = statistics.iter().map(LayerStatistics::gradient).collect();
    let hessian = Hessian::of_network(network, &foreign.images, &foreign.labels, &foreign.penalties);
    let observation = Observation {
        layers: &network.layers,
        activation: network.activation(),
        trace: &trace,
        deltas: Some(&deltas),
        gradients: Some(&gradients),
        update: next_update(foreign, &total_gradients),
        hessian: Some(&hessian),
        lanczos,
        spectrum: SPECTRUM,
        shared: Shared::default(),
    };
    let mut summary = TaskSummary::default();
    summary.add_bounds(&statistics, &bounds);
    let mut generator = Generator::named("indicators", seed);
    for indicator in INDICATORS {
        summary.add_indicator(*indicator, indicator.measure(&observation, &mut generator.0));
    }
    let mut values: Values = vec![("final_accuracy", Some(final_accuracy)), ("final_loss", Some(final_loss))];
    values.extend(summary.indicators());
    let layers = statistics.iter().zip(&bounds).enumerate().map(|(index, (statistics, bounds))| {
        let mut values = of_layer(statistics, bounds);
        for indicator in INDICATORS {
            if let Some(layerwise) = indicator.layerwise() {
                values.push((indicator.definition().name, layerwise.measure_layer(&observation, index)));
            }
        }
        (network.layers[index].name.clone(), values)
    });
    Ok(Findings { layers: layers.collect(), network: values })
}

/// Statistics of a window of one value say nothing.
fn without_past(statistics: LayerStatistics) -> LayerStatistics {
    LayerStatistics { sharpness_mean: None, deviation_sq: None, volatility: None, ..statistics }
}

/// The columns of `controls.csv`, without those that only a run has.
fn of_layer(statistics: &LayerStatistics, bounds: &Bounds) -> Values {
    let gradient = statistics.gradient();
    vec![
        ("learning_rate", Some(statistics.learning_rate)),
        ("effective_step", statistics.effective_step),
        ("gradient_sq_norm", Some(gradient.sq_norm)),
        ("noise_variance", gradient.noise_variance),
        ("sharpness", statistics.sharpness),
        ("sharpness_min", statistics.sharpness_min),
        ("sharpness_residual", statistics.sharpness_residual),
        ("normalized_sharpness", statistics.normalized_sharpness),
        ("sharpness_mean", statistics.sharpness_mean),
        ("volatility", statistics.volatility),
        ("noise_bound", bounds.noise),
        ("noise_bound_debiased", bounds.noise_debiased),
        ("volatility_bound", bounds.volatility),
        ("level_bound", bounds.level),
        ("combined_bound", bounds.combined),
    ]
}

/// The update that Adam would make with this gradient, on copies.
fn next_update(foreign: &Foreign, gradients: &Gradients) -> Option<UpdateSummary> {
    if !foreign.has_first_moments {
        return None;
    }
    let copy = |layer: &LayerParameters| LayerParameters {
        name: layer.name.clone(),
        parameters: layer
            .parameters
            .iter()
            .map(|parameter| Parameter { name: parameter.name.clone(), value: parameter.value.detach().copy() })
            .collect(),
    };
    let mut layers: Vec<LayerParameters> = foreign.network.layers.iter().map(copy).collect();
    let mut state = State::default();
    foreign.optimizer.save(&mut state);
    let mut optimizer = Adam::new(foreign.optimizer.options(), foreign.weight_decay, &layers);
    optimizer.restore(&state).expect("the state of the same network's optimizer");
    let rates = vec![foreign.reading.learning_rate; layers.len()];
    optimizer.step(&mut layers, gradients, &rates, true)
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
    for (layer, trace) in foreign.network.layers.iter().zip(trace) {
        if !finite(&trace.pre_activation) {
            return overflow(format!("the outputs of {} on the batch are", layer.name));
        }
    }
    for (index, layer) in foreign.network.layers.iter().enumerate() {
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
    use crate::schedule::bounds::tests::statistics;
    use crate::train::recorder::CONTROL_COLUMNS;

    #[test]
    fn a_layer_has_the_columns_of_controls_that_are_not_of_runs_alone() {
        let names: Vec<&str> =
            of_layer(&statistics(4, 1.0, 1.0), &Bounds::default()).into_iter().map(|(name, _)| name).collect();
        let of_runs = ["task", "update", "layer", "action"];
        let expected: Vec<&str> = CONTROL_COLUMNS.into_iter().filter(|name| !of_runs.contains(name)).collect();
        assert_eq!(names, expected);
    }
}
