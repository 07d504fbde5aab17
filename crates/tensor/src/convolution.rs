//! Convolutions of any filters.
//!
//! A layer's planes lie in one tensor, B x channels x height x width. Unfolded, an image is a matrix of patches with a
//! column for each position of the output, and the convolution is the product of the weight, taken as a matrix
//! out x (in height width), with it; of several groups, each with its own channels.

use tch::{Kind, Tensor};

/// How filters lie on an image: [rows, columns] each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters {
    /// Height and width.
    pub sides: [i64; 2],
    /// Pixels from one position of the output to the next.
    pub stride: [i64; 2],
    /// Zeros around the image.
    pub padding: [i64; 2],
    /// Pixels from one tap of a filter to the next.
    pub dilation: [i64; 2],
    /// Groups of channels, each of which sees its own share of the inputs.
    pub groups: i64,
}

impl Default for Filters {
    /// 3 x 3 with stride 2 and padding 1: each layer halves height and width.
    fn default() -> Self {
        Filters::square(3, 2, 1)
    }
}

impl Filters {
    /// Square ones, without dilation and in one group.
    pub const fn square(side: i64, stride: i64, padding: i64) -> Filters {
        Filters { sides: [side; 2], stride: [stride; 2], padding: [padding; 2], dilation: [1; 2], groups: 1 }
    }

    /// Height and width of the output, given those of the input.
    pub fn output_sides(self, input: [i64; 2]) -> [i64; 2] {
        let side = |d: usize| {
            let reach = self.dilation[d] * (self.sides[d] - 1) + 1;
            (input[d] + 2 * self.padding[d] - reach) / self.stride[d] + 1
        };
        [side(0), side(1)]
    }

    /// The shape of a weight, out x in / groups x height x width.
    pub fn weight_shape(self, channels: i64, inputs: i64) -> [i64; 4] {
        [channels, inputs / self.groups, self.sides[0], self.sides[1]]
    }

    /// B x in x H x W to B x out x H' x W'.
    pub fn forward(self, input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        input.conv2d(weight, bias, self.stride, self.padding, self.dilation, self.groups)
    }

    /// Pulls a gradient at the output (N x out x H' x W') back to an input of height and width `sides`, N x in x H x W.
    pub fn pull_back(self, gradient: &Tensor, weight: &Tensor, sides: [i64; 2]) -> Tensor {
        let Filters { stride, padding, dilation, groups, .. } = self;
        let outputs = self.output_sides(sides);
        // What the stride's rounding left out of the output's size.
        let rest = [0, 1].map(|d| {
            sides[d] - ((outputs[d] - 1) * stride[d] - 2 * padding[d] + dilation[d] * (self.sides[d] - 1) + 1)
        });
        gradient.conv_transpose2d(weight, None::<&Tensor>, stride, padding, rest, groups, dilation)
    }

    /// The patches of B x in x H x W, B x (in height width) x T for the T = H' W' positions of the output, in row-major order.
    pub fn unfold(self, input: &Tensor) -> Tensor {
        input.im2col(self.sides, self.dilation, self.padding, self.stride)
    }
}

/// The squared norm of each sample's own gradient of the weight, B numbers in f64, from its unfolded input
/// (B x K x T) and the gradient of its loss at the output (B x out x T).
///
/// The gradient is D U^T with D and U the sample's matrices. Its norm needs either this product or the Gram matrices of
/// both, since |D U^T|^2 = sum over t, t' of (D^T D)(U^T U): taken is what has fewer multiplications.
pub(crate) fn sample_gradient_norms(patches: &Tensor, delta: &Tensor) -> Tensor {
    if gram_is_smaller(delta.size()[1], patches.size()[1], patches.size()[2]) {
        norms_by_gram(patches, delta)
    } else {
        norms_by_product(patches, delta)
    }
}

/// Whether the Gram matrices over `positions` take fewer multiplications than the gradient itself.
fn gram_is_smaller(channels: i64, features: i64, positions: i64) -> bool {
    positions * (channels + features + 1) < channels * features
}

fn norms_by_product(patches: &Tensor, delta: &Tensor) -> Tensor {
    sample_gradients(patches, delta).square().sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double)
}

fn norms_by_gram(patches: &Tensor, delta: &Tensor) -> Tensor {
    let gram = |tensor: &Tensor| {
        let tensor = tensor.to_kind(Kind::Double);
        tensor.transpose(1, 2).bmm(&tensor)
    };
    (gram(patches) * gram(delta)).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double)
}

