//! The report as Markdown, its figures linked.

use std::fmt::Write;

use trainability_record::text::printable;

use crate::views::document::{Block, Document};
use crate::views::table::Table;

/// Renders the document; `plots` is the path of the images' folder as seen from the Markdown file.
pub(crate) fn render(document: &Document, plots: &str) -> String {
    let mut text = format!("# {}\n", escape(&document.title));
    for block in &document.blocks {
        text.push('\n');
        match block {
            Block::Section { title, .. } => {
                let _ = writeln!(text, "## {}", escape(title));
            }
            Block::Paragraph(paragraph) => {
                let _ = writeln!(text, "{}", escape(paragraph));
            }
            Block::Warnings(warnings) => {
                let lines: Vec<_> = warnings.iter().map(|warning| format!("> - {}\n", escape(warning))).collect();
                text.push_str(&lines.concat());
            }
            Block::Table(table) => push_table(&mut text, table),
            Block::Figure { title, caption, pictures } => {
                let _ = writeln!(text, "### {}", escape(title));
                for picture in *pictures {
                    let target = percent_encode(&format!("{plots}/{}", picture.file));
                    let _ = writeln!(text, "\n![{}]({target})", escape(&picture.alt));
                }
                let _ = writeln!(text, "\n{}", escape(caption));
            }
            Block::Definitions(terms) => {
                for (term, definition) in terms {
                    let _ = writeln!(text, "- **{}**: {}", escape(term), escape(definition));
                }
            }
            Block::Verbatim(verbatim) => push_verbatim(&mut text, verbatim),
        }
    }
    text
}

/// Puts a backslash before everything that Markdown, or HTML within it, gives a meaning to.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            '&' => safe.push_str("&amp;"),
            '\n' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

fn push_table(text: &mut String, table: &Table) {
    let _ = writeln!(text, "### {}\n", escape(&table.title));
    if !table.note.is_empty() {
        let _ = writeln!(text, "{}\n", escape(&table.note));
    }
    let headings: Vec<_> = table.columns.iter().map(|(heading, _)| escape(heading)).collect();
    let rules: Vec<_> = table.columns.iter().map(|(_, numeric)| if *numeric { "---:" } else { "---" }).collect();
    let _ = writeln!(text, "| {} |\n| {} |", headings.join(" | "), rules.join(" | "));
    for (row, reference) in table.rows.iter().zip(&table.reference) {
        let cells = row.iter().map(|cell| match (escape(cell), *reference) {
            (cell, true) if !cell.is_empty() => format!("*{cell}*"),
            (cell, _) => cell,
        });
        let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

/// A fenced block whose fence is longer than any run of backticks inside.
fn push_verbatim(text: &mut String, verbatim: &str) {
    let verbatim = printable(verbatim);
    let longest = verbatim.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(text, "{fence}\n{}\n{fence}", verbatim.trim_end());
}

fn percent_encode(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'~' => encoded.push(byte as char),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_leave_their_table() {
        assert_eq!(escape("a|b\n# <b>"), "a\\|b \\# &lt;b&gt;");
        assert_eq!(escape("a\r\u{202e}b"), "a\\\\u{d}\\\\u{202e}b", "nothing turns the text around");
    }

    #[test]
    fn a_fence_outlasts_what_it_holds() {
        let mut text = String::new();
        push_verbatim(&mut text, "{\"a\": \"```\"}");
        assert!(text.starts_with("````\n") && text.ends_with("\n````\n"));
    }
}
