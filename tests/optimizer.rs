//! Adam and AdamW against libtorch's own, step for step.

use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor, nn};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::random::Generator;
use trainability_baselines::method::WeightDecay;
use trainability_baselines::{LayerParameters, Parameter, State, Stateful};

const OPTIONS: AdamOptions = AdamOptions { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };

fn layers(kind: Kind) -> Vec<LayerParameters> {
    let mut generator = Generator::named("test", 4);
    let mut layer = |name: &str, out: i64, inputs: i64| LayerParameters {
        name: name.to_owned(),
        parameters: [("weight", vec![out, inputs]), ("bias", vec![out])]
            .map(|(role, shape)| Parameter {
                name: format!("{name}.{role}"),
                value: generator.uniform(&shape, 1.0, kind).set_requires_grad(true),
            })
            .into(),
    };
    vec![layer("fc1", 5, 7), layer("fc2", 3, 5)]
}

fn gradients(layers: &[LayerParameters], step: u64) -> Vec<Vec<Tensor>> {
    let mut generator = Generator::named("gradients", step);
    let mut of = |p: &Parameter| generator.uniform(&p.value.size(), 2.0, p.value.kind());
    layers.iter().map(|layer| layer.parameters.iter().map(&mut of).collect()).collect()
}

/// Trains a copy of the parameters by libtorch's optimizer on the same gradients.
fn compare(kind: Kind, decay: WeightDecay, tolerance: f64) {
    let mut ours = layers(kind);
    let mut adam = Adam::new(OPTIONS, decay, &ours);
    let store = nn::VarStore::new(Device::Cpu);
    let theirs: Vec<Tensor> = ours
        .iter()
        .flat_map(|layer| &layer.parameters)
        .map(|p| store.root().add(&p.name.replace('.', "_"), p.value.detach().copy(), true))
        .collect();
    let AdamOptions { beta1, beta2, epsilon } = OPTIONS;
    let mut reference = match decay {
        WeightDecay::None => nn::adam(beta1, beta2, 0.0).eps(epsilon).build(&store, 0.01),
        WeightDecay::Coupled(wd) => nn::adam(beta1, beta2, wd).eps(epsilon).build(&store, 0.01),
        WeightDecay::Decoupled(wd) => nn::adamw(beta1, beta2, wd).eps(epsilon).build(&store, 0.01),
    }
    .unwrap();
    for step in 0..50 {
        let gradients = gradients(&ours, step);
        let loss: Tensor = theirs.iter().zip(gradients.iter().flatten()).map(|(t, g)| (t * g).sum(kind)).sum();
        reference.backward_step(&loss);
        adam.step(&mut ours, &gradients, &[0.01, 0.01], false);
        for (ours, theirs) in ours.iter().flat_map(|layer| &layer.parameters).zip(&theirs) {
            let distance = (&ours.value - theirs).abs().max().double_value(&[]);
            assert!(distance < tolerance, "{} at step {step}: {distance}", ours.name);
        }
    }
}

#[test]
fn adam_and_adamw_equal_libtorch_step_for_step() {
    for decay in [WeightDecay::None, WeightDecay::Coupled(0.1), WeightDecay::Decoupled(0.1)] {
        compare(Kind::Double, decay, 1e-13);
        compare(Kind::Float, decay, 1e-5);
    }
}

#[test]
fn each_layer_has_its_own_rate_and_a_summary_tells_what_happened() {
    let mut layers = layers(Kind::Double);
    let before: Vec<Tensor> = layers.iter().flat_map(|l| &l.parameters).map(|p| p.value.detach().copy()).collect();
    let mut adam = Adam::new(OPTIONS, WeightDecay::None, &layers);
    let gradients = gradients(&layers, 0);
    let summary = adam.step(&mut layers, &gradients, &[0.0, 0.01], true).unwrap();
    let after: Vec<Tensor> = layers.iter().flat_map(|l| &l.parameters).map(|p| p.value.detach().copy()).collect();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[2], before[2]);
    let flat = |tensors: &[Tensor]| Tensor::cat(&tensors.iter().map(|t| t.flatten(0, -1)).collect::<Vec<_>>(), 0);
    let (before, after) = (flat(&before), flat(&after));
    let mean = |t: Tensor| t.abs().mean(Kind::Double).double_value(&[]);
    assert!((summary.mean_absolute_update - mean(&after - &before)).abs() < 1e-15);
    assert!((summary.mean_absolute_weight - mean(before)).abs() < 1e-15);
}

#[test]
fn a_restored_optimizer_takes_the_same_steps() {
    let (mut a, mut b) = (layers(Kind::Float), layers(Kind::Float));
    let mut first = Adam::new(OPTIONS, WeightDecay::Coupled(0.1), &a);
    for step in 0..3 {
        let gradients = gradients(&a, step);
        first.step(&mut a, &gradients, &[0.01, 0.02], false);
    }
    let mut state = State::default();
    first.save(&mut state);
    let mut second = Adam::new(OPTIONS, WeightDecay::Coupled(0.1), &b);
    second.restore(&state).unwrap();
    for (from, to) in a.iter().flat_map(|l| &l.parameters).zip(b.iter_mut().flat_map(|l| &mut l.parameters)) {
        tch::no_grad(|| to.value.copy_(&from.value));
    }
    let gradients = gradients(&a, 9);
    first.step(&mut a, &gradients, &[0.01, 0.02], false);
    second.step(&mut b, &gradients, &[0.01, 0.02], false);
    for (a, b) in a.iter().flat_map(|l| &l.parameters).zip(b.iter().flat_map(|l| &l.parameters)) {
        assert_eq!(a.value, b.value);
    }
}
