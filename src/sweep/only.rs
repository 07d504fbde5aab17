//! Which runs of a plan `--only` chooses.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};
use trainability_baselines::options::did_you_mean;

use super::error::SweepError;
use crate::run::RunPlan;

/// The runs that any of some patterns chooses; all of them where there is no pattern.
#[derive(Debug)]
pub(crate) struct Only(Vec<RunPattern>);

#[derive(Debug)]
struct RunPattern {
    text: String,
    glob: GlobMatcher,
}

impl Only {
    /// # Errors
    /// One of the patterns is none.
    pub(crate) fn new(patterns: &[String]) -> Result<Only, SweepError> {
        let compile = |text: &String| {
            let whole = text.trim_end_matches('/');
            let refused =
                |error: globset::Error| SweepError::Pattern { pattern: text.clone(), reason: error.kind().to_string() };
            Ok(RunPattern { text: text.clone(), glob: Glob::new(whole).map_err(refused)?.compile_matcher() })
        };
        Ok(Only(patterns.iter().map(compile).collect::<Result<_, SweepError>>()?))
    }

    /// Whether the run of that name may be among those that are chosen.
    pub(crate) fn may_choose(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.glob.is_match(name) || pattern.is_above(name))
    }

    /// The runs that are chosen, in their order.
    ///
    /// # Errors
    /// A pattern chooses nothing.
    pub(crate) fn choose<'a>(&self, runs: &'a [RunPlan]) -> Result<Vec<&'a RunPlan>, SweepError> {
        let names: Vec<String> = runs.iter().map(RunPlan::name).collect();
        let mut chosen = vec![self.0.is_empty(); runs.len()];
        for pattern in &self.0 {
            let mut places: Vec<usize> = (0..names.len()).filter(|&run| pattern.glob.is_match(&names[run])).collect();
            // What chooses no run by its whole name is meant as the beginning of one.
            if places.is_empty() {
                places = (0..names.len()).filter(|&run| pattern.is_above(&names[run])).collect();
            }
            if places.is_empty() {
                return Err(pattern.chooses_none(&names));
            }
            places.into_iter().for_each(|run| chosen[run] = true);
        }
        Ok(runs.iter().zip(chosen).filter_map(|(run, chosen)| chosen.then_some(run)).collect())
    }
}

impl RunPattern {
    /// Whether it is a pattern of a folder in which the run lies: `relu/constant` is one of `relu/constant/seed-0`.
    fn is_above(&self, name: &str) -> bool {
        name.match_indices('/').any(|(end, _)| self.glob.is_match(&name[..end]))
    }

    fn chooses_none(&self, names: &[String]) -> SweepError {
        let example = names.first().cloned().unwrap_or_default();
        SweepError::NoRunChosen { pattern: self.text.clone(), runs: names.len(), example, guess: self.guess(names) }
    }

    /// What may have been meant, by the first part that is no method, no schedule or no seed.
    fn guess(&self, names: &[String]) -> String {
        for (place, part) in self.text.split('/').enumerate() {
            let there: BTreeSet<&str> = names.iter().filter_map(|name| name.split('/').nth(place)).collect();
            let is_pattern = part.contains(['*', '?', '[', '{']);
            let guess = did_you_mean(part, there.iter().copied());
            if !is_pattern && !there.contains(part) && !guess.is_empty() {
                return guess;
            }
        }
        String::new()
    }
}
