//! The small matrix that a Lanczos iteration leaves.

use tch::Tensor;

/// The symmetric tridiagonal matrix that an iteration leaves: the operator as seen from its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tridiagonal {
    /// One entry a product.
    pub diagonal: Vec<f64>,
    /// One entry fewer.
    pub off_diagonal: Vec<f64>,
}

impl Tridiagonal {
    /// Eigenvalues in ascending order and the eigenvectors as columns; nothing if an entry is not finite.
    pub(crate) fn eigen(&self) -> Option<(Tensor, Tensor)> {
        let count = self.diagonal.len();
        let mut dense = vec![0.0; count * count];
        for (i, &value) in self.diagonal.iter().enumerate() {
            dense[i * count + i] = value;
        }
        for (i, &value) in self.off_diagonal.iter().enumerate() {
            dense[(i + 1) * count + i] = value;
        }
        let finite = dense.iter().all(|value| value.is_finite());
        finite.then(|| Tensor::from_slice(&dense).view([count as i64, count as i64]).linalg_eigh("L"))
    }

    /// Its eigenvalues, and how much of the iteration's last vector is in each eigenvector; nothing if an entry is not finite.
    pub(crate) fn ritz_values(&self) -> Option<RitzValues> {
        let (values, vectors) = self.eigen()?;
        let numbers = |tensor: Tensor| Vec::<f64>::try_from(tensor).expect("one dimension");
        let last = vectors.select(0, self.diagonal.len() as i64 - 1);
        Some(RitzValues { values: numbers(values), last: numbers(last) })
    }

    /// The same to rounding, in less time: rotations that take the matrix to its eigenvalues (the QL algorithm with implicit
    /// shifts), of which no more is kept than what they make of one row (Golub and Welsch, *Mathematics of Computation* 23, 1969).
    pub(crate) fn ritz_values_at_once(&self) -> Option<RitzValues> {
        let count = self.diagonal.len();
        let entries = || self.diagonal.iter().chain(&self.off_diagonal);
        if !entries().all(|value| value.is_finite()) {
            return None;
        }
        // No square overflows, and one that vanishes is of no account.
        let largest = entries().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let scaled = |entries: &[f64]| entries.iter().map(|value| value / scale).collect();
        let mut values: Vec<f64> = scaled(&self.diagonal);
        // Below each entry of the diagonal, and nothing below the last.
        let mut below: Vec<f64> = scaled(&self.off_diagonal);
        below.push(0.0);
        let mut last = vec![0.0; count];
        last[count - 1] = 1.0;
        for first in 0..count {
            for sweep in 0.. {
                let is_zero = |place: usize| {
                    let near = |neighbour: f64| (f64::EPSILON * (values[place].abs() + neighbour.abs())).max(VANISHES);
                    values.get(place + 1).is_none_or(|neighbour| below[place].abs() <= near(*neighbour))
                };
                let end = (first..count).find(|place| is_zero(*place)).expect("nothing is below the last");
                if end == first {
                    break;
                }
                if sweep == MOST_SWEEPS {
                    return None;
                }
                // The eigenvalue of the leading two rows that is nearer to the first.
                let slope = (values[first + 1] - values[first]) / (2.0 * below[first]);
                let shift = values[first] - below[first] / (slope + (slope * slope + 1.0).sqrt().copysign(slope));
                let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
                let mut rest = values[end] - shift;
                let mut is_split = false;
                for place in (first..end).rev() {
                    let (across, along) = (sine * below[place], cosine * below[place]);
                    let length = (across * across + rest * rest).sqrt();
                    below[place + 1] = length;
                    if length == 0.0 {
                        values[place + 1] -= moved;
                        below[end] = 0.0;
                        is_split = true;
                        break;
                    }
                    (sine, cosine) = (across / length, rest / length);
                    let base = values[place + 1] - moved;
                    let turned = (values[place] - base) * sine + 2.0 * cosine * along;
                    moved = sine * turned;
                    values[place + 1] = base + moved;
                    rest = cosine * turned - along;
                    let (lower, upper) = (last[place + 1], last[place]);
                    last[place + 1] = sine * upper + cosine * lower;
                    last[place] = cosine * upper - sine * lower;
                }
                if !is_split {
                    values[first] -= moved;
                    below[first] = rest;
                    below[end] = 0.0;
                }
            }
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
        let sorted = |numbers: &[f64], scale: f64| order.iter().map(|place| scale * numbers[*place]).collect();
        Some(RitzValues { values: sorted(&values, scale), last: sorted(&last, 1.0) })
    }
}

/// Its square is not a number any more that divides another.
const VANISHES: f64 = 1e-150;

/// Sweeps of rotations for one eigenvalue after which it is given up; it needs about two.
const MOST_SWEEPS: usize = 50;

/// The eigenvalues of a tridiagonal matrix, ascending.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RitzValues {
    pub values: Vec<f64>,
    /// The last entry of each one's unit eigenvector, whose sign is arbitrary.
    pub last: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn near(matrix: &Tridiagonal) {
        let (slow, fast) = (matrix.ritz_values().unwrap(), matrix.ritz_values_at_once().unwrap());
        let scale = slow.values.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
        for place in 0..slow.values.len() {
            assert!((slow.values[place] - fast.values[place]).abs() <= 1e-13 * scale, "{slow:?} {fast:?}");
            assert!((slow.last[place].abs() - fast.last[place].abs()).abs() <= 1e-10, "{slow:?} {fast:?}");
        }
    }

    #[test]
    fn rotations_find_what_the_dense_decomposition_finds() {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        for count in 1..60 {
            let mut draw = |scale: f64| scale * (generator.random::<f64>() - 0.3);
            let diagonal: Vec<f64> = (0..count).map(|_| draw(1.0)).collect();
            let off_diagonal: Vec<f64> = (1..count).map(|place| draw(10_f64.powi(-(place % 12)))).collect();
            near(&Tridiagonal { diagonal, off_diagonal });
        }
    }

    #[test]
    fn so_they_do_of_matrices_that_fall_apart() {
        let of = |diagonal: &[f64], off_diagonal: &[f64]| {
            near(&Tridiagonal { diagonal: diagonal.to_vec(), off_diagonal: off_diagonal.to_vec() });
        };
        of(&[0.0], &[]);
        of(&[0.0; 4], &[0.0; 3]);
        of(&[3.0, 1.0, 2.0], &[0.0, 0.0]);
        of(&[1.0, 2.0, 3.0, 4.0], &[0.5, 0.0, 0.25]);
        of(&[1e300, -1e300, 1e-300], &[1e200, 1e-200]);
        of(&[1e-200, 2e-200, 3e-200], &[1e-210, 5e-201]);
        of(&[0.0, 0.0, 1.0], &[1e-170, 1e-20]);
    }

    #[test]
    fn nothing_is_found_of_what_is_not_a_number() {
        for (diagonal, off_diagonal) in [([1.0, f64::NAN], [1.0]), ([1.0, 2.0], [f64::INFINITY])] {
            let matrix = Tridiagonal { diagonal: diagonal.to_vec(), off_diagonal: off_diagonal.to_vec() };
            assert_eq!((matrix.ritz_values(), matrix.ritz_values_at_once()), (None, None));
        }
    }
}
