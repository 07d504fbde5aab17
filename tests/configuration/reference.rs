//! The reference of all keys of an experiment, written from the types that read it.

use std::fmt::Write;

use serde_json::Value;
use trainability::experiment::Experiment;
use trainability::model::NetworkOptions;
use trainability::optimizer::OPTIMIZERS;
use trainability::schedule::{SCHEDULES, schedule};
use trainability_baselines::registry::PARTS;

const INTRODUCTION: &str = "\
# Configuration reference

Every key of an experiment with its type, its default and its meaning. [Experiments](experiments.md) explains how the parts
work together, and how [an editor](experiments.md#in-an-editor) can know them. This page is written from the program's types: do
not edit it, but run `UPDATE=1 cargo test --test configuration`.
";

/// `docs/configuration.md`, in Markdown.
pub(crate) fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let experiment = schemars::schema_for!(Experiment).to_value();
    let section = |key: &str| Schema { root: &experiment, node: &experiment["properties"][key] }.resolved();
    table(&mut page, "## The experiment", "", Schema::of(&experiment));
    table(&mut page, "## `data`", "", section("data"));
    table(&mut page, "## `stream`", "", section("stream"));
    table(&mut page, "## `network`", "", Schema::of(&NetworkOptions::schema()));
    table(&mut page, "## `training`", "The optimizer's own options stand beside these.", section("training"));
    for kind in OPTIMIZERS {
        table(
            &mut page,
            &format!("### `\"optimizer\": \"{}\"`", kind.name),
            &sentence(kind.about),
            Schema::of(&kind.schema()),
        );
    }
    table(&mut page, "## `measure`", "", section("measure"));
    let measure = section("measure");
    for (key, node) in measure.properties().filter(|(key, _)| ["lanczos", "spectrum"].contains(key)) {
        table(&mut page, &format!("### `measure.{key}`"), "", node.resolved());
    }
    let about = "What all variants of `noise_curvature` share. A schedule's own options and its presets come first.";
    let control = (schedule("noise_curvature").expect("it is in the registry").schema)();
    table(&mut page, "## `control`", about, Schema::of(&control));
    table(&mut page, "## `slurm`", "Options of the command line come before these.", section("slurm"));
    page += "\n## Parts of `methods`\n";
    for part in PARTS {
        table(&mut page, &format!("### `{}`", part.name), &sentence(part.about), Schema::of(&part.schema()));
    }
    page += "\n## `schedules`\n";
    for kind in SCHEDULES {
        let schema = (kind.schema)();
        let heading = format!("### `\"{}\"`", kind.name);
        match schema == control {
            true => {
                let _ = write!(
                    page,
                    "\n{heading}\n\n{} It takes the options of [`control`](#control).\n",
                    sentence(kind.about)
                );
            }
            false => table(&mut page, &heading, &sentence(kind.about), Schema::of(&schema)),
        }
    }
    page
}

/// A line of a registry as a sentence.
fn sentence(about: &str) -> String {
    if about.split(' ').next().is_some_and(|word| word.contains('_')) {
        return format!("{about}.");
    }
    let mut letters = about.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn table(page: &mut String, heading: &str, about: &str, schema: Schema) {
    let about = if about.is_empty() { String::new() } else { format!("\n{about}\n") };
    // Writing to a string does not fail.
    let _ = write!(page, "\n{heading}\n{about}");
    let schema = schema.resolved();
    let mut rows = schema.properties().peekable();
    if rows.peek().is_none() {
        page.push_str("\nIt has no options.\n");
        return;
    }
    page.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
    for (key, node) in rows {
        let default = schema.default_of(key, node);
        let _ = writeln!(page, "| `{key}` | {} | {default} | {} |", node.kind(), cell(&node.meaning()));
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// A node of a JSON Schema, and the document that its references point into.
#[derive(Clone, Copy)]
struct Schema<'a> {
    root: &'a Value,
    node: &'a Value,
}

impl<'a> Schema<'a> {
    fn of(root: &'a Value) -> Schema<'a> {
        Schema { root, node: root }
    }

    fn at(self, node: &'a Value) -> Schema<'a> {
        Schema { node, ..self }
    }

    /// What a reference points to, and of an optional value the value.
    fn resolved(self) -> Schema<'a> {
        if let Some(place) = self.node["$ref"].as_str() {
            let target = self.root.pointer(place.trim_start_matches('#')).unwrap_or(&Value::Null);
            return self.at(target).resolved();
        }
        match self.alternatives().as_slice() {
            [one] => one.resolved(),
            _ => self,
        }
    }

    /// What a value may be one of, null left out.
    fn alternatives(self) -> Vec<Schema<'a>> {
        let lists = ["anyOf", "oneOf"].into_iter().filter_map(|key| self.node[key].as_array());
        lists.flatten().filter(|node| node["type"] != "null").map(|node| self.at(node)).collect()
    }

    fn properties(self) -> impl Iterator<Item = (&'a str, Schema<'a>)> {
        let properties = self.node["properties"].as_object();
        properties.into_iter().flatten().map(move |(key, node)| (key.as_str(), self.at(node)))
    }

    fn default_of(self, key: &str, property: Schema) -> String {
        let required = self.node["required"].as_array().is_some_and(|keys| keys.iter().any(|name| name == key));
        match &property.node["default"] {
            _ if required => "required".to_owned(),
            Value::Null => "none".to_owned(),
            Value::Object(_) => "see below".to_owned(),
            value => format!("`{value}`"),
        }
    }

    /// The words that an enumeration allows, with what they mean.
    fn words(self) -> Vec<(&'a str, Option<&'a str>)> {
        let schema = self.resolved();
        if let Some(word) = schema.node["const"].as_str() {
            return vec![(word, schema.node["description"].as_str())];
        }
        let plain = schema.node["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let described = schema.alternatives().into_iter().flat_map(Schema::words);
        plain.map(|word| (word, None)).chain(described).collect()
    }

    /// The type, in words.
    fn kind(self) -> String {
        let schema = self.resolved();
        let words = schema.words();
        if !words.is_empty() {
            let mut kinds: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            kinds.extend(schema.alternatives().into_iter().filter(|a| a.words().is_empty()).map(Schema::kind));
            return kinds.join(", ");
        }
        let types = match &schema.node["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            name => Vec::from_iter(name.as_str()),
        };
        let kinds = types.into_iter().filter(|name| *name != "null").map(|name| match name {
            "integer" => "whole number".to_owned(),
            "boolean" => "`true`, `false`".to_owned(),
            "array" => match schema.at(&schema.node["items"]).kind().as_str() {
                "" => "list".to_owned(),
                items => format!("list of {items}s"),
            },
            name => name.to_owned(),
        });
        kinds.collect::<Vec<_>>().join(" or ")
    }

    /// The description, and those of the words that are allowed.
    fn meaning(self) -> String {
        let own = self.node["description"].as_str().unwrap_or_default().to_owned();
        let words = self.words().into_iter();
        let words = words.filter_map(|(word, meaning)| Some(format!(" `{word}`: {}", meaning?)));
        own + &words.collect::<String>()
    }
}
