//! Networks of one shape side by side, for updates in lock step: the parameters of all lie in one tensor each, and each
//! network's minibatch passes through in the same few batched products.

use tch::Tensor;
use trainability_baselines::normalization::{Mode, Normalization};
use trainability_tensor::{Gradients, LayerDelta, LayerTrace, LinearMap, NormalisedTrace, Role};

use super::definition::{Backward, Model};
use super::inputs::Inputs;
use super::layer_chain::LayerChain;
use super::loss::CrossEntropy;

/// R networks of one shape. Each network's own parameters are a part of the stack's from its making on: whoever writes to
/// one writes to the other.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<StackedLayer>,
}

/// One layer of all networks.
#[derive(Debug)]
struct StackedLayer {
    /// R x out x in.
    weight: Tensor,
    /// R x 1 x out.
    bias: Tensor,
    /// R x 1 x out each, where the layer is normalised.
    gain_and_shift: Option<(Tensor, Tensor)>,
}

/// The minibatches of R networks, of which several may have the same.
#[derive(Debug)]
pub(crate) struct Minibatches {
    /// Each that is different, B x inputs.
    pub(crate) inputs: Vec<Inputs>,
    /// Which of them each network has.
    pub(crate) of_network: Vec<usize>,
}

/// What a pass leaves of one layer of all networks.
#[derive(Debug)]
struct StackedTrace {
    /// R x B x in; undefined in the first layer.
    input: Tensor,
    /// R x B x out.
    pre_activation: Tensor,
    /// The same standardised, and that with gain and shift.
    normalised: Option<(Tensor, Tensor)>,
    /// What a hidden layer passes on, R x B x features.
    features: Option<Tensor>,
}

impl StackedTrace {
    fn activation_input(&self) -> &Tensor {
        self.normalised.as_ref().map_or(&self.pre_activation, |(_, output)| output)
    }
}

/// A forward pass of all networks, without a graph.
#[derive(Debug)]
pub(crate) struct StackedPass {
    minibatches: Minibatches,
    /// R x B x inputs, if the first layer takes them so, and not image by image without their background.
    dense: Option<Tensor>,
    trace: Vec<StackedTrace>,
}

/// What the backward pass of all networks finds.
#[derive(Debug)]
pub(crate) struct StackedBackward {
    /// Of each network, every layer's.
    gradients: Vec<Gradients>,
    /// The gradients of each sample's own cross-entropy: of every layer, at the pre-activation and at the output of its
    /// normalisation, R x B x out; none where they were not asked for.
    deltas: Vec<(Tensor, Option<Tensor>)>,
}

impl Stack {
    /// Of networks of one shape, all layers dense, with the same activation, and the same normalisation of samples one by one if
    /// there is any.
    pub(crate) fn of(models: &mut [&mut dyn Model]) -> Stack {
        let _guard = tch::no_grad_guard();
        let layers = (0..models[0].layers().len()).map(|layer| {
            let mut take = |role: Role| {
                let own: Vec<&Tensor> =
                    models.iter().filter_map(|model| model.layers()[layer].parameter(role)).collect();
                let stacked = (!own.is_empty()).then(|| Tensor::stack(&own, 0))?;
                for (network, model) in models.iter_mut().enumerate() {
                    if let Some(value) = model.layers_mut()[layer].parameter_mut(role) {
                        *value = stacked.get(network as i64).set_requires_grad(true);
                    }
                }
                Some(stacked)
            };
            let vectors = |stacked: Tensor| stacked.unsqueeze(1);
            StackedLayer {
                weight: take(Role::Weight).expect("every layer has a weight"),
                bias: take(Role::Bias).map(vectors).expect("every layer of a chain has a bias"),
                gain_and_shift: take(Role::Gain).map(vectors).zip(take(Role::Shift).map(vectors)),
            }
        });
        Stack { layers: layers.collect() }
    }

