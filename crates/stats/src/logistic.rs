//! Logistic regression of a few coefficients, by Newton's method with a ridge.
//!
//! Own code and not a crate's: what is fitted here has two or three coefficients, and thousands of
//! repetitions, for which Newton's method is a page. With `nalgebra`'s small matrices it is half a page shorter, and a report
//! takes a third longer in the dev profile, since nothing of them is compiled in advance.

use std::ops::Range;

use multiversion::multiversion;

use super::auroc::check_classes;
use super::estimate::Undefined;
use super::exponential::exp_of_negative;

/// Rows whose losses are computed together.
pub(crate) const BLOCK: usize = 64;
/// Sums that are formed side by side: as many numbers as the widest vectors hold.
const LANES: usize = 8;
/// Newton steps after which a fit is given up; it needs about six.
const MOST_STEPS: usize = 100;
/// Twice what a Newton step lowers the loss by, in nats over all rows, from which that step is the last: near the minimum a step squares
/// this number's root, which is the error in standard errors of the coefficients (Boyd and Vandenberghe, *Convex Optimization*, 9.5).
const FLAT: f64 = 1e-9;

/// What is fitted: the numbers of each row, and whether it was an event. The first number, 1, belongs to the intercept, which is
/// not penalised.
#[derive(Clone, Debug)]
pub(crate) struct RegressionRows<const COEFFICIENTS: usize> {
    blocks: Vec<RowBlock<COEFFICIENTS>>,
}

/// So many rows, number by number. Those that are not there are zero throughout.
#[derive(Clone, Debug)]
struct RowBlock<const COEFFICIENTS: usize> {
    numbers: [[f64; BLOCK]; COEFFICIENTS],
    /// 1 at an event, 0 elsewhere.
    events: [f64; BLOCK],
    /// How many are there.
    rows: usize,
}

impl<const COEFFICIENTS: usize> RegressionRows<COEFFICIENTS> {
    /// So many blocks in which no row is there.
    pub(crate) fn absent(blocks: usize) -> Self {
        let empty = RowBlock { numbers: [[0.0; BLOCK]; COEFFICIENTS], events: [0.0; BLOCK], rows: 0 };
        Self { blocks: vec![empty; blocks] }
    }

    /// Adds a row in its place, with zeros after its first number.
    pub(crate) fn add(&mut self, row: usize, event: bool) {
        let block = &mut self.blocks[row / BLOCK];
        block.numbers[0][row % BLOCK] = 1.0;
        block.events[row % BLOCK] = f64::from(u8::from(event));
        block.rows += 1;
    }

    /// Places for rows.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// The rows that are there outside of some blocks.
    pub(crate) fn rows_outside(&self, blocks: &Range<usize>) -> usize {
        self.outside(blocks).map(|block| block.rows).sum()
    }

    fn outside(&self, blocks: &Range<usize>) -> impl Iterator<Item = &RowBlock<COEFFICIENTS>> {
        self.blocks[..blocks.start].iter().chain(&self.blocks[blocks.end..])
    }

    /// Sets a number of all rows, which has to be zero where none is.
    ///
    /// # Panics
    /// When there are not as many numbers as places.
    pub(crate) fn set_all(&mut self, place: usize, numbers: &[f64]) {
        let (blocks, rest) = numbers.as_chunks::<BLOCK>();
        assert!(blocks.len() == self.blocks.len() && rest.is_empty(), "every place has its number");
        self.blocks.iter_mut().zip(blocks).for_each(|(block, numbers)| block.numbers[place] = *numbers);
    }

    /// The loss on the rows of some blocks and its derivatives, near these coefficients.
    pub(crate) fn expansion(
        &self,
        blocks: Range<usize>,
        coefficients: &[f64; COEFFICIENTS],
    ) -> Expansion<COEFFICIENTS> {
        of_blocks(&self.blocks[blocks], coefficients)
    }
}

