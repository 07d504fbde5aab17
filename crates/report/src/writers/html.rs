//! The report as one HTML file: figures inlined, no network, and one small script that sorts tables; everything that
//! comes from files is escaped, and the page forbids every other script.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use trainability_record::text::printable;

use crate::plot::picture::Picture;
use crate::plot::style::FAMILY;
use crate::views::document::{Block, Document};
use crate::views::table::{Table, point};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Renders the document.
pub(crate) fn render(document: &Document) -> String {
    let mut page = Page(String::new());
    let title = escape(&document.title);
    page.add(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src {}; script-src {}\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        source(STYLE),
        source(SCRIPT)
    ));
    page.contents(document);
    for block in &document.blocks {
        page.block(block);
    }
    page.add(&format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    page.0
}

/// How a page's policy names the one inline text that it allows.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Replaces every character that HTML gives a meaning to, in text and in quoted attributes alike, and spells out those
/// that are not seen.
pub(crate) fn escape(text: &str) -> String {
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
                pictures.iter().for_each(|picture| self.picture(picture));
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

    /// The smaller of drawing and bitmap.
    fn picture(&mut self, picture: &Picture) {
        let (width, height, alt) = (picture.width, picture.height, escape(&picture.alt));
        self.add("<div class=\"scroll\">");
        let _ = match picture.smaller_svg() {
            Some(svg) => write!(
                self.0,
                "<svg role=\"img\" aria-label=\"{alt}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
                 font-family=\"{FAMILY}\">\n{}",
                svg.trim_end()
            ),
            None => write!(
                self.0,
                "<img loading=\"lazy\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\" src=\"data:image/png;base64,{}\">",
                STANDARD.encode(&picture.png)
            ),
        };
        self.add("</div>\n");
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
                let value = Some(cell).filter(|_| *numeric).and_then(|cell| point(cell));
                let value = value.map_or_else(String::new, |value| format!(" data-value=\"{value}\""));
                let _ = write!(self.0, "<td{}{value}>{}</td>", class(*numeric), escape(cell));
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
    use super::*;

    #[test]
    fn a_table_can_be_sorted_by_the_numbers_in_its_cells() {
        let mut table = Table::new("t", "", &["name", "#value"]);
        table.push(vec!["7".into(), "−0.5 [−0.7, −0.2]".into()], false);
        table.push(vec!["b".into(), "–".into()], false);
        let page = render(&Document { title: "t".into(), blocks: vec![Block::Table(table)] });
        assert!(page.contains("<td>7</td><td class=\"number\" data-value=\"-0.5\">−0.5 [−0.7, −0.2]</td>"), "{page}");
        assert!(page.contains("<td class=\"number\">–</td>"), "{page}");
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"), "it cannot end early");
    }

    #[test]
    fn the_policy_allows_the_style_and_the_script_that_stand_in_the_page_and_no_other() {
        // printf abc | openssl dgst -sha256 -binary | base64
        assert_eq!(source("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
        let page = render(&Document { title: "t".into(), blocks: vec![] });
        for tag in ["style", "script"] {
            let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
            let (_, rest) = page.split_once(&open).unwrap();
            let (inline, rest) = rest.split_once(&close).unwrap();
            assert!(!rest.contains(&open), "there is one {tag}");
            let (_, allowed) = page.split_once(&format!("{tag}-src ")).unwrap();
            let allowed = allowed.split([';', '"']).next().unwrap();
            assert_eq!(allowed, source(inline), "{tag}");
        }
    }

    #[test]
    fn nothing_escapes_the_escape() {
        assert_eq!(
            escape("<img src=x onerror='a(\"&\")'>"),
            "&lt;img src=x onerror=&#39;a(&quot;&amp;&quot;)&#39;&gt;"
        );
        assert_eq!(escape("a\0\u{202e}b"), r"a\u{0}\u{202e}b", "nothing turns the text around");
    }
}
