//! Logistic regression of a few coefficients, by Newton's method with a ridge.
//!
//! Own code and not a crate's: what is fitted here has two or three coefficients, and thousands of
//! repetitions, for which Newton's method is a page. With `nalgebra`'s small matrices it is half a page shorter, and a report
//! takes a third longer in the dev profile, since nothing of them is compiled in advance.

use super::auroc::check_classes;
use super::estimate::Undefined;

/// Rows whose probabilities are computed together.
const BLOCK: usize = 64;
/// Newton steps after which a fit is given up; it needs about six.
const MOST_STEPS: usize = 100;

/// The coefficients b that minimise `sum_i log(1 + exp(-s_i b.x_i)) + ridge / 2 * |b without its first|^2`, s_i being 1 at an
/// event and -1 elsewhere. The first number of every row belongs to the intercept, which is not penalised: let it be 1.
///
/// A ridge above zero keeps the coefficients finite where the events can be separated.
///
/// # Errors
/// [`Undefined`] when all rows are of one class, for then the intercept has no finite value.
///
/// # Panics
/// When the lists differ in length.
pub(crate) fn fit<const COEFFICIENTS: usize>(
    rows: &[[f64; COEFFICIENTS]],
    events: &[bool],
    ridge: f64,
) -> Result<[f64; COEFFICIENTS], Undefined> {
    assert_eq!(rows.len(), events.len(), "every row needs its class");
    let with = events.iter().filter(|event| **event).count() as f64;
    let without = events.len() as f64 - with;
    check_classes(with, without)?;
    let at = |coefficients: &[f64; COEFFICIENTS]| {
        let mut expansion = Expansion::default();
        // First the probabilities of a block: a call in the same loop would keep the sums out of registers.
        let mut probabilities = [0.0; BLOCK];
        for (rows, events) in rows.chunks(BLOCK).zip(events.chunks(BLOCK)) {
            rows.iter().zip(&mut probabilities).for_each(|(row, known)| *known = probability(coefficients, row));
            for ((row, event), probability) in rows.iter().zip(events).zip(&probabilities) {
                expansion.add_slopes(*probability, row, *event);
            }
        }
        expansion.add_ridge(coefficients, ridge);
        expansion
    };

    let mut coefficients = [0.0; COEFFICIENTS];
    coefficients[0] = (with / without).ln();
    let mut here = at(&coefficients);
    for _ in 0..MOST_STEPS {
        if here.gradient.iter().all(|slope| slope.abs() <= 1e-11 * (with + without)) {
            break;
        }
        let Some(step) = here.newton_step() else { break };
        // A whole Newton step may overshoot where the curvature vanishes; half of it often enough never does. Slopes tell: the
        // loss itself, of thousands of rows, does not show the last steps, which then would be halved for nothing.
        let falls = product(&here.gradient, &step).abs();
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

/// The log-loss of one row in nats, `-log P(what happened)`, and the probability of an event, without overflow on either side.
fn loss_and_probability<const N: usize>(coefficients: &[f64; N], row: &[f64; N], event: bool) -> (f64, f64) {
    let margin = product(coefficients, row);
    let odds = (-margin.abs()).exp();
    let against = if event { -margin } else { margin };
    (against.max(0.0) + odds.ln_1p(), if margin < 0.0 { odds } else { 1.0 } / (1.0 + odds))
}

/// The probability of an event.
fn probability<const N: usize>(coefficients: &[f64; N], row: &[f64; N]) -> f64 {
    1.0 / (1.0 + (-product(coefficients, row)).exp())
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
    /// Adds the loss of one row.
    pub(crate) fn add_row(&mut self, coefficients: &[f64; COEFFICIENTS], row: &[f64; COEFFICIENTS], event: bool) {
        let (loss, probability) = loss_and_probability(coefficients, row, event);
        self.value += loss;
        self.add_slopes(probability, row, event);
    }

    /// Adds its gradient and Hessian alone, which is all that a Newton step asks for; the event's probability is known.
    fn add_slopes(&mut self, probability: f64, row: &[f64; COEFFICIENTS], event: bool) {
        let error = probability - f64::from(u8::from(event));
        let curvature = probability * (1.0 - probability);
        for i in 0..COEFFICIENTS {
            self.gradient[i] += error * row[i];
            for j in 0..COEFFICIENTS {
                self.hessian[i][j] += curvature * row[i] * row[j];
            }
        }
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

    /// The log-loss of one row.
    fn loss<const N: usize>(coefficients: &[f64; N], row: &[f64; N], event: bool) -> f64 {
        loss_and_probability(coefficients, row, event).0
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
            let mut expansion = Expansion::default();
            for (row, event) in rows.iter().zip(events) {
                expansion.add_slopes(probability(&b, row), row, *event);
            }
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
            let rows: Vec<[f64; 3]> =
                (0..60).map(|_| [1.0, scale * generator.random::<f64>(), generator.random::<f64>() - 0.5]).collect();
            let events: Vec<bool> = rows.iter().map(|row| row[1] / scale + generator.random::<f64>() > 1.2).collect();
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
            let mut expansion = Expansion::default();
            rows().iter().zip(EVENTS).for_each(|(row, event)| expansion.add_row(&b, row, event));
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
        assert_eq!(loss(&[1e4], &[1.0], false), 1e4);
        assert_eq!(loss(&[1e4], &[1.0], true), 0.0);
        assert!((loss(&[0.0], &[1.0], true) - 2f64.ln()).abs() < 1e-15);
        for margin in [-700.0, -3.0, -1e-9, 0.0, 0.5, 30.0] {
            let (loss, known) = loss_and_probability(&[margin], &[1.0], true);
            assert!((known - probability(&[margin], &[1.0])).abs() < 1e-16, "{margin}");
            assert!((loss + known.ln()).abs() < 1e-12 * loss.max(1.0), "{margin}");
        }
    }
}
