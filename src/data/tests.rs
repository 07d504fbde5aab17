//! The readers of image files: what is whole is read back exactly, what is not is refused in a sentence, and nothing
//! makes them panic.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tempfile::TempDir;

use super::image_set::{TEST_IMAGE_FILES, TEST_LABEL_FILES};
use super::{
    BATCH_FILES, DataError, IMAGE_FILES, Idx, IdxError, ImageSet, LABEL_FILES, SETS, TEST_BATCH_FILE, load,
    load_with_test,
};

fn images() -> Idx {
    Idx { dimensions: vec![4, 3, 2], values: (0..24).map(|pixel| pixel * 10).collect() }
}

fn labels() -> Idx {
    Idx { dimensions: vec![4], values: vec![9, 0, 3, 3] }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with these two files under their usual names.
fn folder(images: &[u8], labels: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(IMAGE_FILES[0]), images).unwrap();
    fs::write(folder.path().join(LABEL_FILES[0]), labels).unwrap();
    folder
}

fn load_idx(folder: &Path) -> Result<ImageSet, DataError> {
    load("idx", Some(folder))
}

/// The message, which must be one line that names the folder.
fn message(folder: &TempDir) -> String {
    let message = load_idx(folder.path()).unwrap_err().to_string();
    assert!(message.contains(folder.path().to_str().unwrap()) && !message.contains('\n'), "{message}");
    message
}

fn assert_contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn a_folder_is_read_with_its_shape_and_order() {
    let folder = folder(&images().encode(), &labels().encode());
    let set = load_idx(folder.path()).unwrap();
    assert_eq!((set.count, set.channels, set.rows, set.columns, set.classes), (4, 1, 3, 2, 10));
    assert_eq!((&set.images, &set.labels), (&images().values, &labels().values));
    // The sizes, pixels and labels are what the checksum is of:
    // ```python
    // sizes = struct.pack(">5Q", 4, 3, 2, 1, 10)
    // hashlib.sha256(sizes + bytes(range(0, 240, 10)) + bytes([9, 0, 3, 3])).hexdigest()
    // ```
    assert_eq!(set.checksum, "4a73c45e78b7fbebe9faf6c6da6c8bf9ef9dee1905474cbdec7e9a9a79d7ed9d");
}

#[test]
fn plain_and_gzipped_files_are_the_same_under_every_name() {
    let plain = folder(&images().encode(), &labels().encode());
    let expected = load_idx(plain.path()).unwrap();
    for (image_file, label_file) in IMAGE_FILES.iter().zip(LABEL_FILES) {
        // Content decides, not the name: so a packed file may be called as a plain one, and the other way round.
        for (suffix, packed) in [("", true), (".gz", true), ("", false), (".gz", false)] {
            let folder = tempfile::tempdir().unwrap();
            for (name, idx) in [(*image_file, images()), (label_file, labels())] {
                let bytes = if packed { gzip(&idx.encode()) } else { idx.encode() };
                fs::write(folder.path().join(format!("{name}{suffix}")), bytes).unwrap();
            }
            assert_eq!(load_idx(folder.path()).unwrap(), expected);
        }
    }
}

#[test]
fn a_set_is_written_so_that_it_reads_back() {
    let first = folder(&images().encode(), &labels().encode());
    let set = load_idx(first.path()).unwrap();
    let second = tempfile::tempdir().unwrap();
    set.write_idx(second.path()).unwrap();
    assert_eq!(load_idx(second.path()).unwrap(), set);
    let error = set.write_idx(&second.path().join("nowhere")).unwrap_err().to_string();
    assert_contains(&error, &["cannot write", "nowhere", IMAGE_FILES[0]]);
}

#[test]
fn the_checksum_sees_pixels_labels_and_shape() {
    let checksum =
        |images: &Idx, labels: &Idx| load_idx(folder(&images.encode(), &labels.encode()).path()).unwrap().checksum;
    let mut other_pixel = images();
    other_pixel.values[23] ^= 1;
    let other_label = Idx { values: vec![9, 0, 3, 4], ..labels() };
    let other_shape = Idx { dimensions: vec![4, 2, 3], ..images() };
    let checksums = [
        checksum(&images(), &labels()),
        checksum(&other_pixel, &labels()),
        checksum(&images(), &other_label),
        checksum(&other_shape, &labels()),
    ];
    let distinct: std::collections::HashSet<_> = checksums.iter().collect();
    assert_eq!(distinct.len(), checksums.len());
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    for whole in [images().encode(), gzip(&images().encode())] {
        for length in 0..whole.len() {
            let folder = folder(&whole[..length], &labels().encode());
            let message = message(&folder);
            assert!(message.contains("ends after") || message.contains("truncated"), "at {length}: {message}");
        }
    }
    let folder = folder(&images().encode()[..20], &labels().encode());
    assert_contains(&message(&folder), &[IMAGE_FILES[0], "4 values", "4 x 3 x 2", "needs 24"]);
}

