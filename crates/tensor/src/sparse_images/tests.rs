use super::*;
use crate::layer::LinearMap;
use crate::random::Generator;

/// N x features, a share of the pixels somewhere else than at the background, and some images nowhere.
fn images(count: i64, features: i64, background: f64, share: f64, generator: &mut Generator) -> Tensor {
    let values = generator.uniform(&[count, features], 2.0, Kind::Float);
    let differs = generator.uniform(&[count, features], 0.5, Kind::Float).lt(share - 0.5);
    let images = values.where_self(&differs, &Tensor::full_like(&values, background));
    let _ = images.narrow(0, count / 2, 1).fill_(background);
    images
}

fn layer(units: i64, features: i64, generator: &mut Generator) -> Layer {
    let weight = generator.uniform(&[units, features], 1.0, Kind::Float);
    Layer::of("fc1", LinearMap::Dense, weight, generator.uniform(&[units], 1.0, Kind::Float))
}

fn wide(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(Kind::Double)
}

fn vector(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().contiguous().view(-1)).unwrap()
}

/// Against libtorch's products of the dense images in f64; features, units and samples that fill no block and several.
#[test]
fn products_agree_with_dense_ones_in_double_precision() {
    let mut generator = Generator::named("sparse", 0);
    for (features, units, samples, background) in
        [(1, 1, 1, 0.0), (17, 5, 3, -0.42), (400, 64, 9, 1.5), (784, 130, 70, -0.42), (950, 65, 33, 0.0)]
    {
        let images = images(40, features, background, 0.2, &mut generator);
        let sparse = SparseImages::of(&images).expect("mostly background");
        let layer = layer(units, features, &mut generator);
        let rows: Vec<i64> = (0..samples).map(|sample| (sample * 7 + 20) % 40).collect();
        let chosen = wide(&images.index_select(0, &Tensor::from_slice(&rows)));

        let batch = sparse.batch(&rows);
        let found = batch.linear(&layer);
        let expected = chosen.mm(&wide(layer.weight()).tr()) + wide(layer.bias().unwrap());
        let close = |found: &Tensor, expected: &Tensor| {
            let distance = (wide(found) - expected).abs().max().double_value(&[]);
            let scale = expected.abs().max().double_value(&[]);
            assert!(distance < 3e-6 * scale.max(1.0), "{features} x {units} x {samples}: {distance} of {scale}");
        };
        close(&found, &expected);

        // Back-propagated deltas come in whatever layout autograd leaves them.
        let delta = generator.uniform(&[units, samples], 1.0, Kind::Float).tr();
        close(&batch.weight_gradient(&delta), &wide(&delta).tr().mm(&chosen));
    }
}

/// Whatever instructions the processor has, and whatever else is in the minibatch.
#[test]
fn bits_are_those_of_one_multiplication_and_one_addition_after_the_other() {
    let mut generator = Generator::named("sparse", 1);
    let images = images(30, 90, -0.42, 0.2, &mut generator);
    let sparse = SparseImages::of(&images).unwrap();
    let layer = layer(70, 90, &mut generator);
    let (weight, bias) = (vector(layer.weight()), vector(layer.bias().unwrap()));
    let rows: Vec<i64> = (0..30).rev().collect();
    let found = vector(&sparse.batch(&rows).linear(&layer));
    for (sample, &row) in rows.iter().enumerate() {
        let image = vector(&images.get(row));
        for unit in 0..70 {
            let weights = &weight[unit * 90..][..90];
            let mut sum = bias[unit] + sparse.background * weights.iter().sum::<f32>();
            for (&pixel, &weight) in image.iter().zip(weights) {
                if pixel != sparse.background {
                    sum += (pixel - sparse.background) * weight;
                }
            }
            assert_eq!(found[sample * 70 + unit].to_bits(), sum.to_bits(), "sample {sample}, unit {unit}");
        }
    }
    assert_eq!(vector(&sparse.batch(&rows[4..5]).linear(&layer)), found[4 * 70..5 * 70]);
}

#[test]
fn images_of_one_colour_are_all_background() {
    let mut generator = Generator::named("sparse", 2);
    let images = Tensor::full([6, 20], 0.7, (Kind::Float, tch::Device::Cpu));
    let sparse = SparseImages::of(&images).unwrap();
    assert!(sparse.blocks.iter().all(|lists| lists.entries.is_empty()));
    let layer = layer(3, 20, &mut generator);
    let expected = images.narrow(0, 0, 2).linear(layer.weight(), layer.bias());
    assert!(sparse.batch(&[5, 0]).linear(&layer).allclose(&expected, 1e-5, 1e-5, false));
}

#[test]
fn only_single_precision_and_enough_background_are_stored() {
    let mut generator = Generator::named("sparse", 3);
    let mostly = images(50, 60, -0.42, 0.2, &mut generator);
    assert_eq!(SparseImages::of(&mostly).unwrap().background, -0.42);
    assert!(SparseImages::of(&mostly.to_kind(Kind::Double)).is_none());
    assert!(SparseImages::of(&images(50, 60, -0.42, 0.4, &mut generator)).is_none());
    assert!(SparseImages::of(&Tensor::empty([0, 60], (Kind::Float, tch::Device::Cpu))).is_none());
}
