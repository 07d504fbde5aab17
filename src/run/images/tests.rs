//! Which images a run takes, how they are normalised, and that runs share them.

use super::*;

#[test]
fn the_whole_set_has_mean_zero_and_deviation_one_and_a_seed_takes_some_of_it() {
    let pixels: Vec<u8> = (0..200).map(|index| (index * 7 % 256) as u8).collect();
    let set = ImageSet {
        name: "synthetic".to_owned(),
        images: pixels,
        count: 50,
        rows: 2,
        columns: 2,
        channels: 1,
        labels: vec![0; 50],
        classes: 10,
        first_label: 0,
        checksum: String::new(),
        test: None,
    };
    let all = select_images(&set, 50, Kind::Double, 3);
    assert!(all.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
    assert!((all.std(false).double_value(&[]) - 1.0).abs() < 1e-12);
    let some = select_images(&set, 20, Kind::Double, 3);
    assert_eq!(some, all.narrow(0, 0, 20));
    assert_ne!(some, select_images(&set, 20, Kind::Double, 4));
}

/// Images of one pixel that tells which they are, and the class beside it.
fn numbered(count: usize, first: u8) -> ImageSet {
    ImageSet {
        name: "numbered".to_owned(),
        images: (first..).take(count).collect(),
        count,
        rows: 1,
        columns: 1,
        channels: 1,
        labels: (first..).take(count).map(|number| number % 10).collect(),
        classes: 10,
        first_label: 0,
        checksum: String::new(),
        test: None,
    }
}

/// Which images of the set these are.
fn numbers(set: &ImageSet, images: &Tensor) -> Vec<i64> {
    let (mean, deviation) = moments(&set.images);
    Vec::try_from((images * deviation + mean).round().to_kind(Kind::Int64).view(-1)).unwrap()
}

#[test]
fn held_out_images_are_others_than_those_that_are_trained_on() {
    let set = numbered(30, 0);
    let train = numbers(&set, &select_images(&set, 20, Kind::Double, 5));
    let shared = SharedImages::of(&set);
    let held_out = |count| shared.held_out(count, 5, Kind::Double, Device::Cpu);
    let test = numbers(&set, &held_out(Some(10)).unwrap().images);
    let mut all = [train.clone(), test.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..30).collect::<Vec<_>>());
    let of = |numbers: &[i64]| numbers.iter().map(|number| number % 10).collect::<Vec<_>>();
    let classes = |taken: &Taken| Vec::<i64>::try_from(&taken.classes).unwrap();
    assert_eq!(classes(&held_out(Some(10)).unwrap()), of(&test));
    assert_eq!(classes(&shared.training(20, 5, Kind::Double, Device::Cpu, false)), of(&train));
    assert!(held_out(None).is_none());
}

#[test]
fn test_images_of_the_set_are_all_used_and_normalised_as_its_training_images() {
    let set = numbered(30, 0).with_test(numbered(7, 100)).unwrap();
    let held_out = SharedImages::of(&set).held_out(None, 5, Kind::Double, Device::Cpu).unwrap();
    assert_eq!(numbers(&set, &held_out.images), (100..107).collect::<Vec<_>>());
    assert_eq!(Vec::<i64>::try_from(&held_out.classes).unwrap(), (0..7).collect::<Vec<_>>());
}

#[test]
fn images_of_one_colour_are_zeros() {
    assert_eq!(moments(&[7; 12]), (7.0, 1.0));
}

/// Random pixels, more images than are normalised at once.
fn many() -> ImageSet {
    crate::testing::runs::images(2 * CHUNK + 100, [1, 3, 5], 200)
}

#[test]
fn pixels_are_normalised_to_the_same_bits_as_all_at_once() {
    let set = many();
    let (mean, deviation) = moments(&set.images);
    let all = Tensor::from_slice(&set.images).view([set.count as i64, 15]).to_kind(Kind::Double);
    for kind in [Kind::Float, Kind::Double] {
        for count in [1, 100, CHUNK, CHUNK + 1, set.count] {
            let chosen = order(&set, 4).narrow(0, 0, count as i64);
            let at_once = ((all.index_select(0, &chosen) - mean) / deviation).to_kind(kind);
            assert_eq!(select_images(&set, count, kind, 4), at_once, "{count} {kind:?}");
        }
    }
}

#[test]
fn the_whole_set_is_there_once_for_all_seeds_and_a_part_once_a_seed() {
    let set = many().with_test(numbered_as(&many(), 30)).unwrap();
    let shared = SharedImages::of(&set);
    let taken = |count, seed| shared.training(count, seed, Kind::Float, Device::Cpu, true);
    let place = |taken: &Taken| taken.images.data_ptr();
    let same_sparse = |one: &Taken, other: &Taken| match (&one.sparse, &other.sparse) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => panic!("most pixels are background"),
    };
    let (one, other) = (taken(set.count, 1), taken(set.count, 2));
    assert!(place(&one) == place(&other) && same_sparse(&one, &other));
    assert_ne!(one.chosen, other.chosen);
    for whole in [&one, &other] {
        let seed = if std::ptr::eq(whole, &one) { 1 } else { 2 };
        let in_order = whole.images.index_select(0, whole.chosen.as_ref().unwrap());
        assert_eq!(in_order, select_images(&set, set.count, Kind::Float, seed));
    }
    let double = shared.training(set.count, 1, Kind::Double, Device::Cpu, false);
    assert!(double.images.kind() == Kind::Double && double.sparse.is_none());

    let (first, second, third) = (taken(500, 1), taken(500, 1), taken(500, 2));
    assert!(place(&first) == place(&second) && same_sparse(&first, &second));
    assert_ne!(place(&first), place(&third));
    assert_eq!(first.images, select_images(&set, 500, Kind::Float, 1));
    assert!(first.chosen.is_none(), "it lies in the seed's order");
    let held_out = || shared.held_out(None, 1, Kind::Float, Device::Cpu).unwrap();
    assert_eq!(place(&held_out()), place(&held_out()));
}

/// As many test images as `count` of the same shape.
fn numbered_as(set: &ImageSet, count: usize) -> ImageSet {
    crate::testing::runs::images(count, [set.channels, set.rows, set.columns], 100)
}

#[test]
fn a_part_is_dropped_once_nobody_has_it_and_another_seeds_is_asked_for() {
    let set = many();
    let shared = SharedImages::of(&set);
    let taken = |count, seed| shared.training(count, seed, Kind::Float, Device::Cpu, false);
    let seeds = || -> Vec<Option<u64>> { shared.made.lock().unwrap().iter().map(|made| made.part.seed()).collect() };
    let first = taken(10, 1);
    drop(taken(20, 1));
    assert_eq!(seeds(), [Some(1), Some(1)], "another run of this seed may follow");
    drop(taken(set.count, 1));
    assert_eq!(seeds(), [Some(1), None]);
    drop(taken(10, 2));
    assert_eq!(seeds(), [Some(1), None, Some(2)], "the run of the first seed goes on");
    drop(first);
    drop(taken(10, 3));
    assert_eq!(seeds(), [None, Some(3)], "the whole set is no seed's");
}
