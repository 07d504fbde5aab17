//! What one task of a stream is about.

use tch::Tensor;
use trainability_tensor::{State, StateError, Stateful};

/// What a task makes of images and their true classes.
#[derive(Debug)]
pub struct Content {
    /// What the images are called.
    pub labels: Labels,
    /// Which pixel of the image as it is stands at each place, features, Int64; none where images stay as they are.
    pub pixels: Option<Tensor>,
}

/// The labels of a task.
#[derive(Debug)]
pub enum Labels {
    /// Drawn for each image, whatever it shows. They say nothing of other images.
    Drawn {
        /// N, Int64.
        labels: Tensor,
        /// Each is below it.
        classes: i64,
    },
    /// What each true class is called, classes, Int64.
    Renamed(Tensor),
}

/// What content is drawn for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Material {
    /// N, how many images there are.
    pub images: usize,
    /// Numbers of an image.
    pub features: usize,
    /// How many classes there are.
    pub classes: i64,
    /// The share of the labels that a task redraws, above 0 and at most 1; for kinds that take it.
    pub fraction: f64,
    /// All content follows from it alone.
    pub seed: u64,
}

impl Content {
    /// The labels of the training images (N, Int64), whose true classes are these.
    pub fn labels(&self, classes: &Tensor) -> Tensor {
        match &self.labels {
            Labels::Drawn { labels, .. } => labels.shallow_clone(),
            Labels::Renamed(names) => names.to_device(classes.device()).index_select(0, classes),
        }
    }

    /// The labels of images that nobody trains on (M, Int64), whose true classes are these; none where labels are drawn.
    pub(crate) fn labels_of_others(&self, classes: &Tensor) -> Option<Tensor> {
        match &self.labels {
            Labels::Drawn { .. } => None,
            Labels::Renamed(names) => Some(names.to_device(classes.device()).index_select(0, classes)),
        }
    }

    /// Images (M x features) as the task shows them.
    pub fn show(&self, images: &Tensor) -> Tensor {
        self.pixels
            .as_ref()
            .map_or_else(|| images.shallow_clone(), |order| images.index_select(1, &order.to_device(images.device())))
    }
}

impl Stateful for Content {
    fn save(&self, state: &mut State) {
        match &self.labels {
            Labels::Drawn { labels, .. } => state.put_tensor("labels", labels),
            Labels::Renamed(names) => state.put_tensor("names", names),
        }
        if let Some(order) = &self.pixels {
            state.put_tensor("pixels", order);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        match &mut self.labels {
            Labels::Drawn { labels, classes } => state.copy_indices_into("labels", labels, *classes)?,
            Labels::Renamed(names) => *names = restored_order(state, "names", names.numel())?,
        }
        if let Some(order) = &mut self.pixels {
            *order = restored_order(state, "pixels", order.numel())?;
        }
        Ok(())
    }
}

/// 0, 1, .. to below `count`, Int64.
pub(super) fn natural_order(count: usize) -> Tensor {
    Tensor::from_slice(&(0..count as i64).collect::<Vec<_>>())
}

/// The order of 0 .. `count` that was saved as `name`.
///
/// # Errors
/// There is none, or it is no order of these.
pub(super) fn restored_order(state: &State, name: &str, count: usize) -> Result<Tensor, StateError> {
    let whole = natural_order(count);
    let mut order = whole.zeros_like();
    state.copy_indices_into(name, &mut order, count as i64)?;
    if order.sort(0, false).0 == whole {
        return Ok(order);
    }
    Err(StateError::mismatch(name, "a list with something twice", format!("each of 0 to below {count} once")))
}
