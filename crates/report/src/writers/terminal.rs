//! Tables and lists for a terminal, at most [`WIDTH`] characters wide.

use std::io::{self, Write};

use trainability_record::text::printable;

use crate::views::table::Table;

/// The width that everything printed keeps to, in characters.
pub(crate) const WIDTH: usize = 100;

/// Prints a table under its heading, with its note.
///
/// # Errors
/// When `out` cannot be written.
pub fn table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    writeln!(out, "{}\n\n{}\n", printable(&table.title), table.terminal(WIDTH as u16))?;
    if !table.note.is_empty() {
        writeln!(out, "{}\n", fill(&table.note, "", ""))?;
    }
    Ok(())
}

/// Prints sentences as a list under a heading, or nothing if there are none.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn list(out: &mut dyn Write, heading: &str, items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}")?;
    for item in items {
        writeln!(out, "{}", fill(item, "  ", "    "))?;
    }
    writeln!(out)
}

/// Breaks text at spaces into lines; the first begins with `first`, the others with `other`.
fn fill(text: &str, first: &str, other: &str) -> String {
    let mut filled = first.to_owned();
    let mut used = first.chars().count();
    let mut fresh = true;
    for word in printable(text).split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > WIDTH {
            filled.push('\n');
            filled.push_str(other);
            used = other.chars().count();
            fresh = true;
        }
        if !fresh {
            filled.push(' ');
            used += 1;
        }
        filled.push_str(word);
        used += length;
        fresh = false;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_lines_fit_and_keep_every_word() {
        let text = "word ".repeat(60);
        let filled = fill(&text, "  ", "    ");
        assert!(filled.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(filled.lines().skip(1).all(|line| line.starts_with("    word")));
        assert_eq!(filled.split_whitespace().count(), 60);
    }
}
