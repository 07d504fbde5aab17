//! Which canonical decay of the step size a learning rate's course resembles.
//!
//! Time runs from 0 to 1 over the run. Every family is fitted by least squares to the learning rate itself (not its logarithm, in which a
//! linear decay to zero has no place), and only falling members of it count: a rate that rises mirrors no decay. R2 is the share of the
//! variance over time that the fit explains. The constant explains none, and is what remains when nothing that falls explains more.

use std::f64::consts::PI;

use multiversion::multiversion;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::exponential::exp_of_negative;

/// A family of courses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// a.
    Constant,
    /// a - b t.
    Linear,
    /// a exp(-k t).
    Exponential,
    /// a + b (1 + cos(pi t)) / 2.
    Cosine,
    /// a / sqrt(1 + k t).
    InverseSquareRoot,
    /// a gamma^floor(m t), m from 2 to 10 equal steps.
    Step,
}

impl Family {
    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
            Self::Cosine => "cosine",
            Self::InverseSquareRoot => "inverse square root",
            Self::Step => "step",
        }
    }
}

/// The best member of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecayFit {
    /// The family.
    pub family: Family,
    /// Share of the variance over time that it explains; 0 for the constant, whatever is fitted.
    pub r2: f64,
    offset: f64,
    scale: f64,
    shape: f64,
    steps: usize,
}

impl DecayFit {
    /// The learning rate that the fit has at a time from 0 to 1.
    pub fn at(&self, time: f64) -> f64 {
        self.offset + self.scale * basis(self.family, self.shape, self.steps, time)
    }
}

/// The best fit of every family of which a falling member explains anything, best first, the constant last. Points are time, from 0 to 1,
/// and learning rate; those that are not finite are left out. Empty without points.
pub fn fits(points: &[(f64, f64)]) -> Vec<DecayFit> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(t, y)| t.is_finite() && y.is_finite()).collect();
    fits_at(&ShapedFamily::all(&points), &points)
}

/// The same of finite points at whose times the families without offset are known.
fn fits_at(shaped: &[ShapedFamily], points: &[(f64, f64)]) -> Vec<DecayFit> {
    if points.is_empty() {
        return Vec::new();
    }
    let mean = points.iter().map(|(_, y)| y).sum::<f64>() / points.len() as f64;
    let total: f64 = points.iter().map(|(_, y)| (y - mean).powi(2)).sum();
    let constant = DecayFit { family: Family::Constant, r2: 0.0, offset: mean, scale: 0.0, shape: 0.0, steps: 0 };
    // Rates that differ in their last bits alone do not move.
    if total.sqrt() <= 1e-9 * mean.abs() * (points.len() as f64).sqrt() {
        return vec![constant];
    }
    let falls = |fit: &DecayFit| if fit.family == Family::Linear { fit.scale < 0.0 } else { fit.scale > 0.0 };
    let lines = [Family::Linear, Family::Cosine].map(|family| line(points, family)).into_iter().filter(falls);
    let explained = |fit: DecayFit| DecayFit { r2: 1.0 - squared_error(points, &fit) / total, ..fit };
    let multiples = shaped.iter().map(|shaped| shaped.fit(points));
    let mut fits: Vec<DecayFit> = lines.chain(multiples).map(explained).collect();
    fits.retain(|fit| fit.r2 > 0.0);
    let better = |left: &DecayFit, right: &DecayFit| right.r2.total_cmp(&left.r2);
    fits.sort_by(|left, right| left.family.cmp(&right.family).then(better(left, right)));
    fits.dedup_by_key(|fit| fit.family);
    fits.sort_by(better);
    fits.push(constant);
    fits
}

/// Corners of a random curve.
const CORNERS: usize = 3;

