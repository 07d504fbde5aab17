//! The report as one HTML file: figures inlined, no network, and one small script that sorts tables; everything that
//! comes from files is escaped, and the page forbids every other script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use trainability_record::text::printable;

use crate::evidence::claims::claim::Verdict;
use crate::plot::picture::Picture;
use crate::plot::style::FAMILY;
use crate::views::document::{Block, Document};
use crate::views::figures::Drawn;
use crate::views::table::{Table, point};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Renders the document.
pub(crate) fn render(document: &Document) -> String {
    let policy =
        format!("default-src 'none'; img-src data:; style-src {}; script-src {}", source(STYLE), source(SCRIPT));
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (text(&document.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (text(&document.title)) }
                    nav {
                        @for block in &document.blocks {
                            @if let Block::Section(title, anchor) = block {
                                a href={ "#" (anchor) } { (text(title)) } " "
                            }
                        }
                    }
                    @for block in &document.blocks { "\n" (contents(block)) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
        "\n"
    };
    page.into_string()
}

/// How a page's policy names the one inline text that it allows.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Replaces every character that HTML gives a meaning to, in text and in quoted attributes alike, and spells out those
/// that are not seen.
pub(crate) fn escape(text: &str) -> String {
    let safe = |character: char| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    };
    printable(text).chars().map(safe).collect()
}

/// Text from a file.
fn text(text: &str) -> Markup {
    PreEscaped(escape(text))
}

/// The same in a sentence, where a number stays on the line of its percent sign.
fn prose(sentence: &str) -> Markup {
    PreEscaped(escape(sentence).replace(" %", "&nbsp;%"))
}

fn contents(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Section(title, anchor) => h2 id=(anchor) { (text(title)) },
            Block::Paragraph(paragraph) => p { (prose(paragraph)) },
            Block::Warnings(warnings) => ul.warnings {
                @for warning in warnings { "\n" li { (prose(warning)) } }
            },
            Block::Headline(table) => section.headline {
                h3.spoken { (text(&table.title)) }
                (cells(table))
            },
            Block::Note(note) => p.small { (prose(note)) },
            Block::Table(table) => (sortable(table)),
            Block::Figure(Drawn { figure, pictures }) => figure {
                // The images carry their titles; the heading is for those who listen.
                h3.spoken { (text(figure.title)) }
                @for picture in pictures { "\n" div.scroll { (image(picture)) } }
                figcaption { (prose(figure.caption)) }
            },
            Block::Definitions(terms) => dl {
                @for (term, meaning) in terms { "\n" dt { (text(term)) } dd { (text(meaning)) } }
            },
            Block::Verbatim(verbatim) => pre tabindex="0" { (text(verbatim)) },
        }
    }
}

/// The smaller of drawing and bitmap.
fn image(picture: &Picture) -> Markup {
    let (width, height, alt) = (picture.width, picture.height, text(&picture.alt));
    html! {
        @if let Some(svg) = picture.smaller_svg() {
            svg role="img" aria-label=(alt) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) }
                font-family=(FAMILY) { (PreEscaped(svg.trim_end().trim_end_matches("</svg>"))) }
        } @else {
            img loading="lazy" width=(width) height=(height) alt=(alt)
                src={ "data:image/png;base64," (STANDARD.encode(&picture.png)) };
        }
    }
}

/// The verdict that a cell holds, as the page's style names it.
fn verdict(cell: &str) -> Option<String> {
    let known = [Verdict::Supported, Verdict::Refuted, Verdict::Negligible, Verdict::Undecided, Verdict::NotTested];
    known
        .into_iter()
        .map(|verdict| verdict.to_string())
        .find(|verdict| verdict == cell)
        .map(|word| word.replace(' ', "-"))
}

fn sortable(table: &Table) -> Markup {
    html! {
        h3 { (text(&table.title)) }
        @if !table.note.is_empty() { p { (prose(&table.note)) } }
        (cells(table))
    }
}

fn cells(table: &Table) -> Markup {
    let class = |numeric: bool| numeric.then_some("number");
    let value = |cell: &str, numeric: bool| Some(cell).filter(|_| numeric).and_then(point);
    html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        @for (heading, numeric) in &table.columns {
                            th scope="col" class=[class(*numeric)] { (text(heading)) }
                        }
                    }
                }
                tbody {
                    @for (row, reference) in table.rows.iter().zip(&table.reference) {
                        "\n"
                        tr class=[reference.then_some("reference")] {
                            @for (cell, (_, numeric)) in row.iter().zip(&table.columns) {
                                td class=[class(*numeric)] data-value=[value(cell, *numeric)] data-verdict=[verdict(cell)] { (text(cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
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
