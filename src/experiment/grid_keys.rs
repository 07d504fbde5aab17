//! What may differ between the arms of a sweep.

/// Keys, and sections with all of theirs.
const GRID_KEYS: [&str; 7] =
    ["data.images", "data.images_at_most", "stream.", "network.", "training.", "measure.", "control."];

/// Whether a grid may name the key.
pub(super) fn may_vary(key: &str) -> bool {
    let known = |known: &str| key == known || (known.ends_with('.') && key.starts_with(known));
    // Another kind of network has other keys and defaults.
    key != "network.kind" && GRID_KEYS.into_iter().any(known)
}
