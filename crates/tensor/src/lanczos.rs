//! Extreme eigenvalues of a symmetric operator by Lanczos iteration with full reorthogonalisation
//! (Golub and Van Loan, Matrix Computations, 10.1).

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use crate::tridiagonal::{RitzValues, Tridiagonal};

/// A symmetric linear map that is known by its products alone.
pub trait SymmetricOperator {
    /// The dimension n.
    fn size(&self) -> i64;

    /// The element type and the device of its vectors.
    fn options(&self) -> (Kind, Device);

    /// The product with a vector of n elements.
    fn apply(&self, vector: &Tensor) -> Tensor;

    /// The product with G, a symmetric positive semidefinite matrix, if it is the spectrum of `apply` after G that is
    /// wanted, and not that of `apply` itself.
    ///
    /// An operator A M A^T with tall A has the nonzero eigenvalues of M A^T A: with G = A^T A, its spectrum is found in
    /// as few dimensions as A has columns.
    fn inner(&self, _vector: &Tensor) -> Option<Tensor> {
        None
    }
}

/// Which ends of the spectrum have to converge before the iteration stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The largest (algebraic) eigenvalue.
    Largest,
    /// The largest and the smallest.
    Both,
}

/// Steps in a row in which an end has to be within the tolerance and stay where it is. A single one deceives where
/// several eigenvalues lie close together, as those of a classifier do: the iteration sees one of them before the rest.
const STEADY_STEPS: usize = 3;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LanczosOptions {
    /// The most products with the Hessian.
    pub products: usize,
    /// An eigenvalue has converged when its estimated error, relative to the largest absolute Ritz value, is at most
    /// this.
    pub tolerance: f64,
}

impl Default for LanczosOptions {
    fn default() -> Self {
        LanczosOptions { products: 40, tolerance: 0.005 }
    }
}

/// One end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigenvalue {
    /// The Ritz value.
    pub value: f64,
    /// Norm of A x - value x for the unit Ritz vector x, over the largest absolute Ritz value: an eigenvalue lies
    /// within that relative distance.
    pub residual: f64,
}

/// What an iteration found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    /// The largest eigenvalue.
    pub largest: Eigenvalue,
    /// The smallest eigenvalue.
    pub smallest: Eigenvalue,
    /// Products made.
    pub products: usize,
    /// Whether the ends that were asked for reached the tolerance.
    pub converged: bool,
}

impl Extremes {
    /// Nothing found yet.
    const LOST: Extremes = {
        let lost = Eigenvalue { value: f64::NAN, residual: f64::NAN };
        Extremes { largest: lost, smallest: lost, products: 0, converged: false }
    };

    /// The ends of the operator plus `shift` times the identity; residuals keep their scale.
    pub fn shifted(self, shift: f64) -> Extremes {
        let move_end = |end: Eigenvalue| Eigenvalue { value: end.value + shift, ..end };
        Extremes { largest: move_end(self.largest), smallest: move_end(self.smallest), ..self }
    }
}

/// A vector of `size` independent standard normals.
pub(crate) fn normal_vector(size: i64, (kind, device): (Kind, Device), generator: &mut impl Rng) -> Tensor {
    let normals: Vec<f32> = StandardNormal.sample_iter(generator).take(size as usize).collect();
    Tensor::from_slice(&normals).to_kind(kind).to_device(device)
}

/// Iterates from a random start until the ends converge, the products are used up, or the Krylov space is exhausted.
///
/// # Panics
/// As [`iterate`].
pub fn extreme_eigenvalues(
    operator: &dyn SymmetricOperator,
    ends: Ends,
    options: LanczosOptions,
    generator: &mut impl Rng,
) -> Extremes {
    let mut search = Search::new(ends, options.tolerance, operator.size(), Tridiagonal::ritz_values);
    iterate(operator, options.products, generator, |matrix, rest| search.is_over(matrix, rest));
    search.found
}

/// What an iteration has found so far, and whether that is enough.
struct Search {
    ends: Ends,
    tolerance: f64,
    size: usize,
    ritz_values: fn(&Tridiagonal) -> Option<RitzValues>,
    found: Extremes,
    steady: usize,
}

impl Search {
    fn new(ends: Ends, tolerance: f64, size: i64, ritz_values: fn(&Tridiagonal) -> Option<RitzValues>) -> Search {
        Search { ends, tolerance, size: size as usize, ritz_values, found: Extremes::LOST, steady: 0 }
    }