    /// Takes each network's minibatch, all of one size, to its logits.
    pub(crate) fn forward(&self, networks: &[LayerChain], minibatches: Minibatches) -> StackedPass {
        let _guard = tch::no_grad_guard();
        let LayerChain { activation, normalization, .. } = networks[0];
        let dense = minibatches.dense();
        let last = self.layers.len() - 1;
        let mut trace: Vec<StackedTrace> = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let features = trace.last().and_then(|below| below.features.as_ref());
            let (input, pre_activation) = match (features, &dense) {
                (Some(features), _) => (features.shallow_clone(), layer.linear(features)),
                (None, Some(images)) => (Tensor::new(), layer.linear(images)),
                (None, None) => (Tensor::new(), minibatches.linear(networks)),
            };
            let normalised = layer.gain_and_shift.as_ref().zip(normalization).map(|((gain, shift), rule)| {
                let standardised = rule.standardise(index, &pre_activation, Mode::Training);
                let output = &standardised * gain + shift;
                (standardised, output)
            });
            let mut left = StackedTrace { input, pre_activation, normalised, features: None };
            left.features = (index < last).then(|| activation.forward(left.activation_input(), LinearMap::Dense));
            trace.push(left);
        }
        StackedPass { minibatches, dense, trace }
    }

    /// Back-propagation through all networks from the means of their losses, with the gradients of single samples if they are
    /// asked for.
    pub(crate) fn backward(
        &self,
        networks: &[LayerChain],
        pass: &StackedPass,
        loss: &CrossEntropy,
        with_deltas: bool,
    ) -> StackedBackward {
        let _guard = tch::no_grad_guard();
        let LayerChain { activation, normalization, .. } = networks[0];
        let samples = pass.logits().size()[1] as f64;
        let mut gradients: Vec<Gradients> = networks.iter().map(|_| Vec::new()).collect();
        let mut deltas = Vec::new();
        // At what enters the activation; at the logits where nothing does.
        let mut at_output = loss.at_logits();
        for (index, (layer, trace)) in self.layers.iter().zip(&pass.trace).enumerate().rev() {
            let parts = trace.normalised.as_ref().zip(layer.gain_and_shift.as_ref()).zip(normalization);
            let (delta, normalising) = match parts {
                None => (at_output.shallow_clone(), Vec::new()),
                Some((((standardised, _), (gain, _)), rule)) => {
                    let delta = pull_through(rule, index, &trace.pre_activation, &(&at_output * gain));
                    (delta, vec![over_samples(&(&at_output * standardised)), over_samples(&at_output)])
                }
            };
            let weight = match (index, &pass.dense) {
                (0, None) => pass.minibatches.weight_gradients(&delta),
                (0, Some(images)) => split(&delta.transpose(1, 2).bmm(images)),
                _ => split(&delta.transpose(1, 2).bmm(&trace.input)),
            };
            let mut others: Vec<_> = std::iter::once(over_samples(&delta))
                .chain(normalising)
                .map(|stacked| split(&stacked).into_iter())
                .collect();
            for (own, weight) in gradients.iter_mut().zip(weight) {
                own.push(std::iter::once(weight).chain(others.iter_mut().filter_map(Iterator::next)).collect());
            }
            if with_deltas {
                deltas.push((&delta * samples, trace.normalised.is_some().then(|| &at_output * samples)));
            }
            if index > 0 {
                let below = pass.trace[index - 1].activation_input();
                at_output = activation.pull_back(below, &delta.bmm(&layer.weight), LinearMap::Dense);
            }
        }
        gradients.iter_mut().for_each(|own| own.reverse());
        deltas.reverse();
        StackedBackward { gradients, deltas }
    }
}

impl StackedLayer {
    /// R x B x out from R x B x in.
    fn linear(&self, input: &Tensor) -> Tensor {
        self.bias.baddbmm(input, &self.weight.transpose(1, 2), 1.0, 1.0)
    }
}

impl Minibatches {
    /// R x B x inputs, unless minibatches are without their background, which is faster network by network.
    fn dense(&self) -> Option<Tensor> {
        let dense = |inputs: &Inputs| match inputs {
            Inputs::Dense(images) => Some(images.shallow_clone()),
            Inputs::Sparse { .. } => None,
        };
        let different: Vec<Tensor> = self.inputs.iter().map(dense).collect::<Option<_>>()?;
        let networks = self.of_network.len();
        match &different[..] {
            [one] => Some(one.unsqueeze(0).expand([networks as i64, -1, -1], false)),
            _ if self.of_network.iter().copied().eq(0..networks) => Some(Tensor::stack(&different, 0)),
            _ => {
                let own: Vec<&Tensor> = self.of_network.iter().map(|&which| &different[which]).collect();
                Some(Tensor::stack(&own, 0))
            }
        }
    }

