//! The density of an operator's eigenvalues by stochastic Lanczos quadrature (Golub and Welsch 1969; for the Hessians of
//! networks Ghorbani, Krishnan and Xiao, arXiv 1901.10159).
//!
//! For a random unit vector v the mean of v^T f(A) v is the mean of f over the n eigenvalues. The tridiagonal matrix of
//! an iteration from v is a Gauss quadrature for it: nodes are its eigenvalues, weights the squares of the first
//! components of its eigenvectors.

use rand::Rng;
use tch::Tensor;

use crate::lanczos::{EXHAUSTED, SymmetricOperator, iterate};
use crate::tridiagonal::Tridiagonal;

/// How closely a spectrum is looked at. It costs `starts` times `products` products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpectrumOptions {
    /// Random start vectors; 0: the spectrum is not measured. With them, k eigenvalues are counted with a relative
    /// standard error of sqrt(2 / (k starts)).
    pub starts: usize,
    /// Products with the Hessian from each start: the density is resolved into as many steps.
    pub products: usize,
}

impl Default for SpectrumOptions {
    fn default() -> Self {
        SpectrumOptions { starts: 0, products: 40 }
    }
}

/// Nodes and weights of the quadrature from each of some random starts.
#[derive(Clone, Debug)]
pub struct Spectrum {
    quadratures: Vec<Vec<(f64, f64)>>,
}

impl Spectrum {
    /// Iterates from every start.
    ///
    /// # Panics
    /// The operator has size 0 or the options allow no product.
    pub fn of(operator: &dyn SymmetricOperator, options: SpectrumOptions, generator: &mut impl Rng) -> Spectrum {
        // The ends converge long before the rest of the spectrum is resolved: only an exhausted Krylov space stops it.
        let exhausted = |matrix: &Tridiagonal, rest: f64| {
            let entries = matrix.diagonal.iter().chain(&matrix.off_diagonal);
            rest <= EXHAUSTED * entries.fold(0.0, |largest: f64, entry| largest.max(entry.abs()))
        };
        let mut quadrature = || quadrature(&iterate(operator, options.products, generator, exhausted));
        Spectrum { quadratures: (0..options.starts).map(|_| quadrature()).collect() }
    }

    /// The share of the eigenvalues whose magnitude exceeds `threshold` times the largest magnitude, 0 for an operator
    /// that is zero; undefined without a start, or if a product was not finite.
    pub fn share_above(&self, threshold: f64) -> Option<f64> {
        let largest = self.nodes().map(|(node, _)| node.abs()).fold(0.0, f64::max);
        self.share_beyond(threshold * largest)
    }

    /// The share of the eigenvalues whose magnitude exceeds `magnitude`; undefined as [`Spectrum::share_above`] is.
    pub fn share_beyond(&self, magnitude: f64) -> Option<f64> {
        let defined = !self.quadratures.is_empty() && self.quadratures.iter().all(|quadrature| !quadrature.is_empty());
        let above = self.nodes().filter(|(node, _)| node.abs() > magnitude).map(|(_, weight)| weight);
        defined.then(|| above.sum::<f64>() / self.quadratures.len() as f64)
    }

    fn nodes(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.quadratures.iter().flatten()
    }
}

/// Nodes and weights, none if the iteration left the real numbers.
fn quadrature(matrix: &Tridiagonal) -> Vec<(f64, f64)> {
    let numbers = |tensor: Tensor| Vec::<f64>::try_from(tensor).expect("a vector of f64");
    match matrix.eigen() {
        Some((values, vectors)) => numbers(values).into_iter().zip(numbers(vectors.get(0).square())).collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanczos::{
        normal_vector,
        tests::{DOUBLE, Dense},
    };
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn generator(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// A dense matrix with these eigenvalues in a random orthonormal basis, and that basis as columns.
    fn with_spectrum(spectrum: &[f64]) -> (Dense, Tensor) {
        let size = spectrum.len() as i64;
        let square = normal_vector(size * size, DOUBLE, &mut generator(5)).view([size, size]);
        let (basis, _) = Tensor::linalg_qr(&square, "reduced");
        (Dense((&basis * Tensor::from_slice(spectrum)).mm(&basis.tr())), basis)
    }

    #[test]
    fn a_complete_iteration_gives_the_exact_quadratic_form_of_its_start() {
        let spectrum: Vec<f64> =
            (0..50).map(|i| if i < 7 { 1.0 - 0.35 * f64::from(i) } else { 1e-3 * (f64::from(i) - 30.3) }).collect();
        let (operator, basis) = with_spectrum(&spectrum);
        let found = Spectrum::of(&operator, SpectrumOptions { starts: 1, products: 50 }, &mut generator(8));
        let start = normal_vector(50, DOUBLE, &mut generator(8));
        let shares = basis.tr().mv(&(&start / start.norm())).square();
        for threshold in [0.0005, 0.01, 0.1, 0.5] {
            let largest = spectrum.iter().map(|value| value.abs()).fold(0.0, f64::max);
            let above = |i: &usize| spectrum[*i].abs() > threshold * largest;
            let expected: f64 = (0..50).filter(above).map(|i| shares.double_value(&[i as i64])).sum();
            let share = found.share_above(threshold).unwrap();
            assert!((share - expected).abs() < 1e-9, "{share} against {expected} above {threshold}");
        }
    }

    #[test]
    fn many_starts_count_the_eigenvalues_of_either_sign() {
        // 20 of 200 are above a tenth of the largest magnitude, which is that of a negative one.
        let spectrum: Vec<f64> = (0..200)
            .map(|i| match i {
                0..10 => -4.0 + 0.1 * f64::from(i),
                10..20 => 0.5 + 0.1 * f64::from(i - 10),
                _ => 1e-3 * f64::from(i % 7 - 3),
            })
            .collect();
        let (operator, _) = with_spectrum(&spectrum);
        let options = SpectrumOptions { starts: 300, products: 30 };
        let share = Spectrum::of(&operator, options, &mut generator(2)).share_above(0.1).unwrap();
        // One start errs by sqrt(2 / 20) of it, 300 by 1.8 %; four of these.
        assert!((share / 0.1 - 1.0).abs() < 0.075, "{share}");
    }

    #[test]
    fn flat_and_broken_operators() {
        let of = |matrix: Tensor| {
            let options = SpectrumOptions { starts: 3, products: 40 };
            Spectrum::of(&Dense(matrix), options, &mut generator(1)).share_above(0.01)
        };
        let options = DOUBLE;
        assert_eq!(of(Tensor::zeros([6, 6], options)), Some(0.0));
        assert!((of(Tensor::eye(6, options)).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(of(Tensor::full([6, 6], f64::NAN, options)), None);
        let none = SpectrumOptions { starts: 0, products: 40 };
        let zero = Dense(Tensor::zeros([6, 6], options));
        assert_eq!(Spectrum::of(&zero, none, &mut generator(1)).share_above(0.01), None);
    }
}
