//! What methods do to a network, its gradients and its optimizer.

mod channels;
mod methods;
mod normalised_surgery;
mod order;
mod surgery;
mod trained;
mod without_slices;
