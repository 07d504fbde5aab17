//! What a plan has to know of the images, and how many of them runs and their tasks show.

use std::sync::Arc;

use super::error::ConfigError;
use super::file::Experiment;
use crate::data::{ImageSet, ImageShape};
use crate::run::classes_of_run;
use crate::stream::group_sizes;

/// What a plan has to know of the images.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// How many there are.
    pub count: usize,
    /// SHA-256 over their content.
    pub checksum: String,
    /// The same of the set's own test images, if it has any and they were read.
    pub test: Option<String>,
    /// How the numbers of an image lie; `None` where they are no planes of pixels.
    pub shape: Option<ImageShape>,
    /// The class of each image; empty where that is not known.
    pub labels: Arc<[u8]>,
}

impl ImageFacts {
    /// Those of a set.
    pub fn of(set: &ImageSet) -> ImageFacts {
        let test = set.test.as_ref().map(|test| test.checksum.clone());
        let (checksum, labels) = (set.checksum.clone(), set.labels.as_slice().into());
        ImageFacts { count: set.count, checksum, test, shape: Some(set.shape()), labels }
    }

    /// Those of images of which no more is known, and that have no test images.
    pub fn bare(count: usize, checksum: &str) -> ImageFacts {
        ImageFacts { count, checksum: checksum.to_owned(), test: None, shape: None, labels: Arc::default() }
    }
}

/// How many images are trained on, those that are held out having their place beside them.
pub(super) fn count_images(experiment: &Experiment, images: &ImageFacts) -> Result<usize, ConfigError> {
    let data = &experiment.data;
    if let Some(held_out) = data.test_images {
        let expected = match &images.test {
            Some(_) => Some(format!("left out, since the set {} has test images of its own", data.set)),
            None if held_out < images.count => None,
            None => Some(format!("fewer than the {} images that the set {} has", images.count, data.set)),
        };
        if let Some(expected) = expected {
            return Err(experiment.refuse("data.test_images", held_out, expected));
        }
    }
    let most = images.count - data.test_images.unwrap_or(0);
    let count = data.images.unwrap_or(data.images_at_most.unwrap_or(usize::MAX).min(most));
    if count > most {
        let beside = if data.test_images.is_some() { " beside `data.test_images`" } else { "" };
        let expected = format!("at most {most}, the images that the set {} has{beside}", data.set);
        return Err(experiment.refuse("data.images", count, expected));
    }
    Ok(count)
}

/// The images of each group of classes in the run of that seed, where tasks show one each, and else none.
pub(super) fn groups_of(
    experiment: &Experiment,
    images: &ImageFacts,
    count: usize,
    seed: u64,
) -> Result<Vec<usize>, ConfigError> {
    let stream = &experiment.stream;
    if !stream.shows_classes() {
        return Ok(Vec::new());
    }
    if images.labels.is_empty() {
        let expected =
            format!("another kind, since the classes of the images of {} are not known", experiment.data.set);
        return Err(experiment.refuse("stream.kind", format!("{:?}", stream.kind), expected));
    }
    let groups = group_sizes(&classes_of_run(&images.labels, count, seed), stream.classes_per_task, seed);
    let (there, wanted) = (groups.len(), if stream.recurring > 0 { stream.recurring } else { stream.tasks });
    if wanted > there {
        let (key, again) = match stream.recurring {
            0 => ("tasks", ", or `stream.recurring` for classes that come again"),
            _ => ("recurring", ""),
        };
        let expected = format!(
            "at most {there}, since {} of the classes in seed {seed}'s images are a task{again}",
            stream.classes_per_task
        );
        return Err(experiment.refuse(&format!("stream.{key}"), wanted, expected));
    }
    let least = groups[..wanted].iter().copied().min().unwrap_or(0);
    match stream.sample {
        Some(sample) if sample > least => {
            let expected = format!("at most {least}, the fewest images of a task's classes among seed {seed}'s");
            Err(experiment.refuse("stream.sample", sample, expected))
        }
        _ => Ok(groups),
    }
}
