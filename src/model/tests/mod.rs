//! Networks against plain numbers, autograd and libtorch's own layers.

mod convolutional;
mod normalised;
mod perceptron;
