//! The moments at which a run reads its indicators.

use serde_json::json;
use tch::{Kind, Tensor};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_tensor::layer::tensors;
use trainability_tensor::{Generator, LayerTrace, State, Stateful};

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::model::{self, Chain, Model, Shape, cross_entropy};
use crate::probe::hessian::Hessian;
use crate::run::Run;
use crate::testing::networks::{chain, logits, matrix, numbers, penalty, traced};
use crate::testing::plain_indicators::{
    close, condition_number, dead_units, dense_epsilon_rank, dense_spectral_rank, dormant_units, effective_rank,
    exponential_entropy, feature_norm, mean, mean_distance, relative_distance, stable_rank, tangent_kernel_eigenvalues,
    unit_sign_entropy, weight_matrices, weight_norm, weight_norm_l2,
};
use crate::testing::runs;

/// One task of a run as a run's saved states show it from outside.
struct Seen {
    row: Vec<(&'static str, String)>,
    labels: Tensor,
    start: Chain,
    end: Chain,
    /// Of each measured update.
    gradient_norms: Vec<f64>,
    confidences: Vec<f64>,
    changes: Vec<f64>,
    sizes: Vec<f64>,
}

const PIXELS: usize = 16;
const COUNT: usize = 48;

fn images() -> ImageSet {
    runs::images(COUNT, [1, 4, 4], 0)
}

/// The images in the order in which a run of seed 0 holds them, normalised.
fn inputs() -> Tensor {
    let order: Vec<i64> = Vec::try_from(Generator::named("images", 0).permutation(COUNT)).unwrap();
    let pixels: Vec<f64> = images().images.into_iter().map(f64::from).collect();
    let deviation = mean(&pixels.iter().map(|pixel| (pixel - mean(&pixels)).powi(2)).collect::<Vec<_>>()).sqrt();
    let normalised: Vec<f64> = pixels.iter().map(|pixel| (pixel - mean(&pixels)) / deviation).collect();
    let rows = order.iter().flat_map(|&image| normalised.chunks(PIXELS).nth(image as usize).unwrap());
    Tensor::from_slice(&rows.copied().collect::<Vec<f64>>()).view([COUNT as i64, PIXELS as i64])
}

fn network_of(state: &State) -> Chain {
    let shape =
        Shape { inputs: PIXELS as i64, convolutions: None, hidden: vec![12, 8], outputs: 10, kind: Kind::Double };
    let mut network = chain(shape, Box::new(Relu), &mut Generator::named("test", 0));
    state.restore_part("learner/network", &mut network as &mut dyn Model).unwrap();
    network
}

/// A run of `l2_loss` in double precision with all images in the probe batch.
fn watched_run() -> Vec<Seen> {
    tch::set_num_threads(1);
    let settings = json!({
        "stream": { "tasks": 3, "epochs": 5 },
        "training": { "batch_size": 20, "learning_rate": 0.02, "precision": "f64" },
        "measure": {
            "interval": 2, "window": 3, "probe_images": COUNT, "lanczos": { "products": 400, "tolerance": 1e-12 },
            "spectrum": { "starts": 10, "products": 100 }
        },
        "methods": [{ "parts": ["l2_loss"] }]
    });
    let plans = runs::plans(&ImageFacts::bare(COUNT, "none"), &[&settings]);
    let mut run = runs::begin(&plans[0], &images());
    let state = |run: &Run| {
        let mut state = State::default();
        run.save(&mut state);
        state
    };
    let parameters = |network: &Chain| -> Vec<f64> { tensors(network.layers()).flat_map(numbers).collect() };
    let mut tasks = Vec::new();
    while !run.is_over() {
        let start = network_of(&state(&run));
        let (mut gradient_norms, mut confidences) = (Vec::new(), Vec::new());
        let (mut changes, mut sizes) = (Vec::new(), Vec::new());
        let row = loop {
            let before = parameters(&network_of(&state(&run)));
            let advance = run.advance().unwrap();
            if !advance.controls.is_empty() {
                let after = parameters(&network_of(&state(&run)));
                let layers = advance.controls.iter().map(|layer| layer.value("gradient_sq_norm").unwrap());
                let square = layers.sum::<f64>();
                gradient_norms.push(square.sqrt());
                // 48 images in minibatches of 20, the epoch's last being of 8.
                let batch = if (run.learner().updates() - 1) % 3 == 2 { 8.0 } else { 20.0 };
                let noise: f64 = advance.controls.iter().map(|layer| layer.value("noise_variance").unwrap()).sum();
                confidences.push(square.sqrt() * square / (square + noise / batch));
                changes.push(mean_distance(&after, &before));
                sizes.push(mean_distance(&before, &vec![0.0; before.len()]));
            }
            if let Some(row) = advance.task {
                break row;
            }
        };
        let (labels, end) = (state(&run).tensor("stream/task/labels").unwrap(), network_of(&state(&run)));
        tasks.push(Seen { row, labels, start, end, gradient_norms, confidences, changes, sizes });
    }
    tasks
}

fn fisher(network: &Chain, labels: &Tensor) -> f64 {
    let trace = traced(network, &inputs());
    let deltas = model::deltas(&trace, &cross_entropy(logits(&trace), labels), labels.size()[0]);
    fisher_rank(&trace, &deltas).unwrap()
}

#[test]
fn a_run_reads_each_indicator_at_its_moment() {
    let tasks = watched_run();
    assert_eq!(tasks.len(), 3);
    let mut told_apart = [false; 2];
    for (index, seen) in tasks.iter().enumerate() {
        let value = |name: &str| -> Option<f64> {
            let (_, field) = seen.row.iter().find(|(column, _)| *column == name).unwrap();
            Some(field.parse().unwrap_or_else(|_| panic!("{name} is {field:?}")))
        };
        // At the start, after relabelling and before the first update.
        let at_start = fisher(&seen.start, &seen.labels);
        close("hessian_rank", value("hessian_rank"), at_start, 1e-12);
        told_apart[0] |= at_start != fisher(&seen.end, &seen.labels);
        told_apart[1] |= index > 0 && at_start != fisher(&seen.start, &tasks[index - 1].labels);
        // Mean over the measured updates.
        assert!((6..=8).contains(&seen.changes.len()));
        close("gradient_norm", value("gradient_norm"), mean(&seen.gradient_norms), 1e-10);
        close("gradient_confidence", value("gradient_confidence"), mean(&seen.confidences), 1e-10);
        close("update_norm", value("update_norm"), mean(&seen.changes), 1e-10);
        let ratios: Vec<f64> = seen.changes.iter().zip(&seen.sizes).map(|(change, size)| change / size).collect();
        close("update_to_weight", value("update_to_weight"), mean(&ratios), 1e-10);
        // After the last update.
        let trace: Vec<LayerTrace> = traced(&seen.end, &inputs()).iter().map(LayerTrace::detach).collect();
        close("weight_norm", value("weight_norm"), weight_norm(&seen.end), 1e-12);
        close("unit_sign_entropy", value("unit_sign_entropy"), unit_sign_entropy(&trace), 1e-12);
        close("dead_units", value("dead_units"), dead_units(&trace, false), 1e-12);
        close("effective_rank", value("effective_rank"), effective_rank(&trace, false).unwrap(), 1e-10);
        close("stable_rank", value("stable_rank"), stable_rank(&trace, false).unwrap(), 1e-14);
        close("weight_norm_l2", value("weight_norm_l2"), weight_norm_l2(&seen.end), 1e-12);
        let penalties = vec![penalty("l2_loss", 1e-3, seen.end.layers())];
        let hessian = Hessian::of(&seen.end, .., &inputs(), &seen.labels, &penalties);
        let largest = matrix(&hessian).linalg_eigvalsh("L").double_value(&[-1]);
        close("sharpness", value("sharpness"), largest, 1e-8);
        close("hessian_spectral_rank", value("hessian_spectral_rank"), dense_spectral_rank(&hessian), 0.4);
        let penalties = vec![penalty("l2_loss", 1e-3, seen.start.layers())];
        let hessian = Hessian::of(&seen.start, .., &inputs(), &seen.labels, &penalties);
        close("hessian_epsilon_rank", value("hessian_epsilon_rank"), dense_epsilon_rank(&hessian, 0.1), 0.4);
        for (name, threshold) in [("dormant_units_0_01", 0.01), ("dormant_units_0_1", 0.1)] {
            close(name, value(name), dormant_units(&trace, false, threshold), 1e-14);
        }
        close("feature_norm", value("feature_norm"), feature_norm(&trace, false), 1e-12);
        let kernel = tangent_kernel_eigenvalues(&seen.end, &inputs());
        close("ntk_effective_rank", value("ntk_effective_rank"), exponential_entropy(&kernel), 1e-9);
        let condition = condition_number(&kernel);
        close("ntk_condition_number", value("ntk_condition_number"), condition, 1e-12 * condition);
        let [rank, smallest, isometry] = weight_matrices(&seen.end);
        close("weight_rank", value("weight_rank"), rank, 1e-14);
        close("weight_smallest_singular_value", value("weight_smallest_singular_value"), smallest, 1e-9);
        close("weight_isometry_distance", value("weight_isometry_distance"), isometry, 1e-10);
        let parameters = |network: &Chain| -> Vec<f64> { tensors(network.layers()).flat_map(numbers).collect() };
        let distance = relative_distance(&parameters(&seen.end), &parameters(&tasks[0].start));
        close("distance_from_initialisation", value("distance_from_initialisation"), distance, 1e-12);
        assert!(value("sample_plasticity").is_some_and(|share| share > 0.0 && share < 1.0));
    }
    assert_eq!(told_apart, [true; 2], "the example tells a start from an end, and new labels from old ones");
}

/// The parameters from which a run measures its distance.
fn initial(run: &Run) -> Vec<f64> {
    let state = runs::state_of(run.learner());
    let names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"];
    names.iter().flat_map(|name| numbers(&state.tensor(&format!("initial/{name}")).unwrap())).collect()
}

#[test]
fn the_distance_is_from_the_parameters_of_the_last_reset() {
    let mut told_apart = 0;
    for method in ["relu", "reset", "shrink_perturb"] {
        let settings = json!({ "methods": [method], "training": { "precision": "f64" } });
        let plan = &runs::plans(&ImageFacts::bare(COUNT, "none"), &[&settings])[0];
        let mut run = runs::begin(plan, &images());
        let parameters =
            |run: &Run| -> Vec<f64> { tensors(run.learner().model().layers()).flat_map(numbers).collect() };
        let first = parameters(&run);
        assert_eq!(initial(&run), first, "{method}");
        let mut before = first.clone();
        while !run.is_over() {
            let Some(row) = run.advance().unwrap().task else { continue };
            let then = initial(&run);
            assert_eq!(then == before, method != "reset" || run.tasks() == 1, "{method}");
            let (_, field) = row.iter().find(|(column, _)| *column == "distance_from_initialisation").unwrap();
            close(method, field.parse().ok(), relative_distance(&parameters(&run), &then), 1e-12);
            told_apart += usize::from(then != first);
            before = then;
        }
    }
    assert_eq!(told_apart, 2, "the second and the third task of a reset");
}

#[test]
fn what_is_remembered_of_initial_parameters_and_spectra_goes_on_with_the_same_bits() {
    let settings = json!({
        "methods": ["relu", "reset", "batch_norm"], "measure": { "spectrum": { "starts": 2, "products": 10 } }
    });
    // The second task, whose network began with other parameters than the first's.
    for plan in runs::plans(&ImageFacts::bare(COUNT, "none"), &[&settings]) {
        runs::goes_on_with_the_same_bits(&images(), &plan, [4, 13]);
    }
}