#[test]
fn bytes_after_the_values_are_refused() {
    let mut longer = images().encode();
    longer.push(0);
    for bytes in [longer.clone(), gzip(&longer)] {
        assert_contains(&message(&folder(&bytes, &labels().encode())), &["goes on after the 24 values"]);
    }
    let mut junk = gzip(&images().encode());
    junk.extend(b"junk");
    assert_contains(&message(&folder(&junk, &labels().encode())), &["cannot be read to its end"]);
}

#[test]
fn a_gzip_stream_whose_content_was_changed_is_refused() {
    let mut bytes = gzip(&images().encode());
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert_contains(&message(&folder(&bytes, &labels().encode())), &["cannot be read to its end"]);
}

#[test]
fn headers_of_something_else_are_refused() {
    let refuse = |bytes: &[u8], parts: &[&str]| assert_contains(&message(&folder(bytes, &labels().encode())), parts);
    refuse(b"\x89PNG\r\n\x1a\n", &["is not an IDX file", "89 50 4e 47", "00 00 08 03"]);
    refuse(&[0, 0, 0x0d, 3, 0, 0, 0, 0], &["type 0d", "08, unsigned bytes"]);
    refuse(&labels().encode(), &["has 1 dimensions where 3 are expected"]);
    let empty = Idx { dimensions: vec![4, 0, 2], values: vec![] };
    refuse(&empty.encode(), &["4 x 0 x 2", "no size should be 0"]);
    refuse(b"", &["ends after 0 bytes"]);
}

#[test]
fn a_header_that_announces_too_much_costs_nothing() {
    let announce = |sizes: [u32; 3]| Idx { dimensions: sizes.to_vec(), values: vec![1; 100] }.encode();
    for bytes in [announce([u32::MAX; 3]), announce([1 << 20, 1 << 10, 1 << 10])] {
        let error = Idx::read(&bytes[..], 3).unwrap_err();
        assert!(matches!(error, IdxError::TooLarge { .. }), "{error}");
    }
    for bytes in [announce([1000, 1000, 1000]), gzip(&announce([1000, 1000, 1000]))] {
        let error = Idx::read(&bytes[..], 3).unwrap_err();
        assert!(matches!(error, IdxError::Truncated { found: 100, expected: 1_000_000_000, .. }), "{error}");
    }
}

#[test]
fn counts_and_labels_that_do_not_fit_are_refused() {
    let few = Idx { dimensions: vec![3], values: vec![1, 2, 3] };
    assert_contains(&message(&folder(&images().encode(), &few.encode())), &["4 images", "3 labels", LABEL_FILES[0]]);
    let refuse = |values: [u8; 4], part: &str| {
        let labels = Idx { values: values.to_vec(), ..labels() };
        assert_contains(&message(&folder(&images().encode(), &labels.encode())), &[LABEL_FILES[0], part]);
    };
    refuse([9, 0, 255, 3], "label 255 at place 2: labels should go from 0 to 254, and these go from 0 to 255");
    refuse([57, 48, 50, 50], "has labels from 48 to 57: they should begin at 0 or 1");
    refuse([3, 2, 3, 3], "has labels from 2 to 3: they should begin at 0 or 1");
    refuse([0; 4], "has no label but 0: there should be at least two classes");
    refuse([1; 4], "has no label but 1: there should be at least two classes");
}

#[test]
fn labels_say_how_many_classes_there_are_and_may_begin_at_one() {
    let read = |values: &[u8]| {
        let labels = Idx { values: values.to_vec(), ..labels() };
        load_idx(folder(&images().encode(), &labels.encode()).path()).unwrap()
    };
    for (found, expected, classes, first) in [
        ([0, 46, 3, 3], [0, 46, 3, 3], 47, 0),
        ([61, 0, 1, 2], [61, 0, 1, 2], 62, 0),
        ([26, 1, 2, 2], [25, 0, 1, 1], 26, 1),
        ([1, 0, 0, 1], [1, 0, 0, 1], 2, 0),
        ([2, 1, 1, 2], [1, 0, 0, 1], 2, 1),
        ([254, 0, 0, 0], [254, 0, 0, 0], 255, 0),
        ([255, 1, 1, 1], [254, 0, 0, 0], 255, 1),
    ] {
        let set = read(&found);
        assert_eq!((&set.labels[..], set.classes, set.first_label), (&expected[..], classes, first), "{found:?}");
    }
    assert_eq!(read(&[26, 1, 2, 2]).checksum, read(&[25, 0, 1, 1]).checksum, "the same content");
    let again = tempfile::tempdir().unwrap();
    read(&[26, 1, 2, 2]).write_idx(again.path()).unwrap();
    assert_eq!(load_idx(again.path()).unwrap(), read(&[26, 1, 2, 2]));
}

