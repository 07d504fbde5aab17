//! The JSON Schema of an experiment's file, put together from the types that read it: for editors, and for complaints that
//! know where a key belongs.

use serde_json::{Map, Value, json};
use trainability_baselines::registry::PARTS;

use super::grid_keys::may_vary;
use super::seeds::MOST_SEEDS;
use crate::model::NetworkOptions;
use crate::optimizer::OPTIMIZERS;
use crate::schedule::{SCHEDULES, schedule};

/// The schema of the experiment's own type, completed: with the options of every network, method, schedule and optimizer.
pub(super) fn complete(mut root: Value) -> Value {
    let mut definitions = take_definitions(&mut root);
    let control = schedule("noise_curvature").map(|kind| (kind.schema)()).unwrap_or_default();
    for (section, own) in [("network", NetworkOptions::schema()), ("control", control)] {
        let own = hoisted(own, &mut definitions);
        root["properties"][section]["additionalProperties"] = json!(false);
        root["properties"][section]["properties"] = own["properties"].clone();
    }
    add_optimizers(&mut definitions);
    add_methods(&mut root, &mut definitions);
    add_schedules(&mut root, &mut definitions);
    let seeds = &mut root["properties"]["seeds"];
    seeds["minimum"] = json!(1);
    seeds["maximum"] = json!(MOST_SEEDS);
    seeds["items"] = json!({ "type": "integer", "minimum": 0 });
    seeds["minItems"] = json!(1);
    root["$defs"] = definitions.into();
    let grid: Map<String, Value> = paths_below(&root, &root, "")
        .into_iter()
        .filter(|(path, _)| may_vary(path))
        .map(|(path, node)| (path, json!({ "type": "array", "minItems": 1, "items": node })))
        .collect();
    root["properties"]["grid"]["properties"] = grid.into();
    root["properties"]["grid"]["additionalProperties"] = json!(false);
    let about = "Where this schema lies, for editors; the program does not read it.";
    root["properties"][SCHEMA_KEY] = json!({ "type": "string", "description": about });
    root["title"] = json!("An experiment of trainability");
    root
}

/// The key by which an editor finds the schema.
pub(super) const SCHEMA_KEY: &str = "$schema";

/// The paths of all keys of a completed schema, such as `stream.tasks`.
pub(super) fn key_paths(root: &Value) -> Vec<String> {
    let paths = paths_below(root, root, "").into_iter().map(|(path, _)| path);
    paths.filter(|path| path != SCHEMA_KEY && !path.starts_with("grid.")).collect()
}

/// The keys of a node and of the nodes below it, each with its own node.
fn paths_below(root: &Value, node: &Value, before: &str) -> Vec<(String, Value)> {
    let mut paths = Vec::new();
    for (key, node) in resolved(root, node)["properties"].as_object().into_iter().flatten() {
        let path = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        paths.push((path.clone(), node.clone()));
        paths.extend(paths_below(root, node, &path));
    }
    paths
}

/// What a reference points to, and of an optional value the value.
fn resolved<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(target) = node["$ref"].as_str().and_then(|place| root.pointer(place.trim_start_matches('#'))) {
        return resolved(root, target);
    }
    let alternatives = node["anyOf"].as_array().into_iter().flatten();
    match Vec::from_iter(alternatives.filter(|node| node["type"] != "null"))[..] {
        [one] => resolved(root, one),
        _ => node,
    }
}

fn take_definitions(schema: &mut Value) -> Map<String, Value> {
    match schema.as_object_mut().and_then(|schema| schema.remove("$defs")) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    }
}

/// A schema of its own as a part of another, whose definitions take up its own. Types have one name each in this workspace.
fn hoisted(mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    definitions.extend(take_definitions(&mut schema));
    let mut schema = resolved(&json!({ "$defs": definitions }), &schema).clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|key, _| key != SCHEMA_KEY && key != "title");
    }
    schema
}

