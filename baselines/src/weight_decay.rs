//! Weight decay: what shrinks the weights apart from the loss. How is the optimizer's business.

/// How the optimizer shrinks the weights, apart from the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum WeightDecay {
    /// Not at all.
    #[default]
    None,
    /// The coefficient times the weights joins the gradient before the moments (Adam's own `weight_decay`).
    Coupled(f64),
    /// The weights shrink by learning rate times coefficient beside the step (AdamW).
    Decoupled(f64),
}
