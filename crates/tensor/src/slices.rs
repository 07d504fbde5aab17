//! Plain slices over the memory of dense CPU tensors, for the loops that one pass over memory makes much faster than a
//! chain of tensor operations.

use std::cell::Cell;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub, SubAssign};

use tch::{Device, Kind, Tensor, kind::Element};

/// Runs a generic function for the element type of a tensor, f32 or f64.
#[macro_export]
macro_rules! for_float {
    ($tensor:expr, $function:ident ( $($argument:expr),* $(,)? )) => {
        match $tensor.kind() {
            ::tch::Kind::Float => $function::<f32>($($argument),*),
            ::tch::Kind::Double => $function::<f64>($($argument),*),
            other => panic!("networks are trained in f32 or f64, not {other:?}"),
        }
    };
}

/// The two element types that networks are trained in.
pub trait Float:
    Element
    + Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + 'static
{
    /// Rounds to this type.
    fn of(value: f64) -> Self;
    /// Widens to f64.
    fn wide(self) -> f64;
    /// The square root.
    fn root(self) -> Self;
    /// Its absolute value.
    fn magnitude(self) -> Self;
    /// Itself, or zero where it is nearer to zero than any normal number: arithmetic with such numbers takes many times
    /// as long.
    fn flushed(self) -> Self;
}

macro_rules! float {
    ($type:ty) => {
        impl Float for $type {
            fn of(value: f64) -> Self {
                value as $type
            }
            fn wide(self) -> f64 {
                f64::from(self)
            }
            fn root(self) -> Self {
                self.sqrt()
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
            fn flushed(self) -> Self {
                if self.abs() < <$type>::MIN_POSITIVE { 0.0 } else { self }
            }
        }
    };
}
float!(f32);
float!(f64);

thread_local! {
    static WITHOUT_SLICES: Cell<bool> = const { Cell::new(false) };
}

/// Whether a tensor lies in main memory, where slices can be made of it.
pub fn on_host(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && !WITHOUT_SLICES.get()
}

/// Does some work as if no tensor lay in main memory: with tensor operations alone, as on a GPU. A slice that is made all the
/// same panics. For tests on machines without a GPU.
#[doc(hidden)]
pub fn without_slices<R>(work: impl FnOnce() -> R) -> R {
    struct RestoreSlices(bool);
    impl Drop for RestoreSlices {
        fn drop(&mut self) {
            WITHOUT_SLICES.set(self.0);
        }
    }
    let _reset = RestoreSlices(WITHOUT_SLICES.replace(true));
    work()
}

/// The tensor in main memory: itself where it is there already.
pub(crate) fn to_host(tensor: &Tensor) -> Tensor {
    tensor.to_device(Device::Cpu)
}

fn check<T: Element>(tensor: &Tensor) {
    assert_eq!(tensor.kind(), T::KIND, "element type");
    assert!(on_host(tensor), "a view needs a tensor in main memory, not on {:?}", tensor.device());
    assert!(tensor.is_contiguous(), "a view needs a dense tensor");
}

/// The tensor's elements in row-major order.
///
/// # Panics
/// The tensor is of another element type, not dense, or not in main memory.
///
/// # Safety
/// Nothing may write to the tensor's memory while the slice lives, not through another handle to it either.
pub unsafe fn view<T: Element>(tensor: &Tensor) -> &[T] {
    check::<T>(tensor);
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: a dense CPU tensor of T has numel() initialised elements at data_ptr, and lives as long as the borrow; the
    // caller vouches for the rest.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The tensor's elements in row-major order, to write to. Autograd does not see the writes.
///
/// # Panics
/// As [`view`].
///
/// # Safety
/// Nothing else may read or write the tensor's memory while the slice lives, not through another handle to it either.
pub unsafe fn view_mut<T: Element>(tensor: &mut Tensor) -> &mut [T] {
    check::<T>(tensor);
    if tensor.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as in `view`, and the caller vouches that no other handle is in use.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// A dot product in sixteen partial sums, which the compiler keeps in vector registers.
pub fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut sums = [T::of(0.0); LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: T = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(&x, &y)| x * y).sum();
    for (x, y) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.into_iter().sum::<T>() + rest
}

/// Adds a multiple of a tensor to another of the same shape, both dense. Autograd does not see it.
pub fn add_multiple(target: &mut Tensor, factor: f64, values: &Tensor) {
    if on_host(target) {
        for_float!(values, add_multiple_on_host(target, factor, values));
    } else {
        let _ = target.detach().g_add_(&(values.detach() * factor));
    }
}

fn add_multiple_on_host<T: Float>(target: &mut Tensor, factor: f64, values: &Tensor) {
    let factor = T::of(factor);
    // SAFETY: two tensors with memory of their own, and nobody else is at work on them.
    let (target, values) = unsafe { (view_mut::<T>(target), view::<T>(values)) };
    for (target, &value) in target.iter_mut().zip(values) {
        *target += factor * value;
    }
}

/// The sum of squares of a dense tensor's elements, accumulated in f64.
pub fn sum_of_squares(tensor: &Tensor) -> f64 {
    match on_host(tensor) {
        true => for_float!(tensor, sum_of_squares_of(tensor)),
        false => tensor.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]),
    }
}

fn sum_of_squares_of<T: Float>(tensor: &Tensor) -> f64 {
    // SAFETY: the caller lends the tensor for this call, and nobody else is at work on it.
    let values = unsafe { view::<T>(tensor) };
    // Several sums side by side do not wait for each other.
    let mut sums = [0.0; 8];
    let chunks = values.chunks_exact(sums.len());
    let rest: f64 = chunks.remainder().iter().map(|value| value.wide().powi(2)).sum();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value.wide().powi(2);
        }
    }
    sums.iter().sum::<f64>() + rest
}
