//! Numbers of things in words, and their names, each once.

/// Like `1 seed`, `3 seeds`, `2 to 3 seeds`.
pub(crate) fn seeds(counts: &[usize]) -> String {
    let least = counts.iter().copied().min().unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(0);
    if least < most { format!("{least} to {most} seeds") } else { counted(most, "seed") }
}

/// Each once, in the order of first appearance.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
}

/// Like `1 run`, `12 runs`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
