//! Saving and restoring: every part of a run that changes while it trains implements [`Stateful`].

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::slices::to_host;

/// Why a state does not fit the part that it is restored into.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The part saved something that the state does not hold.
    #[error("the saved state has no `{0}`")]
    Missing(String),
    /// A tensor of another shape or element type.
    #[error("the saved state's `{name}` is {found}, expected {expected}")]
    Mismatch {
        /// Name of the entry.
        name: String,
        /// What the state holds.
        found: String,
        /// What the part needs.
        expected: String,
    },
    /// A value that does not read as what was saved.
    #[error("the saved state's `{name}` cannot be read: {problem}")]
    Unreadable {
        /// Name of the entry.
        name: String,
        /// What serde says.
        problem: serde_json::Error,
    },
}

/// A part of a run that can be written down and set up again so that it goes on with the same bits. By default there is
/// nothing to write down.
pub trait Stateful {
    /// Writes everything that changes during a run.
    fn save(&self, _state: &mut State) {}

    /// Takes back what [`Stateful::save`] wrote into a part that was built with the same options.
    ///
    /// # Errors
    /// A missing entry or one of another shape; the part is then unusable.
    fn restore(&mut self, _state: &State) -> Result<(), StateError> {
        Ok(())
    }
}

/// Named tensors and small values; nested parts have names joined by `/`.
#[derive(Debug, Default)]
pub struct State {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Everything else by name.
    pub values: BTreeMap<String, Value>,
}

impl State {
    /// More than any run counts: a larger count was saved by none, and might not go on.
    pub const MOST_COUNT: u64 = 1 << 53;

    /// Copies a tensor into the state, which lies in main memory.
    pub fn put_tensor(&mut self, name: &str, tensor: &Tensor) {
        self.tensors.insert(name.to_owned(), to_host(&tensor.detach()).copy());
    }

    /// The tensor `name` on the device of `like`, if it has the shape and element type of that.
    ///
    /// # Errors
    /// There is none, or it has another shape or element type.
    pub fn tensor_like(&self, name: &str, like: &Tensor) -> Result<Tensor, StateError> {
        let found = self.tensor(name)?;
        if found.size() == like.size() && found.kind() == like.kind() {
            return Ok(found.to_device(like.device()));
        }
        let expected = format!("{:?} {:?}", like.kind(), like.size());
        Err(StateError::mismatch(name, format!("{:?} {:?}", found.kind(), found.size()), expected))
    }

    /// A copy of the tensor `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor, StateError> {
        self.tensors.get(name).map(Tensor::copy).ok_or_else(|| StateError::Missing(name.to_owned()))
    }

    /// Overwrites `target`, Int64, in place by the tensor `name`, whose values must lie in 0 .. `end`: an index beyond
    /// it would be found out only when it is used.
    ///
    /// # Errors
    /// As [`State::tensor_like`], or a value out of range.
    pub fn copy_indices_into(&self, name: &str, target: &mut Tensor, end: i64) -> Result<(), StateError> {
        let source = self.tensor_like(name, target)?;
        let inside = source.numel() == 0 || (source.min().int64_value(&[]) >= 0 && source.max().int64_value(&[]) < end);
        if !inside {
            let expected = format!("values from 0 to below {end}");
            return Err(StateError::mismatch(name, "a tensor with values beyond", expected));
        }
        self.copy_into(name, target)
    }

    /// Overwrites `target` in place by the tensor `name`.
    ///
    /// # Errors
    /// As [`State::tensor_like`].
    pub fn copy_into(&self, name: &str, target: &mut Tensor) -> Result<(), StateError> {
        let source = self.tensor_like(name, target)?;
        let _guard = tch::no_grad_guard();
        target.copy_(&source);
        Ok(())
    }

    /// Writes numbers with all their bits, infinities and not-a-number included.
    pub fn put_numbers(&mut self, name: &str, numbers: &[f64]) {
        self.tensors.insert(name.to_owned(), Tensor::from_slice(numbers));
    }

    /// The numbers that [`State::put_numbers`] wrote.
    ///
    /// # Errors
    /// There are none, or the entry is no list of f64.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, StateError> {
        let tensor = self.tensor(name)?;
        let numbers = if tensor.kind() == Kind::Double { Vec::try_from(&tensor).ok() } else { None };
        let found = || format!("{:?} {:?}", tensor.kind(), tensor.size());
        numbers.ok_or_else(|| StateError::mismatch(name, found(), "a list of Double"))
    }

    /// Overwrites `target` by the numbers that [`State::put_numbers`] wrote, if they are as many.
    ///
    /// # Errors
    /// As [`State::numbers`], or another number of them.
    pub fn numbers_into(&self, name: &str, target: &mut [f64]) -> Result<(), StateError> {
        let numbers = self.numbers(name)?;
        if numbers.len() != target.len() {
            let (found, expected) = (numbers.len(), target.len());
            return Err(StateError::mismatch(name, format!("{found} numbers"), format!("{expected} numbers")));
        }
        target.copy_from_slice(&numbers);
        Ok(())
    }

    /// Writes a small value; a type that JSON cannot hold is stored as null and refused on reading.
    pub fn put_value<T: Serialize>(&mut self, name: &str, value: &T) {
        self.values.insert(name.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
    }

    /// The value that [`State::put_value`] wrote.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<T, StateError> {
        let value = self.values.get(name).ok_or_else(|| StateError::Missing(name.to_owned()))?;
        T::deserialize(value).map_err(|problem| StateError::Unreadable { name: name.to_owned(), problem })
    }

    /// The count `name`, at most `most`.
    ///
    /// # Errors
    /// As [`State::value`], or it is larger.
    pub fn count(&self, name: &str, most: u64) -> Result<u64, StateError> {
        let count: u64 = self.value(name)?;
        if count <= most { Ok(count) } else { Err(StateError::mismatch(name, count, format!("at most {most}"))) }
    }

    /// Saves a part under a name of its own.
    pub fn put_part(&mut self, name: &str, part: &(impl Stateful + ?Sized)) {
        let mut inner = State::default();
        part.save(&mut inner);
        self.tensors.extend(inner.tensors.into_iter().map(|(key, tensor)| (format!("{name}/{key}"), tensor)));
        self.values.extend(inner.values.into_iter().map(|(key, value)| (format!("{name}/{key}"), value)));
    }

    /// Restores a part that [`State::put_part`] saved.
    ///
    /// # Errors
    /// What the part reports, with the part's name in front of the entry's.
    pub fn restore_part(&self, name: &str, part: &mut (impl Stateful + ?Sized)) -> Result<(), StateError> {
        let prefix = format!("{name}/");
        let strip = |key: &String| key.strip_prefix(&prefix).map(str::to_owned);
        let inner = State {
            tensors: self.tensors.iter().filter_map(|(key, t)| Some((strip(key)?, t.shallow_clone()))).collect(),
            values: self.values.iter().filter_map(|(key, v)| Some((strip(key)?, v.clone()))).collect(),
        };
        part.restore(&inner).map_err(|error| error.within(name))
    }
}

