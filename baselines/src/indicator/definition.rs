//! How an indicator introduces itself to tables, figures and the report.

pub use trainability_record::glossary::{IndicatorRole, Level};

/// An indicator's column name and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The column in `tasks.csv`, such as `weight_norm`.
    pub name: &'static str,
    /// The name for people, such as "weight norm".
    pub title: &'static str,
    /// Which side of the argument it stands on.
    pub role: IndicatorRole,
    /// Which values theory says come before the loss of trainability; none where it says nothing.
    pub loss_follows: Option<Level>,
    /// What exactly is computed, over what, and when: one sentence.
    pub text: &'static str,
}
