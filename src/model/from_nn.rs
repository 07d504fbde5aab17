//! Layers of `tch::nn` in a pass: they are traced as our own are, under a name, and keep their parameters.

use tch::{Tensor, nn, no_grad};
use trainability_baselines::normalization::Mode;
use trainability_tensor::{Filters, Layer, LinearMap, NormalisedOver, Standardisation};

use super::pass::{OVER_MINIBATCH, Pass};

impl Pass {
    /// B x in to B x out, or the same at each position of B x T x in.
    pub fn nn_linear(&mut self, name: &str, linear: &nn::Linear, input: &Tensor) -> Tensor {
        let map = if input.dim() == 2 { LinearMap::Dense } else { LinearMap::Shared };
        self.layer(&layer(name, map, &linear.ws, linear.bs.as_ref()), input)
    }

    /// B x in x H x W to B x out x H' x W'. `tch` keeps what the convolution was configured with to itself: `config` is that once
    /// more.
    ///
    /// # Panics
    /// Its padding is not of zeros.
    pub fn nn_conv2d(&mut self, name: &str, conv: &nn::Conv2D, config: nn::ConvConfig, input: &Tensor) -> Tensor {
        assert!(matches!(config.padding_mode, nn::PaddingMode::Zeros), "{name} pads, expected with zeros");
        let sides = conv.ws.size();
        let filters = Filters {
            sides: [sides[2], sides[3]],
            stride: [config.stride; 2],
            padding: [config.padding; 2],
            dilation: [config.dilation; 2],
            groups: config.groups,
        };
        self.layer(&layer(name, LinearMap::Convolution(filters), &conv.ws, conv.bs.as_ref()), input)
    }

    /// Indices (B x T, Int64) to B x T x out.
    ///
    /// # Panics
    /// A row that is not trained (`padding_idx`), or gradients by frequency.
    pub fn nn_embedding(
        &mut self,
        name: &str,
        embedding: &nn::Embedding,
        config: nn::EmbeddingConfig,
        indices: &Tensor,
    ) -> Tensor {
        let is_plain = config.padding_idx < 0 && !config.scale_grad_by_freq;
        assert!(is_plain, "{name} pads or scales by frequency, expected a table all of whose rows are trained");
        self.layer(&layer(name, LinearMap::Embedding, &embedding.ws, None), indices)
    }

    /// Over the last dimension. A normalisation without gain is no layer, and leaves nothing.
    ///
    /// # Panics
    /// It is over more than the last dimension.
    pub fn nn_layer_norm(
        &mut self,
        name: &str,
        norm: &nn::LayerNorm,
        config: nn::LayerNormConfig,
        input: &Tensor,
    ) -> Tensor {
        assert_eq!(norm.normalized_shape.len(), 1, "{name} normalises over several dimensions, expected the last");
        let rule = Standardisation { over: NormalisedOver::Units, epsilon: config.eps };
        self.scaled(name, rule, (norm.ws.as_ref(), norm.bs.as_ref()), LinearMap::Normalisation(rule).prepare(input))
    }

    /// Over groups of the channels of B x channels x H x W. One without gain is no layer, and leaves nothing.
    pub fn nn_group_norm(
        &mut self,
        name: &str,
        norm: &nn::GroupNorm,
        config: nn::GroupNormConfig,
        input: &Tensor,
    ) -> Tensor {
        let rule = Standardisation { over: NormalisedOver::Group(norm.num_groups), epsilon: config.eps };
        self.scaled(name, rule, (norm.ws.as_ref(), norm.bs.as_ref()), LinearMap::Normalisation(rule).prepare(input))
    }

    /// Over the minibatch in training, where its running statistics follow each update, and by these in evaluation. Single samples
    /// have no gradient of their own below it, so that the noise of its layer and of those before it is undefined.
    ///
    /// # Panics
    /// In an update, a single value for each channel, of which there is no variance.
    pub fn nn_batch_norm(
        &mut self,
        name: &str,
        norm: &nn::BatchNorm,
        config: nn::BatchNormConfig,
        input: &Tensor,
    ) -> Tensor {
        let rule = Standardisation { over: NormalisedOver::Minibatch, epsilon: config.eps };
        if let Some(found) = &mut self.found {
            for (part, values) in [("running_mean", &norm.running_mean), ("running_var", &norm.running_var)] {
                found.buffers.push((format!("{name}.{part}"), values.shallow_clone()));
            }
        }
        let training = self.mode == Mode::Training;
        let standardised = match training {
            true => LinearMap::Normalisation(rule).prepare(input),
            false => {
                let deviation = (&norm.running_var + config.eps).sqrt();
                (input - rule.beside(&norm.running_mean, input)) / rule.beside(&deviation, input)
            }
        };
        if self.is_followed() {
            assert!(input.numel() > input.size()[1] as usize, "{name} has one value for each channel, expected more");
            // What is not finite ends the run, and leaves what is remembered.
            if input.isfinite().all().int64_value(&[]) == 1 {
                no_grad(|| follow(norm, config.momentum, input));
            }
        }
        let output = self.scaled(name, rule, (norm.ws.as_ref(), norm.bs.as_ref()), standardised);
        if training {
            self.couple(OVER_MINIBATCH);
        }
        output
    }

    fn scaled(
        &mut self,
        name: &str,
        rule: Standardisation,
        (gain, bias): (Option<&Tensor>, Option<&Tensor>),
        standardised: Tensor,
    ) -> Tensor {
        match gain {
            None => standardised,
            Some(gain) => self.prepared(&layer(name, LinearMap::Normalisation(rule), gain, bias), standardised),
        }
    }
}

/// The same parameters as a layer of ours.
fn layer(name: &str, map: LinearMap, weight: &Tensor, bias: Option<&Tensor>) -> Layer {
    match bias {
        Some(bias) => Layer::of(name, map, weight.shallow_clone(), bias.shallow_clone()),
        None => Layer::without_bias(name, map, weight.shallow_clone()),
    }
}

/// Running statistics as PyTorch keeps them, with the unbiased variance.
fn follow(norm: &nn::BatchNorm, momentum: f64, input: &Tensor) {
    let by_channel = input.movedim_int(1, -1).flatten(0, -2);
    let (mean, variance) = (
        by_channel.mean_dim([0i64].as_slice(), false, input.kind()),
        by_channel.var_dim([0i64].as_slice(), true, false),
    );
    for (running, new) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        let _ = running.shallow_clone().lerp_(&new, momentum);
    }
}
