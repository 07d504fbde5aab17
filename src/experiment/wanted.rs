//! The runs that somebody wants of a plan: what is refused of the others keeps nobody from training these.

use super::error::ConfigError;

/// Which runs at a point of the grid are wanted.
#[derive(Clone, Copy)]
pub(super) struct WantedRuns<'a> {
    /// The seeds of the sweep.
    pub(super) seeds: &'a [u64],
    /// What the point adds to the label of a method.
    pub(super) suffix: &'a str,
    /// Whether the run of a name is.
    pub(super) runs: &'a dyn Fn(&str) -> bool,
}

impl WantedRuns<'_> {
    /// What was read, or nothing where it was refused and none of its runs is wanted. These have the names of these methods
    /// and of these schedules; an entry without a name may be of any run.
    ///
    /// # Errors
    /// It was refused, and may be wanted.
    pub(super) fn unless_left_out<T>(
        &self,
        read: Result<T, ConfigError>,
        [methods, schedules]: [Vec<Option<String>>; 2],
    ) -> Result<Option<T>, ConfigError> {
        let error = match read {
            Ok(read) => return Ok(Some(read)),
            Err(error) => error,
        };
        let is_wanted = |method: &Option<String>, schedule: &Option<String>| {
            let (Some(method), Some(schedule)) = (method, schedule) else { return true };
            let suffix = self.suffix;
            self.seeds.iter().any(|seed| (self.runs)(&format!("{method}{suffix}/{schedule}/seed-{seed}")))
        };
        match methods.iter().any(|method| schedules.iter().any(|schedule| is_wanted(method, schedule))) {
            true => Err(error),
            false => Ok(None),
        }
    }
}
