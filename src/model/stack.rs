//! Networks of one shape side by side, for updates in lock step: the parameters of all lie in one tensor, a row for each
//! network, and each network's minibatch passes through in the same few batched products.

use std::rc::Rc;

use tch::Tensor;
use trainability_baselines::normalization::{Mode, Normalization};
use trainability_tensor::layer::tensors;
use trainability_tensor::slices::on_host;
use trainability_tensor::{Gradients, Layer, LayerDelta, LayerTrace, LinearMap, NormalisedTrace, Role};

use super::definition::{Backward, Model};
use super::inputs::Inputs;
use super::layer_chain::LayerChain;
use super::loss::CrossEntropy;

/// R networks of one shape. Each network's own parameters are a part of the stack's from its making on: whoever writes to
/// one writes to the other.
#[derive(Debug)]
pub(crate) struct Stack {
    /// R x P, a network's parameters one after the other.
    rows: Tensor,
    layers: Vec<StackedLayer>,
}

/// One layer of all networks, of their parameters or of the gradients at them: parts of the rows.
#[derive(Debug)]
struct StackedLayer {
    /// R x out x in.
    weight: Tensor,
    /// R x 1 x out.
    bias: Tensor,
    /// R x 1 x out each, where the layer is normalised.
    gain_and_shift: Option<(Tensor, Tensor)>,
}

/// A forward pass of all networks, without a graph.
#[derive(Debug)]
pub(crate) struct StackedPass {
    /// Each network's minibatch, which others may have too.
    inputs: Vec<Rc<Inputs>>,
    /// As of one network, with the R networks in front; the first layer's input is undefined where it took minibatches without
    /// their background, as it does within reach of slices alone.
    trace: Vec<LayerTrace>,
}

/// What the backward pass of all networks finds.
#[derive(Debug)]
pub(crate) struct StackedBackward {
    /// R x P, as the parameters lie.
    rows: Tensor,
    /// The gradients of each sample's own cross-entropy in every layer, as of one network, with the R networks in front; none
    /// where they were not asked for.
    deltas: Vec<LayerDelta>,
}

impl Stack {
    /// Of networks of one shape, all layers dense, with the same activation, and the same normalisation of samples one by one if
    /// there is any.
    pub(crate) fn of(models: &mut [&mut dyn Model]) -> Stack {
        let _guard = tch::no_grad_guard();
        let rows: Vec<Tensor> = models.iter().map(|model| row_of(tensors(model.layers()))).collect();
        let rows = Tensor::stack(&rows, 0);
        for (network, model) in models.iter_mut().enumerate() {
            let own = split_row(&rows.get(network as i64), model.layers());
            let parameters = model.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters);
            for (parameter, own) in parameters.zip(own.into_iter().flatten()) {
                parameter.value = own.set_requires_grad(true);
            }
        }
        let layers = StackedLayer::of(&rows, models[0].layers());
        Stack { rows, layers }
    }

    /// R x P, a network's parameters one after the other.
    pub(crate) fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// Where in a row each layer's parameters begin, and how many numbers they are.
    pub(crate) fn extents(&self) -> Vec<(i64, i64)> {
        let mut first = 0;
        let of_layer = |layer: &StackedLayer| {
            let vectors = layer.gain_and_shift.as_ref().map_or(1, |_| 3);
            let [_, units, inputs] = layer.weight.size()[..] else { panic!("a weight is R x out x in") };
            let (begin, length) = (first, units * (inputs + vectors));
            first += length;
            (begin, length)
        };
        self.layers.iter().map(of_layer).collect()
    }

    /// Takes each network's minibatch, all of one size, to its logits.
    pub(crate) fn forward(&self, networks: &[LayerChain], inputs: Vec<Rc<Inputs>>) -> StackedPass {
        let _guard = tch::no_grad_guard();
        let LayerChain { activation, normalization, .. } = networks[0];
        let dense = dense(&inputs);
        let last = self.layers.len() - 1;
        let mut trace: Vec<LayerTrace> = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let features = trace.last().and_then(|below| below.features.as_ref());
            let (input, pre_activation) = match (features, &dense) {
                (Some(features), _) => (features.shallow_clone(), layer.linear(features)),
                (None, Some(images)) => (images.shallow_clone(), layer.linear(images)),
                (None, None) => (Tensor::new(), first_layer(&inputs, networks)),
            };
            let normalised = layer.gain_and_shift.as_ref().zip(normalization).map(|((gain, shift), rule)| {
                let standardised = rule.standardise(index, &pre_activation, Mode::Training);
                let output = &standardised * gain + shift;
                NormalisedTrace { standardised, output }
            });
            let mut left = LayerTrace { normalised, ..LayerTrace::new(LinearMap::Dense, true, input, pre_activation) };
            left.features = (index < last).then(|| activation.forward(left.activation_input(), LinearMap::Dense));
            trace.push(left);
        }
        StackedPass { inputs, trace }
    }

    /// Takes the minibatches of a pass to their logits once more, after an update.
    pub(crate) fn again(&self, networks: &[LayerChain], pass: &StackedPass) -> StackedPass {
        self.forward(networks, pass.inputs.clone())
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
        let rows = self.rows.empty_like();
        let gradients = StackedLayer::of(&rows, networks[0].layers);
        let mut deltas = Vec::new();
        // At what enters the activation; at the logits where nothing does.
        let mut at_output = loss.at_logits();
        for (index, (layer, trace)) in self.layers.iter().zip(&pass.trace).enumerate().rev() {
            let parts = trace.normalised.as_ref().zip(layer.gain_and_shift.as_ref()).zip(normalization);
            let gradient = &gradients[index];
            let delta = match parts.zip(gradient.gain_and_shift.as_ref()) {
                None => at_output.shallow_clone(),
                Some((((NormalisedTrace { standardised, .. }, (gain, _)), rule), (at_gain, at_shift))) => {
                    sum_over_samples(&(&at_output * standardised), at_gain);
                    sum_over_samples(&at_output, at_shift);
                    pull_through(rule, index, &trace.pre_activation, &(&at_output * gain))
                }
            };
            sum_over_samples(&delta, &gradient.bias);
            match trace.input.defined() {
                false => weight_gradients(&pass.inputs, &delta, &gradient.weight),
                true => products(&gradient.weight, &delta.transpose(1, 2), &trace.input),
            }
            if with_deltas {
                let normalised = trace.normalised.is_some().then(|| &at_output * samples);
                deltas.push(LayerDelta::new(&delta * samples, normalised));
            }
            if index > 0 {
                let below = pass.trace[index - 1].activation_input();
                let at_features = pass.trace[index].input.empty_like();
                products(&at_features, &delta, &layer.weight);
                at_output = activation.pull_back(below, &at_features, LinearMap::Dense);
            }
        }
        deltas.reverse();
        StackedBackward { rows, deltas }
    }
}

