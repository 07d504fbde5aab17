//! Layers of `tch::nn` and of every kind, in networks that are closures.

use tch::{Device, Kind, Tensor, nn};
use trainability::prelude::*;

use super::oracle::{Batch, check, check_coupled};

/// Variables in f64, for layers that are made by `build`.
fn in_f64<T>(build: impl FnOnce(&nn::Path) -> T) -> T {
    let mut variables = nn::VarStore::new(Device::Cpu);
    let layers = build(&variables.root());
    variables.double();
    layers
}

fn model<F: Fn(&Tensor, &mut Pass) -> Tensor + Send>(batch: &Batch, forward: F) -> ClosureModel<F> {
    ClosureModel::new(forward, &batch.inputs)
}

fn over_positions(values: &Tensor) -> Tensor {
    values.mean_dim([1i64].as_slice(), false, Kind::Double)
}

#[test]
fn convolutions_of_any_filters_and_group_norm_are_measured_exactly() {
    let batch = Batch::new(5, 2 * 6 * 6);
    let wide = nn::ConvConfig { padding: 2, dilation: 2, groups: 2, bias: false, ..nn::ConvConfig::default() };
    let coarse = nn::ConvConfig { stride: 2, ..nn::ConvConfig::default() };
    let norm_config = nn::GroupNormConfig::default();
    let (first, norm, second, head) = in_f64(|root| {
        (
            nn::conv2d(root / "first", 2, 4, 3, wide),
            nn::group_norm(root / "norm", 2, 4, norm_config),
            nn::conv2d(root / "second", 4, 3, 2, coarse),
            nn::linear(root / "head", 27, 3, nn::LinearConfig::default()),
        )
    });
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_conv2d("first", &first, wide, &x.view([-1, 2, 6, 6]));
        let x = pass.nn_group_norm("norm", &norm, norm_config, &x);
        let x = pass.hidden("norm", x.tanh());
        let x = pass.nn_conv2d("second", &second, coarse, &x).tanh();
        pass.nn_linear("head", &head, &x.flatten(1, -1))
    };
    check(model(&batch, forward), &batch);
}

#[test]
fn embeddings_layer_norm_and_attention_are_measured_exactly() {
    // Indices from 0 to 3, some of them several times in a sample.
    let mut batch = Batch::new(6, 5);
    batch.inputs = batch.inputs.abs() * 2.6;
    let norm_config = nn::LayerNormConfig::default();
    let linear = |path: nn::Path, outputs| nn::linear(path, 4, outputs, nn::LinearConfig::default());
    let (words, norm, query, key, value, head) = in_f64(|root| {
        (
            nn::embedding(root / "words", 4, 4, nn::EmbeddingConfig::default()),
            nn::layer_norm(root / "norm", vec![4], norm_config),
            linear(root / "query", 4),
            nn::linear(root / "key", 4, 4, nn::LinearConfig { bias: false, ..nn::LinearConfig::default() }),
            linear(root / "value", 4),
            linear(root / "head", 3),
        )
    });
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_embedding("words", &words, nn::EmbeddingConfig::default(), &x.to_kind(Kind::Int64)) * 40.0;
        let x = pass.nn_layer_norm("norm", &norm, norm_config, &x);
        let (q, k) = (pass.nn_linear("query", &query, &x), pass.nn_linear("key", &key, &x));
        let x = q.matmul(&k.transpose(1, 2)).softmax(-1, Kind::Double).matmul(&pass.nn_linear("value", &value, &x));
        pass.nn_linear("head", &head, &over_positions(&x))
    };
    check(model(&batch, forward), &batch);
}

#[test]
fn a_layer_that_is_used_several_times_has_the_sum_over_its_uses() {
    let batch = Batch::new(6, 2 * 9);
    let norm_config = nn::LayerNormConfig::default();
    let same = nn::ConvConfig { padding: 1, ..nn::ConvConfig::default() };
    let (convolution, dense, norm, head) = in_f64(|root| {
        (
            nn::conv2d(root / "convolution", 1, 1, 3, same),
            nn::linear(root / "dense", 9, 9, nn::LinearConfig::default()),
            nn::layer_norm(root / "norm", vec![9], norm_config),
            nn::linear(root / "head", 9, 3, nn::LinearConfig::default()),
        )
    });
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let (left, right) = (x.narrow(1, 0, 9), x.narrow(1, 9, 9));
        let planes = |pass: &mut Pass, x: &Tensor| {
            let x = pass.nn_conv2d("convolution", &convolution, same, &x.reshape([-1, 1, 3, 3])).flatten(1, -1);
            pass.nn_linear("dense", &dense, &x).tanh()
        };
        let (left, right) = (planes(pass, &left), planes(pass, &right));
        let x = pass.nn_layer_norm("norm", &norm, norm_config, &left) + &right;
        let x = pass.nn_layer_norm("norm", &norm, norm_config, &pass_through(&x));
        pass.nn_linear("head", &head, &x)
    };
    check(model(&batch, forward), &batch);
}