    /// Looks at the matrix after another product.
    fn is_over(&mut self, matrix: &Tridiagonal, rest: f64) -> bool {
        let Search { ends, tolerance, found: previous, .. } = *self;
        let (now, errors, scale) = ritz_ends((self.ritz_values)(matrix), rest);
        let [largest_error, smallest_error] = errors;
        let within = largest_error <= tolerance && (ends == Ends::Largest || smallest_error <= tolerance);
        // Not a number, and so not still, at the first step.
        let still = |new: Eigenvalue, old: Eigenvalue| (new.value - old.value).abs() <= 0.5 * tolerance * scale;
        let still =
            still(now.largest, previous.largest) && (ends == Ends::Largest || still(now.smallest, previous.smallest));
        self.steady = if within && still { self.steady + 1 } else { 0 };
        let products = matrix.diagonal.len();
        let complete = rest <= scale * EXHAUSTED || products == self.size;
        let converged = (self.steady >= STEADY_STEPS || complete) && rest.is_finite();
        self.found = Extremes { products, converged, ..now };
        converged
    }
}

/// Symmetric linear maps of one size, whose products are made together.
pub trait OperatorsTogether {
    /// How many they are, R, and the dimension n of each; the element type and the device of their vectors.
    fn vectors(&self) -> ([i64; 2], (Kind, Device));

    /// The product of each with its own vector: R x n to R x n.
    fn apply(&self, vectors: &Tensor) -> Tensor;
}

/// The same as [`extreme_eigenvalues`] of each of several operators, whose starts are drawn by a generator each. What is found
/// of one does not depend on the others.
///
/// # Panics
/// As [`iterate`], or the generators are not as many as the operators.
pub fn extreme_eigenvalues_together<G: Rng>(
    operators: &dyn OperatorsTogether,
    ends: Ends,
    options: LanczosOptions,
    generators: &mut [&mut G],
) -> Vec<Extremes> {
    let ([count, size], own) = operators.vectors();
    let most = options.products.min(size as usize);
    assert!(
        most > 0 && count as usize == generators.len(),
        "Lanczos needs a product, a vector and a generator for each"
    );
    let basis = Tensor::zeros([count, most as i64, size], own);
    let starts: Vec<Tensor> = generators.iter_mut().map(|generator| normal_vector(size, own, *generator)).collect();
    let mut next = Tensor::stack(&starts, 0);
    let mut lengths = lengths_of(&next);
    // A device would wait for as many decompositions as there are operators after every product.
    let search = || Search::new(ends, options.tolerance, size, Tridiagonal::ritz_values_at_once);
    let mut searches: Vec<(Search, Tridiagonal, bool)> =
        (0..count).map(|_| (search(), Tridiagonal::default(), false)).collect();
    for step in 0..most as i64 {
        let mut current = basis.select(1, step);
        current.copy_(&(&next / &lengths));
        next = operators.apply(&current);
        let diagonals = (&next * &current).sum_dim_intlist([1i64].as_slice(), true, own.0);
        let known = basis.narrow(1, 0, step + 1);
        for _ in 0..2 {
            let along = known.bmm(&next.unsqueeze(2));
            next -= known.transpose(1, 2).bmm(&along).squeeze_dim(2);
        }
        lengths = lengths_of(&next);
        // The one look at what was computed.
        let numbers = Tensor::cat(&[diagonals, lengths.shallow_clone()], 1).to_kind(Kind::Double);
        let numbers = Vec::<f64>::try_from(numbers.to_device(Device::Cpu).flatten(0, -1)).expect("one dimension");
        for ((search, matrix, is_over), entry) in searches.iter_mut().zip(numbers.chunks_exact(2)) {
            if *is_over {
                continue;
            }
            let rest = entry[1];
            matrix.diagonal.push(entry[0]);
            *is_over = search.is_over(matrix, rest) || !rest.is_finite() || rest == 0.0;
            matrix.off_diagonal.push(rest);
        }
        if searches.iter().all(|(_, _, is_over)| *is_over) {
            break;
        }
    }
    searches.into_iter().map(|(search, ..)| search.found).collect()
}

/// The length of each row, R x 1.
fn lengths_of(rows: &Tensor) -> Tensor {
    rows.square().sum_dim_intlist([1i64].as_slice(), true, rows.kind()).sqrt()
}

/// A rest below this share of the operator's scale is rounding: the Krylov space is exhausted.
pub(crate) const EXHAUSTED: f64 = (f32::EPSILON as f64) * (f32::EPSILON as f64);

