//! What methods do to a network, its gradients and its optimizer.

mod methods;
mod normalised_surgery;
mod trained;
mod surgery;
