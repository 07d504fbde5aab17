//! A share of a plan: what one of several processes trains that have nothing in common but the results folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More shares than any plan has runs.
const MOST_SHARDS: usize = 1_000_000;

/// The `index`-th of `count` shares, counted from 1. The default is the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Shard { index: 1, count: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let numbers = text.split_once('/').and_then(|(index, count)| number(index).zip(number(count)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) && count <= MOST_SHARDS => Ok(Shard { index, count }),
            _ => Err(format!(
                "{text:?} is no shard, expected K/N with K from 1 to N and N at most {MOST_SHARDS}, such as 3/16"
            )),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Shard, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Whether it is everything.
    pub(super) fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Which it is, from 1.
    pub(super) fn index(self) -> usize {
        self.index
    }

    /// How many shares there are.
    pub(super) fn count(self) -> usize {
        self.count
    }

    /// Its place in the name of a file.
    pub(super) fn file_stem(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_written() {
        assert_eq!("3/16".parse::<Shard>().unwrap(), Shard { index: 3, count: 16 });
        assert_eq!("3/16".parse::<Shard>().unwrap().to_string(), "3/16");
        for bad in ["", "3", "0/4", "5/4", "1/0", "-1/4", "+1/4", "1/4/2", "a/b", "1 /4", "1/1000001"] {
            assert!(bad.parse::<Shard>().unwrap_err().contains("such as 3/16"), "{bad}");
        }
    }
}
