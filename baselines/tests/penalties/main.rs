//! Every penalty of the registry against its own definition: the gradient that it adds against autograd of its loss, its
//! curvature against differences of that gradient. A new one is held to both without a line here, as is the one that the
//! book shows.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};
use trainability_baselines::part::Contribution;
use trainability_baselines::penalty::{Curvature, Elapsed, Penalty};
use trainability_baselines::registry::PARTS;
use trainability_tensor::slices::without_slices;
use trainability_tensor::{Filters, Gradients, Layer, LinearMap, Parameter};
// What the file in the book names as the crate's own.
use trainability_baselines::{options, part};

mod cubic;

#[test]
fn the_book_shows_a_penalty_that_works() {
    assert!(include_str!("../../../docs/architecture.md").contains(include_str!("cubic.rs")));
}

fn normal(shape: &[i64], scale: f64, generator: &mut ChaCha8Rng) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let values: Vec<f64> = StandardNormal.sample_iter(generator).take(count).collect();
    Tensor::from_slice(&values).reshape(shape) * scale
}

/// A convolution, a layer that is normalised, and one that is neither; biases and shifts begin at 0.
fn network(generator: &mut ChaCha8Rng) -> Vec<Layer> {
    let shapes: [&[i64]; 3] = [&[4, 2, 3, 3], &[6, 9], &[3, 6]];
    let of = |(index, shape): (usize, &&[i64])| {
        let map = if shape.len() == 4 { LinearMap::Convolution(Filters::default()) } else { LinearMap::Dense };
        let bias = Tensor::zeros([shape[0]], (Kind::Double, tch::Device::Cpu));
        let layer = Layer::of(&format!("fc{}", index + 1), map, normal(shape, 0.3, generator), bias);
        if index == 1 { layer.normalised() } else { layer }
    };
    shapes.iter().enumerate().map(of).collect()
}

/// Moves all parameters but a few, which stay at 0.
fn move_on(layers: &[Layer], generator: &mut ChaCha8Rng) {
    for Parameter { value, .. } in layers.iter().flat_map(|layer| &layer.parameters) {
        let step = normal(&value.size(), 0.1, generator);
        let _ = value.detach().g_add_(&step.where_scalarother(&value.ne(0.0).logical_or(&step.gt(0.0)), 0.0));
    }
}

/// Each penalty at default options, halfway through its run, with layers that have moved since it saw them first.
fn each_penalty(mut check: impl FnMut(&str, Box<dyn Penalty>, &[Layer], &mut ChaCha8Rng)) {
    let mut seen = 0;
    for part in PARTS.iter().copied().chain([&cubic::PART]) {
        let (Contribution::Penalty(mut penalty), _) = part.build(part.default_options()).unwrap() else { continue };
        let mut generator = ChaCha8Rng::seed_from_u64(7);
        let layers = network(&mut generator);
        penalty.begin(&layers);
        move_on(&layers, &mut generator);
        penalty.begin_update(Elapsed { of_run: 0.5, of_task: 0.25 });
        check(part.name, penalty, &layers, &mut generator);
        seen += 1;
    }
    assert!(seen >= 5);
}

/// Autograd's gradient of the penalty's loss on some layers, flattened a layer; zero where the loss does not reach.
fn autograd(penalty: &dyn Penalty, layers: &[&Layer]) -> Vec<Tensor> {
    let all: Vec<&Tensor> = layers.iter().flat_map(|layer| &layer.parameters).map(|p| &p.value).collect();
    // Autograd complains of tensors that the scalar has nothing to do with.
    let touch = all.iter().map(|value| value.sum(value.kind())).sum::<Tensor>() * 0.0;
    let mut flat = Tensor::run_backward(&[penalty.loss(layers) + touch], &all, false, false).into_iter();
    layers.iter().map(|layer| flatten(flat.by_ref().take(layer.parameters.len()))).collect()
}

fn flatten(tensors: impl Iterator<Item = Tensor>) -> Tensor {
    Tensor::cat(&tensors.map(|tensor| tensor.flatten(0, -1)).collect::<Vec<_>>(), 0)
}

/// What the penalty adds, flattened a layer, once an approximation that it keeps from update to update has settled.
fn settled(penalty: &mut dyn Penalty, layers: &[Layer], generator: &mut ChaCha8Rng) -> Vec<Tensor> {
    for _ in 0..200 {
        added(penalty, layers, generator);
    }
    added(penalty, layers, generator)
}

/// What the penalty adds to a gradient that is large beside it, flattened a layer.
fn added(penalty: &mut dyn Penalty, layers: &[Layer], generator: &mut ChaCha8Rng) -> Vec<Tensor> {
    let kind = layers[0].weight().kind();
    let large = |p: &Parameter, generator: &mut ChaCha8Rng| normal(&p.value.size(), 1.0, generator).to_kind(kind);
    let mut gradients: Gradients =
        layers.iter().map(|layer| layer.parameters.iter().map(|p| large(p, generator)).collect()).collect();
    let flat = |gradients: &Gradients| gradients.iter().map(|g| flatten(g.iter().map(Tensor::copy))).collect();
    let before: Vec<Tensor> = flat(&gradients);
    penalty.add_gradient(layers, &mut gradients);
    let after: Vec<Tensor> = flat(&gradients);
    after.iter().zip(&before).map(|(after, before)| after - before).collect()
}

fn close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let scale = expected.abs().max().double_value(&[]);
    let distance = (found - expected).abs().max().double_value(&[]);
    assert!(distance <= tolerance * scale, "{what}: off by {distance} where {scale} is the largest");
}