#[test]
fn test_labels_are_numbered_as_those_of_the_training_images() {
    let letters = Idx { values: vec![26, 1, 2, 2], ..labels() };
    let folder = folder(&images().encode(), &letters.encode());
    let test = |labels: [u8; 2]| {
        let write = |name: &str, idx: Idx| fs::write(folder.path().join(name), idx.encode()).unwrap();
        write(TEST_IMAGE_FILES[0], Idx { dimensions: vec![2, 3, 2], values: (0..12).collect() });
        write(TEST_LABEL_FILES[0], Idx { dimensions: vec![2], values: labels.to_vec() });
        load_with_test("idx", Some(folder.path()))
    };
    let own = *test([3, 26]).unwrap().test.unwrap();
    assert_eq!((own.labels, own.classes), (vec![2, 25], 26), "they begin at 3, and count from 1 all the same");
    for [good, wrong] in [[1, 0], [1, 27]] {
        let refusal = test([good, wrong]).unwrap_err().to_string();
        assert_contains(&refusal, &[&format!("label {wrong} at place 1: labels should go from 1 to 26")]);
    }
}

#[test]
fn images_that_are_all_one_value_are_refused() {
    let grey = Idx { values: vec![7; 24], ..images() };
    let written = message(&folder(&grey.encode(), &labels().encode()));
    assert_contains(&written, &["all pixels of the images in", "are 7", "differ"]);
    let folder = tempfile::tempdir().unwrap();
    (1..=5).for_each(|batch| {
        fs::write(folder.path().join(format!("data_batch_{batch}.bin")), record(3, [9, 9, 9])).unwrap()
    });
    let refused = ImageSet::read_cifar("cifar-10", folder.path()).unwrap_err().to_string();
    assert_contains(&refused, &["are 9"]);
}

#[test]
fn what_is_missing_is_named() {
    let empty = tempfile::tempdir().unwrap();
    assert_contains(&message(&empty), &["has no images", "train-images-idx3-ubyte", ".gz"]);
    fs::write(empty.path().join(IMAGE_FILES[0]), images().encode()).unwrap();
    assert_contains(&message(&empty), &["has no labels", "train-labels-idx1-ubyte"]);
    let unknown = load("minst", None).unwrap_err().to_string();
    assert_contains(&unknown, &["`minst`", "`mnist-5k`", "`mnist`", "`fashion-mnist`", "`cifar-10`", "`idx`"]);
    assert_contains(&load("idx", None).unwrap_err().to_string(), &["`idx` needs a folder"]);
}

#[test]
fn a_pinned_set_must_have_its_checksum() {
    let folder = folder(&images().encode(), &labels().encode());
    let message = load("mnist-5k", Some(folder.path())).unwrap_err().to_string();
    assert_contains(&message, &["SHA-256", "`mnist-5k`", "`idx` or `cifar-binary`"]);
}

#[test]
fn the_default_set_is_mnist() {
    let entry = SETS.iter().find(|entry| entry.name == "mnist-5k").unwrap();
    assert_eq!(entry.command, Some("make setup"));
    let set = load("mnist-5k", None).expect("`make setup` brings it");
    assert_eq!((set.count, set.rows, set.columns, set.channels, set.classes), (5000, 28, 28, 1, 10));
    // The file is sorted by class, 500 of each.
    assert!(set.labels.iter().enumerate().all(|(index, &label)| usize::from(label) == index / 500));
    let mean = set.images.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / set.images.len() as f64 / 255.0;
    // The whole of MNIST has 0.1307.
    assert!((mean - 0.1307).abs() < 0.003, "{mean}");
}

/// A record: the label, then a plane of 1024 pixels for each colour.
fn record(label: u8, [red, green, blue]: [u8; 3]) -> Vec<u8> {
    [&[label][..], &[red; 1024], &[green; 1024], &[blue; 1024]].concat()
}

