//! What a batch system is asked for.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::{OptionError, check};

/// What Slurm is asked for, for each shard of a sweep. What is left out is estimated, or left to the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "With --engine slurm")]
pub(crate) struct SlurmOptions {
    /// The partition
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<String>,
    /// The account that pays
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// The time limit of a shard, as Slurm writes it: MINUTES, HOURS:MINUTES:SECONDS, DAYS-HOURS. What does not fit into it
    /// goes on after another wait in the queue [default: half as long again as estimated]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    /// The memory of a shard, such as 4G [default: a quarter more than estimated]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mem: Option<String>,
    /// Cores of a shard, which are its runs at the same time [default: 1]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpus: Option<usize>,
    /// Shards that may be at work at the same time
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) array_limit: Option<usize>,
    /// Shards [default: as many as make a shard take about two hours, or fit into its time limit]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shards: Option<usize>,
}

impl SlurmOptions {
    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        *self == SlurmOptions::default()
    }

    /// These options, and where they are silent, others.
    pub(crate) fn or(self, others: SlurmOptions) -> SlurmOptions {
        SlurmOptions {
            partition: self.partition.or(others.partition),
            account: self.account.or(others.account),
            time: self.time.or(others.time),
            mem: self.mem.or(others.mem),
            cpus: self.cpus.or(others.cpus),
            array_limit: self.array_limit.or(others.array_limit),
            shards: self.shards.or(others.shards),
        }
    }

    /// # Errors
    /// A value is not what Slurm would take.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.,+-".contains(c))
                && !text.starts_with('-')
        };
        for (key, text) in [("partition", &self.partition), ("account", &self.account)] {
            let Some(text) = text else { continue };
            check(key, format!("{text:?}"), is_word(text), "a name of letters, digits, and any of _.,+-")?;
        }
        if let Some(time) = &self.time {
            let expected = "a time such as 90 (minutes), 12:00:00 or 2-00";
            check("time", format!("{time:?}"), self.time_limit().is_some_and(|seconds| seconds > 0), expected)?;
        }
        if let Some(mem) = &self.mem {
            let number = mem.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(mem);
            let is_size = number.parse::<u64>().is_ok_and(|number| number > 0);
            check("mem", format!("{mem:?}"), is_size, "a size in megabytes, or such as 500M or 4G")?;
        }
        for (key, count) in [("cpus", self.cpus), ("array_limit", self.array_limit), ("shards", self.shards)] {
            let shown = count.map_or_else(String::new, |count| count.to_string());
            check(key, shown, count.is_none_or(|count| (1..=100_000).contains(&count)), "from 1 to 100000")?;
        }
        Ok(())
    }

    /// The seconds of the time limit: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M` or `D-H:M:S`.
    pub(crate) fn time_limit(&self) -> Option<u64> {
        let text = self.time.as_deref()?;
        let numbers = |text: &str| {
            text.split(':').map(|part| part.parse::<u32>().ok().map(u64::from)).collect::<Option<Vec<u64>>>()
        };
        let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
        let rest = numbers(rest)?;
        match (days, &rest[..]) {
            (None, &[minutes]) => Some(60 * minutes),
            (None, &[minutes, seconds]) => Some(60 * minutes + seconds),
            (None, &[hours, minutes, seconds]) => Some(3600 * hours + 60 * minutes + seconds),
            (Some(days), [hours, below @ ..]) if below.len() <= 2 => {
                let days = u64::from(days.parse::<u32>().ok()?);
                let [minutes, seconds] = [below.first(), below.get(1)].map(|part| part.copied().unwrap_or(0));
                Some(86_400 * days + 3600 * hours + 60 * minutes + seconds)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        let seconds = |time: &str| SlurmOptions { time: Some(time.to_owned()), ..SlurmOptions::default() }.time_limit();
        let known = [
            ("90", 5400),
            ("1:30", 90),
            ("02:00:30", 7230),
            ("2-00", 172_800),
            ("1-02:03", 93_780),
            ("1-02:03:04", 93_784),
        ];
        for (time, expected) in known {
            assert_eq!(seconds(time), Some(expected), "{time}");
        }
        for bad in ["", "-1", "1:2:3:4", "1-", "1-1:2:3:4", "an hour", "1.5", " 1"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_slurm_would_not_take_is_refused_by_its_key() {
        let refused = |options: SlurmOptions| options.check().unwrap_err().key;
        let none = SlurmOptions::default();
        none.check().unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(refused(SlurmOptions { partition: text("a b"), ..none.clone() }), "partition");
        assert_eq!(refused(SlurmOptions { account: text("x\n#SBATCH"), ..none.clone() }), "account");
        assert_eq!(refused(SlurmOptions { time: text("0"), ..none.clone() }), "time");
        assert_eq!(refused(SlurmOptions { mem: text("4GB"), ..none.clone() }), "mem");
        assert_eq!(refused(SlurmOptions { cpus: Some(0), ..none.clone() }), "cpus");
        let all = SlurmOptions { partition: text("long,short"), mem: text("4G"), shards: Some(16), ..none };
        all.check().unwrap();
        assert_eq!(SlurmOptions::default().or(all.clone()), all);
    }
}
