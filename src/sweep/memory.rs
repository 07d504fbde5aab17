//! Memory: what there is, what some work takes at most, and whether runs fit. Peaks are measured, as the system counts
//! them; before that, what a run needs in any case is computed, so that nothing hopeless is even tried.

use std::fs;

use sysinfo::{MemoryRefreshKind, System};

use crate::data::ImageSet;
use crate::run::RunPlan;

/// Bytes that a run takes in any case: each parameter and its gradient, its images, and what its layers make of a
/// minibatch.
pub(super) fn least(run: &RunPlan, set: &ImageSet) -> f64 {
    let method = run.method.build();
    let element = run.training.precision.kind().elt_size_in_bytes() as f64;
    let images = run.images() as f64 * set.shape().features() as f64;
    let layers = run.architecture(set, &method).layers(method.activation.as_ref()).into_iter();
    let of_layers = layers.map(|layer| {
        let outputs = layer.units() as f64 * layer.positions() as f64;
        2.0 * layer.parameter_count() as f64 + run.training.batch_size as f64 * outputs
    });
    element * (images + of_layers.sum::<f64>())
}

/// Measures what some work takes at most.
#[derive(Debug)]
pub(super) struct Gauge {
    /// Resident bytes before.
    before: f64,
}

impl Gauge {
    /// Begins to measure, if the system can: Linux can.
    pub(super) fn begin() -> Option<Gauge> {
        give_back();
        // "5" lets the peak begin anew at what is resident now.
        fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Gauge { before: of_process("VmRSS")? })
    }

    /// Resident bytes before the work began.
    pub(super) fn before(&self) -> f64 {
        self.before
    }

    /// The most that were resident since, beyond those.
    pub(super) fn most(&self) -> Option<f64> {
        Some((of_process("VmHWM")? - self.before).max(0.0))
    }
}

/// A value of /proc/self/status in bytes.
fn of_process(key: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// Lets the allocator give back what it keeps for later: the next work would use it, and seem to take less.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // SAFETY: it takes no pointer, and may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

/// Does some work that may not take more than so many bytes: where it tries to, the system refuses them, and libtorch
/// panics, which is better than a machine without memory. Where the system has no such limit, the work is just done.
#[cfg(target_os = "linux")]
pub(super) fn within<T>(bytes: f64, work: impl FnOnce() -> T) -> T {
    let mut whole = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls are given a limit that lives as long as they take.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_DATA, &mut whole) } == 0;
    let most = of_process("VmData").map(|now| now + bytes).filter(|most| known && *most < whole.rlim_cur as f64);
    let Some(most) = most else { return work() };
    let limited = libc::rlimit { rlim_cur: most as libc::rlim_t, ..whole };
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limited) };
    let result = work();
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_DATA, &whole) };
    result
}

#[cfg(not(target_os = "linux"))]
pub(super) fn within<T>(_bytes: f64, work: impl FnOnce() -> T) -> T {
    work()
}

const ADVICE: &str = "choose a smaller network.hidden, training.batch_size, data.images or measure.probe_images";

/// Runs that do not fit into memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Not even one at a time.
    #[error("{run} needs {}: {}", wants(*.needed, *.available), ADVICE)]
    Run {
        /// The name of the run that needs most.
        run: String,
        /// Bytes that it needs at least; infinite where it was stopped when it wanted more than there are.
        needed: f64,
        /// Bytes that are free.
        available: f64,
    },
    /// Fewer at a time would.
    #[error(
        "{runs} runs at a time need about {} of memory, and {} are free: {}--jobs {fitting} fits, or {}",
        gigabytes(*.needed), gigabytes(*.available), if *.in_lockstep { "--engine local " } else { "" }, ADVICE
    )]
    Jobs {
        /// Runs at a time.
        runs: usize,
        /// Whether several of them are one job.
        in_lockstep: bool,
        /// Bytes that the largest of them need together.
        needed: f64,
        /// Bytes that are free.
        available: f64,
        /// How many at a time fit.
        fitting: usize,
    },
}

fn wants(needed: f64, available: f64) -> String {
    match (needed.is_finite(), gigabytes(available)) {
        (true, available) => format!("at least {} of memory, and {available} are free", gigabytes(needed)),
        (false, available) => format!("more than the {available} of memory that are free"),
    }
}

/// Runs at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// Threads that train.
    pub(crate) jobs: usize,
    /// The most runs that one of them has in lock step, or 1.
    pub(crate) abreast: usize,
}

impl Places {
    /// Runs in memory.
    pub(super) fn runs(self) -> usize {
        self.jobs * self.abreast
    }
}

/// The bytes that the `count` runs which need most need together: they may meet.
pub(super) fn together(needs: &[(f64, &RunPlan)], count: usize) -> f64 {
    let mut needs: Vec<f64> = needs.iter().map(|(need, _)| *need).collect();
    needs.sort_by(|a, b| b.total_cmp(a));
    needs.iter().take(count).sum()
}

/// Refuses runs, each with the bytes that it needs, of which so many at a time would not fit into `available` bytes.
///
/// # Errors
/// In a sentence: what they need, what there is, and what would fit.
pub(super) fn check(needs: &[(f64, &RunPlan)], places: Places, available: f64) -> Result<(), MemoryError> {
    let Some(&(most, run)) = needs.iter().reduce(|most, need| if need.0 > most.0 { need } else { most }) else {
        return Ok(());
    };
    let runs = places.runs().min(needs.len());
    let fitting = (1..=runs).take_while(|&runs| together(needs, runs) <= available).count();
    match fitting {
        0 => Err(MemoryError::Run { run: run.name(), needed: most, available }),
        _ if fitting < runs => {
            let (needed, in_lockstep) = (together(needs, runs), places.abreast > 1);
            Err(MemoryError::Jobs { runs, in_lockstep, needed, available, fitting })
        }
        _ => Ok(()),
    }
}

/// Bytes that this process may still take: of the machine, and of its control group if that has a limit.
pub(super) fn available() -> f64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    // Where the system does not tell, nothing is refused.
    if system.total_memory() == 0 || system.available_memory() == 0 {
        return f64::INFINITY;
    }
    // Not what the group has free: its page cache counts as used there, and yields when memory is asked for.
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    system.available_memory().min(group) as f64
}

/// Bytes in a person's unit.
pub(super) fn gigabytes(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} B"),
        ..1e6 => format!("{:.0} kB", bytes / 1e3),
        ..1e9 => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::panic::catch_unwind;

    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::sweep::panics::{panic_message, wants_memory};

    #[test]
    fn a_peak_is_found_that_has_passed() {
        let gauge = Gauge::begin().unwrap();
        // Written to, and so resident.
        drop(Tensor::ones([50_000_000], (Kind::Float, Device::Cpu)));
        let most = gauge.most().unwrap();
        assert!(gauge.before() > 1e6 && most > 190e6, "{most}");
    }

    #[test]
    fn what_takes_more_than_it_may_is_stopped_and_nobody_else() {
        // Not written to: the system would promise it.
        let take = || catch_unwind(|| Tensor::empty([1_000_000_000], (Kind::Float, Device::Cpu)).size());
        let panic = within(2e9, take).unwrap_err();
        assert!(wants_memory(&panic_message(panic.as_ref())), "{}", panic_message(panic.as_ref()));
        assert_eq!(within(8e9, take).unwrap(), [1_000_000_000]);
        assert!(take().is_ok(), "the limit is gone");
    }
}