/// A folder with five batches of CIFAR-10: two images in the first, one in every other.
fn cifar() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (place, file) in (0u8..).zip(BATCH_FILES) {
        let second = if place == 0 { record(9, [7, 8, 9]) } else { Vec::new() };
        fs::write(folder.path().join(file), [record(place, [place, 100, 200]), second].concat()).unwrap();
    }
    fs::write(folder.path().join("test_batch.bin"), "is not looked at unless asked for").unwrap();
    folder
}

#[test]
fn cifar_batches_are_read_in_their_order_colour_by_colour() {
    let folder = cifar();
    let set = load("cifar-binary", Some(folder.path())).unwrap();
    assert_eq!((set.count, set.channels, set.rows, set.columns, set.classes), (6, 3, 32, 32, 10));
    assert_eq!(set.labels, [0, 9, 1, 2, 3, 4]);
    assert_eq!(set.images.len(), 6 * 3072);
    assert_eq!([set.images[3072], set.images[3072 + 1024], set.images[3072 + 2048]], [7, 8, 9]);
    assert_eq!([set.images[5 * 3072 + 1023], set.images[5 * 3072 + 1024], set.images[6 * 3072 - 1]], [4, 100, 200]);
    fs::write(folder.path().join(BATCH_FILES[4]), record(4, [4, 100, 201])).unwrap();
    assert_ne!(load("cifar-binary", Some(folder.path())).unwrap().checksum, set.checksum);
}

#[test]
fn cifar_batches_that_are_damaged_or_missing_are_refused() {
    let folder = cifar();
    let path = folder.path().join(BATCH_FILES[2]);
    let refuse = |parts: &[&str]| {
        let message = load("cifar-binary", Some(folder.path())).unwrap_err().to_string();
        assert_contains(&message, parts);
        assert!(message.contains(folder.path().to_str().unwrap()) && !message.contains('\n'), "{message}");
    };
    let whole = record(2, [1, 2, 3]);
    for bytes in [&whole[..3072], &[&whole[..], &[0]].concat(), &[]] {
        fs::write(&path, bytes).unwrap();
        refuse(&["data_batch_3.bin", &format!("has {} bytes", bytes.len()), "a multiple of 3073"]);
    }
    fs::write(&path, [record(9, [0; 3]), record(10, [0; 3])].concat()).unwrap();
    refuse(&["data_batch_3.bin", "label 10 at place 1", "labels should go from 0 to 9"]);
    fs::remove_file(&path).unwrap();
    refuse(&["has no batch", "called data_batch_3.bin"]);
    fs::create_dir(&path).unwrap();
    refuse(&["has no batch", "called data_batch_3.bin"]);
    let unnamed = load("cifar-binary", None).unwrap_err().to_string();
    assert_contains(&unnamed, &["`cifar-binary` needs a folder", "`data.folder`"]);
    let nowhere = load("cifar-binary", Some(&path.join("nowhere"))).unwrap_err().to_string();
    assert_contains(&nowhere, &["there is no folder", "data_batch_1.bin to data_batch_5.bin"]);
}

#[test]
fn a_cifar_batch_without_end_is_refused_before_it_fills_the_memory() {
    let endless = std::io::repeat(0);
    let error = ImageSet::read_cifar_batch("cifar-10", Path::new("endless"), endless, 10).unwrap_err().to_string();
    assert_contains(&error, &["endless goes on after 614600000 bytes"]);
}

#[test]
fn test_images_are_read_where_they_are_and_are_of_the_sets_shape() {
    let folder = folder(&images().encode(), &labels().encode());
    let read = || load_with_test("idx", Some(folder.path()));
    let plain = load_idx(folder.path()).unwrap();
    assert_eq!(read().unwrap(), plain, "there are none");
    let write = |name: &str, idx: &Idx| fs::write(folder.path().join(name), gzip(&idx.encode())).unwrap();
    let test = Idx { dimensions: vec![2, 3, 2], values: (0..12).collect() };
    write(TEST_IMAGE_FILES[1], &test);
    assert_contains(&read().unwrap_err().to_string(), &["has no test labels", "t10k-labels-idx1-ubyte"]);
    write(TEST_LABEL_FILES[0], &Idx { dimensions: vec![2], values: vec![7, 8] });
    let set = read().unwrap();
    let own = set.test.as_ref().unwrap();
    assert_eq!((own.count, &own.images, &own.labels), (2, &test.values, &vec![7, 8]));
    assert_ne!(own.checksum, set.checksum);
    assert_eq!(ImageSet { test: None, ..set }, plain, "the set and its checksum stay what they are");
    assert_eq!(load_idx(folder.path()).unwrap(), plain, "who does not ask for them does not read them");
    write(TEST_LABEL_FILES[0], &Idx { dimensions: vec![2], values: vec![7, 10] });
    assert_contains(&read().unwrap_err().to_string(), &["t10k-labels", "label 10 at place 1"]);
    write(TEST_LABEL_FILES[0], &Idx { dimensions: vec![2], values: vec![7, 8] });
    write(TEST_IMAGE_FILES[1], &Idx { dimensions: vec![2, 2, 3], values: (0..12).collect() });
    assert_contains(&read().unwrap_err().to_string(), &["shape 1 x 2 x 3", "1 x 3 x 2", "should be alike"]);
}

