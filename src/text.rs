//! Text: bytes as digits, and what comes out of files on its way to a terminal or a page, where what is not seen, or moves
//! what is seen, is spelt out.

use std::borrow::Cow;

/// The text with every control character but the line break, and every character that turns or hides the text around
/// it, as its code: a file must not steer a terminal, nor read otherwise than it is written.
///
/// ```
/// use trainability::text::printable;
///
/// assert_eq!(printable("relu\u{1b}[2J \u{202e}uler"), r"relu\u{1b}[2J \u{202e}uler");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut spelt = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_hidden(character) {
            true => spelt.extend(character.escape_unicode()),
            false => spelt.push(character),
        }
    }
    Cow::Owned(spelt)
}

/// Control characters; the marks, embeddings, overrides and isolates of the bidirectional algorithm; characters without
/// width; the separators of lines and paragraphs; language tags.
fn is_hidden(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let hides = matches!(character, '\u{ad}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    (character.is_control() && character != '\n') || turns || hides
}

/// Bytes as hexadecimal digits, such as those of a digest.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_seen_is_spelt_out() {
        assert!(matches!(printable("Größe 10⁻³ · 二つ\nnext"), Cow::Borrowed(_)));
        assert_eq!(printable("a\0b\rc\td\u{7f}\u{9b}e"), r"a\u{0}b\u{d}c\u{9}d\u{7f}\u{9b}e");
        assert_eq!(printable("\u{2066}\u{2028}\u{feff}\u{200b}"), r"\u{2066}\u{2028}\u{feff}\u{200b}");
    }
}
