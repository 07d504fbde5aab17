//! The combined bound with the weight behind the paper's figures, beta = 20 and X = `lambda_bar` (docs/method.md, section 3), whatever
//! the options of the run: computed from `controls.csv`, and gathered over tasks as the trainer gathers the bounds that it knows.

use std::collections::BTreeMap;

use serde_json::Value;
use trainability_record::controls::LayerSeries;

use crate::series::EFFECTIVE_STEP;

/// The largest step over that bound in any layer, as a column a task.
pub(crate) const STEP_OVER_FIGURES_BOUND: &str = "step_over_figures_bound";
/// The same over the bound's curvature term alone, B / (beta X).
pub(crate) const STEP_OVER_CURVATURE_TERM: &str = "step_over_curvature_term";
/// The columns of `controls.csv` that only this asks for.
pub(crate) const ALSO_READ: [&str; 2] = [SHARPNESS, SAMPLES];

const SHARPNESS: &str = "normalized_sharpness";
/// The size of the minibatch; runs of old do not have it, and are taken to have whole batches.
const SAMPLES: &str = "samples";
const BETA: f64 = 20.0;

/// Takes the columns that only this needs out of the traces, and returns both columns, a value a task.
pub(crate) fn take_columns(
    traces: &mut [LayerSeries],
    options: &Value,
    tasks: usize,
) -> BTreeMap<String, Vec<Option<f64>>> {
    let batch_size = options.pointer("/training/batch_size").and_then(Value::as_f64);
    // The curvature term and the whole of 1 / bound, by layer and update.
    let mut inverse: [Vec<Vec<f64>>; 2] = [Vec::new(), Vec::new()];
    for trace in traces.iter_mut() {
        let [sharpness, samples] = ALSO_READ.map(|name| trace.columns.remove(name).unwrap_or_default());
        let noise = trace.column("noise_bound");
        let at = |update: usize| {
            let batch = samples.get(update).copied().or(batch_size).unwrap_or(f64::NAN);
            let curvature = BETA * sharpness.get(update).copied().unwrap_or(f64::NAN) / batch;
            (curvature, 1.0 / noise[update] + curvature)
        };
        let (curvature, whole) = (0..noise.len()).map(at).unzip();
        inverse[0].push(curvature);
        inverse[1].push(whole);
    }
    let names = [STEP_OVER_CURVATURE_TERM, STEP_OVER_FIGURES_BOUND];
    let columns =
        names.iter().zip(&inverse).map(|(name, inverse)| ((*name).to_owned(), by_task(traces, inverse, tasks)));
    columns.collect()
}

/// Step over bound: the largest over layers, then the median over a task's measured updates. A negative bound is none.
fn by_task(traces: &[LayerSeries], inverse: &[Vec<f64>], tasks: usize) -> Vec<Option<f64>> {
    let mut ratios: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); tasks];
    for (trace, inverse) in traces.iter().zip(inverse) {
        let rows = trace.tasks.iter().zip(&trace.updates).zip(trace.column(EFFECTIVE_STEP)).zip(inverse);
        for (((task, update), step), inverse) in rows {
            let ratio = step * inverse;
            if *inverse >= 0.0 && !ratio.is_nan() && *task < tasks {
                ratios[*task].entry(*update).and_modify(|most| *most = most.max(ratio)).or_insert(ratio);
            }
        }
    }
    ratios.into_iter().map(|of_task| median(of_task.into_values().collect())).collect()
}

/// The middle value, or the mean of the middle two; of two infinities, infinity.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 || values[middle - 1] == values[middle] => Some(values[middle]),
        _ => Some(0.5 * (values[middle - 1] + values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layer(columns: &[(&str, &[f64])]) -> LayerSeries {
        let columns = columns.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
        let (tasks, updates) = (vec![0, 0, 0, 1], vec![1, 2, 3, 4]);
        LayerSeries { layer: "fc".into(), tasks, updates, learning_rates: vec![0.1; 4], columns }
    }

    /// By hand: 1 / bound is 1 / noise + 20 X / B.
    #[test]
    fn the_largest_over_layers_and_then_the_median_over_updates() {
        let one = layer(&[
            (EFFECTIVE_STEP, &[1.0, 1.0, 1.0, 2.0]),
            ("noise_bound", &[1.0, 2.0, f64::INFINITY, 1.0]),
            (SHARPNESS, &[5.0, 5.0, 5.0, -50.0]),
        ]);
        let other = layer(&[
            (EFFECTIVE_STEP, &[3.0, 0.1, 0.1, f64::NAN]),
            ("noise_bound", &[1.0, 1.0, 1.0, 1.0]),
            (SHARPNESS, &[5.0, 5.0, f64::NAN, 5.0]),
        ]);
        let mut traces = [one, other];
        let columns = take_columns(&mut traces, &json!({ "training": { "batch_size": 100 } }), 3);
        // 3 (1 + 1), 1 (1/2 + 1), 1 (0 + 1); in task 1 the bound of one layer is negative, the step of the other undefined.
        assert_eq!(columns[STEP_OVER_FIGURES_BOUND], [Some(1.5), None, None]);
        assert_eq!(columns[STEP_OVER_CURVATURE_TERM], [Some(1.0), None, None]);
        assert!(traces.iter().all(|trace| !trace.columns.contains_key(SHARPNESS)), "they are read for this alone");
    }

    #[test]
    fn a_short_last_batch_counts_as_what_it_is() {
        let mut traces = [layer(&[
            (EFFECTIVE_STEP, &[1.0, 1.0, 1.0, 1.0]),
            ("noise_bound", &[f64::INFINITY; 4]),
            (SHARPNESS, &[5.0; 4]),
            (SAMPLES, &[100.0, 100.0, 50.0, 50.0]),
        ])];
        let columns = take_columns(&mut traces, &json!({ "training": { "batch_size": 100 } }), 2);
        assert_eq!(columns[STEP_OVER_CURVATURE_TERM], [Some(1.0), Some(2.0)]);
    }
}
