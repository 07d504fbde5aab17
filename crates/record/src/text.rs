//! Text on its way from a file to a terminal or a page: what is hidden, or turns the text around it, is spelt out. And
//! where long labels break, and how an error with its causes is told.

use std::borrow::Cow;

/// The text with every control character but the line break, and every character that turns or hides the text around
/// it, as its code: a file must not steer a terminal, nor read otherwise than it is written.
///
/// ```
/// use trainability_record::text::printable;
///
/// assert_eq!(printable("relu\u{1b}[2J \u{202e}uler"), r"relu\u{1b}[2J \u{202e}uler");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let spelt = |character: char| match is_hidden(character) {
        true => character.escape_unicode().to_string(),
        false => character.to_string(),
    };
    Cow::Owned(text.chars().map(spelt).collect())
}

/// Control characters; the marks, embeddings, overrides and isolates of the bidirectional algorithm; characters without
/// width; the separators of lines and paragraphs; language tags.
fn is_hidden(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let hides = matches!(character, '\u{ad}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    (character.is_control() && character != '\n') || turns || hides
}

/// The pieces that a label is better broken into than within: each ends with one of the `joints`, and a number keeps its
/// sign.
///
/// ```
/// use trainability_record::text::pieces;
///
/// assert_eq!(pieces("crelu+l2_loss-coefficient=1e-3", &['-', '+']), ["crelu+", "l2_loss-", "coefficient=1e-3"]);
/// ```
pub fn pieces<'l>(label: &'l str, joints: &[char]) -> Vec<&'l str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    for (place, joint) in label.match_indices(joints) {
        let end = place + joint.len();
        let of_number = "-+".contains(joint) && label[end..].starts_with(|c: char| c.is_ascii_digit());
        if !of_number && end < label.len() {
            pieces.push(&label[begin..end]);
            begin = end;
        }
    }
    pieces.push(&label[begin..]);
    pieces
}

/// An error and its causes in one line, without a cause that the message before it has told already.
pub fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            let colon = if text.is_empty() { "" } else { ": " };
            text.push_str(colon);
            text.push_str(&cause);
        }
        next = error.source();
    }
    printable(&text.lines().map(str::trim).collect::<Vec<_>>().join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_label() {
        for label in ["", "relu", "a-", "-", "a@width=64x32 · fc1", "l2_init-coefficient=-1", "größe+二-つ"] {
            assert_eq!(pieces(label, &['-', '+', '=', '@']).concat(), label);
        }
        assert_eq!(pieces("a@rate=-1 · fc1", &['=', ' ', '-']), ["a@rate=", "-1 ", "· ", "fc1"]);
    }

    #[test]
    fn only_what_is_not_seen_is_spelt_out() {
        assert!(matches!(printable("Größe 10⁻³ · 二つ\nnext"), Cow::Borrowed(_)));
        assert_eq!(printable("a\0b\rc\td\u{7f}\u{9b}e"), r"a\u{0}b\u{d}c\u{9}d\u{7f}\u{9b}e");
        assert_eq!(printable("\u{2066}\u{2028}\u{feff}\u{200b}"), r"\u{2066}\u{2028}\u{feff}\u{200b}");
    }
}