impl StateError {
    /// An entry that does not fit.
    pub fn mismatch(name: &str, found: impl ToString, expected: impl ToString) -> StateError {
        StateError::Mismatch { name: name.to_owned(), found: found.to_string(), expected: expected.to_string() }
    }

    fn within(mut self, part: &str) -> StateError {
        let (StateError::Missing(name) | StateError::Mismatch { name, .. } | StateError::Unreadable { name, .. }) =
            &mut self;
        name.insert_str(0, &format!("{part}/"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter {
        count: u64,
        history: Vec<f64>,
        weight: Tensor,
    }

    impl Stateful for Counter {
        fn save(&self, state: &mut State) {
            state.put_value("count", &self.count);
            state.put_numbers("history", &self.history);
            state.put_tensor("weight", &self.weight);
        }

        fn restore(&mut self, state: &State) -> Result<(), StateError> {
            self.count = state.value("count")?;
            self.history = state.numbers("history")?;
            state.copy_into("weight", &mut self.weight)
        }
    }

    fn counter(count: u64, history: &[f64], weight: &[f32]) -> Counter {
        Counter { count, history: history.to_vec(), weight: Tensor::from_slice(weight) }
    }

    #[test]
    fn a_nested_part_comes_back_with_every_bit() {
        let before = counter(u64::MAX, &[0.1, f64::INFINITY, f64::NAN], &[1.5, -2.0]);
        let mut state = State::default();
        state.put_part("inner", &before);
        let mut after = counter(0, &[], &[0.0, 0.0]);
        state.restore_part("inner", &mut after).unwrap();
        assert_eq!(after.count, u64::MAX);
        assert_eq!(after.history[..2], [0.1, f64::INFINITY]);
        assert!(after.history[2].is_nan());
        assert_eq!(after.weight, before.weight);
    }

    #[test]
    fn a_state_is_a_copy_and_not_a_view() {
        let mut part = counter(1, &[], &[1.0]);
        let mut state = State::default();
        state.put_part("part", &part);
        let _ = part.weight.fill_(9.0);
        state.restore_part("part", &mut part).unwrap();
        assert_eq!(part.weight.double_value(&[0]), 1.0);
    }

    #[test]
    fn indices_and_counts_out_of_range_are_refused() {
        let mut state = State::default();
        state.put_tensor("order", &Tensor::from_slice(&[2i64, 0, 1]));
        state.put_value("count", &7);
        let mut order = Tensor::from_slice(&[0i64, 0, 0]);
        state.copy_indices_into("order", &mut order, 3).unwrap();
        assert_eq!(order, Tensor::from_slice(&[2i64, 0, 1]));
        let message = state.copy_indices_into("order", &mut order, 2).unwrap_err().to_string();
        assert!(message.contains("`order`") && message.contains("from 0 to below 2"), "{message}");
        state.put_tensor("order", &Tensor::from_slice(&[0i64, -1, 1]));
        assert!(state.copy_indices_into("order", &mut order, 3).is_err());
        assert_eq!(state.count("count", 7).unwrap(), 7);
        let message = state.count("count", 6).unwrap_err().to_string();
        assert!(message.contains("`count` is 7, expected at most 6"), "{message}");
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_part() {
        let mut state = State::default();
        state.put_part("inner", &counter(1, &[], &[1.0, 2.0]));
        let wrong_shape = state.restore_part("inner", &mut counter(0, &[], &[0.0])).unwrap_err();
        assert!(wrong_shape.to_string().contains("`inner/weight` is Float [2], expected Float [1]"), "{wrong_shape}");
        let missing = state.restore_part("other", &mut counter(0, &[], &[0.0])).unwrap_err();
        assert!(missing.to_string().contains("no `other/count`"), "{missing}");
    }
}
