//! Steps from a minibatch of one sample. Its gradient at a dense weight is an outer product, which need not be written out: nearly
//! all the time of such a step is memory.

use crate::layer::Layer;
use crate::slices::{Float, view};
use tch::Tensor;

/// The gradient of one sample's loss at a dense layer of a weight and a bias: delta^T input and delta.
#[derive(Debug)]
pub struct OuterGradient {
    /// At the pre-activation, 1 x out.
    pub delta: Tensor,
    /// What entered the layer, 1 x in.
    pub input: Tensor,
}

impl OuterGradient {
    /// Both factors.
    ///
    /// # Safety
    /// Nothing may write to them while the slices live.
    pub unsafe fn factors<T: Float>(&self) -> (&[T], &[T]) {
        // SAFETY: the caller vouches for it.
        unsafe { (view(&self.delta), view(&self.input)) }
    }

    /// Calls a function with each row of the gradient at the weight: where it begins among the weight's elements, and the row. It has
    /// the bits of a product of matrices.
    ///
    /// # Safety
    /// Nothing may write to the factors meanwhile.
    pub unsafe fn for_rows<T: Float>(&self, mut work: impl FnMut(usize, &[T])) {
        // SAFETY: the caller vouches for it.
        let (delta, input) = unsafe { self.factors::<T>() };
        let mut row = vec![T::of(0.0); input.len()];
        for (unit, &delta) in delta.iter().enumerate() {
            row.iter_mut().zip(input).for_each(|(gradient, &input)| *gradient = delta * input);
            work(unit * input.len(), &row);
        }
    }
}

/// The weight and the bias of a layer that has nothing else.
///
/// # Panics
/// It is another layer.
pub fn weight_and_bias(layer: &mut Layer) -> [&mut Tensor; 2] {
    let [weight, bias] = &mut layer.parameters[..] else { panic!("a dense layer of a weight and a bias") };
    [&mut weight.value, &mut bias.value]
}
