//! The fuzzer's seeds: whole files of every kind, and whatever has ever made a reader fail.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

use trainability::data::{Idx, ImageSet, ImageShape};
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability::run::checkpoint;

use super::inputs::{self, TARGETS};

/// The folder with a folder for each target.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

/// The files of a target, in alphabetical order.
pub(crate) fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    super::damage::seeds(&folder(), target)
}

#[test]
fn every_seed_is_read_or_refused() {
    for (target, check) in TARGETS {
        let seeds = of(target);
        assert!(seeds.iter().any(|(name, _)| name.starts_with("whole")), "{target} has no whole file");
        for (name, bytes) in seeds {
            println!("{target}/{name}");
            check(&bytes);
        }
    }
}

#[test]
fn whole_seeds_are_accepted() {
    let path = Path::new("seed");
    for (target, _) in TARGETS {
        for (name, bytes) in of(target).into_iter().filter(|(name, _)| name.starts_with("whole")) {
            let accepted = match target {
                "idx" => Idx::read(&bytes[..], 1).is_ok() || Idx::read(&bytes[..], 3).is_ok(),
                "cifar" => ImageSet::read_cifar_batch("cifar-10", path, &bytes[..], 10).is_ok(),
                "checkpoint" => checkpoint::from_bytes(&bytes).is_ok() || bytes[0] == b'{',
                "configuration" => {
                    let text = String::from_utf8(bytes).unwrap();
                    let experiment = Experiment::parse(&text, &[], "seed", "seed").unwrap();
                    let shape = Some(ImageShape { channels: 1, rows: 28, columns: 28 });
                    Plan::new(experiment, &ImageFacts { shape, ..ImageFacts::bare(60_000, "") }).is_ok()
                }
                other => panic!("{other} has no reader here"),
            };
            assert!(accepted, "{target}/{name}");
        }
    }
}

/// Writes the whole files anew: `cargo test --test readers write_the_seeds -- --ignored`.
#[test]
#[ignore = "writes into the sources"]
fn write_the_seeds() {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 9, 0];
    write("idx/whole-images", &images);
    write("idx/whole-images-gzipped", &gzip(&images));
    write("idx/whole-labels", &labels);
    write("idx/whole-labels-gzipped", &gzip(&labels));
    let record = |label: u8| [vec![label], (0..3072).map(|pixel| (pixel % 7) as u8).collect()].concat();
    write("cifar/whole-batch", &[record(9), record(0)].concat());
    write("checkpoint/whole-state", &inputs::tiny_checkpoint());
    let state = checkpoint::from_bytes(&inputs::tiny_checkpoint()).unwrap();
    write("checkpoint/whole-values", &serde_json::to_vec(&state.values).unwrap());
    write("run_record/whole", &serde_json::to_vec_pretty(&inputs::scheduled_record()).unwrap());
    for name in ["smoke", "smoke-convolutional", "quick", "paper"] {
        let text = fs::read(folder().join(format!("../../configs/{name}.json"))).unwrap();
        write(&format!("configuration/whole-{name}"), &text);
    }
    write("configuration/whole-everything", EVERYTHING.as_bytes());
    let sweep = fs::read(folder().join("../../tests/readers/sweep.json")).unwrap();
    write("run_record/whole-sweep", &sweep);
}

/// Every key of an experiment.
const EVERYTHING: &str = r#"{
  "name": "everything", "about": "every key",
  "data": { "set": "mnist-5k", "folder": null, "images": null, "images_at_most": 100 },
  "stream": { "kind": "random_labels", "tasks": 3, "epochs": 2 },
  "network": { "hidden": [8, 4] },
  "training": { "batch_size": 20, "learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "precision": "f64" },
  "measure": { "interval": 3, "window": 3, "effective_step": "elementwise", "sharpness_scale": "global",
    "volatility": "window", "probe_images": 16, "lanczos": { "products": 9, "tolerance": 0.1 } },
  "control": { "limit": "noise", "safety": 0.5, "cool": 0.9, "warm": 1.1, "floor": 0.0, "warm_window": "run",
    "warm_share": 0.5, "timid": 0.1, "kappa": 2.0 },
  "methods": ["relu", { "label": "both", "parts": ["crelu", { "name": "wasserstein", "coefficient": 1e-4 }] },
    { "name": "l2_loss", "coefficient": 0.001 }, "reset"],
  "schedules": ["constant", { "name": "noise_curvature", "label": "own", "beta": 2, "statistic": "sharpness",
    "noise": "debiased", "smoothing": 0.5 }],
  "seeds": [3, 18446744073709551615],
  "grid": { "training.learning_rate": [0.001, 1e-4], "network.hidden": [[4], [4, 4]] }
}
"#;
