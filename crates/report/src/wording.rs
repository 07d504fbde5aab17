//! Numbers of things in words.

/// Like `1 seed`, `3 seeds`, `2 to 3 seeds`.
pub(crate) fn seeds(least: usize, most: usize) -> String {
    if least < most { format!("{least} to {most} seeds") } else { counted(most, "seed") }
}

/// Like `1 run`, `12 runs`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
