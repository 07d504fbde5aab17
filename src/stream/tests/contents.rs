//! The content of tasks, against loops over images and pixels.

use tch::{Device, Kind, Tensor};
use trainability_tensor::{Generator, State, Stateful};

use crate::run::checkpoint::to_bytes;
use crate::stream::{Composition, Lengths, Minibatch, STREAMS, Stream, StreamStart};
use crate::testing::runs::state_of;

pub(super) const IMAGES: usize = 10;
pub(super) const FEATURES: usize = 6;
pub(super) const CLASSES: i64 = 4;
pub(super) const SEED: u64 = 3;

/// Every pixel of every image is another number.
pub(super) fn pixels(count: usize) -> Tensor {
    Tensor::arange((count * FEATURES) as i64, (Kind::Float, Device::Cpu)).view([count as i64, FEATURES as i64])
}

pub(super) fn true_classes(count: usize) -> Vec<i64> {
    (0..count as i64).map(|image| (image * image + 1) % CLASSES).collect()
}

/// A stream of tasks of two epochs on `count` images, before its first task.
pub(super) fn start(kind: &str, count: usize, tasks: usize, composition: Composition) -> StreamStart {
    // Several threads in each of several tests only wait for each other.
    tch::set_num_threads(1);
    StreamStart {
        kind: crate::stream::stream(kind).unwrap(),
        images: pixels(count),
        chosen: None,
        true_classes: Tensor::from_slice(&true_classes(count)),
        classes: CLASSES,
        lengths: Lengths::equal(tasks, 2, count, 4),
        fraction: 1.0,
        composition,
        seed: SEED,
    }
}

pub(super) fn stream(kind: &str, tasks: usize, composition: Composition) -> Stream {
    Stream::new(start(kind, IMAGES, tasks, composition))
}

pub(super) fn whole(tensor: &Tensor) -> Vec<i64> {
    Vec::try_from(tensor.to_kind(Kind::Int64).contiguous().view(-1)).unwrap()
}

/// Row by row, what a minibatch shows and how it is called.
pub(super) fn shown(stream: &Stream, batch: &Minibatch) -> (Vec<i64>, Vec<i64>) {
    (whole(&stream.minibatch_images().index_select(0, &batch.rows)), whole(&batch.labels))
}

fn updates(stream: &Stream, task: usize) -> u64 {
    stream.lengths().updates_of(task)
}

#[test]
fn permuted_labels_are_the_true_ones_renamed() {
    let mut stream = stream("label_permutation", 5, Composition::default());
    let mut generator = Generator::named("label_permutation", SEED);
    let classes = true_classes(IMAGES);
    let mut seen = Vec::new();
    for task in 0..5 {
        stream.begin_task();
        let names = whole(&generator.permutation(CLASSES as usize));
        let by_hand: Vec<i64> = classes.iter().map(|class| names[*class as usize]).collect();
        assert_eq!(whole(stream.labels()), by_hand);
        assert_eq!(*stream.images(), pixels(IMAGES), "images stay");
        for _ in 0..updates(&stream, task) {
            let batch = stream.next_minibatch();
            let of_rows: Vec<i64> = whole(&batch.rows).iter().map(|row| by_hand[*row as usize]).collect();
            assert_eq!(whole(&batch.labels), of_rows);
        }
        seen.push(names);
    }
    seen.dedup();
    assert!(seen.len() > 1);
}

