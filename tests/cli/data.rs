//! `data`: the sets that there are, and what a folder holds.

use trainability::data::{BATCH_FILES, TEST_BATCH_FILE};

use super::workdir::Workdir;

#[test]
fn the_program_lists_cifar_and_tells_what_a_folder_holds() {
    let work = Workdir::new();
    let image = |label: u8| [vec![label], vec![100 + label; 3 * 1024]].concat();
    for (place, file) in (0u8..).zip(BATCH_FILES) {
        let second = if place == 0 { image(9) } else { Vec::new() };
        work.write(format!("cifar/{file}"), [image(place), second].concat());
    }
    work.write(format!("cifar/{TEST_BATCH_FILE}"), image(5));
    work.run(&["data"]).succeeded().tells(&["cifar-10 ", "the binary version of CIFAR-10", "data.folder names"]);
    work.run(&["data", "cifar-10", "--folder", "cifar"]).succeeded().tells(&[
        "cifar-10: 6 images of 32 x 32 pixels in 3 colours, 10 classes",
        "SHA-256",
        "and 1 test images",
    ]);
}

#[test]
fn a_set_that_was_not_fetched_says_which_command_brings_it() {
    let work = Workdir::new();
    let cache = work.path("cache");
    let cache = cache.to_str().unwrap();
    let said = work.run_with(&[("TRAINABILITY_CACHE", cache)], &["data", "mnist-5k"]);
    let said = said.failed_with(&["`mnist-5k` is not in", cache, "run `make setup`"]);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
}