/// Each sample's own gradient of the weight, B x out x K in f64.
pub(crate) fn sample_gradients(patches: &Tensor, delta: &Tensor) -> Tensor {
    delta.to_kind(Kind::Double).bmm(&patches.to_kind(Kind::Double).transpose(1, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanczos::{normal_vector, tests::DOUBLE};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn normal(shape: &[i64], seed: u64) -> Tensor {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        normal_vector(shape.iter().product(), DOUBLE, &mut generator).view(shape)
    }

    /// Filters of every kind.
    fn all() -> [Filters; 6] {
        let plain = Filters::default();
        [
            plain,
            Filters::square(1, 1, 0),
            Filters::square(5, 1, 2),
            Filters { sides: [3, 2], stride: [1, 2], padding: [0, 1], ..plain },
            Filters { dilation: [2, 1], padding: [2, 1], ..plain },
            Filters { groups: 2, ..plain },
        ]
    }

    /// A filter at a time, a pixel at a time.
    fn by_hand(filters: Filters, input: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
        let (samples, inputs, height, width) = input.size4().unwrap();
        let channels = weight.size()[0];
        let [rows, columns] = filters.output_sides([height, width]);
        let output = Tensor::zeros([samples, channels, rows, columns], (Kind::Double, tch::Device::Cpu));
        let (own, [tall, wide]) = (inputs / filters.groups, filters.sides);
        for (b, o, y, x) in (0..samples)
            .flat_map(|b| (0..channels).map(move |o| (b, o)))
            .flat_map(|(b, o)| (0..rows).flat_map(move |y| (0..columns).map(move |x| (b, o, y, x))))
        {
            let group = o / (channels / filters.groups);
            let mut sum = bias.double_value(&[o]);
            for (i, dy, dx) in (0..own).flat_map(|i| (0..tall * wide).map(move |tap| (i, tap / wide, tap % wide))) {
                let row = filters.stride[0] * y + filters.dilation[0] * dy - filters.padding[0];
                let column = filters.stride[1] * x + filters.dilation[1] * dx - filters.padding[1];
                if (0..height).contains(&row) && (0..width).contains(&column) {
                    sum +=
                        weight.double_value(&[o, i, dy, dx]) * input.double_value(&[b, group * own + i, row, column]);
                }
            }
            let _ = output.get(b).get(o).get(y).get(x).fill_(sum);
        }
        output
    }

    #[test]
    fn the_output_is_that_of_a_loop_over_pixels_for_even_and_odd_sides() {
        for (filters, (height, width)) in
            all().into_iter().flat_map(|f| [(6, 6), (5, 4), (3, 7)].map(|sides| (f, sides)))
        {
            let weight = normal(&filters.weight_shape(4, 2), 2);
            let (input, bias) = (normal(&[2, 2, height, width], 1), normal(&[4], 3));
            let expected = by_hand(filters, &input, &weight, &bias);
            let found = filters.forward(&input, &weight, Some(&bias));
            assert_eq!(found.size(), expected.size());
            assert!(found.allclose(&expected, 1e-12, 1e-12, false), "{filters:?} on {height} x {width}");
            if filters.groups == 1 {
                let unfolded = weight.flatten(1, -1).matmul(&filters.unfold(&input)) + bias.view([1, 4, 1]);
                assert!(unfolded.view_as(&expected).allclose(&expected, 1e-12, 1e-12, false), "{filters:?}");
            }
        }
        for (height, width) in [(1, 3), (1, 1), (2, 1)] {
            let (input, weight, bias) = (normal(&[2, 2, height, width], 1), normal(&[3, 2, 3, 3], 2), normal(&[3], 3));
            let filters = Filters::default();
            let found = filters.forward(&input, &weight, Some(&bias));
            assert!(
                found.allclose(&by_hand(filters, &input, &weight, &bias), 1e-12, 1e-12, false),
                "{height} x {width}"
            );
        }
    }

    #[test]
    fn pulling_back_is_the_transpose() {
        for (filters, (height, width)) in
            all().into_iter().flat_map(|f| [(6, 5), (7, 8), (4, 4)].map(|sides| (f, sides)))
        {
            let (input, weight) = (normal(&[2, 2, height, width], 1), normal(&filters.weight_shape(4, 2), 2));
            let output = filters.forward(&input, &weight, None);
            let gradient = normal(&output.size(), 4);
            let pulled = filters.pull_back(&gradient, &weight, [height, width]);
            assert_eq!(pulled.size(), input.size());
            let (a, b) = ((output * gradient).sum(Kind::Double), (input * pulled).sum(Kind::Double));
            assert!((a.double_value(&[]) - b.double_value(&[])).abs() < 1e-12);
        }
    }

    #[test]
    fn both_forms_of_the_norms_are_those_of_a_loop_over_samples() {
        let filters = Filters::default();
        for (samples, height, width) in [(1, 5, 7), (2, 4, 4), (5, 3, 2), (3, 9, 9)] {
            let mut input = normal(&[samples, 2, height, width], 5);
            let [rows, columns] = filters.output_sides([height, width]);
            let mut delta = normal(&[samples, 3, rows, columns], 6);
            if samples == 2 {
                // The same sample twice.
                input = input.narrow(0, 0, 1).repeat([2, 1, 1, 1]);
                delta = delta.narrow(0, 0, 1).repeat([2, 1, 1, 1]);
            }
            let expected: Vec<f64> = (0..samples)
                .map(|i| {
                    let weight = normal(&[3, 2, 3, 3], 7).set_requires_grad(true);
                    let output = filters.forward(&input.narrow(0, i, 1), &weight, None);
                    let loss = (output * delta.narrow(0, i, 1)).sum(Kind::Double);
                    Tensor::run_backward(&[loss], &[&weight], false, false)[0].square().sum(Kind::Double)
                })
                .map(|norm| norm.double_value(&[]))
                .collect();
            let (patches, delta) = (filters.unfold(&input), delta.flatten(2, -1));
            for found in [norms_by_product, norms_by_gram, sample_gradient_norms].map(|form| form(&patches, &delta)) {
                for (found, expected) in Vec::<f64>::try_from(found).unwrap().iter().zip(&expected) {
                    assert!((found / expected - 1.0).abs() < 1e-9, "{found} against {expected}");
                }
            }
        }
    }

    #[test]
    fn the_smaller_form_is_chosen() {
        // The last layer of four on 32 x 32 pixels has 4 positions, the first 256.
        assert!(gram_is_smaller(64, 576, 4));
        assert!(!gram_is_smaller(16, 27, 256));
    }
}
