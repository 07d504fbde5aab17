//! The report as Markdown, its figures linked.

use trainability_record::text::printable;

use crate::views::document::{Block, Document};
use crate::views::figures::Drawn;
use crate::views::table::Table;

/// Renders the document; `plots` is the path of the images' folder as seen from the Markdown file.
pub(crate) fn render(document: &Document, plots: &str) -> String {
    let mut text = format!("# {}\n", escape(&document.title));
    for block in &document.blocks {
        text.push('\n');
        match block {
            Block::Section(title, _) => text.push_str(&format!("## {}\n", escape(title))),
            Block::Paragraph(paragraph) => text.push_str(&format!("{}\n", escape(paragraph))),
            Block::Warnings(warnings) => {
                text.extend(warnings.iter().map(|warning| format!("> - {}\n", escape(warning))));
            }
            Block::Headline(table) | Block::Table(table) => push_table(&mut text, table),
            Block::Note(note) => text.push_str(&format!("{}\n", escape(note))),
            Block::Figure(Drawn { figure, pictures }) => {
                text.push_str(&format!("### {}\n", escape(figure.title)));
                text.extend(pictures.iter().map(|picture| {
                    let target = percent_encode(&format!("{plots}/{}", picture.file));
                    format!("\n![{}]({target})\n", escape(&picture.alt))
                }));
                text.push_str(&format!("\n{}\n", escape(figure.caption)));
            }
            Block::Definitions(terms) => {
                let line =
                    |(term, meaning): &(String, String)| format!("- **{}**: {}\n", escape(term), escape(meaning));
                text.extend(terms.iter().map(line));
            }
            Block::Verbatim(verbatim) => text.push_str(&fenced(verbatim)),
        }
    }
    text
}

/// Puts a backslash before everything that Markdown, or HTML within it, gives a meaning to.
pub(crate) fn escape(text: &str) -> String {
    let safe = |character: char| match character {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => format!("\\{character}"),
        '&' => "&amp;".to_owned(),
        '\n' => " ".to_owned(),
        other => other.to_string(),
    };
    printable(text).chars().map(safe).collect()
}

fn push_table(text: &mut String, table: &Table) {
    text.push_str(&format!("### {}\n\n", escape(&table.title)));
    if !table.note.is_empty() {
        text.push_str(&format!("{}\n\n", escape(&table.note)));
    }
    let headings: Vec<_> = table.columns.iter().map(|(heading, _)| escape(heading)).collect();
    let rules: Vec<_> = table.columns.iter().map(|(_, numeric)| if *numeric { "---:" } else { "---" }).collect();
    text.push_str(&format!("| {} |\n| {} |\n", headings.join(" | "), rules.join(" | ")));
    for (row, reference) in table.rows.iter().zip(&table.reference) {
        let cells = row.iter().map(|cell| match (escape(cell), *reference) {
            (cell, true) if !cell.is_empty() => format!("*{cell}*"),
            (cell, _) => cell,
        });
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
}

/// A fenced block whose fence is longer than any run of backticks inside.
fn fenced(verbatim: &str) -> String {
    let verbatim = printable(verbatim);
    let longest = verbatim.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n", verbatim.trim_end())
}

fn percent_encode(path: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(encode).collect()
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
        let text = fenced("{\"a\": \"```\"}");
        assert!(text.starts_with("````\n") && text.ends_with("\n````\n"));
    }
}
