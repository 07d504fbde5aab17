//! The one convolution that networks have: 3 x 3, stride 2, padding 1, so that each halves height and width.
//!
//! A layer's planes lie in one tensor, B x channels x height x width. Unfolded, an image is a matrix of patches with a
//! column for each position of the output, and the convolution is the product of the weight, taken as a matrix
//! out x (in 3 3), with it.

use tch::{Kind, Tensor};

/// Height and width of the filters.
pub(crate) const KERNEL: i64 = 3;
/// Pixels from one position of the output to the next.
pub(crate) const STRIDE: i64 = 2;
/// Zeros around the image.
pub(crate) const PADDING: i64 = 1;

/// Height or width of the output, given that of the input: half of it, rounded up.
pub fn output_side(input: i64) -> i64 {
    (input + 2 * PADDING - KERNEL) / STRIDE + 1
}

/// The shape of a weight, out x in x 3 x 3.
pub fn weight_shape(channels: i64, inputs: i64) -> [i64; 4] {
    [channels, inputs, KERNEL, KERNEL]
}

/// B x in x H x W to B x out x H' x W'.
pub fn forward(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    input.conv2d(weight, bias, STRIDE, PADDING, 1, 1)
}

/// Pulls a gradient at the output (N x out x H' x W') back to an input of height and width `sides`, N x in x H x W.
pub fn pull_back(gradient: &Tensor, weight: &Tensor, sides: [i64; 2]) -> Tensor {
    // What the stride's rounding left out of the output's size.
    let rest = sides.map(|side| side - ((output_side(side) - 1) * STRIDE - 2 * PADDING + KERNEL));
    gradient.conv_transpose2d(weight, None::<&Tensor>, STRIDE, PADDING, rest, 1, 1)
}

/// The patches of B x in x H x W, B x (in 3 3) x T for the T = H' W' positions of the output, in row-major order.
pub fn unfold(input: &Tensor) -> Tensor {
    input.im2col([KERNEL, KERNEL], [1, 1], [PADDING, PADDING], [STRIDE, STRIDE])
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
pub fn sample_gradients(patches: &Tensor, delta: &Tensor) -> Tensor {
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

    /// A filter at a time, a pixel at a time.
    fn by_hand(input: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
        let (samples, inputs, height, width) = input.size4().unwrap();
        let channels = weight.size()[0];
        let (rows, columns) = (output_side(height), output_side(width));
        let output = Tensor::zeros([samples, channels, rows, columns], (Kind::Double, tch::Device::Cpu));
        for (b, o, y, x) in (0..samples)
            .flat_map(|b| (0..channels).map(move |o| (b, o)))
            .flat_map(|(b, o)| (0..rows).flat_map(move |y| (0..columns).map(move |x| (b, o, y, x))))
        {
            let mut sum = bias.double_value(&[o]);
            for (i, dy, dx) in (0..inputs).flat_map(|i| (0..9).map(move |tap| (i, tap / 3, tap % 3))) {
                let (row, column) = (2 * y + dy - 1, 2 * x + dx - 1);
                if (0..height).contains(&row) && (0..width).contains(&column) {
                    sum += weight.double_value(&[o, i, dy, dx]) * input.double_value(&[b, i, row, column]);
                }
            }
            let _ = output.get(b).get(o).get(y).get(x).fill_(sum);
        }
        output
    }

    #[test]
    fn the_output_is_that_of_a_loop_over_pixels_for_even_and_odd_sides() {
        for (height, width) in [(6, 6), (5, 4), (1, 3), (1, 1), (2, 1)] {
            let (input, weight, bias) = (normal(&[2, 2, height, width], 1), normal(&[3, 2, 3, 3], 2), normal(&[3], 3));
            let expected = by_hand(&input, &weight, &bias);
            let found = forward(&input, &weight, Some(&bias));
            assert_eq!(found.size(), expected.size());
            assert!(found.allclose(&expected, 1e-12, 1e-12, false), "{height} x {width}");
            let unfolded = weight.flatten(1, -1).matmul(&unfold(&input)) + bias.view([1, 3, 1]);
            assert!(unfolded.view_as(&expected).allclose(&expected, 1e-12, 1e-12, false), "{height} x {width}");
        }
    }

    #[test]
    fn pulling_back_is_the_transpose() {
        for (height, width) in [(6, 5), (7, 8), (1, 2)] {
            let (input, weight) = (normal(&[2, 2, height, width], 1), normal(&[3, 2, 3, 3], 2));
            let output = forward(&input, &weight, None);
            let gradient = normal(&output.size(), 4);
            let pulled = pull_back(&gradient, &weight, [height, width]);
            assert_eq!(pulled.size(), input.size());
            let (a, b) = ((output * gradient).sum(Kind::Double), (input * pulled).sum(Kind::Double));
            assert!((a.double_value(&[]) - b.double_value(&[])).abs() < 1e-12);
        }
    }

    #[test]
    fn both_forms_of_the_norms_are_those_of_a_loop_over_samples() {
        for (samples, height, width) in [(1, 5, 7), (2, 4, 4), (5, 3, 2), (3, 9, 9)] {
            let mut input = normal(&[samples, 2, height, width], 5);
            let mut delta = normal(&[samples, 3, output_side(height), output_side(width)], 6);
            if samples == 2 {
                // The same sample twice.
                input = input.narrow(0, 0, 1).repeat([2, 1, 1, 1]);
                delta = delta.narrow(0, 0, 1).repeat([2, 1, 1, 1]);
            }
            let expected: Vec<f64> = (0..samples)
                .map(|i| {
                    let weight = normal(&[3, 2, 3, 3], 7).set_requires_grad(true);
                    let output = forward(&input.narrow(0, i, 1), &weight, None);
                    let loss = (output * delta.narrow(0, i, 1)).sum(Kind::Double);
                    Tensor::run_backward(&[loss], &[&weight], false, false)[0].square().sum(Kind::Double)
                })
                .map(|norm| norm.double_value(&[]))
                .collect();
            let (patches, delta) = (unfold(&input), delta.flatten(2, -1));
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