/// Multiplies up to `products` times from a random start, until `enough` says so of the matrix so far and the norm of the
/// rest, which would be its next off-diagonal entry; also stops at a rest that is zero or not finite.
///
/// # Panics
/// The operator has size 0, or no product is allowed.
pub(crate) fn iterate(
    operator: &dyn SymmetricOperator,
    products: usize,
    generator: &mut impl Rng,
    mut enough: impl FnMut(&Tridiagonal, f64) -> bool,
) -> Tridiagonal {
    let size = operator.size();
    let most = products.min(size as usize);
    assert!(most > 0, "Lanczos needs a product and a vector");
    // M G is symmetric in the inner product of G: with the basis goes what G makes of it.
    let vectors = || Tensor::zeros([most as i64, size], operator.options());
    let basis = vectors();
    let start = normal_vector(size, operator.options(), generator);
    let image = operator.inner(&start);
    let images = if image.is_some() { vectors() } else { basis.shallow_clone() };
    put(&basis, &images, 0, &start, image.as_ref(), length(&start, image.as_ref()));
    let mut matrix = Tridiagonal::default();
    loop {
        let step = matrix.diagonal.len() as i64;
        let current = images.get(step);
        let mut product = operator.apply(&current);
        matrix.diagonal.push(product.dot(&current).double_value(&[]));
        let (known, known_images) = (basis.narrow(0, 0, step + 1), images.narrow(0, 0, step + 1));
        // Twice is enough (Kahan, Parlett): a single pass loses orthogonality as soon as an end converges.
        for _ in 0..2 {
            product -= known.tr().mv(&known_images.mv(&product));
        }
        let image = operator.inner(&product);
        let rest = length(&product, image.as_ref());
        if enough(&matrix, rest) || matrix.diagonal.len() == most || !rest.is_finite() || rest == 0.0 {
            return matrix;
        }
        matrix.off_diagonal.push(rest);
        put(&basis, &images, step + 1, &product, image.as_ref(), rest);
    }
}

/// The length of a vector in the inner product that gives it that image.
fn length(vector: &Tensor, image: Option<&Tensor>) -> f64 {
    match image {
        None => vector.norm().double_value(&[]),
        // Rounding may take the square of almost nothing below zero; not a number stays what it is.
        Some(image) => vector.dot(image).clamp_min(0.0).sqrt().double_value(&[]),
    }
}

/// Makes a vector the next of the basis, at unit length, and its image the next of the images.
fn put(basis: &Tensor, images: &Tensor, place: i64, vector: &Tensor, image: Option<&Tensor>, length: f64) {
    basis.get(place).copy_(&(vector / length));
    if let Some(image) = image {
        images.get(place).copy_(&(image / length));
    }
}

