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
    close, dead_units, dense_spectral_rank, effective_rank, mean, mean_distance, stable_rank, unit_sign_entropy,
    weight_norm, weight_norm_l2,
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
    }
    assert_eq!(told_apart, [true; 2], "the example tells a start from an end, and new labels from old ones");
}
