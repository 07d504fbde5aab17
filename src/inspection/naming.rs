//! The names of a checkpoint's tensors, as they are and as our networks have them.

use std::collections::BTreeMap;

use super::tensor_file::TensorFile;

/// How names become ours: a prefix that all have falls off, such as `module.` or `_orig_mod.`, and the numbers of a plain
/// `nn.Sequential` become `conv1`, `conv2`, .., `fc1`, `fc2`, .. in their order.
#[derive(Debug, Default)]
pub(super) struct Naming {
    prefix: String,
    numbered: BTreeMap<String, String>,
}

impl Naming {
    /// Of a checkpoint's names.
    pub(super) fn of(file: &TensorFile) -> Naming {
        let names: Vec<&str> = file.names().collect();
        let mut prefix = String::new();
        // Of each name a layer and a role remain.
        while let Some(part) = common_part(names.iter().map(|name| &name[prefix.len()..])) {
            prefix.push_str(&part);
        }
        let mut numbers: Vec<(u64, usize)> = Vec::new();
        for name in &names {
            let Some((number, role)) = name[prefix.len()..].split_once('.') else { return Naming::plain(prefix) };
            let Ok(place) = number.parse() else { return Naming::plain(prefix) };
            match (role, file.dimensions(name)) {
                ("weight", Some(dimensions)) => numbers.push((place, dimensions)),
                ("bias", _) => {}
                _ => return Naming::plain(prefix),
            }
        }
        numbers.sort_unstable();
        let (mut filters, mut matrices) = (0, 0);
        let named = |(place, dimensions): (u64, usize)| {
            let (kind, count) = if dimensions == 4 { ("conv", &mut filters) } else { ("fc", &mut matrices) };
            *count += 1;
            (place.to_string(), format!("{kind}{count}"))
        };
        Naming { prefix, numbered: numbers.into_iter().map(named).collect() }
    }

    fn plain(prefix: String) -> Naming {
        Naming { prefix, numbered: BTreeMap::new() }
    }

    /// Our name of a tensor.
    pub(super) fn ours(&self, name: &str) -> String {
        let own = name.strip_prefix(&self.prefix).unwrap_or(name);
        match own.split_once('.').and_then(|(layer, role)| Some((self.numbered.get(layer)?, role))) {
            Some((layer, role)) => format!("{layer}.{role}"),
            None => own.to_owned(),
        }
    }
}

/// The first part of all names, with its dot, if they have it in common and two parts are left of each.
fn common_part<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = names.next()?;
    let part = &first[..=first.find('.')?];
    let leaves_two = |name: &str| name.strip_prefix(part).is_some_and(|rest| rest.contains('.'));
    (leaves_two(first) && names.all(leaves_two)).then(|| part.to_owned())
}
