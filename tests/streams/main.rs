//! Streams: what their tasks are about, how these follow each other, and whole runs on them.

mod contents;
mod runs;
mod smoke;
#[path = "../common/tiny.rs"]
#[allow(dead_code)]
mod tiny;
mod transitions;
