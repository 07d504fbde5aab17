//! How many shards there are, and what each is given.

use crate::experiment::SlurmOptions;
use crate::sweep::cost::Cost;

/// Seconds that a shard takes where nobody says how many there are.
const SHARE_OF_TIME: f64 = 2.0 * 3600.0;
/// What estimates are multiplied by where a limit is drawn from them.
const MARGIN: [f64; 2] = [1.5, 1.25];
/// Tasks of an array, of which Slurm takes 1,000 unless it is told otherwise.
const MOST_SHARDS: usize = 1000;

/// What Slurm will be asked for: a share of the work each, within limits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) shards: usize,
    pub(super) cpus: usize,
    /// The limit in seconds; without one it is the cluster's.
    pub(super) time: Option<u64>,
    /// Megabytes.
    pub(super) mem: Option<u64>,
    /// Hours that a shard will take, if that is known.
    pub(super) hours: Option<f64>,
}

impl Size {
    /// From an estimate of the whole with as many runs at a time as a shard has cores, if there is one.
    pub(super) fn of(options: &SlurmOptions, cost: Option<&Cost>, runs: usize) -> Size {
        let cpus = options.cpus.unwrap_or(1);
        let [time_margin, memory_margin] = MARGIN;
        let seconds = cost.map(|cost| cost.core_seconds() / cpus as f64);
        let most = runs.div_ceil(cpus).clamp(1, MOST_SHARDS);
        let wanted = |seconds: f64| match options.time_limit() {
            Some(limit) => time_margin * seconds / limit as f64,
            None => seconds / SHARE_OF_TIME,
        };
        let fitting = seconds.map_or(most, |seconds| (wanted(seconds).ceil() as usize).clamp(1, most));
        let shards = options.shards.unwrap_or(fitting);
        let each = seconds.map(|seconds| seconds / shards as f64);
        // In steps of five minutes, and never less than ten.
        let time = each.map(|seconds| (time_margin * seconds / 300.0).ceil() as u64 * 300 + 600);
        let memory = cost.and_then(Cost::memory);
        Size {
            shards,
            cpus,
            time: options.time_limit().or(time),
            mem: memory.map(|bytes| (memory_margin * bytes / 1e6).ceil() as u64 + 200),
            hours: each.map(|seconds| seconds / 3600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_take_two_hours_or_fit_into_their_limit() {
        let size = |options: &SlurmOptions, hours: f64, runs| {
            Size::of(options, Some(&Cost::example(hours * 3600.0, 1e9)), runs)
        };
        let none = SlurmOptions::default();
        // 100 hours on one core: 50 shards of two hours, three hours and ten minutes at most; 1 GB and a quarter, and 200 MB.
        let expected = Size { shards: 50, cpus: 1, time: Some(11_400), mem: Some(1450), hours: Some(2.0) };
        assert_eq!(size(&none, 100.0, 1000), expected);
        assert_eq!(size(&none, 100.0, 20).shards, 20, "no more shards than runs");
        assert_eq!(size(&none, 0.01, 20).shards, 1);
        assert_eq!(size(&SlurmOptions { cpus: Some(4), ..none.clone() }, 100.0, 1000).shards, 13);
        let limited = size(&SlurmOptions { time: Some("60".to_owned()), ..none.clone() }, 100.0, 1000);
        assert_eq!(
            (limited.shards, limited.time),
            (150, Some(3600)),
            "half as many again as would fit if all went well"
        );
        assert_eq!(size(&SlurmOptions { shards: Some(7), ..none.clone() }, 100.0, 1000).shards, 7);
        let unknown = Size { shards: 20, cpus: 1, time: None, mem: None, hours: None };
        assert_eq!(Size::of(&none, None, 20), unknown, "left to the cluster");
    }
}
