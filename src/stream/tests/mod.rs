//! What the tasks of a stream are about, and how they follow each other.

mod contents;
mod selections;
mod transitions;