#[test]
fn the_test_batch_of_cifar_is_read_where_it_is_asked_for() {
    let folder = cifar();
    let refusal = load_with_test("cifar-binary", Some(folder.path())).unwrap_err().to_string();
    assert_contains(&refusal, &[TEST_BATCH_FILE, "a multiple of 3073"]);
    fs::write(folder.path().join(TEST_BATCH_FILE), record(5, [1, 2, 3])).unwrap();
    let test = load_with_test("cifar-binary", Some(folder.path())).unwrap().test.unwrap();
    assert_eq!((test.count, test.labels, test.images[1024]), (1, vec![5], 2));
    fs::remove_file(folder.path().join(TEST_BATCH_FILE)).unwrap();
    assert!(load_with_test("cifar-binary", Some(folder.path())).unwrap().test.is_none());
}

#[test]
fn a_pinned_set_has_its_own_content_and_lacks_no_part() {
    let digits = folder(&images().encode(), &labels().encode());
    for (name, folder) in [("mnist", &digits), ("fashion-mnist", &digits), ("cifar-10", &cifar())] {
        let refusal = load_with_test(name, Some(folder.path())).unwrap_err().to_string();
        let of_set = format!("those of `{name}` have");
        assert_contains(&refusal, &["the images in", "SHA-256", &of_set, "`idx` or `cifar-binary`"]);
    }
    // Where they were fetched.
    for (name, count, channels, side) in
        [("mnist", 60_000, 1, 28), ("fashion-mnist", 60_000, 1, 28), ("cifar-10", 50_000, 3, 32)]
    {
        let entry = SETS.iter().find(|set| set.name == name).unwrap();
        if entry.folder().is_some_and(|folder| folder.is_dir()) {
            let set = load_with_test(name, None).unwrap();
            let test = set.test.as_ref().unwrap();
            assert_eq!((set.count, test.count, set.classes), (count, 10_000, 10), "{name}");
            assert_eq!((set.channels, set.rows, set.columns), (channels, side, side), "{name}");
        }
    }
}

proptest! {
    // Every call has the same cases; one that fails is printed, and becomes a test or a seed of the fuzzer.
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), dimensions in 0..5u8) {
        let _ = Idx::read(&bytes[..], dimensions);
        let _ = Idx::read(&gzip(&bytes)[..], dimensions);
        let mut pretended = vec![0x1f, 0x8b, 8, 0];
        pretended.extend(&bytes);
        prop_assert!(Idx::read(&pretended[..], dimensions).is_err());
    }

    #[test]
    fn arbitrary_sizes_never_panic(sizes in prop::array::uniform3(any::<u32>()), values in prop::collection::vec(any::<u8>(), 0..50)) {
        let announced = Idx { dimensions: sizes.to_vec(), values };
        let product = sizes.iter().map(|&size| u128::from(size)).product::<u128>();
        let fits = product == announced.values.len() as u128 && product > 0;
        prop_assert_eq!(Idx::read(&announced.encode()[..], 3).is_ok(), fits);
    }

    #[test]
    fn whatever_is_written_reads_back(count in 1..6u32, rows in 1..6u32, columns in 1..6u32, seed in any::<u8>()) {
        let length = count * rows * columns;
        let values = (0..length).map(|place| (place as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let idx = Idx { dimensions: vec![count, rows, columns], values };
        prop_assert_eq!(&Idx::read(&idx.encode()[..], 3).unwrap(), &idx);
        prop_assert_eq!(&Idx::read(&gzip(&idx.encode())[..], 3).unwrap(), &idx);
    }

    #[test]
    fn one_changed_byte_never_panics(place in 0..40usize, value in any::<u8>()) {
        for whole in [images().encode(), gzip(&images().encode())] {
            let mut bytes = whole;
            let place = place % bytes.len();
            bytes[place] = value;
            let folder = folder(&bytes, &labels().encode());
            let _ = load_idx(folder.path());
        }
    }
}
