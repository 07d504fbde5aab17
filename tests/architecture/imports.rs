//! Who imports what from whom, by way of the modules' names.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use super::CRATES;
use super::reader::{Reader, test_modules};

/// A module's path: the crate's name first.
pub(crate) type ModulePath = Vec<String>;

#[derive(Default)]
pub(crate) struct Module {
    pub file: usize,
    /// What is defined in it, and the file.
    pub items: BTreeMap<String, usize>,
    /// What a name stands for.
    pub names: BTreeMap<String, Vec<String>>,
    pub globs: Vec<Vec<String>>,
}

pub(crate) enum Target {
    Module(ModulePath),
    /// An item, and the file that defines it.
    Item(usize, String),
    /// Something that is not of this workspace.
    Foreign,
}

/// Sources, their modules, and who imports what from whom.
#[derive(Default)]
pub(crate) struct Sources {
    /// The path of each file, and its module.
    pub files: Vec<(String, ModulePath)>,
    pub modules: BTreeMap<ModulePath, Module>,
    /// The items that one file imports from another.
    pub imports: BTreeMap<(usize, usize), BTreeSet<String>>,
    /// Public items, and the files of every type's name.
    pub public: usize,
    pub types: BTreeMap<String, Vec<String>>,
}

impl Sources {
    /// Parses files of given paths, such as `src/probe/noise.rs`.
    pub(crate) fn new(texts: &[(String, String)]) -> Sources {
        let parsed: Vec<syn::File> = texts
            .iter()
            .map(|(path, text)| syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}")))
            .collect();
        let mut sources = Sources::default();
        let files: Vec<_> = texts.iter().map(|(path, _)| module_of(path)).zip(&parsed).collect();
        // Whole files can be for tests alone: their modules are declared so.
        let tests: BTreeSet<ModulePath> = files.iter().flat_map(|(module, file)| test_modules(module, file)).collect();
        let counts = |module: &ModulePath| (1..=module.len()).all(|end| !tests.contains(&module[..end]));
        let kept: Vec<_> = texts.iter().zip(files).filter(|(_, (module, _))| counts(module)).collect();
        sources.files = kept.iter().map(|((path, _), (module, _))| (path.clone(), module.clone())).collect();
        for follow in [false, true] {
            for (file, (_, (module, parsed))) in kept.iter().enumerate() {
                sources.modules.entry(module.clone()).or_default().file = file;
                Reader { sources: &mut sources, module: module.clone(), file, follow }.visit_file(parsed);
            }
        }
        sources
    }

    /// What a path means in a module.
    pub(crate) fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            _ if depth == 0 => return None,
            "crate" => Target::Module(module[..1].to_vec()),
            "self" => Target::Module(module.to_vec()),
            "super" => return self.resolve_in(Target::Module(module[..module.len() - 1].to_vec()), rest, depth),
            name => match self.look_up(module, name, rest.is_empty(), depth) {
                Some(target) => target,
                None if self.modules.contains_key(&path[..1]) => Target::Module(path[..1].to_vec()),
                None => return None,
            },
        };
        self.resolve_in(start, rest, depth)
    }

    fn resolve_in(&self, start: Target, rest: &[String], depth: usize) -> Option<Target> {
        let mut found = start;
        for (place, name) in rest.iter().enumerate() {
            let Target::Module(module) = &found else { break };
            found = match name.as_str() {
                "super" => Target::Module(module[..module.len() - 1].to_vec()),
                "self" => continue,
                name => match self.look_up(module, name, place + 1 == rest.len(), depth) {
                    Some(target) => target,
                    // Made by a macro.
                    None => Target::Item(self.modules.get(module)?.file, name.to_owned()),
                },
            };
        }
        Some(found)
    }

    /// What a name in a module means. A module and an item can share a name: the item comes last in a path.
    fn look_up(&self, module: &[String], name: &str, last: bool, depth: usize) -> Option<Target> {
        let here = self.modules.get(module)?;
        let child = [module, &[name.to_owned()]].concat();
        if self.modules.contains_key(&child) && !(last && here.names.contains_key(name)) {
            return Some(Target::Module(child));
        }
        if let Some(&file) = here.items.get(name) {
            return Some(Target::Item(file, name.to_owned()));
        }
        if let Some(path) = here.names.get(name) {
            return self.resolve(module, path, depth - 1).or(Some(Target::Foreign));
        }
        here.globs.iter().find_map(|glob| match self.resolve(module, glob, depth - 1)? {
            Target::Module(from) if from != module && depth > 1 => self.look_up(&from, name, last, depth - 1),
            _ => None,
        })
    }

    /// The files, and the modules beside each other, that import one another in a circle.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        // Each module's children are looked at by themselves; what lies inside of a child counts as the child's.
        let folders: BTreeSet<&[String]> =
            self.files.iter().flat_map(|(_, module)| (1..=module.len()).map(|end| &module[..end])).collect();
        for folder in folders {
            let child = |file: usize| {
                let (path, module) = &self.files[file];
                let below = module.strip_prefix(folder)?;
                Some(below.first().map_or(path.as_str(), |name| name))
            };
            let mut edges: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
            for (&(from, to), items) in &self.imports {
                if let (Some(one), Some(other)) = (child(from), child(to))
                    && one != other
                {
                    edges.entry((one, other)).or_default().push(self.sentence(from, to, items));
                }
            }
            let mut circles: BTreeMap<BTreeSet<&str>, Vec<String>> = BTreeMap::new();
            for (&(from, to), lines) in &edges {
                let circle = &reached(&edges, from) & &reached_by(&edges, from);
                if circle.contains(to) {
                    circles.entry(circle).or_default().extend(lines.clone());
                }
            }
            for (circle, lines) in circles {
                found.push(format!("circle in {} of {circle:?}:\n  {}", folder.join("::"), lines.join("\n  ")));
            }
        }
        found
    }

    /// What one file imports from another, in words.
    pub(crate) fn sentence(&self, from: usize, to: usize, items: &BTreeSet<String>) -> String {
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        format!("{} imports {} from {}", self.files[from].0, items.join(", "), self.files[to].0)
    }
}

/// The places that edges lead to from a place, itself among them.
fn reached<'a, E>(edges: &BTreeMap<(&'a str, &'a str), E>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(place) = open.pop() {
        open.extend(edges.keys().filter(|edge| edge.0 == place).map(|edge| edge.1).filter(|next| reached.insert(next)));
    }
    reached
}

/// The places from which edges lead to a place.
fn reached_by<'a, E>(edges: &BTreeMap<(&'a str, &'a str), E>, to: &'a str) -> BTreeSet<&'a str> {
    reached(&edges.keys().map(|&(one, other)| ((other, one), ())).collect(), to)
}

/// The module of a file: `src/probe/mod.rs` is `trainability::probe`.
fn module_of(path: &str) -> ModulePath {
    let (folder, inside) = path.strip_suffix(".rs").unwrap().split_once("src/").unwrap();
    let package = CRATES.iter().find(|(place, ..)| *place == folder.trim_end_matches('/'));
    let package = package.unwrap_or_else(|| panic!("{path} is of no crate in the table")).1.replace('-', "_");
    let names = inside.split('/').filter(|name| !["lib", "mod"].contains(name)).map(str::to_owned);
    [package].into_iter().chain(names).collect()
}
