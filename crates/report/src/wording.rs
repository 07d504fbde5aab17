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

/// Names in a sentence: all of a few, and of many the first with the number of the others.
pub(crate) fn among(names: &[String]) -> String {
    const MOST: usize = 12;
    // A single one takes as much room by its name.
    let (shown, others) = names.split_at(if names.len() > MOST + 1 { MOST } else { names.len() });
    let shown = shown.join(", ");
    if others.is_empty() { shown } else { format!("{shown} and {} more", others.len()) }
}

/// Like `1 run`, `12 runs`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
