//! Parseval regularisation (Chung et al., arXiv 2412.07224): the rows of every weight but the output layer's are drawn towards
//! being orthogonal and of one length, by lambda |W W^T - s I|^2 in the squared Frobenius norm.
//!
//! Where a layer has more units than inputs its rows cannot all be orthogonal, and the penalty has no zero. A convolution's
//! weight is taken as the matrix out x (in height width). Biases, gains, shifts and tables are left alone. The paper's diagonal
//! layers, which let a layer scale its inputs, are not part of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Curvature, Penalty};
use crate::options::{OptionError, check_coefficient, check_positive};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, LinearMap, Role};
use trainability_tensor::state::Stateful;

/// `parseval`: distance of hidden weights from orthogonal rows.
pub(crate) const PART: Part =
    Part::of::<ParsevalOptions>("parseval", "distance of each hidden weight's W W^T from a multiple of the identity");

/// Options of `parseval`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParsevalOptions {
    /// lambda: the weight of the term in the loss.
    pub coefficient: f64,
    /// s: the square of the length that every row is drawn to.
    pub scale: f64,
}

impl Default for ParsevalOptions {
    fn default() -> Self {
        ParsevalOptions { coefficient: 1e-3, scale: 1.0 }
    }
}

impl PartOptions for ParsevalOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        check_coefficient(self.coefficient)?;
        check_positive("scale", self.scale)?;
        Ok(Contribution::Penalty(Box::new(Parseval { options: self, output: String::new() })))
    }
}

/// lambda * sum over hidden weights of |W W^T - s I|^2.
#[derive(Debug)]
pub(crate) struct Parseval {
    options: ParsevalOptions,
    /// The name of the layer that is left alone.
    output: String,
}

impl Parseval {
    /// The weight as a matrix out x in, if the layer is penalised.
    fn matrix(&self, layer: &Layer) -> Option<Tensor> {
        let multiplies = matches!(layer.map, LinearMap::Dense | LinearMap::Shared | LinearMap::Convolution(_));
        layer.matrix().filter(|_| multiplies && layer.name != self.output)
    }

    /// W W^T - s I.
    fn excess(&self, matrix: &Tensor) -> Tensor {
        let identity = Tensor::eye(matrix.size()[0], (matrix.kind(), matrix.device()));
        matrix.mm(&matrix.tr()) - identity * self.options.scale
    }
}

impl Penalty for Parseval {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, layers: &[Layer]) {
        self.output = layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
    }

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let kind = layers.first().map_or(Kind::Float, |layer| layer.weight().kind());
        let distances = layers.iter().filter_map(|layer| self.matrix(layer)).map(|matrix| {
            let excess = self.excess(&matrix);
            excess.square().sum(kind)
        });
        // A sum that depends on every parameter, whether it is penalised or not.
        let nothing: Tensor = layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.sum(kind) * 0.0).sum();
        distances.fold(nothing, |sum, distance| sum + distance * self.options.coefficient)
    }

    /// d / dW |W W^T - s I|^2 = 4 (W W^T - s I) W.
    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let _guard = tch::no_grad_guard();
        for (layer, gradients) in layers.iter().zip(gradients) {
            let (Some(matrix), Some(place)) = (self.matrix(layer), layer.position(Role::Weight)) else { continue };
            let push = self.excess(&matrix).mm(&matrix) * (4.0 * self.options.coefficient);
            let _ = gradients[place].g_add_(&push.view_as(layer.weight()));
        }
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }

    fn curvature(&self, layer: &Layer) -> Option<Curvature> {
        // Where it is not, the loss is differentiated twice.
        self.matrix(layer).is_none().then_some(Curvature::Isotropic(0.0))
    }
}

impl Stateful for Parseval {}
