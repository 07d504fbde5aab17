//! The readers of images, checkpoints and configurations under damaged files.

use super::damage::damaged_files;
use super::inputs::TARGETS;
use super::seeds;

/// What a target's cases may cost.
fn cases(target: &str) -> u32 {
    if target == "checkpoint" { 1000 } else { 4000 }
}

/// A test for each target, so that they run beside each other.
macro_rules! damaged {
    ($($name:ident)*) => {
        const DAMAGED: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            let (name, target) = *TARGETS.iter().find(|(name, _)| *name == stringify!($name)).unwrap();
            damaged_files(seeds::of(name), cases(name), target);
        })*
    };
}

damaged!(idx cifar checkpoint configuration);

#[test]
fn every_target_is_damaged() {
    assert_eq!(TARGETS.map(|(name, _)| name), DAMAGED);
}

#[test]
fn a_checkpoint_cut_anywhere_is_refused() {
    let whole = super::inputs::tiny_checkpoint();
    for length in 0..whole.len() {
        assert!(trainability::train::checkpoint::from_bytes(&whole[..length]).is_err(), "cut at {length}");
    }
}
