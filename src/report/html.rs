//! The report as one HTML file: figures inlined, no network, no script; everything that comes from files is escaped.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::document::{Block, Document};
use super::table::Table;
use crate::text::printable;

const STYLE: &str = include_str!("style.css");

/// Renders the document.
pub fn render(document: &Document) -> String {
    let mut page = Page(String::new());
    let title = escape(&document.title);
    page.add(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    ));
    page.contents(document);
    for block in &document.blocks {
        page.block(block);
    }
    page.add("</main>\n</body>\n</html>\n");
    page.0
}

/// Replaces every character that HTML gives a meaning to, in text and in quoted attributes alike, and spells out those
/// that are not seen.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Escapes, and keeps a number on the line of its percent sign.
fn prose(text: &str) -> String {
    escape(text).replace(" %", "&nbsp;%")
}

struct Page(String);

impl Page {
    fn add(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn contents(&mut self, document: &Document) {
        self.add("<nav>");
        for block in &document.blocks {
            if let Block::Section { title, anchor } = block {
                let _ = write!(self.0, "<a href=\"#{anchor}\">{}</a> ", escape(title));
            }
        }
        self.add("</nav>\n");
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Section { title, anchor } => {
                let _ = writeln!(self.0, "<h2 id=\"{anchor}\">{}</h2>", escape(title));
            }
            Block::Paragraph(text) => {
                let _ = writeln!(self.0, "<p>{}</p>", prose(text));
            }
            Block::Warnings(warnings) => {
                self.add("<ul class=\"warnings\">\n");
                for warning in warnings {
                    let _ = writeln!(self.0, "<li>{}</li>", prose(warning));
                }
                self.add("</ul>\n");
            }
            Block::Table(table) => self.table(table),
            Block::Figure { title, caption, pictures } => {
                // The images carry their titles; the heading is for those who listen.
                let _ = writeln!(self.0, "<figure>\n<h3 class=\"spoken\">{}</h3>", escape(title));
                for picture in *pictures {
                    let _ = writeln!(
                        self.0,
                        "<div class=\"scroll\"><img loading=\"lazy\" width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\"></div>",
                        picture.width,
                        picture.height,
                        escape(&picture.alt),
                        STANDARD.encode(&picture.png)
                    );
                }
                let _ = writeln!(self.0, "<figcaption>{}</figcaption>\n</figure>", prose(caption));
            }
            Block::Definitions(terms) => {
                self.add("<dl>\n");
                for (term, text) in terms {
                    let _ = writeln!(self.0, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(text));
                }
                self.add("</dl>\n");
            }
            Block::Verbatim(text) => {
                let _ = writeln!(self.0, "<pre tabindex=\"0\">{}</pre>", escape(text));
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let _ = writeln!(self.0, "<h3>{}</h3>", escape(&table.title));
        if !table.note.is_empty() {
            let _ = writeln!(self.0, "<p>{}</p>", prose(&table.note));
        }
        self.add("<div class=\"scroll\" tabindex=\"0\">\n<table>\n<thead><tr>");
        for (heading, numeric) in &table.columns {
            let _ = write!(self.0, "<th scope=\"col\"{}>{}</th>", class(*numeric), escape(heading));
        }
        self.add("</tr></thead>\n<tbody>\n");
        for (row, reference) in table.rows.iter().zip(&table.reference) {
            self.add(if *reference { "<tr class=\"reference\">" } else { "<tr>" });
            for (cell, (_, numeric)) in row.iter().zip(&table.columns) {
                let _ = write!(self.0, "<td{}>{}</td>", class(*numeric), escape(cell));
            }
            self.add("</tr>\n");
        }
        self.add("</tbody>\n</table>\n</div>\n");
    }
}

fn class(numeric: bool) -> &'static str {
    if numeric { " class=\"number\"" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_escapes_the_escape() {
        assert_eq!(
            escape("<img src=x onerror='a(\"&\")'>"),
            "&lt;img src=x onerror=&#39;a(&quot;&amp;&quot;)&#39;&gt;"
        );
        assert_eq!(escape("a\0\u{202e}b"), r"a\u{0}\u{202e}b", "nothing turns the text around");
    }
}
