//! What methods do to a network, its gradients and its optimizer.

mod channels;
mod field;
mod methods;
mod normalised_surgery;
mod order;
mod sample_plasticity;
mod second_pass;
mod surgery;
mod trained;
mod without_slices;
