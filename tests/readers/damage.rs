//! Whole files, damaged: cut, with bits turned, with pieces replaced by extremes; and bytes that are no file at all.
//! Shared with the tests of the report, whose readers are damaged likewise.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Runs a property on a few cases, the same at every call. A failing case is printed: it becomes a file in `fuzz/seeds`.
pub(crate) fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// How a file is damaged.
#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Flip(Index, u8),
    Replace(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Double(Index, Index),
}

/// Numbers and texts that a header, a field or a key least expects.
fn extremes() -> impl Strategy<Value = Vec<u8>> {
    let binary = prop::sample::select(vec![0u64, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX]);
    let text = prop::sample::select(vec![
        "-1",
        "1e999",
        "-0",
        "NaN",
        "inf",
        "-inf",
        "5e-324",
        "1.7976931348623157e308",
        "18446744073709551615",
        "18446744073709551616",
        "\"\"",
        "\"..\"",
        "\"\\u0000\"",
        "\"\\u202e\"",
        "null",
        "[]",
        "{}",
        "=1+1",
        ",",
        "\n",
        "\"",
        "{\"a\":1,\"a\":2}",
        "[[[[",
        "../../x",
    ]);
    prop_oneof![
        binary.clone().prop_map(|number| number.to_be_bytes().to_vec()),
        binary.clone().prop_map(|number| number.to_le_bytes().to_vec()),
        binary.prop_map(|number| (number as u32).to_be_bytes().to_vec()),
        text.prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..20),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 0..8u8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        (any::<Index>(), extremes()).prop_map(|(place, bytes)| Damage::Replace(place, bytes)),
        (any::<Index>(), extremes()).prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Double(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match damage {
        Damage::Cut(place) => bytes.truncate(place.index(length)),
        Damage::Flip(place, bit) => bytes[place.index(length)] ^= 1 << bit,
        Damage::Replace(place, new) => {
            let place = place.index(length);
            bytes.splice(place..length.min(place + new.len()), new.iter().copied());
        }
        Damage::Insert(place, new) => {
            let place = place.index(length);
            bytes.splice(place..place, new.iter().copied());
        }
        Damage::Double(one, other) => {
            let (one, other) = (one.index(length), other.index(length));
            let piece = bytes[one.min(other)..one.max(other)].to_vec();
            bytes.splice(one.max(other)..one.max(other), piece);
        }
    }
}

/// The fuzzer's seeds of a target, out of the folder with a folder for each, in alphabetical order.
pub(crate) fn seeds(folder: &Path, target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder.join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Damages the seeds of a target, in so many cases.
pub(crate) fn damaged_files(seeds: Vec<(String, Vec<u8>)>, cases: u32, target: fn(&[u8])) {
    let whole: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let strategy = (prop::sample::select(whole), prop::collection::vec(damage(), 1..4));
    check(cases, strategy, |(mut bytes, damages)| {
        damages.iter().for_each(|damage| apply(&mut bytes, damage));
        target(&bytes);
    });
    check(cases, prop::collection::vec(any::<u8>(), 0..200), |bytes| target(&bytes));
}
