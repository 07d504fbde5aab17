//! What is shown by tasks that do not show all images, against loops over images.

use tch::Tensor;
use trainability_tensor::Generator;

use super::contents::{FEATURES, IMAGES, SEED, shown, start, whole};
use crate::stream::{Composition, Lengths, Stream, StreamStart, group_sizes};

const BATCH: usize = 4;

/// The classes of 23 images: 1, 2, 4, 6 and 9 of ten.
fn classes() -> Vec<i64> {
    (0..23).map(|image| [4, 9, 1, 4, 6, 2][image % 6 * (image / 6) % 6]).collect()
}

/// A stream of tasks of two epochs that show so many classes each.
fn by_class(tasks: usize, composition: Composition) -> StreamStart {
    let sizes = group_sizes(&classes(), composition.classes_per_task.unwrap(), SEED);
    let shown = if composition.recurring > 0 { &sizes[..composition.recurring] } else { &sizes };
    let equal = |images| Lengths::equal(tasks, 2, images, BATCH);
    StreamStart {
        classes: 10,
        true_classes: Tensor::from_slice(&classes()),
        lengths: composition.sample.map_or_else(|| equal(23).with_images(shown), equal),
        ..start("class_incremental", 23, tasks, composition)
    }
}

/// A stream of tasks of two epochs of so many images.
fn sampled(kind: &str, sample: usize, composition: Composition) -> StreamStart {
    StreamStart {
        lengths: Lengths::equal(5, 2, sample, BATCH),
        ..start(kind, IMAGES, 5, Composition { sample: Some(sample), ..composition })
    }
}

/// The images of each minibatch of a task, epoch by epoch, counted among all.
fn epochs(stream: &mut Stream, task: usize) -> Vec<Vec<i64>> {
    let mut epochs = vec![Vec::new(); 2];
    let updates = stream.lengths().updates_of(task) as usize;
    for update in 0..updates {
        let rows = stream.next_minibatch().rows;
        let count = stream.images().size()[0];
        epochs[update * 2 / updates].extend(whole(&stream.original_rows(&(rows.remainder(count)))));
    }
    epochs
}

fn sorted(mut places: Vec<i64>) -> Vec<i64> {
    places.sort_unstable();
    places
}

#[test]
fn each_task_shows_the_images_of_the_next_classes_alone_under_their_own_names() {
    for (per_task, tasks, recurring) in [(2, 3, 0), (1, 5, 0), (3, 2, 0), (9, 1, 0), (2, 5, 2)] {
        let composition = Composition { recurring, classes_per_task: Some(per_task), ..Composition::default() };
        let mut stream = Stream::new(by_class(tasks, composition));
        let order = whole(&Generator::named("class_order", SEED).permutation(5));
        for task in 0..tasks {
            let group = if recurring > 0 { task % recurring } else { task };
            let own: Vec<i64> =
                order.iter().skip(group * per_task).take(per_task).map(|&at| [1, 2, 4, 6, 9][at as usize]).collect();
            let expected: Vec<i64> = (0..23).filter(|image| own.contains(&classes()[*image as usize])).collect();
            stream.begin_task();
            assert_eq!(stream.lengths().images_of(task), expected.len());
            assert_eq!(whole(stream.chosen().unwrap()), expected);
            let called: Vec<i64> = expected.iter().map(|image| classes()[*image as usize]).collect();
            assert_eq!(whole(stream.labels()), called);
            let others = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 9, 9, 6]);
            let known: Vec<i64> = (0..8).filter(|place| own.contains(&whole(&others)[*place as usize])).collect();
            assert_eq!(whole(&stream.of_shown_classes(&others).unwrap()), known);
            for epoch in epochs(&mut stream, task) {
                assert_eq!(sorted(epoch), expected, "{per_task} classes, task {task}");
            }
        }
    }
}

