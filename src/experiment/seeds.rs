//! The option `seeds`: how many, or which.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::short;

/// A number n for the seeds 0 .. n, or the list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub(super) enum Seeds {
    Count(u64),
    List(Vec<u64>),
}

impl TryFrom<Value> for Seeds {
    type Error = String;

    fn try_from(value: Value) -> Result<Seeds, String> {
        let list = |list: &Vec<Value>| list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>();
        let seeds = match &value {
            Value::Array(values) => list(values).filter(|list| list.len() <= MOST_SEEDS).map(Seeds::List),
            other => other.as_u64().filter(|count| *count <= MOST_SEEDS as u64).map(Seeds::Count),
        };
        seeds.ok_or_else(|| {
            format!(
                "found {}, expected a number of seeds such as 3, or a list such as [0, 2, 3]; at most {MOST_SEEDS}",
                short(&value.to_string())
            )
        })
    }
}

/// The most seeds of a sweep.
pub(crate) const MOST_SEEDS: usize = 10_000;
