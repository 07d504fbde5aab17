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

/// Prints a paragraph.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn paragraph(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}\n", fill(text, "", ""))
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
    let (mut lines, mut line, mut gap) = (String::new(), first.to_owned(), "");
    for word in printable(text).split_whitespace() {
        let longer = format!("{line}{gap}{word}");
        if gap.is_empty() || longer.chars().count() <= WIDTH {
            line = longer;
        } else {
            lines.push_str(&format!("{line}\n"));
            line = format!("{other}{word}");
        }
        gap = " ";
    }
    lines + &line
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