#[test]
fn each_task_draws_its_own_sample_and_shows_and_calls_it_as_a_task_of_all_images_does() {
    for (recurring, transition) in [(0, 0.0), (2, 0.0), (0, 0.6), (2, 1.0)] {
        // Minibatch images that are as the task before shows and calls them. One that both call alike is none of these, so that they
        // are counted over all kinds.
        let mut old = 0;
        for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
            let composition = Composition { recurring, transition, ..Composition::default() };
            let mut all = Stream::new(start(kind, IMAGES, 5, Composition { recurring, ..Composition::default() }));
            let mut stream = Stream::new(sampled(kind, 6, composition));
            let (mut seen, mut contents) = (Vec::new(), Vec::<(Vec<i64>, Vec<i64>)>::new());
            for task in 0..5 {
                let content = if recurring > 0 { task % recurring } else { task };
                let drawn = whole(&Generator::named(&format!("sample/{content}"), SEED).permutation(IMAGES));
                let expected = &drawn[..6];
                all.begin_task();
                stream.begin_task();
                contents.push((whole(all.images()), whole(all.labels())));
                let own = stream
                    .chosen()
                    .map_or_else(|| stream.images().copy(), |rows| stream.images().index_select(0, rows));
                let image_of = |content: &(Vec<i64>, Vec<i64>), image: i64| {
                    (content.0[image as usize * FEATURES..][..FEATURES].to_vec(), content.1[image as usize])
                };
                for (place, (&image, label)) in expected.iter().zip(whole(stream.labels())).enumerate() {
                    let shown = (whole(&own.get(place as i64)), label);
                    assert_eq!(shown, image_of(&contents[task], image), "{kind}, task {task}");
                }
                for update in 0..4 {
                    let batch = stream.next_minibatch();
                    let (images, labels) = shown(&stream, &batch);
                    let count = stream.images().size()[0];
                    let originals = whole(&stream.original_rows(&batch.rows.remainder(count)));
                    seen.extend(originals.iter().copied());
                    for (place, &image) in originals.iter().enumerate() {
                        let given = (images[place * FEATURES..][..FEATURES].to_vec(), labels[place]);
                        let is_new = given == image_of(&contents[task], image);
                        let is_old = task > 0 && transition > 0.0 && given == image_of(&contents[task - 1], image);
                        assert!(is_new || is_old, "{kind}, {composition:?}, task {task}, update {update}");
                        old += usize::from(!is_new);
                    }
                }
                // Two epochs, each with every image of the sample once.
                let epochs = seen.split_off(0);
                assert_eq!(
                    [&epochs[..6], &epochs[6..]].map(|epoch| sorted(epoch.to_vec())),
                    [0, 1].map(|_| sorted(expected.to_vec()))
                );
            }
        }
        assert_eq!(transition > 0.0, old > 0, "{recurring}, {transition}");
    }
}

#[test]
fn samples_differ_from_task_to_task_and_a_sample_of_a_group_is_a_part_of_it() {
    let mut stream = Stream::new(sampled("label_permutation", 6, Composition::default()));
    let mut samples = Vec::new();
    for _ in 0..5 {
        stream.begin_task();
        samples.push(sorted(whole(stream.chosen().unwrap())));
    }
    samples.dedup();
    assert_eq!(samples.len(), 5);
    let composition = Composition { classes_per_task: Some(2), sample: Some(1), ..Composition::default() };
    let mut stream = Stream::new(by_class(3, composition));
    let mut groups = Stream::new(by_class(3, Composition { sample: None, ..composition }));
    for task in 0..3 {
        [&mut stream, &mut groups].into_iter().for_each(Stream::begin_task);
        let group = whole(groups.chosen().unwrap());
        let epochs = epochs(&mut stream, task);
        assert!(epochs[0].len() == 1 && epochs[0] == epochs[1] && group.contains(&epochs[0][0]));
    }
}

/// Streams whose tasks show a part of the images, with what they compose with.
pub(super) fn variants() -> Vec<StreamStart> {
    let mut variants = Vec::new();
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        for (recurring, transition) in [(0, 0.0), (2, 0.7)] {
            let composition = Composition { recurring, transition, ..Composition::default() };
            variants.push(sampled(kind, 6, composition));
            let longer = sampled(kind, 7, composition);
            variants.push(StreamStart { lengths: longer.lengths.clone().with_spread(0.5, SEED), ..longer });
        }
    }
    for (tasks, recurring, sample) in [(3, 0, None), (5, 2, None), (3, 0, Some(1))] {
        let composition = Composition { recurring, sample, classes_per_task: Some(2), ..Composition::default() };
        variants.push(by_class(tasks, composition));
    }
    variants
}