/// Fits to the rows outside of some blocks. The coefficients b are those that minimise
/// `sum_i log(1 + exp(-s_i b.x_i)) + ridge / 2 * |b without its first|^2`, s_i being 1 at an event and -1 elsewhere.
///
/// A ridge above zero keeps the coefficients finite where the events can be separated.
///
/// # Errors
/// [`Undefined`] when all rows are of one class, for then the intercept has no finite value.
pub(crate) fn fit<const COEFFICIENTS: usize>(
    rows: &RegressionRows<COEFFICIENTS>,
    without: &Range<usize>,
    ridge: f64,
) -> Result<[f64; COEFFICIENTS], Undefined> {
    let all = rows.rows_outside(without) as f64;
    let events: f64 = rows.outside(without).flat_map(|block| block.events).sum();
    let others = all - events;
    check_classes(events, others)?;
    let at = |coefficients: &[f64; COEFFICIENTS]| {
        let mut expansion = rows.expansion(0..without.start, coefficients);
        expansion.add(&rows.expansion(without.end..rows.blocks.len(), coefficients), 1.0);
        expansion.add_ridge(coefficients, ridge);
        expansion
    };

    let mut coefficients = [0.0; COEFFICIENTS];
    coefficients[0] = (events / others).ln();
    let mut here = at(&coefficients);
    for _ in 0..MOST_STEPS {
        let Some(step) = here.newton_step() else { break };
        let falls = product(&here.gradient, &step).abs();
        if falls <= FLAT {
            coefficients.iter_mut().zip(step).for_each(|(coefficient, step)| *coefficient += step);
            break;
        }
        // A whole Newton step may overshoot where the curvature vanishes; half of it often enough never does. Slopes tell: the
        // loss itself, of thousands of rows, does not show the last steps, which then would be halved for nothing.
        let mut share = 1.0;
        let further = loop {
            let next: [f64; COEFFICIENTS] = std::array::from_fn(|i| coefficients[i] + share * step[i]);
            let there = at(&next);
            if product(&there.gradient, &step) <= 0.5 * falls {
                break Some((next, there));
            }
            share *= 0.5;
            if share < 1e-9 {
                break None;
            }
        };
        let Some(further) = further else { break };
        (coefficients, here) = further;
    }
    Ok(coefficients)
}

/// The sum over blocks. A report of thousands of runs spends its time in these loops, which are kept simple enough for the compiler to
/// vectorise; the bits do not depend on the width of the processor's vectors.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
#[allow(clippy::needless_range_loop, reason = "several lists are walked at once, which iterators hide")]
fn of_blocks<const N: usize>(blocks: &[RowBlock<N>], coefficients: &[f64; N]) -> Expansion<N> {
    let (mut excess, mut logarithms) = ([0.0; LANES], 0.0);
    let (mut gradient, mut hessian) = ([[0.0; LANES]; N], [[[0.0; LANES]; N]; N]);
    for block in blocks {
        let mut margin = [0.0; BLOCK];
        for (numbers, coefficient) in block.numbers.iter().zip(coefficients) {
            for row in 0..BLOCK {
                margin[row] += coefficient * numbers[row];
            }
        }
        // A row's loss is its excess, what is above zero of the margin against the event, and the logarithm of 1 + odds, which is
        // 2 at most.
        let [mut odds, mut above, mut error, mut curvature] = [[0.0; BLOCK]; 4];
        for row in 0..BLOCK {
            odds[row] = exp_of_negative(-margin[row].abs());
        }
        for row in 0..BLOCK {
            let probability = if margin[row] < 0.0 { odds[row] } else { 1.0 } / (1.0 + odds[row]);
            above[row] = ((1.0 - 2.0 * block.events[row]) * margin[row]).max(0.0);
            error[row] = probability - block.events[row];
            curvature[row] = probability * (1.0 - probability);
        }
        let mut product = [1.0; LANES];
        for first in (0..BLOCK).step_by(LANES) {
            for lane in 0..LANES {
                excess[lane] += above[first + lane];
                product[lane] *= 1.0 + odds[first + lane];
            }
        }
        // A row that is not there has odds of 1, which is all that it adds.
        let absent = (BLOCK - block.rows) as f64 * std::f64::consts::LN_2;
        logarithms += product.iter().product::<f64>().ln() - absent;
        for i in 0..N {
            for first in (0..BLOCK).step_by(LANES) {
                for lane in 0..LANES {
                    gradient[i][lane] += error[first + lane] * block.numbers[i][first + lane];
                }
            }
            for j in i..N {
                for first in (0..BLOCK).step_by(LANES) {
                    for lane in 0..LANES {
                        let row = first + lane;
                        hessian[i][j][lane] += curvature[row] * block.numbers[i][row] * block.numbers[j][row];
                    }
                }
            }
        }
    }
    let sum = |lanes: [f64; LANES]| lanes.iter().sum::<f64>();
    let value = sum(excess) + logarithms;
    Expansion { value, gradient: gradient.map(sum), hessian: hessian.map(|row| row.map(sum)) }.mirrored()
}

fn product<const N: usize>(left: &[f64; N], right: &[f64; N]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// A log-loss summed over rows, with its derivatives by the coefficients: the loss nearby, to second order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expansion<const COEFFICIENTS: usize> {
    /// The loss.
    pub value: f64,
    /// Its gradient.
    pub gradient: [f64; COEFFICIENTS],
    /// Its Hessian.
    pub hessian: [[f64; COEFFICIENTS]; COEFFICIENTS],
}