#[test]
fn permuted_pixels_are_those_of_the_images_in_one_order_from_the_first_task_on() {
    let mut stream = stream("pixel_permutation", 3, Composition::default());
    let mut generator = Generator::named("pixel_permutation", SEED);
    let mut orders = Vec::new();
    for task in 0..3 {
        stream.begin_task();
        let order = whole(&generator.permutation(FEATURES));
        let mut by_hand = Vec::new();
        for image in 0..IMAGES as i64 {
            by_hand.extend(order.iter().map(|pixel| image * FEATURES as i64 + pixel));
        }
        assert_eq!(whole(stream.images()), by_hand);
        assert_ne!(*stream.images(), pixels(IMAGES));
        assert_eq!(whole(stream.labels()), true_classes(IMAGES));
        for _ in 0..updates(&stream, task) {
            let batch = stream.next_minibatch();
            let rows = whole(&batch.rows);
            let (images, labels) = shown(&stream, &batch);
            for (place, row) in rows.iter().enumerate() {
                let [from, to] = [*row as usize, *row as usize + 1].map(|row| row * FEATURES);
                assert_eq!(images[place * FEATURES..][..FEATURES], by_hand[from..to]);
                assert_eq!(labels[place], true_classes(IMAGES)[*row as usize]);
            }
        }
        assert!(!orders.contains(&order));
        orders.push(order);
    }
}

#[test]
fn images_that_nobody_trains_on_are_shown_and_called_as_those_of_the_task() {
    let others = pixels(3) + 1000.0;
    let classes = Tensor::from_slice(&[3i64, 0, 1]);
    for kind in ["label_permutation", "pixel_permutation"] {
        let mut stream = stream(kind, 2, Composition::default());
        let (names, order) = match kind {
            "label_permutation" => (whole(&Generator::named(kind, SEED).permutation(4)), (0..6).collect()),
            _ => (vec![0, 1, 2, 3], whole(&Generator::named(kind, SEED).permutation(6))),
        };
        assert!(stream.content().is_none());
        stream.begin_task();
        let content = stream.content().unwrap();
        assert_eq!(whole(&content.labels_of_others(&classes).unwrap()), [3, 0, 1].map(|class| names[class]));
        let by_hand: Vec<i64> =
            (0..3).flat_map(|image| order.iter().map(move |pixel| 1000 + 6 * image + pixel)).collect();
        assert_eq!(whole(&content.show(&others)), by_hand);
    }
    let mut drawn = stream("random_labels", 2, Composition::default());
    drawn.begin_task();
    assert!(drawn.content().unwrap().labels_of_others(&classes).is_none(), "drawn labels say nothing of others");
}

#[test]
fn every_epoch_shows_every_image_once_in_an_order_that_is_the_same_for_every_kind() {
    let rows = |kind: &str| -> Vec<Vec<i64>> {
        let mut stream = stream(kind, 2, Composition::default());
        let mut batches = Vec::new();
        for task in 0..2 {
            stream.begin_task();
            batches.extend((0..updates(&stream, task)).map(|_| whole(&stream.next_minibatch().rows)));
        }
        batches
    };
    let expected = rows("random_labels");
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [[4, 4, 2]; 4].concat());
    for epoch in expected.chunks(3) {
        let mut all = epoch.concat();
        all.sort_unstable();
        assert_eq!(all, (0..IMAGES as i64).collect::<Vec<_>>());
    }
    let mut generator = Generator::named("order", SEED);
    assert_eq!(expected[..3].concat(), whole(&generator.permutation(IMAGES)));
    assert_eq!(rows("label_permutation"), expected);
    assert_eq!(rows("pixel_permutation"), expected);
}

#[test]
fn tasks_recur_bit_by_bit() {
    for (kind, fraction) in
        [("random_labels", 1.0), ("random_labels", 0.5), ("label_permutation", 1.0), ("pixel_permutation", 1.0)]
    {
        for cycle in [2, 3] {
            let composition = |recurring| Composition { recurring, ..Composition::default() };
            let contents = |recurring| -> Vec<(Vec<i64>, Vec<i64>)> {
                let mut stream =
                    Stream::new(StreamStart { fraction, ..start(kind, IMAGES, 9, composition(recurring)) });
                (0..9)
                    .map(|_| {
                        stream.begin_task();
                        (whole(stream.labels()), whole(stream.images()))
                    })
                    .collect()
            };
            let (fresh, recurring) = (contents(0), contents(cycle));
            assert_eq!(fresh[..cycle], recurring[..cycle], "{kind}: the first cycle is as it would be");
            assert_ne!(fresh[cycle..], recurring[cycle..]);
            for task in cycle..9 {
                assert_eq!(recurring[task], recurring[task % cycle], "{kind}, {fraction}, task {task}");
            }
        }
    }
}