#[test]
fn every_penalty_adds_the_gradient_of_its_loss() {
    each_penalty(|name, mut penalty, layers, generator| {
        let expected = autograd(penalty.as_ref(), &layers.iter().collect::<Vec<_>>());
        // A penalty may leave the output layer alone, and no other.
        let hidden = &expected[..expected.len() - 1];
        assert!(hidden.iter().all(|gradient| gradient.abs().max().double_value(&[]) > 0.0), "{name} does nothing");
        for (layer, found) in settled(penalty.as_mut(), layers, generator).iter().enumerate() {
            close(found, &expected[layer], 1e-7, &format!("{name}, layer {layer}"));
        }
    });
}

/// Training is in single precision, for which some have code of their own.
#[test]
fn single_precision_differs_by_rounding_alone() {
    each_penalty(|name, mut penalty, layers, generator| {
        let expected = autograd(penalty.as_ref(), &layers.iter().collect::<Vec<_>>());
        let single = |parameter: &Parameter, value: &Tensor| Parameter {
            name: parameter.name.clone(),
            role: parameter.role,
            value: value.detach().to_kind(Kind::Float).set_requires_grad(true),
        };
        let narrow = |layer: &Layer, from: &[Layer]| Layer {
            name: layer.name.clone(),
            map: layer.map,
            parameters: layer
                .parameters
                .iter()
                .zip(values_of(layer, from))
                .map(|(p, value)| single(p, value))
                .collect(),
        };
        let start = network(&mut ChaCha8Rng::seed_from_u64(7));
        let begun: Vec<_> = layers.iter().map(|layer| narrow(layer, &start)).collect();
        let moved: Vec<_> = layers.iter().map(|layer| narrow(layer, layers)).collect();
        penalty.begin(&begun);
        penalty.begin_update(Elapsed { of_run: 0.5, of_task: 0.25 });
        for (layer, found) in settled(penalty.as_mut(), &moved, generator).iter().enumerate() {
            // What is left of a small sum in single precision once the large gradient is taken off again.
            let scale = expected[layer].abs().max().double_value(&[]);
            let distance = (found - &expected[layer]).abs().max().double_value(&[]);
            assert!(distance < 1e-6 + 1e-5 * scale, "{name}, layer {layer}: off by {distance}");
        }
    });
}

fn values_of<'a>(layer: &Layer, from: &'a [Layer]) -> impl Iterator<Item = &'a Tensor> {
    let found = from.iter().find(|other| other.name == layer.name).expect("the same layers");
    found.parameters.iter().map(|parameter| &parameter.value)
}

/// Both the closed form and, where there is none, what takes its place: the loss differentiated twice.
#[test]
fn every_penaltys_curvature_is_how_its_gradient_changes() {
    const STEP: f64 = 1e-6;
    each_penalty(|name, penalty, layers, _| {
        for layer in layers {
            let what = format!("{name}, {}", layer.name);
            let expected = Tensor::stack(&columns(layer, STEP, || autograd(penalty.as_ref(), &[layer]).remove(0)), 1);
            let size = expected.size()[0];
            let found = match penalty.curvature(layer) {
                Some(curvature) => {
                    let identity = Tensor::eye(size, (Kind::Double, tch::Device::Cpu));
                    Tensor::stack(&(0..size).map(|i| curvature.product(&identity.get(i))).collect::<Vec<_>>(), 1)
                }
                None => twice_differentiated(penalty.as_ref(), layer),
            };
            close(&found, &expected, 1e-5, &what);
        }
    });
}

/// Central differences of a gradient in every parameter of a layer.
fn columns(layer: &Layer, step: f64, gradient: impl Fn() -> Tensor) -> Vec<Tensor> {
    let mut columns = Vec::new();
    for parameter in &layer.parameters {
        let flat = parameter.value.detach().flatten(0, -1);
        for index in 0..flat.size()[0] {
            let shift = |by: f64| {
                let _ = flat.get(index).g_add_scalar_(by);
            };
            shift(step);
            let above = gradient();
            shift(-2.0 * step);
            let below = gradient();
            shift(step);
            columns.push((above - below) / (2.0 * step));
        }
    }
    columns
}

fn twice_differentiated(penalty: &dyn Penalty, layer: &Layer) -> Tensor {
    let all: Vec<&Tensor> = layer.parameters.iter().map(|parameter| &parameter.value).collect();
    let touch = all.iter().map(|value| value.square().sum(value.kind())).sum::<Tensor>();
    let first = Tensor::run_backward(&[penalty.loss(&[layer]) + &touch], &all, true, true);
    let first = flatten(first.into_iter());
    let rows = (0..first.size()[0])
        .map(|index| flatten(Tensor::run_backward(&[first.get(index)], &all, true, false).into_iter()));
    // Without the squares that touched every parameter.
    Tensor::stack(&rows.collect::<Vec<_>>(), 0) - Tensor::eye(first.size()[0], (Kind::Double, tch::Device::Cpu)) * 2.0
}

/// As on a GPU.
#[test]
fn tensor_operations_alone_add_the_same() {
    let added = || {
        let mut added = Vec::new();
        each_penalty(|name, mut penalty, layers, generator| {
            let of = |layer: &Layer| layer.parameters.iter().map(|p| normal(&p.value.size(), 1.0, generator)).collect();
            let mut gradients: Gradients = layers.iter().map(of).collect();
            for _ in 0..3 {
                penalty.add_gradient(layers, &mut gradients);
            }
            added.push((name.to_owned(), gradients));
        });
        added
    };
    for ((name, found), (_, expected)) in without_slices(added).into_iter().zip(added()) {
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            let distance = (found - expected).abs().max().double_value(&[]);
            assert!(distance <= 1e-12, "{name}: {distance}");
        }
    }
}