impl<const COEFFICIENTS: usize> Default for Expansion<COEFFICIENTS> {
    fn default() -> Self {
        Self { value: 0.0, gradient: [0.0; COEFFICIENTS], hessian: [[0.0; COEFFICIENTS]; COEFFICIENTS] }
    }
}

impl<const COEFFICIENTS: usize> Expansion<COEFFICIENTS> {
    /// With the Hessian below the diagonal as above it.
    fn mirrored(mut self) -> Self {
        for i in 0..COEFFICIENTS {
            for j in 0..i {
                self.hessian[i][j] = self.hessian[j][i];
            }
        }
        self
    }

    /// Adds the ridge on all coefficients but the first.
    pub(crate) fn add_ridge(&mut self, coefficients: &[f64; COEFFICIENTS], ridge: f64) {
        for (i, coefficient) in coefficients.iter().enumerate().skip(1) {
            self.value += 0.5 * ridge * coefficient * coefficient;
            self.gradient[i] += ridge * coefficient;
            self.hessian[i][i] += ridge;
        }
    }

    /// Adds another expansion about the same coefficients, `weight` times.
    pub(crate) fn add(&mut self, other: &Self, weight: f64) {
        self.value += weight * other.value;
        for i in 0..COEFFICIENTS {
            self.gradient[i] += weight * other.gradient[i];
            for j in 0..COEFFICIENTS {
                self.hessian[i][j] += weight * other.hessian[i][j];
            }
        }
    }

    /// The step to the minimum of the expansion, which is Newton's; `None` where the Hessian is singular.
    pub(crate) fn newton_step(&self) -> Option<[f64; COEFFICIENTS]> {
        solve(self.hessian, self.gradient.map(|slope| -slope))
    }

    /// The loss after a step from the coefficients, to second order.
    pub(crate) fn after(&self, step: &[f64; COEFFICIENTS]) -> f64 {
        let curved: f64 = (0..COEFFICIENTS).map(|i| step[i] * product(&self.hessian[i], step)).sum();
        self.value + product(&self.gradient, step) + 0.5 * curved
    }
}