/// Every kind with every option.
fn variants() -> Vec<StreamStart> {
    let mut variants = Vec::new();
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        for (recurring, transition) in [(0, 0.0), (2, 0.0), (0, 0.7), (2, 0.7), (0, 1.0)] {
            for spread in [0.0, 0.5] {
                let plain = start(kind, IMAGES, 4, Composition { recurring, transition, ..Composition::default() });
                let lengths =
                    if spread > 0.0 { plain.lengths.clone().with_spread(spread, SEED) } else { plain.lengths.clone() };
                variants.push(StreamStart {
                    lengths,
                    fraction: if kind == "random_labels" { 0.5 } else { 1.0 },
                    ..plain
                });
            }
        }
    }
    variants
}

fn copy(start: &StreamStart) -> StreamStart {
    StreamStart {
        images: start.images.copy(),
        chosen: start.chosen.as_ref().map(Tensor::copy),
        true_classes: start.true_classes.copy(),
        lengths: start.lengths.clone(),
        ..*start
    }
}

/// What the next update brings, at its task's start or later.
fn advance(stream: &mut Stream) -> Option<(Vec<i64>, Vec<i64>, Vec<i64>)> {
    let (begun, given) = stream.place();
    if begun == 0 || given == updates(stream, begun - 1) {
        if begun == stream.lengths().tasks() {
            return None;
        }
        stream.begin_task();
    }
    let batch = stream.next_minibatch();
    let (images, labels) = shown(stream, &batch);
    Some((images, labels, whole(stream.images())))
}

#[test]
fn a_restored_stream_goes_on_with_the_same_bits_from_every_update() {
    for start in variants().into_iter().chain(super::selections::variants()) {
        let mut whole = Stream::new(copy(&start));
        let expected: Vec<_> = std::iter::from_fn(|| advance(&mut whole)).collect();
        let mut before = Stream::new(copy(&start));
        for (made, next) in expected.iter().enumerate() {
            let mut state = State::default();
            before.save(&mut state);
            // One that has moved on, and one that has not.
            for moved in [0, 7] {
                let mut after = Stream::new(copy(&start));
                (0..moved).for_each(|_| drop(advance(&mut after)));
                after.restore(&state).unwrap();
                let rest: Vec<_> = std::iter::from_fn(|| advance(&mut after)).collect();
                assert_eq!(rest, expected[made..], "{:?} after {made} updates", start.composition);
            }
            assert_eq!(advance(&mut before).as_ref(), Some(next));
        }
    }
}

#[test]
fn damaged_states_are_refused() {
    let composition = Composition { transition: 0.5, ..Composition::default() };
    for (kind, name, length) in
        [("label_permutation", "names", CLASSES), ("pixel_permutation", "pixels", FEATURES as i64)]
    {
        let mut stream = stream(kind, 3, composition);
        stream.begin_task();
        (0..6).for_each(|_| drop(stream.next_minibatch()));
        stream.begin_task();
        stream.next_minibatch();
        let saved = || {
            let mut state = State::default();
            stream.save(&mut state);
            state
        };
        let refusal = |change: &dyn Fn(&mut State)| {
            let mut state = saved();
            change(&mut state);
            let mut other = self::stream(kind, 3, composition);
            other.restore(&state).map_err(|error| error.to_string()).unwrap_err()
        };
        for part in ["task", "before"] {
            let key = format!("{part}/{name}");
            let with = |tensor: &Tensor| refusal(&|state| drop(state.tensors.insert(key.clone(), tensor.copy())));
            let order = Tensor::arange(length, (Kind::Int64, Device::Cpu));
            assert!(with(&Tensor::zeros_like(&order)).contains(&format!("`{key}` is a list with something twice")));
            assert!(with(&(&order + 1)).contains(&format!("`{key}` is a tensor with values beyond")));
            assert!(with(&order.narrow(0, 0, 2)).contains(&format!("`{key}` is Int64 [2], expected")));
            assert!(refusal(&|state| drop(state.tensors.remove(&key))).contains(&format!("no `{key}`")));
        }
        assert!(refusal(&|state| state.put_value("begun", &4)).contains("`begun` is 4, expected at most 3"));
        assert!(refusal(&|state| state.put_value("given", &7)).contains("`given` is 7, expected at most 6"));
    }
}