/// Ends of the tridiagonal matrix's spectrum, the estimated relative errors of the largest and the smallest, and the
/// largest absolute Ritz value.
///
/// A Ritz value errs by at most its residual r, and by r^2 / gap where the rest of the spectrum keeps that distance
/// (Parlett, The Symmetric Eigenvalue Problem, 11.7); the next Ritz value stands for the rest.
fn ritz_ends(found: Option<RitzValues>, rest: f64) -> (Extremes, [f64; 2], f64) {
    let Some(RitzValues { values, last }) = found.filter(|_| rest.is_finite()) else {
        return (Extremes::LOST, [f64::NAN; 2], f64::NAN);
    };
    let count = values.len();
    let scale = values[0].abs().max(values[count - 1].abs());
    let relative = |distance: f64| if distance == 0.0 { 0.0 } else { distance / scale.max(f64::MIN_POSITIVE) };
    let end = |index: usize, neighbour: usize| {
        let value = values[index];
        let residual = relative((rest * last[index]).abs());
        // A first Ritz value has no neighbour to keep a distance from.
        let gap = if count > 1 { relative((value - values[neighbour]).abs()) - residual } else { 0.0 };
        let error = if gap > residual { residual * residual / gap } else { residual };
        (Eigenvalue { value, residual }, error)
    };
    let ((largest, largest_error), (smallest, smallest_error)) =
        (end(count - 1, count.saturating_sub(2)), end(0, 1.min(count - 1)));
    (Extremes { largest, smallest, products: 0, converged: false }, [largest_error, smallest_error], scale)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    pub(crate) const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    pub(crate) struct Dense(pub(crate) Tensor);

    impl SymmetricOperator for Dense {
        fn size(&self) -> i64 {
            self.0.size()[0]
        }
        fn options(&self) -> (Kind, Device) {
            (self.0.kind(), self.0.device())
        }
        fn apply(&self, vector: &Tensor) -> Tensor {
            self.0.mv(vector)
        }
    }

    fn random_symmetric(size: i64, seed: u64) -> Tensor {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let a = normal_vector(size * size, DOUBLE, &mut generator).view([size, size]);
        &a + a.tr()
    }

    #[test]
    fn both_ends_agree_with_the_dense_decomposition() {
        for (size, seed) in [(1, 1), (2, 2), (7, 3), (60, 4)] {
            let matrix = random_symmetric(size, seed);
            let (values, _) = matrix.linalg_eigh("L");
            let options = LanczosOptions { products: 200, tolerance: 1e-10 };
            let mut generator = ChaCha8Rng::seed_from_u64(9);
            let found = extreme_eigenvalues(&Dense(matrix), Ends::Both, options, &mut generator);
            assert!(found.converged);
            let scale = values.abs().max().double_value(&[]);
            assert!((found.largest.value - values.double_value(&[-1])).abs() < 1e-9 * scale, "{found:?}");
            assert!((found.smallest.value - values.double_value(&[0])).abs() < 1e-9 * scale, "{found:?}");
        }
    }

    /// M G for G = A^T A.
    struct Product {
        m: Tensor,
        a: Tensor,
    }

    impl SymmetricOperator for Product {
        fn size(&self) -> i64 {
            self.m.size()[0]
        }
        fn options(&self) -> (Kind, Device) {
            (self.m.kind(), self.m.device())
        }
        fn apply(&self, vector: &Tensor) -> Tensor {
            self.m.mv(vector)
        }
        fn inner(&self, vector: &Tensor) -> Option<Tensor> {
            Some(self.a.tr().mv(&self.a.mv(vector)))
        }
    }

    #[test]
    fn a_product_with_an_inner_one_has_the_spectrum_of_the_whole() {
        // Tall A, and A whose columns depend on each other, so that A^T A is singular.
        for (rows, size) in [(50, 12), (8, 12)] {
            let m = random_symmetric(size, 5);
            let a = normal_vector(rows * size, DOUBLE, &mut ChaCha8Rng::seed_from_u64(6)).view([rows, size]);
            let (values, _) = a.mm(&m).mm(&a.tr()).linalg_eigh("L");
            let options = LanczosOptions { products: 200, tolerance: 1e-10 };
            let mut generator = ChaCha8Rng::seed_from_u64(9);
            let found = extreme_eigenvalues(&Product { m, a }, Ends::Both, options, &mut generator);
            let scale = values.abs().max().double_value(&[]);
            assert!(found.converged && found.largest.residual < 1e-6, "{found:?}");
            assert!((found.largest.value - values.double_value(&[-1])).abs() < 1e-9 * scale, "{found:?}");
            assert!((found.smallest.value - values.double_value(&[0])).abs() < 1e-9 * scale, "{found:?}");
        }
    }

    struct DenseTogether(Tensor);

    impl OperatorsTogether for DenseTogether {
        fn vectors(&self) -> ([i64; 2], (Kind, Device)) {
            ([self.0.size()[0], self.0.size()[1]], (self.0.kind(), self.0.device()))
        }
        fn apply(&self, vectors: &Tensor) -> Tensor {
            self.0.bmm(&vectors.unsqueeze(2)).squeeze_dim(2)
        }
    }

    #[test]
    fn together_each_is_found_as_alone() {
        // One that overflows, one of zeros, and some that need more products than others.
        let mut matrices: Vec<Tensor> = (0..4).map(|seed| random_symmetric(30, seed)).collect();
        matrices[1] = Tensor::eye(30, DOUBLE);
        matrices.push(Tensor::zeros([30, 30], DOUBLE));
        matrices.push(random_symmetric(30, 7) * 1e200);
        for (ends, tolerance) in [(Ends::Largest, 0.005), (Ends::Both, 1e-9)] {
            let options = LanczosOptions { products: 40, tolerance };
            let generator = |index: usize| ChaCha8Rng::seed_from_u64(index as u64);
            let mut generators: Vec<ChaCha8Rng> = (0..matrices.len()).map(generator).collect();
            let mut borrowed: Vec<&mut ChaCha8Rng> = generators.iter_mut().collect();
            let together = DenseTogether(Tensor::stack(&matrices, 0));
            let found = extreme_eigenvalues_together(&together, ends, options, &mut borrowed);
            for (index, (matrix, found)) in matrices.iter().zip(found).enumerate() {
                let alone = extreme_eigenvalues(&Dense(matrix.shallow_clone()), ends, options, &mut generator(index));
                assert_eq!((found.products, found.converged), (alone.products, alone.converged), "{index}");
                let close = |found: f64, alone: f64| {
                    (found - alone).abs() <= 1e-9 * alone.abs().max(1.0) || (found.is_nan() && alone.is_nan())
                };
                assert!(close(found.largest.value, alone.largest.value), "{index}: {found:?}, alone {alone:?}");
                assert!(close(found.smallest.value, alone.smallest.value), "{index}: {found:?}, alone {alone:?}");
            }
        }
    }

    #[test]
    fn the_residual_bounds_the_distance_to_an_eigenvalue() {
        let matrix = random_symmetric(80, 5);
        let (values, _) = matrix.linalg_eigh("L");
        let options = LanczosOptions { products: 12, tolerance: 0.0 };
        let found = extreme_eigenvalues(&Dense(matrix), Ends::Both, options, &mut ChaCha8Rng::seed_from_u64(6));
        assert!(!found.converged && found.products == 12);
        let scale = found.largest.value.abs().max(found.smallest.value.abs());
        let nearest = (values - found.largest.value).abs().min().double_value(&[]);
        assert!(nearest <= found.largest.residual * scale * (1.0 + 1e-9));
    }

    #[test]
    fn the_residual_is_that_of_the_ritz_vector() {
        let matrix = random_symmetric(30, 5);
        let options = LanczosOptions { products: 6, tolerance: 0.0 };
        // The same on an orthonormal basis of the Krylov space, with the Ritz vectors written out.
        let mut powers = vec![normal_vector(30, DOUBLE, &mut ChaCha8Rng::seed_from_u64(6))];
        for _ in 1..options.products {
            let next = matrix.mv(powers.last().expect("the start"));
            powers.push(&next / next.norm());
        }
        let (basis, _) = Tensor::linalg_qr(&Tensor::stack(&powers, 1), "reduced");
        let (values, vectors) = basis.tr().mm(&matrix).mm(&basis).linalg_eigh("L");
        let scale = values.abs().max().double_value(&[]);
        let residual = |index: i64| {
            let ritz = basis.mv(&vectors.select(1, index));
            (matrix.mv(&ritz) - &ritz * values.double_value(&[index])).norm().double_value(&[]) / scale
        };
        let expected = [residual(5), residual(0)];
        let found = extreme_eigenvalues(&Dense(matrix), Ends::Both, options, &mut ChaCha8Rng::seed_from_u64(6));
        for (found, expected) in [found.largest.residual, found.smallest.residual].into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} against {expected}");
        }
    }

    #[test]
    fn close_outliers_do_not_deceive_it_often() {
        // Largest eigenvalues 1, 0.9 and 0.8 above a bulk: a start that hardly contains the first sees the second alone.
        let outliers = [1.0, 0.9, 0.8];
        let bulk = (0..197).map(|index| 0.1 * f64::from(index) / 197.0);
        let spectrum: Vec<f64> = outliers.into_iter().chain(bulk).collect();
        let operator = Dense(Tensor::from_slice(&spectrum).diag(0));
        let wrong = |seed: u64| {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            let found = extreme_eigenvalues(&operator, Ends::Largest, LanczosOptions::default(), &mut generator);
            assert!(found.converged);
            u32::from((found.largest.value - 1.0).abs() > 0.01)
        };
        let count: u32 = (0..200).map(wrong).sum();
        assert!(count <= 4, "{count} of 200 starts are off by more than a percent");
    }

    #[test]
    fn a_zero_operator_is_flat_and_not_an_error() {
        let zero = Dense(Tensor::zeros([5, 5], (Kind::Float, Device::Cpu)));
        let options = LanczosOptions::default();
        let found = extreme_eigenvalues(&zero, Ends::Both, options, &mut ChaCha8Rng::seed_from_u64(6));
        assert!(found.converged);
        assert_eq!((found.largest.value, found.smallest.value, found.largest.residual), (0.0, 0.0, 0.0));
    }

    #[test]
    fn not_a_number_is_reported_as_not_converged() {
        let broken = Dense(Tensor::full([4, 4], f64::NAN, DOUBLE));
        let options = LanczosOptions::default();
        let found = extreme_eigenvalues(&broken, Ends::Both, options, &mut ChaCha8Rng::seed_from_u64(6));
        assert!(!found.converged && found.largest.value.is_nan());
    }
}
