//! The run's own random generators: named, seeded, and independent of libtorch's global one.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use crate::state::{State, StateError, Stateful};

/// A generator with a purpose. Equal purposes and seeds give equal sequences, whatever else a run draws.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generator(pub ChaCha8Rng);

impl Generator {
    /// The generator for one purpose, such as `labels`, in the run with this seed.
    pub fn named(purpose: &str, seed: u64) -> Generator {
        let digest = Sha256::digest(format!("trainability/{purpose}/{seed}"));
        Generator(ChaCha8Rng::from_seed(digest.into()))
    }

    /// A uniformly random order of 0 .. count, Int64 of that length.
    pub fn permutation(&mut self, count: usize) -> Tensor {
        let mut order: Vec<i64> = (0..count as i64).collect();
        rand::seq::SliceRandom::shuffle(order.as_mut_slice(), &mut self.0);
        Tensor::from_slice(&order)
    }

    /// Independent uniform class labels, Int64 of that length.
    pub fn labels(&mut self, count: usize, classes: i64) -> Tensor {
        let labels: Vec<i64> = (0..count).map(|_| rand::RngExt::random_range(&mut self.0, 0..classes)).collect();
        Tensor::from_slice(&labels)
    }

    /// Independent uniform values in [-bound, bound), in the given shape and element type.
    pub fn uniform(&mut self, shape: &[i64], bound: f64, kind: Kind) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        let values: Vec<f64> = (0..count).map(|_| bound * (2.0 * self.unit() - 1.0)).collect();
        Tensor::from_slice(&values).view(shape).to_kind(kind)
    }

    /// Independent events of the same probability, Bool of that length.
    pub fn events(&mut self, count: usize, probability: f64) -> Tensor {
        let events: Vec<bool> = (0..count).map(|_| self.unit() < probability).collect();
        Tensor::from_slice(&events)
    }

    /// A uniform value in [0, 1), of 53 random bits as the standard uniform distribution of f64 has them.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Stateful for Generator {
    fn save(&self, state: &mut State) {
        state.put_value("generator", self);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        *self = state.value("generator")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_seeds_are_independent_and_repeatable() {
        let draw = |purpose, seed| Generator::named(purpose, seed).labels(64, 10);
        assert_eq!(draw("labels", 1), draw("labels", 1));
        assert_ne!(draw("labels", 1), draw("labels", 2));
        assert_ne!(draw("labels", 1), draw("order", 1));
    }

    #[test]
    fn a_restored_generator_goes_on_where_it_was() {
        let mut generator = Generator::named("labels", 3);
        let _ = generator.labels(7, 10);
        let mut state = State::default();
        state.put_part("labels", &generator);
        let expected = generator.permutation(100);
        let mut other = Generator::named("other", 9);
        state.restore_part("labels", &mut other).unwrap();
        assert_eq!(other.permutation(100), expected);
    }

    #[test]
    fn uniform_values_fill_the_interval() {
        let values = Generator::named("test", 0).uniform(&[1000, 10], 0.5, Kind::Double);
        assert!(values.abs().max().double_value(&[]) <= 0.5);
        assert!(values.mean(Kind::Double).double_value(&[]).abs() < 0.02);
        let variance = values.var(true).double_value(&[]);
        assert!((variance - 1.0 / 12.0).abs() < 0.003, "{variance}");
    }
}
