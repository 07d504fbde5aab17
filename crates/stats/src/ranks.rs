//! Order and ranks of numbers with ties and, for the jackknife, with weights, so that leaving a seed out never sorts again.

/// The ascending order of a list, its ties kept together. Infinite values are ordinary; NaN must have been left out before.
#[derive(Clone, Debug)]
pub struct Order {
    positions: Vec<usize>,
    ends: Vec<usize>,
}

impl Order {
    /// Sorts once, in O(n log n).
    pub fn of(values: &[f64]) -> Self {
        let mut positions: Vec<usize> = (0..values.len()).collect();
        positions.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
        let differs =
            |place: &usize| *place == positions.len() || values[positions[*place - 1]] != values[positions[*place]];
        let ends = (1..=positions.len()).filter(differs).collect();
        Self { positions, ends }
    }

    /// Numbers in the list.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The places of equal numbers, from the smallest number to the largest.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = &[usize]> {
        let start = |group: usize| if group == 0 { 0 } else { self.ends[group - 1] };
        (0..self.ends.len()).map(move |group| &self.positions[start(group)..self.ends[group]])
    }

    /// Writes each number's weighted mid-rank: the weight below it plus half the weight tied with it. Returns how many different
    /// numbers carry weight. With unit weights this is the average rank less one half.
    pub(crate) fn mid_ranks(&self, weights: &[f64], ranks: &mut [f64]) -> usize {
        let (mut below, mut distinct) = (0.0, 0);
        for group in self.groups() {
            let tied: f64 = group.iter().map(|&place| weights[place]).sum();
            for &place in group {
                ranks[place] = below + 0.5 * tied;
            }
            below += tied;
            distinct += usize::from(tied > 0.0);
        }
        distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranks from 1, tied numbers sharing the mean of theirs.
    fn average_ranks(values: &[f64]) -> Vec<f64> {
        let mut ranks = vec![0.0; values.len()];
        Order::of(values).mid_ranks(&vec![1.0; values.len()], &mut ranks);
        ranks.iter().map(|rank| rank + 0.5).collect()
    }

    #[test]
    fn ranks_equal_scipy() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0]), [2.5, 1.0, 2.5]);
        // scipy.stats.rankdata([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
        let ranks = average_ranks(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0]);
        assert_eq!(ranks, [4.5, 1.5, 6.0, 1.5, 7.5, 10.0, 3.0, 9.0, 7.5, 4.5]);
    }

    #[test]
    fn infinities_rank_and_zeros_tie() {
        let inf = f64::INFINITY;
        assert_eq!(average_ranks(&[inf, 0.0, -inf, -0.0, inf]), [4.5, 2.5, 1.0, 2.5, 4.5]);
        assert!([&[][..], &[inf, inf]].iter().all(|values| Order::of(values).groups().count() < 2), "no two differ");
    }

    #[test]
    fn whole_weights_are_repetitions() {
        let (values, weights) = ([2.0, 1.0, 2.0, 5.0], [2.0, 0.0, 1.0, 3.0]);
        let mut ranks = [0.0; 4];
        assert_eq!(Order::of(&values).mid_ranks(&weights, &mut ranks), 2);
        let repeated = average_ranks(&[2.0, 2.0, 2.0, 5.0, 5.0, 5.0]);
        assert_eq!([ranks[0] + 0.5, ranks[2] + 0.5, ranks[3] + 0.5], [repeated[0], repeated[2], repeated[3]]);
    }
}
