//! Names of sweeps, methods and schedules: they become folders, so that only harmless characters are allowed.

/// What [`is_valid`] asks for, in words.
pub const RULE: &str = "1 to 80 letters, digits or any of _ - + = @ . , beginning with a letter or digit, not ending \
                        with a dot, and no device of Windows such as con or nul";

/// Windows opens a device in place of a file or folder of these names, whatever comes after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Whether a name can serve as a folder everywhere and leads nowhere else.
pub fn is_valid(label: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-+=@.,".contains(c);
    let begins = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    label.len() <= 80 && begins && label.chars().all(harmless) && !label.ends_with('.') && !is_device(label)
}

/// Whether Windows takes the name for a device: con, prn, aux, nul, com0 to com9 and lpt0 to lpt9.
fn is_device(label: &str) -> bool {
    let stem = label.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let port = |name: &str| stem.strip_prefix(name).is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']));
    DEVICES.contains(&&*stem) || port("com") || port("lpt")
}

/// Whether two labels would be the same folder where upper and lower case are one, as on macOS and Windows.
pub fn same_folder(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// A value as a part of a label: strings without their quotes.
pub fn of_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        // Brackets and commas are no part of a folder's name: widths of 64 and 32 read 64x32.
        serde_json::Value::Array(list) => list.iter().map(of_value).collect::<Vec<_>>().join("x"),
        other => other.to_string().chars().filter(|c| !c.is_whitespace() && *c != '"').collect(),
    }
}

/// The nearest of some names, for a "did you mean".
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, other)| other)
}

/// The complaint about a name that is in no registry: what there is, and the nearest.
pub fn expected_one_of(name: &str, known: &[&'static str]) -> String {
    let list = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(guess) => format!("one of {list} (did you mean {guess}?)"),
        None => format!("one of {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for good in [
            "relu",
            "l2_loss-coefficient=0.001",
            "crelu+wasserstein",
            "relu@learning_rate=1e-3",
            "com",
            "com10",
            "null",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "../x",
            "a b",
            "<b>",
            "-rf",
            "a\0",
            "a\u{202e}b",
            "a\n",
            "a.",
            "con",
            "NUL.txt",
            "Com1",
            "lpt9.a.b",
            "\u{fc}",
            &"x".repeat(81),
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_near_miss_is_guessed() {
        assert!(expected_one_of("waserstein", &["relu", "wasserstein"]).contains("did you mean wasserstein?"));
        assert!(!expected_one_of("dropout", &["relu", "wasserstein"]).contains("did you mean"));
    }
}