impl StackedLayer {
    /// The parts of R x P that belong to layers like these.
    fn of(rows: &Tensor, like: &[Layer]) -> Vec<StackedLayer> {
        let (networks, mut first) = (rows.size()[0], 0);
        let mut next = |value: &Tensor| {
            let (length, sizes) = (value.numel() as i64, value.size());
            let part = rows.narrow(1, first, length);
            first += length;
            match sizes[..] {
                [units, inputs] => part.view([networks, units, inputs]),
                _ => part.view([networks, 1, length]),
            }
        };
        let of_layer = |layer: &Layer| {
            let mut parts: Vec<(Role, Tensor)> =
                layer.parameters.iter().map(|parameter| (parameter.role, next(&parameter.value))).collect();
            let mut take = |role: Role| {
                let place = parts.iter().position(|(known, _)| *known == role)?;
                Some(parts.swap_remove(place).1)
            };
            StackedLayer {
                weight: take(Role::Weight).expect("every layer has a weight"),
                bias: take(Role::Bias).expect("every layer of a chain has a bias"),
                gain_and_shift: take(Role::Gain).zip(take(Role::Shift)),
            }
        };
        like.iter().map(of_layer).collect()
    }

    /// R x B x out from R x B x in.
    fn linear(&self, input: &Tensor) -> Tensor {
        if !on_host(input) {
            return self.bias.baddbmm(input, &self.weight.transpose(1, 2), 1.0, 1.0);
        }
        let [networks, samples, _] = input.size()[..] else { panic!("inputs are R x B x in") };
        let output = Tensor::empty([networks, samples, self.weight.size()[1]], (input.kind(), input.device()));
        for network in 0..networks {
            let (bias, weight) = (self.bias.get(network), self.weight.get(network));
            let _ = bias.addmm_out(&output.get(network), &input.get(network), &weight.tr());
        }
        output
    }
}

/// R x B x inputs, unless minibatches are without their background, which is faster network by network.
fn dense(inputs: &[Rc<Inputs>]) -> Option<Tensor> {
    let dense = |inputs: &Rc<Inputs>| match &**inputs {
        Inputs::Dense(images) => Some(images.shallow_clone()),
        Inputs::Sparse { .. } => None,
    };
    let own: Option<Vec<Tensor>> = inputs.iter().map(dense).collect();
    own.map(|own| Tensor::stack(&own, 0))
}

