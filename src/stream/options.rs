//! The `stream` section: which tasks there are, and how they follow each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use trainability_baselines::options::{OptionError, check, expected_one_of};

use super::kind::{FRACTION, StreamKind};
use super::lengths::Lengths;
use super::registry::{STREAMS, stream};
use super::sequence::Composition;

/// How the images become tasks. What has its default is not written, so that it changes no hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// The kind of tasks.
    #[serde(default = "random_labels")]
    #[schemars(extend("enum" = STREAMS.iter().map(|kind| kind.name).collect::<Vec<_>>()))]
    pub kind: String,
    /// The number of tasks.
    pub tasks: usize,
    /// Passes over the images in each task; their mean if `length_spread` is above 0.
    pub epochs: usize,
    /// The share of the labels that each task after the first draws anew; for `random_labels` only.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schemars(extend("default" = 1))]
    pub fraction: f64,
    /// n: task k has the content of task k mod n; 0: tasks do not recur.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = 0))]
    pub recurring: usize,
    /// The share of a task over which the content of the previous task gives way to the new one.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = 0))]
    pub transition: f64,
    /// s: the epochs of each task are drawn uniformly between 1 - s and 1 + s times `epochs`.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = 0))]
    pub length_spread: f64,
    /// Whether the learner is told when a task begins. If so, the optimizer's memory, the windows and averages of
    /// measurements, and the schedule with its learning rates begin anew; weights stay. A decay goes on by the clock
    /// unless its `restart` is `task`.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub announce_boundaries: bool,
}

fn random_labels() -> String {
    "random_labels".to_owned()
}

fn all() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_all(fraction: &f64) -> bool {
    *fraction == 1.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The most tasks whose lengths are drawn, and so kept.
const MOST_DRAWN: usize = 1_000_000;

impl StreamOptions {
    /// The kind.
    ///
    /// # Panics
    /// Where it has not been checked.
    pub fn kind(&self) -> &'static StreamKind {
        stream(&self.kind).expect("a checked kind is in the registry")
    }

    /// What every kind composes with.
    pub(crate) fn composition(&self) -> Composition {
        Composition { recurring: self.recurring, transition: self.transition }
    }

    /// The lengths of the tasks of the run of that seed.
    pub fn lengths(&self, images: usize, batch_size: usize, seed: u64) -> Lengths {
        let equal = Lengths::equal(self.tasks, self.epochs, images, batch_size);
        if self.length_spread == 0.0 { equal } else { equal.with_spread(self.length_spread, seed) }
    }

    /// The most epochs that a task of any seed has.
    pub(crate) fn most_epochs(&self) -> usize {
        if self.length_spread == 0.0 { self.epochs } else { Lengths::range(self.epochs, self.length_spread).1 }
    }

    /// Refuses what cannot be, contradicts the kind, or does nothing.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let Some(kind) = stream(&self.kind) else {
            let known: Vec<&str> = STREAMS.iter().map(|kind| kind.name).collect();
            let expected = expected_one_of(&self.kind, &known);
            return Err(OptionError::new("kind", format!("{:?}", self.kind), &expected));
        };
        let takers: Vec<&str> =
            STREAMS.iter().filter(|kind| kind.options.contains(&FRACTION)).map(|kind| kind.name).collect();
        let not_taken = format!("left out, since it is an option of {} and not of {}", takers.join(" and "), self.kind);
        let cycles = self.recurring == 0 || (2..self.tasks).contains(&self.recurring);
        let (least, most) = Lengths::range(self.epochs, self.length_spread);
        let no_spread = format!("0, or a spread with which {} epochs become more or fewer", self.epochs);
        let alone = self.tasks == 1 && (self.fraction < 1.0 || self.transition > 0.0 || self.announce_boundaries);
        check("fraction", self.fraction, self.fraction == 1.0 || kind.options.contains(&FRACTION), &not_taken)?;
        check("fraction", self.fraction, self.fraction > 0.0 && self.fraction <= 1.0, "above 0 and at most 1")?;
        let cycle = "0 for never, or a cycle of at least 2 tasks and fewer than `stream.tasks`";
        check("recurring", self.recurring, cycles, cycle)?;
        check("transition", self.transition, (0.0..=1.0).contains(&self.transition), "from 0 to 1")?;
        let (spread, even) = (self.length_spread, self.length_spread == 0.0);
        check("length_spread", spread, (0.0..1.0).contains(&spread), "at least 0 and below 1")?;
        check("length_spread", spread, even || least < most, &no_spread)?;
        let few = "at most 1000000 where `stream.length_spread` draws their lengths";
        check("tasks", self.tasks, even || self.tasks <= MOST_DRAWN, few)?;
        let two = "at least 2 where `fraction`, `transition` or `announce_boundaries` say how one follows another";
        check("tasks", self.tasks, !alone, two)
    }
}
