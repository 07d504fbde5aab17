//! The `stream` section: which tasks there are, and how they follow each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use trainability_baselines::options::{OptionError, check, expected_one_of};

use super::kind::{CLASSES_PER_TASK, FRACTION, StreamKind};
use super::lengths::Lengths;
use super::registry::{STREAMS, stream};
use super::start::Composition;

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
    /// Passes over a task's images; their mean if `length_spread` is above 0.
    pub epochs: usize,
    /// The share of the labels that each task after the first draws anew; for `random_labels` only.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schemars(extend("default" = 1))]
    pub fraction: f64,
    /// How many classes each task shows, the last perhaps fewer; for `class_incremental` only.
    #[serde(default = "two", skip_serializing_if = "is_two")]
    #[schemars(extend("default" = 2))]
    pub classes_per_task: usize,
    /// How many of the run's images each task shows, drawn anew for every task; by default all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
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

fn two() -> usize {
    2
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_two(classes: &usize) -> bool {
    *classes == two()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The most tasks whose lengths differ, and so are kept.
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
        let classes_per_task = self.shows_classes().then_some(self.classes_per_task);
        Composition { recurring: self.recurring, transition: self.transition, sample: self.sample, classes_per_task }
    }

    /// Whether each task shows some classes alone.
    pub(crate) fn shows_classes(&self) -> bool {
        self.kind().options.contains(&CLASSES_PER_TASK)
    }

    /// The lengths of the tasks of the run of that seed on so many images. `groups` are the images of each group of classes
    /// where tasks show one each, and else none.
    pub(crate) fn lengths(&self, images: usize, groups: &[usize], batch_size: usize, seed: u64) -> Lengths {
        let equal = Lengths::equal(self.tasks, self.epochs, self.sample.unwrap_or(images), batch_size);
        let shown = if self.recurring > 0 { &groups[..self.recurring.min(groups.len())] } else { groups };
        let cut = if shown.is_empty() || self.sample.is_some() { equal } else { equal.with_images(shown) };
        if self.length_spread == 0.0 { cut } else { cut.with_spread(self.length_spread, seed) }
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
        let not_taken = |option: &str| {
            let takers = STREAMS.iter().filter(|kind| kind.options.contains(&option)).map(|kind| kind.name);
            let takers = takers.collect::<Vec<&str>>().join(" and ");
            format!("left out, since it is an option of {takers} and not of {}", self.kind)
        };
        let cycles = self.recurring == 0 || (2..self.tasks).contains(&self.recurring);
        let (least, most) = Lengths::range(self.epochs, self.length_spread);
        let no_spread = format!("0, or a spread with which {} epochs become more or fewer", self.epochs);
        let alone = self.tasks == 1 && (self.fraction < 1.0 || self.transition > 0.0 || self.announce_boundaries);
        let takes = |option: &str| kind.options.contains(&option);
        check("fraction", self.fraction, self.fraction == 1.0 || takes(FRACTION), &not_taken(FRACTION))?;
        check("fraction", self.fraction, self.fraction > 0.0 && self.fraction <= 1.0, "above 0 and at most 1")?;
        let (classes, own) = (self.classes_per_task, takes(CLASSES_PER_TASK));
        check(CLASSES_PER_TASK, classes, is_two(&classes) || own, &not_taken(CLASSES_PER_TASK))?;
        check(CLASSES_PER_TASK, classes, classes > 0, "at least 1")?;
        let sample = self.sample.unwrap_or(usize::MAX);
        check("sample", sample, sample > 0, "at least 1, or left out for all images")?;
        let cycle = "0 for never, or a cycle of at least 2 tasks and fewer than `stream.tasks`";
        check("recurring", self.recurring, cycles, cycle)?;
        check("transition", self.transition, (0.0..=1.0).contains(&self.transition), "from 0 to 1")?;
        let other_images =
            format!("0 with {}, whose tasks show other images and not the same in another way", self.kind);
        check("transition", self.transition, self.transition == 0.0 || !own, &other_images)?;
        let (spread, even) = (self.length_spread, self.length_spread == 0.0);
        check("length_spread", spread, (0.0..1.0).contains(&spread), "at least 0 and below 1")?;
        check("length_spread", spread, even || least < most, &no_spread)?;
        let few = "at most 1000000 where `stream.length_spread` draws their lengths";
        check("tasks", self.tasks, even || self.tasks <= MOST_DRAWN, few)?;
        let few = format!("at most {MOST_DRAWN} with {}, whose tasks have lengths of their own", self.kind);
        check("tasks", self.tasks, !own || self.tasks <= MOST_DRAWN, &few)?;
        let two = "at least 2 where `fraction`, `transition` or `announce_boundaries` say how one follows another";
        check("tasks", self.tasks, !alone, two)
    }
}