/// Gaussian elimination with partial pivoting; `None` of a singular matrix.
pub(crate) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-300 {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..N {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            matrix[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|j| matrix[row][j] * solution[j]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const X: [f64; 10] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
    const Y: [f64; 10] = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0, 2.0, 8.0];
    const EVENTS: [bool; 10] = [false, false, true, false, true, true, false, true, false, true];

    fn rows() -> Vec<[f64; 3]> {
        X.iter().zip(Y).map(|(x, y)| [1.0, *x, y]).collect()
    }

    fn with_events<const N: usize>(numbers: &[[f64; N]], events: &[bool]) -> RegressionRows<N> {
        let mut rows = RegressionRows::absent(events.len().div_ceil(BLOCK));
        for (row, (numbers, event)) in numbers.iter().zip(events).enumerate() {
            rows.add(row, *event);
            numbers.iter().enumerate().for_each(|(place, number)| rows.set(row, place, *number));
        }
        rows
    }

    fn fit<const N: usize>(rows: &[[f64; N]], events: &[bool], ridge: f64) -> Result<[f64; N], Undefined> {
        super::fit(&with_events(rows, events), &(0..0), ridge)
    }

    fn near_rows<const N: usize>(rows: &[[f64; N]], events: &[bool], coefficients: &[f64; N]) -> Expansion<N> {
        with_events(rows, events).expansion(0..events.len().div_ceil(BLOCK), coefficients)
    }

    /// The log-loss of one row in nats, `-log P(what happened)`.
    fn loss<const N: usize>(coefficients: &[f64; N], row: &[f64; N], event: bool) -> f64 {
        let margin = product(coefficients, row);
        let against = if event { -margin } else { margin };
        against.max(0.0) + (-margin.abs()).exp().ln_1p()
    }

    /// The same as [`expansion`], row by row.
    fn slow_expansion<const N: usize>(rows: &[[f64; N]], events: &[bool], coefficients: &[f64; N]) -> Expansion<N> {
        let mut sum = Expansion::default();
        for (row, event) in rows.iter().zip(events) {
            let probability = 1.0 / (1.0 + (-product(coefficients, row)).exp());
            sum.value += loss(coefficients, row, *event);
            for i in 0..N {
                sum.gradient[i] += (probability - f64::from(u8::from(*event))) * row[i];
                for j in 0..N {
                    sum.hessian[i][j] += probability * (1.0 - probability) * row[i] * row[j];
                }
            }
        }
        sum
    }

    /// Rows that foretell their events none too well.
    fn drawn(generator: &mut ChaCha8Rng, rows: usize, scale: f64) -> (Vec<[f64; 3]>, Vec<bool>) {
        let row = |generator: &mut ChaCha8Rng| {
            let (x, y, luck): (f64, f64, f64) = (generator.random(), generator.random(), generator.random());
            ([1.0, scale * x, y - 0.5], x + luck > 1.2)
        };
        (0..rows).map(|_| row(generator)).unzip()
    }

    /// A row's slope is small long before the minimum.
    #[test]
    fn events_that_are_rare_are_fitted_to_the_end() {
        let mut generator = ChaCha8Rng::seed_from_u64(9);
        let (rows, _) = drawn(&mut generator, 20_000, 3.0);
        let events: Vec<bool> = rows.iter().map(|row| row[1] > 2.999).collect();
        assert!((2..20).contains(&events.iter().filter(|event| **event).count()));
        near(fit(&rows, &events, 1.0).unwrap(), slow_fit(&rows, &events, 1.0));
    }

    #[test]
    fn blocks_sum_what_rows_do_one_by_one() {
        let mut generator = ChaCha8Rng::seed_from_u64(6);
        let coefficients = [-3.0, 0.5, 2.0];
        let same = |fast: &Expansion<3>, slow: &Expansion<3>| {
            let all = |sum: &Expansion<3>| [&[sum.value][..], &sum.gradient, sum.hessian.as_flattened()].concat();
            for (fast, slow) in all(fast).iter().zip(all(slow)) {
                assert!((fast - slow).abs() <= 1e-13 * (1.0 + slow.abs()), "{fast} is not {slow}");
            }
        };
        for count in [0, 1, 7, 19, 63, 64, 65, 128, 1000] {
            let (numbers, events) = drawn(&mut generator, count, 4.0);
            let rows = with_events(&numbers, &events);
            same(
                &rows.expansion(0..count.div_ceil(BLOCK), &coefficients),
                &slow_expansion(&numbers, &events, &coefficients),
            );
            let some = (count / BLOCK) / 2..count / BLOCK;
            let of_some = some.start * BLOCK..some.end * BLOCK;
            let slow = slow_expansion(&numbers[of_some.clone()], &events[of_some], &coefficients);
            same(&rows.expansion(some, &coefficients), &slow);
        }
    }

    #[test]
    fn blocks_that_are_left_out_change_nothing() {
        let mut generator = ChaCha8Rng::seed_from_u64(8);
        let (numbers, events) = drawn(&mut generator, 5 * BLOCK - 7, 1.0);
        let middle = BLOCK..3 * BLOCK;
        let left = |row: &usize| !middle.contains(row);
        let (others, other_events): (Vec<_>, Vec<_>) =
            (0..numbers.len()).filter(left).map(|row| (numbers[row], events[row])).unzip();
        let found = super::fit(&with_events(&numbers, &events), &(1..3), 1.0).unwrap();
        near(found, slow_fit(&others, &other_events, 1.0));
    }

    impl<const N: usize> RegressionRows<N> {
        fn set(&mut self, row: usize, place: usize, number: f64) {
            self.blocks[row / BLOCK].numbers[place][row % BLOCK] = number;
        }
    }

    fn near(found: [f64; 3], expected: [f64; 3]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
        }
    }

    #[test]
    fn equals_scikit_learn() {
        // m = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(np.c_[x, y], e)
        // [m.intercept_[0], *m.coef_[0]]
        near(fit(&rows(), &EVENTS, 1.0).unwrap(), [-4.216976688288049, 0.8902502462704747, 0.24027924060350964]);
        // The same with C=0.25 and sample_weight=[1, 2, 0, 3, 1, 1, 2, 0, 4, 1]
        let often = |index: usize| std::iter::repeat_n(index, [1, 2, 0, 3, 1, 1, 2, 0, 4, 1][index]);
        let (rows_often, events_often): (Vec<_>, Vec<_>) =
            (0..10).flat_map(often).map(|index| (rows()[index], EVENTS[index])).unzip();
        near(
            fit(&rows_often, &events_often, 4.0).unwrap(),
            [-4.486540392967725, 0.5038223812177047, 0.27348695113440724],
        );
        // sklearn.metrics.log_loss(e, m.predict_proba(np.c_[x, y])[:, 1]) of the first
        let coefficients = fit(&rows(), &EVENTS, 1.0).unwrap();
        let sum: f64 = rows().iter().zip(EVENTS).map(|(row, event)| loss(&coefficients, row, event)).sum();
        assert!((sum / 10.0 - 0.3803798971480986).abs() < 1e-9);
    }

    #[test]
    fn without_a_ridge_it_equals_statsmodels() {
        // statsmodels.api.Logit(e, np.c_[np.ones(10), x, y]).fit(tol=1e-14).params
        near(fit(&rows(), &EVENTS, 0.0).unwrap(), [-6.83174745215902, 1.4446189876516768, 0.4253397001914498]);
    }

    /// Newton's method by the definition: each step halved until the loss, summed anew, is lower.
    fn slow_fit(rows: &[[f64; 3]], events: &[bool], ridge: f64) -> [f64; 3] {
        let objective = |b: &[f64; 3]| -> f64 {
            let losses = rows.iter().zip(events).map(|(row, event)| loss(b, row, *event));
            losses.sum::<f64>() + 0.5 * ridge * (b[1] * b[1] + b[2] * b[2])
        };
        let mut b = [0.0; 3];
        for _ in 0..MOST_STEPS {
            let mut expansion = slow_expansion(rows, events, &b);
            expansion.add_ridge(&b, ridge);
            let step = expansion.newton_step().unwrap();
            let next = |halvings: i32| std::array::from_fn(|i| b[i] + 0.5_f64.powi(halvings) * step[i]);
            let Some(lower) = (0..30).map(next).find(|next| objective(next) < objective(&b)) else { break };
            b = lower;
        }
        b
    }

    #[test]
    fn slopes_lead_where_the_loss_itself_does() {
        let mut generator = ChaCha8Rng::seed_from_u64(5);
        for problem in 0..40 {
            let scale = [0.1, 1.0, 30.0][problem % 3];
            let (rows, events) = drawn(&mut generator, 60, scale);
            let (fast, slow) = (fit(&rows, &events, 1.0).unwrap(), slow_fit(&rows, &events, 1.0));
            near(fast, slow);
        }
    }

    #[test]
    fn separable_events_have_finite_coefficients() {
        let rows: Vec<[f64; 2]> = (-5..5).map(|x| [1.0, 100.0 * f64::from(x)]).collect();
        let events: Vec<bool> = (-5..5).map(|x| x >= 0).collect();
        let [intercept, slope] = fit(&rows, &events, 1.0).unwrap();
        assert!(intercept.is_finite() && slope > 0.0 && slope < 1.0, "{intercept} {slope}");
        // One more unit of either coefficient is worse: it is the minimum.
        let at = |b: [f64; 2]| -> f64 {
            rows.iter().zip(&events).map(|(row, event)| loss(&b, row, *event)).sum::<f64>() + 0.5 * b[1] * b[1]
        };
        for change in [[1e-3, 0.0], [-1e-3, 0.0], [0.0, 1e-4], [0.0, -1e-4]] {
            assert!(at([intercept + change[0], slope + change[1]]) > at([intercept, slope]));
        }
    }

    #[test]
    fn an_expansion_is_the_loss_nearby() {
        let (coefficients, step) = ([0.3, -0.2, 0.1], [1e-3, -2e-3, 1.5e-3]);
        let at = |b: [f64; 3]| {
            let mut expansion = near_rows(&rows(), &EVENTS, &b);
            expansion.add_ridge(&b, 2.0);
            expansion
        };
        let exact = at([0.301, -0.202, 0.1015]).value;
        assert!((at(coefficients).after(&step) - exact).abs() < 1e-6 && (at(coefficients).value - exact).abs() > 1e-3);
        let mut twice = at(coefficients);
        twice.add(&at(coefficients), 1.0);
        assert!((twice.after(&step) - 2.0 * at(coefficients).after(&step)).abs() < 1e-12);
    }

    #[test]
    fn one_class_has_no_fit() {
        assert_eq!(fit(&[[1.0, 2.0]], &[true], 1.0), Err(Undefined::OnlyEvents));
        assert_eq!(fit(&[[1.0, 2.0]], &[false], 1.0), Err(Undefined::NoEvent));
        assert_eq!(fit::<2>(&[], &[], 1.0), Err(Undefined::NoValues));
    }

    #[test]
    fn losses_do_not_overflow() {
        let loss = |coefficient: f64, event: bool| near_rows(&[[1.0]], &[event], &[coefficient]).value;
        assert!((loss(1e4, false) - 1e4).abs() < 1e-12);
        assert!(loss(1e4, true).abs() < 1e-13);
        assert!((loss(0.0, true) - 2f64.ln()).abs() < 1e-13);
    }
}