fn pass_through(x: &Tensor) -> Tensor {
    x * x.sigmoid()
}

#[test]
fn below_a_batch_norm_the_noise_is_undefined_and_the_curvature_is_that_of_training() {
    let batch = Batch::new(7, 4);
    let config = nn::BatchNormConfig::default();
    let build = || {
        in_f64(|root| {
            (
                nn::linear(root / "below", 4, 5, nn::LinearConfig::default()),
                nn::batch_norm1d(root / "norm", 5, config),
                nn::linear(root / "head", 5, 3, nn::LinearConfig::default()),
            )
        })
    };
    let (below, norm, head) = build();
    let running = norm.running_mean.shallow_clone();
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_linear("below", &below, x);
        let x = pass.nn_batch_norm("norm", &norm, config, &x);
        pass.nn_linear("head", &head, &x.tanh())
    };
    let network = model(&batch, forward);
    assert_eq!(Vec::<f64>::try_from(&running).unwrap(), [0.0; 5], "to find layers changes nothing");
    check_coupled(network, &batch, &["below", "norm"]);
    assert!(running.abs().sum(Kind::Double).double_value(&[]) > 0.0, "updates are followed");
}

/// A table of positions that all samples share, and tokens that are flattened into rows: samples are not told apart.
#[test]
fn what_does_not_keep_the_minibatch_in_front_has_no_noise_and_says_why() {
    let batch = Batch::new(6, 3 * 4);
    let config = nn::EmbeddingConfig::default();
    let (positions, tokens, head) = in_f64(|root| {
        (
            nn::embedding(root / "positions", 3, 4, config),
            nn::linear(root / "tokens", 4, 5, nn::LinearConfig::default()),
            nn::linear(root / "head", 5, 3, nn::LinearConfig::default()),
        )
    });
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let places = Tensor::arange(3, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let x = x.view([-1, 3, 4]) + pass.nn_embedding("positions", &positions, config, &places);
        let x = pass.nn_linear("tokens", &tokens, &x.reshape([-1, 4])).tanh();
        pass.nn_linear("head", &head, &over_positions(&x.view([-1, 3, 5])))
    };
    let mut learner = Learner::new(model(&batch, forward), AdamOptions::default()).every(1).build().unwrap();
    learner.update(&batch.inputs, &batch.labels).unwrap();
    let layers = learner.update(&batch.inputs, &batch.labels).unwrap().measured.unwrap().layers;
    for layer in &layers[..2] {
        assert_eq!(layer.statistics.noise_variance, None, "{}", layer.layer);
        assert!(layer.statistics.noise_undefined.unwrap().contains("first dimension"), "{}", layer.layer);
        assert!(layer.statistics.sharpness.is_some());
    }
    assert!(layers[2].statistics.noise_variance.is_some());
}

#[test]
#[should_panic(expected = "are one weight")]
fn a_weight_of_two_names_is_refused() {
    let linear = in_f64(|root| nn::linear(root, 3, 3, nn::LinearConfig::default()));
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_linear("one", &linear, x);
        pass.nn_linear("two", &linear, &x)
    };
    model(&Batch::new(2, 3), forward);
}

#[test]
#[should_panic(expected = "no layer goes through the pass")]
fn a_network_without_layers_is_refused() {
    model(&Batch::new(2, 3), |x: &Tensor, _: &mut Pass| x.shallow_clone());
}

/// PyTorch's own running statistics and outputs, in training and in evaluation.
#[test]
fn batch_norm_is_that_of_tch() {
    let inputs = Batch::new(7, 5).inputs;
    let ws_init = nn::Init::Const(0.7);
    let config = nn::BatchNormConfig { momentum: 0.3, ws_init, ..nn::BatchNormConfig::default() };
    let [ours, theirs] = [(), ()].map(|()| in_f64(|root| nn::batch_norm1d(root, 5, config)));
    for training in [true, true, false] {
        let mut pass = if training { Pass::training() } else { Pass::evaluation() };
        let found = pass.nn_batch_norm("norm", &ours, config, &inputs);
        let expected = nn::ModuleT::forward_t(&theirs, &inputs, training);
        assert!(found.allclose(&expected, 1e-12, 1e-12, false));
    }
    for (ours, theirs) in [(&ours.running_mean, &theirs.running_mean), (&ours.running_var, &theirs.running_var)] {
        assert!(ours.allclose(theirs, 1e-12, 1e-12, false));
    }
}

#[test]
#[should_panic(expected = "two layers are called fc")]
fn two_layers_of_one_name_are_refused() {
    let (first, second) = in_f64(|root| {
        let linear = |path: nn::Path| nn::linear(path, 3, 3, nn::LinearConfig::default());
        (linear(root / "first"), linear(root / "second"))
    });
    let forward = move |x: &Tensor, pass: &mut Pass| {
        let x = pass.nn_linear("fc", &first, x);
        pass.nn_linear("fc", &second, &x)
    };
    model(&Batch::new(2, 3), forward);
}