    fn of(&self, network: usize) -> &Inputs {
        &self.inputs[self.of_network[network]]
    }

    /// The first layer's pre-activation, R x B x out, network by network.
    fn linear(&self, networks: &[LayerChain]) -> Tensor {
        let own = |(index, network): (usize, &LayerChain)| self.of(index).linear(&network.layers[0]);
        Tensor::stack(&networks.iter().enumerate().map(own).collect::<Vec<Tensor>>(), 0)
    }

    /// The first layer's weight gradient in each network, from the gradient at its pre-activation, R x B x out.
    fn weight_gradients(&self, delta: &Tensor) -> Vec<Tensor> {
        split(delta).iter().enumerate().map(|(network, delta)| self.of(network).weight_gradient(delta)).collect()
    }
}

impl StackedPass {
    /// R x B x classes.
    pub(crate) fn logits(&self) -> &Tensor {
        &self.trace.last().expect("a network has layers").pre_activation
    }

    /// What each hidden layer of a network passed on.
    pub(crate) fn features(&self, network: usize) -> Vec<Tensor> {
        self.trace.iter().filter_map(|layer| layer.features.as_ref()).map(|all| part(all, network)).collect()
    }

    /// A network's minibatch, B x inputs, and what its layers left behind.
    pub(crate) fn trace(&self, network: usize) -> (Tensor, Vec<LayerTrace>) {
        let inputs = self.minibatches.of(network).dense();
        let of_layer = |layer: &StackedTrace| LayerTrace {
            map: LinearMap::Dense,
            input: if layer.input.defined() { part(&layer.input, network) } else { inputs.shallow_clone() },
            pre_activation: part(&layer.pre_activation, network),
            normalised: layer.normalised.as_ref().map(|(standardised, output)| NormalisedTrace {
                standardised: part(standardised, network),
                output: part(output, network),
                couples_samples: false,
            }),
            features: layer.features.as_ref().map(|all| part(all, network)),
        };
        let trace = self.trace.iter().map(of_layer).collect();
        (inputs, trace)
    }
}

impl StackedBackward {
    /// What the backward pass of each network found, in their order.
    pub(crate) fn into_networks(self) -> impl Iterator<Item = Backward> {
        let StackedBackward { gradients, deltas } = self;
        gradients.into_iter().enumerate().map(move |(network, gradients)| {
            let of_layer = |(pre_activation, normalised): &(Tensor, Option<Tensor>)| {
                Some(LayerDelta {
                    pre_activation: part(pre_activation, network),
                    normalised: normalised.as_ref().map(|all| part(all, network)),
                })
            };
            Backward { gradients, deltas: deltas.iter().map(of_layer).collect() }
        })
    }
}

/// One network's part of what is stacked.
fn part(stacked: &Tensor, network: usize) -> Tensor {
    stacked.get(network as i64)
}

fn split(stacked: &Tensor) -> Vec<Tensor> {
    stacked.unbind(0)
}

/// R x out from R x B x out.
fn over_samples(delta: &Tensor) -> Tensor {
    delta.sum_dim_intlist([1i64].as_slice(), false, delta.kind())
}

/// The gradient at a pre-activation, from that at what the normalisation made of it.
fn pull_through(rule: &dyn Normalization, layer: usize, pre_activation: &Tensor, at_standardised: &Tensor) -> Tensor {
    tch::with_grad(|| {
        let pre_activation = pre_activation.detach().set_requires_grad(true);
        let standardised = rule.standardise(layer, &pre_activation, Mode::Training);
        let along = (standardised * at_standardised).sum(at_standardised.kind());
        Tensor::run_backward(&[along], &[&pre_activation], false, false).remove(0)
    })
}
