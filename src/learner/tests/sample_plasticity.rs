//! The loss of a minibatch after its update, as a learner reads it.

use serde_json::json;
use tch::{Device, Kind};
use trainability_baselines::method::Method;
use trainability_baselines::registry::part;
use trainability_tensor::Generator;

use crate::learner::Learner;
use crate::model::{Chain, Pass, Shape, cross_entropy};
use crate::optimizer::AdamOptions;

#[test]
fn it_is_that_of_the_same_minibatch_and_as_an_update_sees_it() {
    tch::set_num_threads(1);
    let mut moved = 0;
    for name in ["relu", "crelu", "tanh", "l2_loss", "adamw", "layer_norm", "batch_norm"] {
        let built = part(name).unwrap().build(json!({})).unwrap().0;
        let Method { activation, normalization, rules, .. } = Method::of(vec![built]).unwrap();
        let mut generator = Generator::named("plasticity", 0);
        let shape = Shape { inputs: 5, convolutions: None, hidden: vec![7], outputs: 3, kind: Kind::Double };
        let network = Chain::with_normalization(shape, activation, normalization, Device::Cpu, &mut generator);
        // A step of any size in one direction or the other.
        let learner = Learner::new(network, AdamOptions::default()).rules(rules).learning_rate(0.3);
        let mut learner = learner.every(2).build().unwrap();
        for update in 0..12 {
            let (inputs, labels) = (generator.uniform(&[20, 5], 2.0, Kind::Double), generator.labels(20, 3));
            let loss = |learner: &Learner| {
                let logits = learner.model().forward(&inputs, &mut Pass::training().without_trace());
                cross_entropy(&logits, &labels).double_value(&[])
            };
            let before = loss(&learner);
            let made = learner.update(&inputs, &labels).unwrap();
            let after = loss(&learner);
            assert!((made.loss - before).abs() < 1e-12);
            assert_eq!(made.measured.is_some(), update > 0 && update % 2 == 0);
            let Some(measured) = made.measured else { continue };
            let found = measured.indicators.iter().find(|(name, _)| *name == "sample_plasticity").unwrap().1.unwrap();
            let expected = (1.0 - after / before).clamp(0.0, 1.0);
            assert!((found - expected).abs() < 1e-12, "{name}, update {update}: {found}, expected {expected}");
            moved += usize::from(expected > 0.01);
        }
    }
    assert!(moved >= 14, "{moved} updates that took something away");
}
