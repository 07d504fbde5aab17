//! What is wrong with a command line, in one sentence.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use trainability_record::label::nearest;

/// What is wrong with a command line that `command` does not take, with what may have been meant.
pub fn complaint(error: &Error, command: &Command) -> String {
    let texts = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let text = |kind| texts(kind).first().cloned().unwrap_or_default();
    let meant = |kind| match texts(kind).first() {
        Some(guess) => format!(" (did you mean {guess}?)"),
        None => String::new(),
    };
    // As in `--jobs <JOBS>`, of which the first word is enough.
    let argument = text(ContextKind::InvalidArg);
    let option = argument.split([' ', '=']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let known = || {
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        shown.map(|command| command.get_name()).collect::<Vec<_>>().join(", ")
    };
    let sentence = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let found = text(ContextKind::InvalidSubcommand);
            let guess = match found.ends_with(".json") {
                true => format!(" (did you mean {} sweep {found}?)", command.get_name()),
                false => nearest(&found, command.get_subcommands().map(Command::get_name))
                    .map_or_else(String::new, |near| format!(" (did you mean {near}?)")),
            };
            format!("there is no subcommand {found:?}, expected one of {}{guess}", known())
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if known().is_empty() => {
            "arguments are missing".to_owned()
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("a subcommand is missing, expected one of {}", known())
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no option {option}{}", meant(ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => format!("{argument:?} is one argument too many"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{option} is left empty, expected a value"),
        ErrorKind::InvalidValue => {
            let expected = texts(ContextKind::ValidValue).join(", ");
            format!("{option} is {value:?}, expected one of {expected}{}", meant(ContextKind::SuggestedValue))
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let expected = reason.rsplit("expected ").next().unwrap_or_default().to_owned();
            match reason.contains("expected ") {
                true => format!("{option} is {value:?}, expected {expected}"),
                false => format!("{option} is {value:?}, which cannot be: {reason}"),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(ContextKind::InvalidArg);
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!("{} {verb} missing", missing.join(" and "))
        }
        _ => {
            let text = error.to_string();
            // What is wrong may go on in further lines, without the usage after it.
            let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            lines.join(" ").trim_start_matches("error: ").to_owned()
        }
    };
    format!("{sentence} (--help tells what there is)")
}
