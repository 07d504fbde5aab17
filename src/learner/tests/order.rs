//! In which order the parts of a method take part in an update.

use serde_json::json;
use tch::Kind;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::method::{Method, Rules};
use trainability_baselines::registry::part;
use trainability_tensor::Generator;

use crate::learner::{Learner, LearnerError};
use crate::model::Shape;
use crate::optimizer::{AdamOptions, SgdOptions};
use crate::schedule::NoiseCurvature;
use crate::testing::networks::{chain, numbers};

/// A gradient rule takes the gradient of the total loss: with a penalty that outweighs the data, the clipped step is as long
/// as clipping allows and no longer.
#[test]
fn a_gradient_is_clipped_with_its_penalties() {
    let build = |name: &str, options| part(name).unwrap().build(options).unwrap().0;
    let parts =
        vec![build("gradient_clipping", json!({ "max_norm": 1e-3 })), build("l2_loss", json!({ "coefficient": 10.0 }))];
    let Rules { penalties, gradient_rule, .. } = Method::of(parts).unwrap().rules;
    let mut generator = Generator::named("order", 0);
    let shape = Shape { inputs: 5, convolutions: None, hidden: vec![7], outputs: 3, kind: Kind::Double };
    let network = chain(shape, Box::new(Relu), &mut generator);
    let sgd = SgdOptions { momentum: 0.0, nesterov: false };
    let rules = Rules { penalties, gradient_rule, ..Rules::default() };
    let mut learner = Learner::new(network, sgd).rules(rules).learning_rate(0.5).initialised().build().unwrap();
    let values = |learner: &Learner| -> Vec<f64> {
        let parameters = learner.model().layers().iter().flat_map(|layer| &layer.parameters);
        parameters.flat_map(|parameter| numbers(&parameter.value)).collect()
    };
    let before = values(&learner);
    let (inputs, labels) = (generator.uniform(&[20, 5], 2.0, Kind::Double), generator.labels(20, 3));
    learner.update(&inputs, &labels).unwrap();
    let length: f64 = values(&learner).iter().zip(&before).map(|(new, old)| (new - old).powi(2)).sum();
    assert!((length.sqrt() / (0.5 * 1e-3) - 1.0).abs() < 1e-9, "{}", length.sqrt());
}

#[test]
fn a_schedule_that_acts_on_measurements_is_refused_where_there_are_none() {
    let shape = Shape { inputs: 5, convolutions: None, hidden: vec![7], outputs: 3, kind: Kind::Double };
    let learner = |interval: u64| {
        let network = chain(shape.clone(), Box::new(Relu), &mut Generator::named("order", 1));
        let builder = Learner::new(network, AdamOptions::default()).schedule(NoiseCurvature::paper());
        builder.every(interval).build().err()
    };
    assert_eq!([learner(0), learner(10)], [Some(LearnerError::NeverMeasured), None]);
}
