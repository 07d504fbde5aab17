//! `data`: the sets that there are, and what a folder holds.

use serde_json::json;
use trainability::data::{BATCH_FILES, ImageSet, TEST_BATCH_FILE};

use super::workdir::{Workdir, image_set};

#[test]
fn the_program_tells_what_a_folder_holds() {
    let work = Workdir::new();
    let image = |label: u8| [vec![label], vec![100 + label; 3 * 1024]].concat();
    for (place, file) in (0u8..).zip(BATCH_FILES) {
        let second = if place == 0 { image(9) } else { Vec::new() };
        work.write(format!("cifar/{file}"), [image(place), second].concat());
    }
    work.write(format!("cifar/{TEST_BATCH_FILE}"), image(5));
    work.run(&["data", "cifar-binary", "--folder", "cifar"]).succeeded().tells(&[
        "cifar-binary: 6 images of 32 x 32 pixels in 3 colours, 10 classes",
        "SHA-256",
        "and 1 test images",
    ]);
    // A name promises its content, wherever it lies.
    let refused = work.run(&["data", "cifar-10", "--folder", "cifar"]);
    refused.failed_with(&[
        "the images in cifar have",
        "those of `cifar-10` have",
        "the set is called `idx` or `cifar-binary`",
    ]);
}

#[test]
fn sets_of_any_number_of_classes_are_described_and_trained_on() {
    let work = Workdir::new();
    // As EMNIST has them: balanced, by class, and its letters, which count from 1.
    for (classes, first, told) in [
        (47, 0, "images of 4 x 4 pixels, 47 classes SHA-256"),
        (62, 0, "62 classes 14 of the classes have no image SHA-256"),
        (26, 1, "26 classes labels go from 1 to 26 in the files, and from 0 on here SHA-256"),
    ] {
        let name = format!("of-{classes}");
        std::fs::create_dir(work.path(&name)).unwrap();
        let mut set = ImageSet { first_label: first, ..image_set() };
        set.labels = (0..48).map(|image| image % classes).collect();
        set.labels[47] = classes - 1;
        set.write_idx(&work.path(&name)).unwrap();
        work.run(&["data", "idx", "--folder", &name]).succeeded().tells(&[told]);
        work.experiment(&[
            ("data.folder", json!(name)),
            ("stream", json!({ "kind": "label_permutation", "tasks": 1, "epochs": 1 })),
        ]);
        work.sweep(&name, &[]).succeeded().tells(&["2 runs finished"]);
        assert_eq!(work.json(format!("{name}/sweep.json"))["classes"], classes);
    }
}

#[test]
fn the_program_lists_the_sets_with_what_is_in_the_cache_and_sizes() {
    let work = Workdir::new();
    work.write("cache/data/mnist/train-images-idx3-ubyte", vec![0; 2_600_000]);
    let cache = work.path("cache");
    let said = work.run_with(&[("TRAINABILITY_CACHE", cache.to_str().unwrap())], &["data"]).succeeded();
    said.tells(&[
        "mnist-5k ",
        "not in the cache: `make setup` brings it, 1 MB to fetch, 4 MB on the disk",
        "mnist ",
        &format!("in the cache, 3 MB: {}", cache.join("data/mnist").display()),
        "fashion-mnist ",
        "not in the cache: `make data NAME=fashion-mnist` brings it, 31 MB to fetch",
        "cifar-10 ",
        "not in the cache: `make data NAME=cifar-10` brings it, 139 MB to fetch, 184 MB on the disk",
        "idx ",
        "in the folder that data.folder names",
        "cifar-binary ",
    ]);
}

#[test]
fn a_set_that_was_not_fetched_or_is_damaged_says_which_command_brings_it() {
    let work = Workdir::new();
    let cache = work.path("cache");
    let cache = [("TRAINABILITY_CACHE", cache.to_str().unwrap())];
    let told = |arguments: &[&str], parts: &[&str]| {
        let said = work.run_with(&cache, arguments);
        let said = said.failed_with(parts);
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    };
    for (name, command) in [
        ("mnist-5k", "make setup"),
        ("mnist", "make data NAME=mnist"),
        ("fashion-mnist", "make data NAME=fashion-mnist"),
        ("cifar-10", "make data NAME=cifar-10"),
    ] {
        let missing = [&format!("`{name}` is not in"), cache[0].1, &format!("run `{command}`")];
        told(&["data", name], &missing);
        work.experiment(&[("data", json!({ "set": name, "images": 1000 }))]);
        told(&["sweep", "tiny.json"], &[&["at `data`"], &missing[..]].concat());
    }
    work.write("cache/data/mnist/train-images-idx3-ubyte", [0, 0, 8, 3]);
    work.write("cache/data/mnist/train-labels-idx1-ubyte", [0, 0, 8, 1]);
    told(&["data", "mnist"], &["train-images-idx3-ubyte ends after 4 bytes", "`make data NAME=mnist` brings it anew"]);
    work.write("cache/data/cifar-10/data_batch_1.bin", [0; 3073]);
    told(&["data", "cifar-10"], &["has no batch", "data_batch_2.bin; `make data NAME=cifar-10` brings it anew"]);
}