/// The options of the optimizers stand beside the others of the section, each where its optimizer is named.
fn add_optimizers(definitions: &mut Map<String, Value>) {
    let kinds: Vec<(&str, Value)> =
        OPTIMIZERS.iter().map(|kind| (kind.name, hoisted(kind.schema(), definitions))).collect();
    let options = |own: &Value| own["properties"].as_object().cloned().unwrap_or_default();
    let mut rules = Vec::new();
    for (name, own) in &kinds {
        let foreign = kinds.iter().flat_map(|(_, other)| options(other)).map(|(key, _)| key);
        let foreign: Map<String, Value> =
            foreign.filter(|key| !options(own).contains_key(key)).map(|key| (key, json!(false))).collect();
        let mut named = json!({ "properties": { "optimizer": { "const": name } } });
        if *name != OPTIMIZERS[0].name {
            named["required"] = json!(["optimizer"]);
        }
        rules.push(json!({ "if": named, "then": { "properties": foreign } }));
    }
    let Some(training) = definitions.get_mut("Training") else { return };
    for (key, node) in kinds.iter().flat_map(|(_, own)| options(own)) {
        training["properties"][key] = node;
    }
    training["additionalProperties"] = json!(false);
    training["allOf"] = rules.into();
}

/// An entry of a list by its name, with options.
fn entry(names: &[&str], about: &str, own: &Value, has_label: bool) -> Value {
    let mut properties = Map::new();
    properties.insert("name".to_owned(), json!({ "enum": names, "description": about }));
    if has_label {
        let about = "Its folder and its name in tables, in the place of name and options.";
        properties.insert("label".to_owned(), json!({ "type": "string", "description": about }));
    }
    properties.extend(own["properties"].as_object().cloned().unwrap_or_default());
    json!({ "type": "object", "properties": properties, "required": ["name"], "additionalProperties": false })
}

fn add_methods(root: &mut Value, definitions: &mut Map<String, Value>) {
    let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    let (any, plain) = (names.join("|"), json!({ "enum": names }));
    let joined = json!({ "type": "string", "pattern": format!("^({any})(\\+({any}))+$") });
    let own: Vec<Value> = PARTS.iter().map(|part| hoisted(part.schema(), definitions)).collect();
    let entries = |has_label| {
        let parts = PARTS.iter().zip(&own);
        Vec::from_iter(parts.map(|(part, own)| entry(&[part.name], part.about, own, has_label)))
    };
    let parts = json!({
        "type": "object",
        "properties": {
            "label": { "type": "string" },
            "parts": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/MethodPart" } },
        },
        "required": ["parts"],
        "additionalProperties": false,
    });
    let part = [vec![plain.clone()], entries(false)].concat();
    definitions.insert("MethodPart".to_owned(), json!({ "anyOf": part }));
    let method = [vec![plain, joined], entries(true), vec![parts]].concat();
    definitions.insert("Method".to_owned(), json!({ "anyOf": method }));
    root["properties"]["methods"]["items"] = json!({ "$ref": "#/$defs/Method" });
    root["properties"]["methods"]["minItems"] = json!(1);
}

/// Schedules with the same options stand together.
fn add_schedules(root: &mut Value, definitions: &mut Map<String, Value>) {
    let mut kinds: Vec<(Vec<&str>, Value)> = Vec::new();
    for kind in SCHEDULES {
        let own = (kind.schema)();
        match kinds.iter_mut().find(|(_, other)| *other == own) {
            Some((names, _)) => names.push(kind.name),
            None => kinds.push((vec![kind.name], own)),
        }
    }
    let mut schedules = vec![json!({ "enum": SCHEDULES.iter().map(|kind| kind.name).collect::<Vec<_>>() })];
    for (names, own) in kinds {
        let about = match names[..] {
            [name] => schedule(name).map_or("", |kind| kind.about),
            _ => "A variant of noise_curvature: what is left out stands in `control`.",
        };
        schedules.push(entry(&names, about, &hoisted(own, definitions), true));
    }
    definitions.insert("Schedule".to_owned(), json!({ "anyOf": schedules }));
    root["properties"]["schedules"]["items"] = json!({ "$ref": "#/$defs/Schedule" });
    root["properties"]["schedules"]["minItems"] = json!(1);
}
