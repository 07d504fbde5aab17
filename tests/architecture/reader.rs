//! What a file defines and which paths it names. What only tests use is left out.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Macro, UseTree, Visibility};

use super::imports::{Module, ModulePath, Sources, Target};

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || (condition.starts_with("all") && condition.contains("test"))
        }
        _ => false,
    })
}

/// The modules of other files that a file declares for tests alone.
pub(crate) fn test_modules(module: &ModulePath, file: &syn::File) -> Vec<ModulePath> {
    let declared = file.items.iter().filter_map(|item| match item {
        Item::Mod(inner) if inner.content.is_none() && is_for_tests(&inner.attrs) => Some(inner.ident.to_string()),
        _ => None,
    });
    declared.map(|name| [&module[..], &[name]].concat()).collect()
}

/// The paths among the tokens of a macro: names joined by `::`.
fn paths_in(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    let mut before = String::new();
    for token in tokens {
        match &token {
            TokenTree::Group(group) => paths.extend(paths_in(group.stream())),
            // A field or a method is none.
            TokenTree::Ident(_) if before.ends_with('.') && !before.ends_with("..") => {}
            TokenTree::Ident(name) if before.ends_with("::") && !paths.is_empty() => {
                paths.last_mut().unwrap().push(name.to_string());
            }
            TokenTree::Ident(name) => paths.push(vec![name.to_string()]),
            _ => {}
        }
        match token {
            TokenTree::Punct(punct) => before.push(punct.as_char()),
            _ => before.clear(),
        }
    }
    paths
}

/// The ends of a `use` declaration: a path, and the name it gets; a glob has none.
fn leaves(tree: &UseTree, prefix: &[String], found: &mut Vec<(Vec<String>, Option<String>)>) {
    let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), found),
        UseTree::Name(name) if name.ident == "self" => found.push((prefix.to_vec(), prefix.last().cloned())),
        UseTree::Name(name) => found.push((with(&name.ident), Some(name.ident.to_string()))),
        UseTree::Rename(rename) if rename.ident == "self" => {
            found.push((prefix.to_vec(), Some(rename.rename.to_string())));
        }
        UseTree::Rename(rename) => found.push((with(&rename.ident), Some(rename.rename.to_string()))),
        UseTree::Glob(_) => found.push((prefix.to_vec(), None)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, prefix, found)),
    }
}

/// Goes through a file twice: for what its modules define, and then for what they import.
pub(crate) struct Reader<'a> {
    pub sources: &'a mut Sources,
    pub module: ModulePath,
    pub file: usize,
    /// The second time.
    pub follow: bool,
}

impl Reader<'_> {
    fn here(&mut self) -> &mut Module {
        self.sources.modules.entry(self.module.clone()).or_default()
    }

    /// The crate's own module.
    fn root(&mut self) -> &mut Module {
        self.sources.modules.entry(self.module[..1].to_vec()).or_default()
    }

    /// Notes that this file needs what a path names.
    fn import(&mut self, path: &[String], glob: bool) {
        let (file, item) = match self.sources.resolve(&self.module, path, 8) {
            Some(Target::Item(file, item)) => (file, item),
            Some(Target::Module(module)) if glob && !self.sources.modules[&module].items.is_empty() => {
                (self.sources.modules[&module].file, "*".to_owned())
            }
            _ => return,
        };
        if file != self.file {
            self.sources.imports.entry((self.file, file)).or_default().insert(item);
        }
    }

    fn define(&mut self, name: &syn::Ident, visibility: Option<&Visibility>, is_type: bool) {
        let file = self.file;
        self.here().items.insert(name.to_string(), file);
        if is_type {
            let path = self.sources.files[file].0.clone();
            self.sources.types.entry(name.to_string()).or_default().push(path);
        }
        self.sources.public += usize::from(matches!(visibility, Some(Visibility::Public(_))));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, defined) = match item {
            Item::Fn(item) => (&item.attrs, Some((&item.sig.ident, Some(&item.vis), false))),
            Item::Struct(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), true))),
            Item::Enum(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), true))),
            Item::Union(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), true))),
            Item::Trait(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), true))),
            Item::Type(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), true))),
            Item::Const(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), false))),
            Item::Static(item) => (&item.attrs, Some((&item.ident, Some(&item.vis), false))),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref().map(|name| (name, None, false))),
            Item::Use(item) => (&item.attrs, None),
            Item::Mod(item) => (&item.attrs, None),
            Item::Impl(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if is_for_tests(attributes) {
            return;
        }
        if let (false, Some((name, visibility, is_type))) = (self.follow, defined) {
            self.define(name, visibility, is_type);
            if let Item::Macro(item) = item {
                let file = self.file;
                self.root().items.insert(name.to_string(), file);
                let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
                self.sources.public += usize::from(exported);
            }
        }
        match item {
            Item::Use(item) => {
                let mut found = Vec::new();
                leaves(&item.tree, &[], &mut found);
                for (path, name) in found {
                    match name {
                        _ if self.follow => self.import(&path, name.is_none()),
                        Some(name) => _ = self.here().names.insert(name, path),
                        None => self.here().globs.push(path),
                    }
                }
            }
            Item::Mod(inner) if inner.content.is_some() => {
                self.module.push(inner.ident.to_string());
                self.here().file = self.file;
                visit::visit_item_mod(self, inner);
                self.module.pop();
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let (attributes, visibility) = match item {
            ImplItem::Fn(item) => (&item.attrs, &item.vis),
            ImplItem::Const(item) => (&item.attrs, &item.vis),
            item => return visit::visit_impl_item(self, item),
        };
        if !is_for_tests(attributes) {
            self.sources.public += usize::from(!self.follow && matches!(visibility, Visibility::Public(_)));
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if self.follow {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.import(&names, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if self.follow {
            // A macro is known in the whole crate by its mere name.
            let name = call.path.segments.last().unwrap().ident.to_string();
            if call.path.segments.len() == 1 && self.root().items.contains_key(&name) {
                self.import(&["crate".to_owned(), name], false);
            }
            paths_in(call.tokens.clone()).iter().for_each(|path| self.import(path, false));
        }
        visit::visit_macro(self, call);
    }
}