/// All that a stream shows and calls, of all its tasks.
fn everything(start: StreamStart) -> Vec<(Vec<i64>, Vec<i64>)> {
    let mut stream = Stream::new(start);
    let mut all = Vec::new();
    for task in 0..stream.lengths().tasks() {
        stream.begin_task();
        let images =
            stream.chosen().map_or_else(|| stream.images().copy(), |chosen| stream.images().index_select(0, chosen));
        all.push((whole(&images), whole(stream.labels())));
        for _ in 0..updates(&stream, task) {
            let batch = stream.next_minibatch();
            all.push(shown(&stream, &batch));
        }
    }
    all
}

#[test]
fn images_that_are_chosen_out_of_others_are_those_that_lie_in_this_order() {
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        for composition in
            [Composition::default(), Composition { recurring: 2, transition: 0.7, ..Composition::default() }]
        {
            for chosen in [[3, 0, 7, 9, 1, 2, 8, 4, 6, 5].as_slice(), &[9, 2, 4, 3, 0, 7]] {
                let chosen = Tensor::from_slice(chosen);
                let classes = Tensor::from_slice(&true_classes(IMAGES)).index_select(0, &chosen);
                let begin = |images: Tensor, chosen: Option<Tensor>| StreamStart {
                    images,
                    chosen,
                    true_classes: classes.shallow_clone(),
                    lengths: Lengths::equal(3, 2, classes.size()[0] as usize, 4),
                    ..start(kind, IMAGES, 3, composition)
                };
                let in_order = begin(pixels(IMAGES).index_select(0, &chosen), None);
                assert_eq!(everything(begin(pixels(IMAGES), Some(chosen))), everything(in_order), "{kind}");
            }
        }
    }
}

#[test]
fn a_stream_that_follows_another_is_where_that_is() {
    let transition = Composition { transition: 0.5, ..Composition::default() };
    for kind in STREAMS.iter().map(|kind| kind.name) {
        let images = pixels(IMAGES);
        let begin = |seed| {
            let images = images.shallow_clone();
            Stream::new(StreamStart { seed, images, ..start(kind, IMAGES, 3, transition) })
        };
        let [mut first, mut second, other] = [1, 1, 2].map(begin);
        for task in 0..3 {
            [&mut first, &mut second].into_iter().for_each(Stream::begin_task);
            for _ in 0..updates(&first, task) {
                assert!(first.is_alike(&second) && !first.is_alike(&other));
                first.next_minibatch();
                assert!(!first.is_alike(&second));
                second.follow(first.within_task());
                assert_eq!(to_bytes(&state_of(&first)).unwrap(), to_bytes(&state_of(&second)).unwrap());
            }
        }
        // And gives what the other would have.
        let [mut before, mut after] = [1, 1].map(begin);
        [&mut before, &mut after].into_iter().for_each(Stream::begin_task);
        before.next_minibatch();
        after.follow(before.within_task());
        let [one, other] = [&mut before, &mut after].map(Stream::next_minibatch);
        assert_eq!(shown(&after, &other), shown(&before, &one));
    }
}
