//! Adam and AdamW against libtorch's own, step for step.

use tch::nn::OptimizerConfig;
use tch::{Device, Kind, Tensor, nn};
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::slices::without_slices;
use trainability_tensor::{Layer, Role, State, Stateful};

use super::{gradients, layers, values};
use crate::optimizer::{Adam, AdamOptions, Optimizer};
use crate::testing::networks::moments;

const OPTIONS: AdamOptions = AdamOptions { beta1: 0.9, beta2: 0.99, epsilon: 1e-6, beta_ramp: None };

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
    let AdamOptions { beta1, beta2, epsilon, .. } = OPTIONS;
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

/// One element's own Adam.
#[derive(Clone, Copy, Default)]
struct Scalar {
    first: f64,
    second: f64,
    steps: i32,
}

impl Scalar {
    fn step(&mut self, theta: f64, gradient: f64, decay: WeightDecay, rate: f64) -> f64 {
        let (gradient, shrink) = match decay {
            WeightDecay::None => (gradient, 1.0),
            WeightDecay::Coupled(coefficient) => (gradient + coefficient * theta, 1.0),
            WeightDecay::Decoupled(coefficient) => (gradient, 1.0 - rate * coefficient),
        };
        let AdamOptions { beta1, beta2, epsilon, .. } = OPTIONS;
        self.steps += 1;
        self.first = beta1 * self.first + (1.0 - beta1) * gradient;
        self.second = beta2 * self.second + (1.0 - beta2) * gradient * gradient;
        let first = self.first / (1.0 - beta1.powi(self.steps));
        let second = self.second / (1.0 - beta2.powi(self.steps));
        shrink * theta - rate * first / (second.sqrt() + epsilon)
    }
}

#[test]
fn a_restarted_element_is_an_adam_of_its_own() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5)] {
        for decay in [WeightDecay::None, WeightDecay::Coupled(0.1), WeightDecay::Decoupled(0.1)] {
            let mut layers = layers(kind);
            let mut adam = Adam::new(OPTIONS, decay, &layers);
            let flat = |tensor: &Tensor| -> Vec<f64> {
                Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
            };
            let tensors = |layers: &[Layer]| -> Vec<Vec<f64>> {
                layers.iter().flat_map(|layer| &layer.parameters).map(|p| flat(&p.value)).collect()
            };
            let mut expected = tensors(&layers);
            let mut scalars: Vec<Vec<Scalar>> = expected.iter().map(|t| vec![Scalar::default(); t.len()]).collect();
            for step in 0..2000 {
                // fc1's weight is 5 x 7 and fc2's 3 x 5; row 2 and columns 1 and 4 overlap with what follows later.
                if step == 7 {
                    adam.restart(0, Role::Weight, 0, &[2, 3]);
                    adam.restart(0, Role::Bias, 0, &[2, 3]);
                    adam.restart(1, Role::Weight, 1, &[1, 4]);
                    (2 * 7..4 * 7).for_each(|place| scalars[0][place] = Scalar::default());
                    (2..4).for_each(|place| scalars[1][place] = Scalar::default());
                    [1, 4, 6, 9, 11, 14].into_iter().for_each(|place| scalars[2][place] = Scalar::default());
                }
                if step == 19 {
                    adam.restart(0, Role::Weight, 0, &[2]);
                    adam.restart(1, Role::Weight, 0, &[0]);
                    (2 * 7..3 * 7).for_each(|place| scalars[0][place] = Scalar::default());
                    (0..5).for_each(|place| scalars[2][place] = Scalar::default());
                }
                let gradients = gradients(&layers, step);
                adam.step(&mut layers, &gradients, &[0.01, 0.02], false);
                for (index, gradient) in gradients.iter().flatten().enumerate() {
                    let rate = [0.01, 0.02][index / 2];
                    for (place, gradient) in flat(gradient).into_iter().enumerate() {
                        let theta = &mut expected[index][place];
                        *theta = scalars[index][place].step(*theta, gradient, decay, rate);
                    }
                }
                if step < 40 || step % 500 == 499 {
                    for (found, expected) in tensors(&layers).concat().iter().zip(expected.concat()) {
                        assert!((found - expected).abs() < tolerance, "step {step}: {found} against {expected}");
                    }
                }
            }
            assert!(moments(&adam, &layers)[1][1].restarts.is_none());
            assert_eq!(adam.steps(), 2000);
        }
    }
}

