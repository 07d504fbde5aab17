//! What is asked for in vain, in one sentence.

use std::fmt::Display;

/// Something was asked for that cannot be: what, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    pub(crate) fn new(sentence: impl Display) -> Refusal {
        Refusal(sentence.to_string())
    }
}

/// Returns a refusal.
macro_rules! refuse {
    ($($sentence:tt)*) => {
        return Err($crate::refusal::Refusal::new(format_args!($($sentence)*)).into())
    };
}

/// Returns a refusal unless a condition holds.
macro_rules! demand {
    ($condition:expr, $($sentence:tt)*) => {
        if !$condition {
            $crate::refusal::refuse!($($sentence)*);
        }
    };
}

pub(crate) use {demand, refuse};
