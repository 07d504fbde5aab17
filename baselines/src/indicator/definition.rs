//! How an indicator introduces itself to tables, figures and the report.

/// What an indicator is in the argument that the project examines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// One of the single indicators that the paper rejects.
    Rejected,
    /// Offered by others, and compared here.
    Compared,
    /// Part of the method: its bounds and what is made of them.
    Method,
    /// A predictor so cheap that any indicator has to beat it.
    Trivial,
}

/// An indicator's column name and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The column in `tasks.csv`, such as `weight_norm`.
    pub name: &'static str,
    /// The name for people, such as "weight norm".
    pub title: &'static str,
    /// Which side of the argument it stands on.
    pub role: Role,
    /// What exactly is computed, over what, and when: one sentence.
    pub text: &'static str,
}