/// How well the best canonical decay fits curves of which nothing is known but that they fall from one level to another: R2,
/// ascending, of `curves` curves of `points` points each.
pub fn r2_by_chance(from: f64, to: f64, points: usize, curves: usize) -> Vec<f64> {
    if !from.is_finite() || !to.is_finite() {
        return vec![0.0; curves];
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    // All curves have the same times.
    let shaped = ShapedFamily::all(&random_falling(from, to, points, &mut generator.clone()));
    let best =
        |_| fits_at(&shaped, &random_falling(from, to, points, &mut generator)).first().map_or(0.0, |fit| fit.r2);
    let mut found: Vec<f64> = (0..curves).map(best).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// A curve over time from 0 to 1: straight between [`CORNERS`] corners, whose times and heights are drawn evenly and put in order.
fn random_falling(from: f64, to: f64, points: usize, generator: &mut impl Rng) -> Vec<(f64, f64)> {
    let mut sorted = || {
        let mut drawn: Vec<f64> = (0..CORNERS).map(|_| generator.random()).collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    };
    let (times, falls) = (sorted(), sorted());
    let corners: Vec<(f64, f64)> =
        [(0.0, 0.0)].into_iter().chain(times.into_iter().zip(falls)).chain([(1.0, 1.0)]).collect();
    let fallen = |time: f64| {
        let next = corners[1..CORNERS + 1].partition_point(|corner| corner.0 < time) + 1;
        let ((t0, f0), (t1, f1)) = (corners[next - 1], corners[next]);
        if t1 > t0 { f0 + (f1 - f0) * (time - t0) / (t1 - t0) } else { f1 }
    };
    let time = |place: usize| place as f64 / (points - 1).max(1) as f64;
    (0..points).map(|place| (time(place), from + (to - from) * fallen(time(place)))).collect()
}

/// What a family multiplies its scale with.
fn basis(family: Family, shape: f64, steps: usize, time: f64) -> f64 {
    match family {
        Family::Constant => 0.0,
        Family::Linear => time,
        Family::Exponential => (-shape * time).exp(),
        Family::Cosine => 0.5 * (1.0 + (PI * time).cos()),
        Family::InverseSquareRoot => 1.0 / (1.0 + shape * time).sqrt(),
        Family::Step => (-shape * step(steps, time) as f64).exp(),
    }
}

fn squared_error(points: &[(f64, f64)], fit: &DecayFit) -> f64 {
    points.iter().map(|(time, rate)| (rate - fit.at(*time)).powi(2)).sum()
}

/// Ordinary least squares of offset and scale.
fn line(points: &[(f64, f64)], family: Family) -> DecayFit {
    let n = points.len() as f64;
    let x = |time: f64| basis(family, 0.0, 0, time);
    let (mean_x, mean_y) =
        (points.iter().map(|p| x(p.0)).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let both: f64 = points.iter().map(|p| (x(p.0) - mean_x) * (p.1 - mean_y)).sum();
    let square: f64 = points.iter().map(|p| (x(p.0) - mean_x).powi(2)).sum();
    let scale = if square > 0.0 { both / square } else { 0.0 };
    DecayFit { family, r2: 0.0, offset: mean_y - scale * mean_x, scale, shape: 0.0, steps: 0 }
}

/// Exponents of ten of the shapes that are tried before the best of them is refined: lowest, highest, and from one to the next.
const GRID: (f64, f64, f64) = (-3.0, 4.0, 0.25);

/// Halvings, nearly, of a pitch to either side of it: the exponent is then known to a ten-thousandth, and R2, which is flat there, to 1e-7.
const REFINEMENTS: usize = 16;

/// Sums that are formed side by side.
const LANES: usize = 8;

/// A family without offset at the times of a course, and at the shapes of [`GRID`]: the same for all courses of these times.
///
/// Its lists are filled up with zeros to whole [`LANES`].
struct ShapedFamily {
    family: Family,
    steps: usize,
    /// What stands beside the shape: each time, or each number of a step in which there are times.
    arguments: Vec<f64>,
    /// The points at each.
    numbers: Vec<f64>,
    /// For each point the place of its argument.
    place: Vec<usize>,
    grid: Vec<ShapeOnGrid>,
}

/// The family at one shape.
struct ShapeOnGrid {
    exponent: f64,
    /// At each argument.
    values: Vec<f64>,
    /// The sum of squares over all points.
    square: f64,
}

impl ShapedFamily {
    /// All that there are.
    fn all(points: &[(f64, f64)]) -> Vec<ShapedFamily> {
        let smooth = [Family::Exponential, Family::InverseSquareRoot].map(|family| (family, 0));
        let stepped = (2..=10).map(|steps| (Family::Step, steps));
        smooth.into_iter().chain(stepped).map(|(family, steps)| Self::at(points, family, steps)).collect()
    }

    fn at(points: &[(f64, f64)], family: Family, steps: usize) -> ShapedFamily {
        let (mut arguments, mut numbers, mut place): (Vec<f64>, Vec<f64>, Vec<usize>) = Default::default();
        for &(time, _) in points {
            let argument = if family == Family::Step { step(steps, time) as f64 } else { time };
            if family != Family::Step || arguments.last() != Some(&argument) {
                arguments.push(argument);
                numbers.push(0.0);
            }
            place.push(arguments.len() - 1);
            numbers[arguments.len() - 1] += 1.0;
        }
        let whole = arguments.len().next_multiple_of(LANES);
        arguments.resize(whole, 0.0);
        numbers.resize(whole, 0.0);
        let mut shaped = ShapedFamily { family, steps, arguments, numbers, place, grid: Vec::new() };
        let (lowest, highest, pitch) = GRID;
        let exponents = (0..=((highest - lowest) / pitch) as usize).map(|place| lowest + pitch * place as f64);
        let at_exponent = |exponent: f64| {
            let mut values = vec![0.0; whole];
            let [_, square] = shaped.sums(10_f64.powf(exponent), &vec![0.0; whole], &mut values);
            ShapeOnGrid { exponent, values, square }
        };
        shaped.grid = exponents.map(at_exponent).collect();
        shaped
    }

    /// The family's values at a shape, and over all points the sum of values times rates, and that of squared values.
    fn sums(&self, shape: f64, rates: &[f64], values: &mut [f64]) -> [f64; 2] {
        match self.family {
            Family::InverseSquareRoot => inverse_square_roots(shape, &self.arguments, values),
            _ => exponentials(shape, &self.arguments, values),
        }
        [sum_of_products(values, rates), sum_of_squares(values, &self.numbers)]
    }

    /// The best fit: the scale in closed form, the shape by golden section around the best of the grid.
    fn fit(&self, points: &[(f64, f64)]) -> DecayFit {
        let Self { family, steps, .. } = *self;
        let mut rates = vec![0.0; self.arguments.len()];
        points.iter().zip(&self.place).for_each(|((_, rate), place)| rates[*place] += rate);
        let mut values = vec![0.0; rates.len()];
        let mut at_shape = |shape: f64| self.sums(shape, &rates, &mut values);
        // Far out on the grid the basis may be zero at all points.
        let share = |[both, square]: [f64; 2]| if square > 0.0 { both * both / square } else { 0.0 };
        let found = self
            .grid
            .iter()
            .map(|on_grid| (on_grid.exponent, share([sum_of_products(&on_grid.values, &rates), on_grid.square])));
        let best =
            found.reduce(|best, other| if other.1 > best.1 { other } else { best }).map_or(GRID.0, |best| best.0);
        let mut explained = |exponent: f64| share(at_shape(10_f64.powf(exponent)));
        let (mut low, mut high) = (best - GRID.2, best + GRID.2);
        let golden = 0.5 * (5_f64.sqrt() - 1.0);
        let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
        let (mut at_left, mut at_right) = (explained(left), explained(right));
        for _ in 0..REFINEMENTS {
            if at_left > at_right {
                (high, right, at_right) = (right, left, at_left);
                left = high - golden * (high - low);
                at_left = explained(left);
            } else {
                (low, left, at_left) = (left, right, at_right);
                right = low + golden * (high - low);
                at_right = explained(right);
            }
        }
        let shape = 10_f64.powf(0.5 * (low + high));
        let [both, square] = at_shape(shape);
        let scale = if square > 0.0 { both / square } else { 0.0 };
        DecayFit { family, r2: 0.0, offset: 0.0, scale, shape, steps }
    }
}

/// `exp(-shape * argument)` of each.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn exponentials(shape: f64, arguments: &[f64], values: &mut [f64]) {
    values.iter_mut().zip(arguments).for_each(|(value, argument)| *value = exp_of_negative(-shape * argument));
}

/// `1 / sqrt(1 + shape * argument)` of each.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn inverse_square_roots(shape: f64, arguments: &[f64], values: &mut [f64]) {
    values.iter_mut().zip(arguments).for_each(|(value, argument)| *value = 1.0 / (1.0 + shape * argument).sqrt());
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sum_of_products(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (left, right) in left.as_chunks::<LANES>().0.iter().zip(right.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum()
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sum_of_squares(values: &[f64], weights: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (values, weights) in values.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * values[lane] * values[lane];
        }
    }
    sums.iter().sum()
}

/// The step, counted from 0, in which a time from 0 to 1 lies.
fn step(steps: usize, time: f64) -> usize {
    ((steps as f64 * time).floor() as usize).min(steps.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(rate: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (1..=120).map(|i| f64::from(i) / 120.0).map(|time| (time, rate(time))).collect()
    }

    fn best(rate: impl Fn(f64) -> f64) -> DecayFit {
        fits(&course(rate))[0]
    }

    /// A course that is first measured late in the run: far out on the grid of shapes the basis is zero at all points.
    #[test]
    fn a_course_that_begins_late_has_its_exponential() {
        let points: Vec<(f64, f64)> =
            (1..=26).map(|i| f64::from(i) / 26.0).map(|t| (t, 1e-3 * (-2.0 * t).exp())).collect();
        let best = fits(&points)[0];
        assert!(best.family == Family::Exponential && best.r2 > 0.999_999, "{best:?}");
    }

    #[test]
    fn curves_of_the_same_times_are_fitted_as_each_by_itself() {
        let mut generator = ChaCha8Rng::seed_from_u64(0);
        let alone = |_| fits(&random_falling(2e-3, 1e-4, 50, &mut generator)).first().map_or(0.0, |fit| fit.r2);
        let mut expected: Vec<f64> = (0..40).map(alone).collect();
        expected.sort_by(f64::total_cmp);
        assert_eq!(r2_by_chance(2e-3, 1e-4, 50, 40), expected);
    }

    #[test]
    fn random_curves_fall_from_end_to_end() {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let curves: Vec<_> = (0..200).map(|_| random_falling(3.0, 1.0, 50, &mut generator)).collect();
        for curve in &curves {
            assert_eq!((curve[0], curve[49]), ((0.0, 3.0), (1.0, 1.0)));
            assert!(curve.windows(2).all(|pair| pair[0].1 >= pair[1].1 && pair[0].0 < pair[1].0));
        }
        // Order statistics of even draws are symmetric: half-way down in the middle, on average.
        let middle = curves.iter().map(|curve| 0.5 * (curve[24].1 + curve[25].1)).sum::<f64>() / 200.0;
        assert!((middle - 2.0).abs() < 0.1, "{middle}");
    }

    #[test]
    fn each_family_recognises_its_own() {
        let step = |time: f64| 1e-3 * 0.5_f64.powi(((4.0 * time).floor() as i32).min(3));
        let cases: [(Family, &dyn Fn(f64) -> f64); 5] = [
            (Family::Linear, &|time| 1e-3 * (1.0 - 0.9 * time)),
            (Family::Exponential, &|time| 1e-3 * (-3.0 * time).exp()),
            (Family::Cosine, &|time| 1e-4 + 9e-4 * 0.5 * (1.0 + (PI * time).cos())),
            (Family::InverseSquareRoot, &|time| 1e-3 / (1.0 + 50.0 * time).sqrt()),
            (Family::Step, &step),
        ];
        for (family, rate) in cases {
            let fit = best(rate);
            assert_eq!(fit.family, family, "{:?}", fits(&course(rate)));
            assert!(fit.r2 > 0.999_999, "{family:?} {}", fit.r2);
            assert!((fit.at(0.3) - rate(0.3)).abs() < 1e-6);
        }
    }

    #[test]
    fn what_rises_or_stands_still_is_no_decay() {
        assert_eq!(best(|time| 1e-3 * (1.0 + time)).family, Family::Constant);
        assert_eq!(fits(&course(|_| 1e-3)).len(), 1);
        assert_eq!(best(|_| 1e-3).r2, 0.0);
        assert!((best(|_| 1e-3).at(0.7) - 1e-3).abs() < 1e-15);
        assert_eq!(fits(&[(0.5, f64::NAN)]), []);
    }

    #[test]
    fn equals_scipy() {
        // t = np.arange(1, 121) / 120; y = 1e-3 * (1 - t ** 2) + 2e-4 * np.sin(9 * t)
        // f = lambda t, a, k: a * np.exp(-k * t); p, _ = scipy.optimize.curve_fit(f, t, y * 1e3, p0=(1, 1))
        // 1 - ((y * 1e3 - f(t, *p)) ** 2).sum() / ((y * 1e3 - y.mean() * 1e3) ** 2).sum(); np.polyfit(t, y, 1) likewise
        let fits = fits(&course(|time| 1e-3 * (1.0 - time * time) + 2e-4 * (9.0 * time).sin()));
        let r2 = |family: Family| fits.iter().find(|fit| fit.family == family).unwrap().r2;
        assert!((r2(Family::Exponential) - 0.8805375397752264).abs() < 1e-7, "{}", r2(Family::Exponential));
        assert!((r2(Family::Linear) - 0.8907812147111631).abs() < 1e-9, "{}", r2(Family::Linear));
    }

    #[test]
    fn a_fit_is_scale_free() {
        let rate = |time: f64| 1e-3 * (1.0 - time * time);
        let (small, large) = (fits(&course(rate)), fits(&course(|time| 1e4 * rate(time))));
        for (small, large) in small.iter().zip(&large) {
            assert!(small.family == large.family && (small.r2 - large.r2).abs() < 1e-9, "{small:?} {large:?}");
        }
    }
}