/// The first layer's pre-activation, R x B x out, network by network.
fn first_layer(inputs: &[Rc<Inputs>], networks: &[LayerChain]) -> Tensor {
    let own = |(inputs, network): (&Rc<Inputs>, &LayerChain)| inputs.linear(&network.layers[0]);
    Tensor::stack(&inputs.iter().zip(networks).map(own).collect::<Vec<Tensor>>(), 0)
}

/// The first layer's weight gradient in each network, R x out x in, from that at its pre-activation, R x B x out.
fn weight_gradients(inputs: &[Rc<Inputs>], delta: &Tensor, at_weight: &Tensor) {
    for (inputs, (delta, mut at_weight)) in inputs.iter().zip(delta.unbind(0).iter().zip(at_weight.unbind(0))) {
        at_weight.copy_(&inputs.weight_gradient(delta));
    }
}

impl StackedPass {
    /// What it leaves of each layer: as of one network, with the R networks in front.
    pub(crate) fn layers(&self) -> &[LayerTrace] {
        &self.trace
    }

    /// R x B x classes.
    pub(crate) fn logits(&self) -> &Tensor {
        &self.trace.last().expect("a network has layers").pre_activation
    }

    /// What each hidden layer of a network passed on.
    pub(crate) fn features(&self, network: usize) -> Vec<Tensor> {
        self.trace.iter().filter_map(|layer| layer.features.as_ref()).map(|all| part(all, network)).collect()
    }

    /// A network's minibatch, B x inputs.
    pub(crate) fn inputs(&self, network: usize) -> Tensor {
        self.inputs[network].dense()
    }

    /// A network's minibatch, B x inputs, and what its layers left behind.
    pub(crate) fn trace(&self, network: usize) -> (Tensor, Vec<LayerTrace>) {
        let inputs = self.inputs[network].dense();
        let mut own = |all: &Tensor| if all.defined() { part(all, network) } else { inputs.shallow_clone() };
        let trace = self.trace.iter().map(|layer| layer.map_tensors(&mut own)).collect();
        (inputs, trace)
    }
}

impl StackedBackward {
    /// The gradients of each sample's own cross-entropy in every layer, as of one network, with the R networks in front; none
    /// where they were not asked for.
    pub(crate) fn deltas(&self) -> &[LayerDelta] {
        &self.deltas
    }

    /// The gradients of all networks, R x P, as their parameters lie.
    pub(crate) fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// What the backward pass of one network found, whose layers are like these.
    pub(crate) fn of(&self, network: usize, like: &[Layer]) -> Backward {
        let own = |delta: &LayerDelta| Some(delta.map_tensors(&mut |all| part(all, network)));
        Backward {
            gradients: split_row(&part(&self.rows, network), like),
            deltas: self.deltas.iter().map(own).collect(),
        }
    }
}

/// One network's part of what is stacked.
fn part(stacked: &Tensor, network: usize) -> Tensor {
    stacked.get(network as i64)
}

/// Tensors one after the other.
pub(crate) fn row_of<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Tensor {
    Tensor::cat(&tensors.into_iter().map(|tensor| tensor.detach().flatten(0, -1)).collect::<Vec<Tensor>>(), 0)
}

/// The parts of one network's row that belong to the parameters of layers like these, in their shapes.
pub(crate) fn split_row(row: &Tensor, like: &[Layer]) -> Gradients {
    let mut first = 0;
    let mut next = |value: &Tensor| {
        let length = value.numel() as i64;
        let part = row.narrow(0, first, length).view(value.size().as_slice());
        first += length;
        part
    };
    like.iter().map(|layer| layer.parameters.iter().map(|parameter| next(&parameter.value)).collect()).collect()
}

// On a processor a product for each network takes no longer than one for all, and is to the bit what the network alone comes
// to, however many they are. Elsewhere one for all is what takes less time.

/// The product of each network's two matrices.
fn products(result: &Tensor, left: &Tensor, right: &Tensor) {
    if !on_host(result) {
        let _ = left.bmm_out(result, right);
        return;
    }
    for network in 0..result.size()[0] {
        let _ = left.get(network).mm_out(&result.get(network), &right.get(network));
    }
}

/// R x 1 x out from R x B x out.
fn sum_over_samples(delta: &Tensor, sum: &Tensor) {
    if !on_host(delta) {
        let _ = delta.sum_intlist_out(sum, [1i64].as_slice(), true, delta.kind());
        return;
    }
    for network in 0..delta.size()[0] {
        let _ = delta.get(network).sum_intlist_out(&sum.get(network), [0i64].as_slice(), true, delta.kind());
    }
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
