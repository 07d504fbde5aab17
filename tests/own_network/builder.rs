//! A learner that is put together in a line: measured alone, steered by the clock alone, under any optimizer, and what is refused.

use std::sync::Arc;

use tch::{Device, Tensor, nn};
use trainability::optimizer::OPTIMIZERS;
use trainability::prelude::*;
use trainability_baselines::method::Method;
use trainability_baselines::registry::part;

use super::oracle::Batch;

/// Two layers of `tch::nn`, the first of them hidden, with a third between them that Muon has.
fn network(batch: &Batch) -> ClosureModel<impl Fn(&Tensor, &mut Pass) -> Tensor + Send + use<>> {
    tch::set_num_threads(1);
    let mut variables = nn::VarStore::new(Device::Cpu);
    let linear =
        |name: &str, inputs, outputs| nn::linear(variables.root() / name, inputs, outputs, nn::LinearConfig::default());
    let [first, second, head] = [linear("first", 4, 6), linear("second", 6, 5), linear("head", 5, 3)];
    variables.double();
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_linear("first", &first, x).relu();
        let x = pass.hidden("first", x);
        let x = pass.nn_linear("second", &second, &x).tanh();
        pass.nn_linear("head", &head, &x)
    };
    ClosureModel::new(forward, &batch.inputs)
}

fn trained(mut learner: Learner, batch: &Batch, updates: usize) -> (Learner, Vec<Update>) {
    let made = (0..updates).map(|_| learner.update(&batch.inputs, &batch.labels).unwrap()).collect();
    (learner, made)
}

#[test]
fn measuring_alone_and_steering_by_the_clock_alone_both_work() {
    let batch = Batch::new(20, 4);
    let measured = Learner::new(network(&batch), AdamOptions::default()).every(5).build().unwrap();
    let (learner, made) = trained(measured, &batch, 11);
    let due: Vec<usize> = (0..11).filter(|&update| made[update].measured.is_some()).collect();
    assert_eq!(due, [5, 10]);
    let layers = &made[10].measured.as_ref().unwrap().layers;
    assert_eq!(layers.iter().map(|layer| layer.layer.as_str()).collect::<Vec<_>>(), ["first", "second", "head"]);
    assert!(layers.iter().all(|layer| layer.action.is_none() && layer.statistics.effective_step.is_some()));
    assert_eq!(learner.learning_rates(), [1e-3; 3]);

    let clocked = Learner::new(network(&batch), AdamOptions::default()).schedule("cosine").every(0).tasks(1, 10);
    let (learner, made) = trained(clocked.build().unwrap(), &batch, 10);
    assert!(made.iter().all(|update| update.measured.is_none()));
    assert!(learner.learning_rates()[0] < 2e-4, "{:?}", learner.learning_rates());
}

/// Weights shrink by .4 at the begin of each task but the first.
#[test]
fn surgery_acts_where_tasks_begin() {
    let batch = Batch::new(20, 4);
    let rules =
        Method::of(vec![part("shrink_perturb").unwrap().build(serde_json::json!({})).unwrap().0]).unwrap().rules;
    let builder = Learner::new(network(&batch), AdamOptions::default()).rules(rules).learning_rate(1e-9);
    let mut learner = builder.tasks(2, 3).every(0).build().unwrap();
    let norm = |learner: &Learner| learner.model().layers()[0].weight().norm().double_value(&[]);
    let norms: Vec<f64> = (0..6)
        .map(|_| {
            learner.update(&batch.inputs, &batch.labels).unwrap();
            norm(&learner)
        })
        .collect();
    assert!((norms[2] / norms[0] - 1.0).abs() < 1e-6 && (norms[3] / norms[2] - 0.6).abs() < 0.1, "{norms:?}");
}

#[test]
fn every_optimizer_learns_under_the_scheduler() {
    let batch = Batch::new(40, 4);
    for kind in OPTIMIZERS {
        let (factory, _) = kind.read(serde_json::json!({})).unwrap();
        let rate = if ["sgd", "muon"].contains(&kind.name) { 0.02 } else { 0.003 };
        let builder = Learner::with_optimizer(network(&batch), Arc::clone(&factory)).learning_rate(rate);
        let learner = builder.schedule(NoiseCurvature::debiased().with("cool", 0.95)).every(7).build().unwrap();
        let (learner, made) = trained(learner, &batch, 150);
        assert!(made[149].loss < 0.9 * made[0].loss, "{}: {} to {}", kind.name, made[0].loss, made[149].loss);
        let acted = made.iter().filter_map(|update| update.measured.as_ref()).all(|measured| {
            measured.layers.iter().all(|layer| layer.action.is_some() && layer.statistics.effective_step.is_some())
        });
        assert!(acted && !learner.events().is_empty(), "{}", kind.name);
    }
}

#[test]
fn what_cannot_be_is_refused_before_the_first_update() {
    let batch = Batch::new(20, 4);
    let refused = |change: fn(LearnerBuilder) -> LearnerBuilder| {
        let builder = Learner::new(network(&batch), AdamOptions::default());
        change(builder).build().err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused(|builder| builder.schedule("debaised")).contains("`schedule` is \"debaised\", expected one of"));
    assert!(refused(|builder| builder.schedule("cosine")).contains("tasks"));
    assert!(refused(|builder| builder.learning_rate(0.0)).contains("the learning rate is 0"));
    assert!(refused(|builder| builder.schedule(NoiseCurvature::paper()).every(0)).contains("measure.interval"));
    let measure = ProbeOptions { window: 0, ..ProbeOptions::default() };
    let window = Learner::new(network(&batch), AdamOptions::default()).measure(measure).build().err();
    assert!(window.unwrap().to_string().contains("`window` is 0"));
    let momentum = Learner::new(network(&batch), SgdOptions { momentum: 1.0, nesterov: false }).build().err();
    assert!(momentum.unwrap().to_string().contains("`momentum` is 1"));
    let rules =
        || Method::of(vec![part("shrink_perturb").unwrap().build(serde_json::json!({})).unwrap().0]).unwrap().rules;
    let surgery = Learner::new(network(&batch), AdamOptions::default()).rules(rules()).build().err();
    assert!(surgery.unwrap().to_string().contains("shrink_perturb may act where tasks begin"));
    let option = refused(|builder| builder.schedule(NoiseCurvature::paper().with("coool", 0.9)));
    assert!(option.contains("coool"), "{option}");
}
