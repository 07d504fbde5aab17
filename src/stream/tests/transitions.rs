//! Gradual change: how often a sample is one of the task before.

use super::contents::{FEATURES, shown, whole};
use crate::stream::{Composition, Lengths, Stream, StreamStart};

const IMAGES: usize = 4000;
const BATCH: usize = 100;
const EPOCHS: usize = 3;
const UPDATES: usize = EPOCHS * IMAGES / BATCH;

/// Tasks that differ in most images, whatever the kind.
fn start(kind: &str, count: usize, tasks: usize, composition: Composition) -> StreamStart {
    StreamStart { seed: 1, ..super::contents::start(kind, count, tasks, composition) }
}

/// The second task's minibatches: for each, what share of its samples is one of the first task, and whether each sample
/// is wholly one or the other.
fn shares(kind: &str, transition: f64) -> Vec<f64> {
    let composition = Composition { transition, ..Composition::default() };
    let lengths = Lengths::equal(2, EPOCHS, IMAGES, BATCH);
    let mut stream = Stream::new(StreamStart { lengths, ..start(kind, IMAGES, 2, composition) });
    stream.begin_task();
    let old = (whole(stream.images()), whole(stream.labels()));
    for _ in 0..UPDATES {
        let batch = stream.next_minibatch();
        let rows = whole(&batch.rows);
        assert_eq!(whole(&batch.labels), rows.iter().map(|row| old.1[*row as usize]).collect::<Vec<_>>());
        assert_eq!(
            stream.minibatch_images().size(),
            [IMAGES as i64, FEATURES as i64],
            "the first task has no transition"
        );
    }
    stream.begin_task();
    let new = (whole(stream.images()), whole(stream.labels()));
    assert_eq!(new.0.len(), IMAGES * FEATURES, "the task's own images are those alone");
    let mut shares = Vec::new();
    for update in 0..UPDATES {
        let batch = stream.next_minibatch();
        assert_eq!((whole(stream.images()), whole(stream.labels())), new, "what is evaluated is the new task");
        let (images, labels) = shown(&stream, &batch);
        let rows = whole(&batch.rows);
        let mut count = 0;
        for (place, row) in rows.iter().enumerate() {
            let image = (*row as usize) % IMAGES;
            let of = |task: &(Vec<i64>, Vec<i64>)| (task.0[image * FEATURES..][..FEATURES].to_vec(), task.1[image]);
            let given = (images[place * FEATURES..][..FEATURES].to_vec(), labels[place]);
            let (is_old, is_new) = (given == of(&old), given == of(&new));
            assert!(is_old || is_new, "{kind}: a sample is a mixture");
            assert!(is_old || update > 0, "{kind}: the first minibatch is all old");
            // Where both tasks call an image the same, it is told apart by its row alone, or not at all.
            count += usize::from(is_old && !is_new);
        }
        shares.push(count as f64 / rows.len() as f64);
        let stacked = kind == "pixel_permutation" && (update as f64) < transition * UPDATES as f64;
        assert_eq!(stream.minibatch_images().size()[0], if stacked { 2 * IMAGES } else { IMAGES } as i64);
    }
    shares
}

/// The share of images that the two tasks do not show and call the same.
fn different(kind: &str) -> f64 {
    let mut stream = Stream::new(start(kind, IMAGES, 2, Composition::default()));
    let mut contents = Vec::new();
    for _ in 0..2 {
        stream.begin_task();
        contents.push((whole(stream.images()), whole(stream.labels())));
    }
    let differs = |image: &usize| {
        contents[0].1[*image] != contents[1].1[*image]
            || contents[0].0[image * FEATURES..][..FEATURES] != contents[1].0[image * FEATURES..][..FEATURES]
    };
    (0..IMAGES).filter(differs).count() as f64 / IMAGES as f64
}

#[test]
fn the_share_of_the_task_before_falls_linearly_to_nothing() {
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        let different = different(kind);
        assert!(different > 0.2, "{kind}: {different}");
        for transition in [0.5, 1.0] {
            let shares = shares(kind, transition);
            let length = transition * UPDATES as f64;
            let expected = |update: usize| different * (1.0 - update as f64 / length).max(0.0);
            let over = length.ceil() as usize;
            assert!(shares[over..].iter().all(|share| *share == 0.0), "{kind}: it is over after {over} updates");
            // Means over a quarter of the transition, whose standard deviation is below 0.5 over the root of 1500 samples.
            let quarter = (length / 4.0) as usize;
            for first in (0..4).map(|index| index * quarter) {
                let mean = |of: &dyn Fn(usize) -> f64| (first..first + quarter).map(of).sum::<f64>() / quarter as f64;
                let (found, wanted) = (mean(&|update| shares[update]), mean(&expected));
                assert!(
                    (found - wanted).abs() < 0.05,
                    "{kind}, {transition}: {found} and not {wanted} from {first} on"
                );
            }
        }
    }
}

#[test]
fn the_order_of_images_does_not_depend_on_a_transition() {
    let rows = |transition| -> Vec<i64> {
        let mut stream =
            Stream::new(start("pixel_permutation", 10, 3, Composition { transition, ..Composition::default() }));
        let mut rows = Vec::new();
        for task in 0..3 {
            stream.begin_task();
            for _ in 0..stream.lengths().updates_of(task) {
                rows.extend(whole(&stream.next_minibatch().rows).iter().map(|row| row % 10));
            }
        }
        rows
    };
    assert_eq!(rows(0.0), rows(0.6));
}
