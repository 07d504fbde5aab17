//! Sorting single-precision values together with where they stood: the part of the Wasserstein penalty that costs.

/// Sorts values and remembers their indices; keeps its memory from one call to the next.
///
/// The order is total (-0 before 0) and equal values stay in place.
#[derive(Debug, Default)]
pub struct RankSorter(Vec<(f32, u32)>);

impl RankSorter {
    /// The indices and values in ascending order.
    ///
    /// # Panics
    /// There are more values than u32 can count.
    pub fn sort(&mut self, values: &[f32]) -> impl Iterator<Item = (usize, f32)> {
        assert!(u32::try_from(values.len()).is_ok(), "too many values for 32-bit indices");
        self.0.clear();
        self.0.extend(values.iter().copied().zip(0..));
        radsort::sort_by_key(&mut self.0, |&(value, _)| value);
        self.0.iter().map(|&(value, index)| (index as usize, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn the_order_is_that_of_a_stable_sort() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut sorter = RankSorter::default();
        for length in [0, 1, 2, 3, 1000, 70_000, 10] {
            // Few distinct bit patterns in every exponent, so that ties, signs, infinities and zeros all occur.
            let values: Vec<f32> = (0..length)
                .map(|_| f32::from_bits(generator.next_u32() & 0xFFF0_000F))
                .filter(|v| !v.is_nan())
                .collect();
            let mut expected: Vec<(usize, f32)> = values.iter().copied().enumerate().collect();
            expected.sort_by(|a, b| a.1.total_cmp(&b.1));
            let bits = |(index, value): (usize, f32)| (index, value.to_bits());
            assert!(sorter.sort(&values).map(bits).eq(expected.into_iter().map(bits)));
        }
    }
}
