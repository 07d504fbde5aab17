//! AdamW under its own name is Adam with the method `adamw`, to the bit, and takes no second decay.

use serde_json::json;
use tch::Kind;
use trainability_baselines::weight_decay::WeightDecay;

use super::{gradients, layers, values};
use crate::optimizer::optimizer;

const RATES: [f64; 2] = [0.05, 0.01];

#[test]
fn it_is_adam_with_the_decay_of_a_method() {
    for kind in [Kind::Float, Kind::Double] {
        for constants in [json!({}), json!({ "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6, "beta_ramp": "paper" })] {
            let (mut ours, mut theirs) = (layers(kind), layers(kind));
            let mut with_decay = constants.clone();
            with_decay["decay"] = json!(0.2);
            let mut adamw = optimizer("adamw").unwrap().read(with_decay).unwrap().0(WeightDecay::None, &ours);
            let mut adam = optimizer("adam").unwrap().read(constants).unwrap().0(WeightDecay::Decoupled(0.2), &theirs);
            for step in 0..20 {
                let gradients = gradients(&ours, step);
                for (optimizer, layers) in [(&mut adamw, &mut ours), (&mut adam, &mut theirs)] {
                    optimizer.begin_update(step as f64 / 20.0);
                    optimizer.step(layers, &gradients, &RATES, false);
                }
                assert_eq!(values(&ours), values(&theirs), "step {step}");
            }
        }
    }
}

#[test]
fn it_takes_no_decay_of_a_method_and_adam_does() {
    for decay in [WeightDecay::Coupled(0.1), WeightDecay::Decoupled(0.1), WeightDecay::None] {
        let build = |name: &str| optimizer(name).unwrap().read(json!({})).unwrap().0(decay, &layers(Kind::Double));
        assert_eq!(build("adamw").fits().is_ok(), decay == WeightDecay::None);
        assert_eq!(build("adam").fits(), Ok(()));
    }
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let read = |options| optimizer("adamw").unwrap().read(options).map(|(_, used)| used).map_err(|e| e.to_string());
    let message = read(json!({ "decay": 0.0 })).unwrap_err();
    assert_eq!(message, "`decay` is 0, expected a finite number above 0; without a decay it is `adam`");
    assert!(read(json!({ "beta1": 1.0 })).unwrap_err().starts_with("`beta1` is 1"));
    assert_eq!(read(json!({})).unwrap(), json!({ "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "decay": 0.01 }));
}
