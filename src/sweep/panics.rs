//! What a panic says.

/// Whether a panic's message is libtorch's where the system, or a GPU, has no memory.
pub(super) fn wants_memory(message: &str) -> bool {
    message.contains("allocate memory") || message.contains("out of memory")
}

/// The first line of a panic's message, or of libtorch's: to that it adds the addresses of its functions, with line breaks
/// that `tch` has escaped.
pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default();
    let text = text.split_once("Torch(\"").map_or(text.as_str(), |(_, thrown)| thrown);
    let first = text.split("\\n").flat_map(str::lines).map(str::trim).find(|line| !line.is_empty());
    first.unwrap_or("no message").to_owned()
}