#[test]
fn restarts_are_saved_and_an_optimizer_without_any_forgets_its_own() {
    let (mut a, mut b) = (layers(Kind::Double), layers(Kind::Double));
    let mut first = Adam::new(OPTIONS, WeightDecay::None, &a);
    let mut without = State::default();
    first.save(&mut without);
    for step in 0..3 {
        let gradients = gradients(&a, step);
        first.step(&mut a, &gradients, &[0.01, 0.02], false);
    }
    first.restart(0, Role::Weight, 0, &[1]);
    let mut with = State::default();
    first.save(&mut with);
    let mut second = Adam::new(OPTIONS, WeightDecay::None, &b);
    second.restore(&with).unwrap();
    for (from, to) in a.iter().flat_map(|l| &l.parameters).zip(b.iter_mut().flat_map(|l| &mut l.parameters)) {
        tch::no_grad(|| to.value.copy_(&from.value));
    }
    let gradients = gradients(&a, 9);
    first.step(&mut a, &gradients, &[0.01, 0.02], false);
    second.step(&mut b, &gradients, &[0.01, 0.02], false);
    assert_eq!(a[0].weight(), b[0].weight());
    second.restore(&without).unwrap();
    assert!(moments(&second, &b).iter().flatten().all(|moments| moments.restarts.is_none()));
    first.clear();
    assert!(moments(&first, &a).iter().flatten().all(|moments| moments.restarts.is_none()));
}

/// Against an Adam in f64, in which nothing fades away within these steps.
#[test]
fn moments_that_have_faded_become_zero_and_the_weights_do_not_notice() {
    let mut single = layers(Kind::Float);
    let mut double = layers(Kind::Double);
    for (from, to) in single.iter().flat_map(|l| &l.parameters).zip(double.iter_mut().flat_map(|l| &mut l.parameters)) {
        tch::no_grad(|| to.value.copy_(&from.value));
    }
    let mut fading = Adam::new(OPTIONS, WeightDecay::None, &single);
    let mut exact = Adam::new(OPTIONS, WeightDecay::None, &double);
    let first = gradients(&single, 0);
    let wide = |gradients: &[Vec<Tensor>], factor: f64| -> Vec<Vec<Tensor>> {
        gradients.iter().map(|layer| layer.iter().map(|g| g.to_kind(Kind::Double) * factor).collect()).collect()
    };
    let nothing = wide(&first, 0.0);
    let narrow: Vec<Vec<Tensor>> =
        nothing.iter().map(|layer| layer.iter().map(|g| g.to_kind(Kind::Float)).collect()).collect();
    fading.step(&mut single, &first, &[0.01, 0.02], false);
    exact.step(&mut double, &wide(&first, 1.0), &[0.01, 0.02], false);
    let mut met = 0;
    for _ in 0..1200 {
        fading.step(&mut single, &narrow, &[0.01, 0.02], false);
        exact.step(&mut double, &nothing, &[0.01, 0.02], false);
        for moments in moments(&fading, &single).iter().flatten() {
            let values: Vec<f32> = Vec::try_from(moments.first.flatten(0, -1)).unwrap();
            assert!(values.iter().all(|value| !value.is_subnormal()), "{values:?}");
            met += usize::from(values.iter().all(|&value| value == 0.0));
        }
    }
    assert!(met > 0, "no moment ever faded");
    for (a, b) in single.iter().flat_map(|l| &l.parameters).zip(double.iter().flat_map(|l| &l.parameters)) {
        assert!(a.value.to_kind(Kind::Double).allclose(&b.value, 1e-5, 1e-6, false));
    }
}

/// A gradient whose square is infinite, or almost, stops its element and nothing else, on a processor, elsewhere and together.
#[test]
fn what_overflows_is_the_same_wherever_it_does() {
    let [mut own, mut elsewhere, mut others] = [(); 3].map(|()| layers(Kind::Float));
    let adam = |layers: &[Layer]| Adam::new(AdamOptions::default(), WeightDecay::None, layers);
    let [mut alone, mut by_operations, mut together] = [&own, &elsewhere, &others].map(|layers| adam(layers));
    let rates = [0.01, 0.02];
    for step in 0..4 {
        let gradients = gradients(&own, step);
        if step == 1 {
            let _ = gradients[0][0].view(-1).get(2).fill_(1e20);
            let _ = gradients[0][0].view(-1).get(3).fill_(1e22);
        }
        alone.step(&mut own, &gradients, &rates, false);
        without_slices(|| by_operations.step(&mut elsewhere, &gradients, &rates, false));
        let _guard = tch::no_grad_guard();
        let numbers = together.begin_step(&rates);
        let copies = |memory: Vec<&mut Tensor>| memory.into_iter().map(|tensor| tensor.shallow_clone()).collect();
        let memory: Vec<Vec<Tensor>> = together.memory_mut().unwrap().into_iter().map(copies).collect();
        let mut memory = memory.into_iter();
        for ((layer, gradients), numbers) in others.iter_mut().zip(&gradients).zip(&numbers) {
            let numbers: Vec<Tensor> = numbers.iter().map(|number| Tensor::from_slice(&[*number as f32])).collect();
            for (parameter, gradient) in layer.parameters.iter_mut().zip(gradients) {
                together.step_together(&mut parameter.value, gradient, &mut memory.next().unwrap(), &numbers);
            }
        }
    }
    for found in [elsewhere, others] {
        for (found, own) in values(&found).iter().zip(values(&own)) {
            assert!((found - &own).abs().max().double_value(&[]) < 1e-6, "{found} is not {own}");
        }
    }
}
