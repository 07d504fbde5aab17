//! How an indicator introduces itself to tables, figures and the report.

pub use trainability_record::glossary::IndicatorRole;

/// An indicator's column name and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The column in `tasks.csv`, such as `weight_norm`.
    pub name: &'static str,
    /// The name for people, such as "weight norm".
    pub title: &'static str,
    /// Which side of the argument it stands on.
    pub role: IndicatorRole,
    /// What exactly is computed, over what, and when: one sentence.
    pub text: &'static str,
}
