//! MKL's fast paths are a matter of speed: without them a run computes the same numbers, but for rounding.

use serde_json::json;

use super::workdir::Workdir;

/// Columns of `controls.csv` that are no decision and no limit, with the relative error that rounding may come to after
/// a few updates in single precision. Lanczos stops at its tolerance, which a rounding may put a product earlier or later.
const MEASURED: [(&str, f64); 4] =
    [("gradient_sq_norm", 1e-4), ("noise_variance", 1e-4), ("effective_step", 1e-4), ("sharpness", 1e-2)];

fn column(rows: &str, name: &str, count: usize) -> Vec<f64> {
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let place = reader.headers().unwrap().iter().position(|other| other == name).unwrap();
    reader.records().take(count).map(|record| record.unwrap()[place].parse().unwrap()).collect()
}

fn assert_close(what: &str, default: &[f64], fast: &[f64], tolerance: f64) {
    for (a, b) in default.iter().zip(fast) {
        assert!(a.abs() > 0.0 && (a - b).abs() <= tolerance * b.abs(), "{what}: {default:?} against {fast:?}");
    }
    assert!(
        default.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 10.0 * tolerance * pair[0].abs()),
        "{what} moves"
    );
}

#[test]
fn with_and_without_the_fast_paths_a_run_agrees_but_for_rounding() {
    let work = Workdir::new();
    // Layers wide enough for the kernels that MKL chooses between, and few updates: errors grow as training goes on.
    work.experiment(&[("network.hidden", json!([96, 64])), ("schedules", json!(["constant"]))]);
    work.sweep("fast", &[]).succeeded();
    work.sweep_with("TRAINABILITY_MKL", "default", "default", &[]).succeeded();
    for (out, mkl) in [("fast", "fast"), ("default", "default")] {
        assert_eq!(work.json(format!("{out}/sweep.json"))["mkl"], mkl);
    }
    let [default, fast] = ["default", "fast"].map(|out| work.rows(out, "relu/constant/seed-0"));
    // Two measured updates of three layers each, in the first task.
    for (name, tolerance) in MEASURED {
        assert_close(name, &column(&default[1], name, 6), &column(&fast[1], name, 6), tolerance);
    }
    assert_close("final_loss", &column(&default[0], "final_loss", 3), &column(&fast[0], "final_loss", 3), 1e-4);
}
