//! Hessians of penalties in closed form, so that nobody has to differentiate twice.

use tch::{Kind, Tensor};

/// The Hessian of a penalty over the parameters of one layer.
#[derive(Debug)]
pub enum Curvature {
    /// A multiple of the identity.
    Isotropic(f64),
    /// That of a function of the weight's largest singular value; the bias has none.
    SpectralNorm(SpectralNormCurvature),
}

impl Curvature {
    /// The product with a direction: the layer's parameters flattened, the weight (row-major) first.
    pub fn product(&self, direction: &Tensor) -> Tensor {
        match self {
            Curvature::Isotropic(factor) => direction * *factor,
            Curvature::SpectralNorm(curvature) => curvature.product(direction),
        }
    }
}

/// A gap between squared singular values below this share of the largest counts as none.
const COINCIDENCE: f64 = 1e-12;

/// The Hessian of g(q) at a weight W (out x in), where q is the square of its largest singular value.
///
/// With the unit singular pair u, v and sigma = sqrt(q), the derivative of q = u^T W W^T u in a direction X is
/// 2 sigma u^T X v, and that of u is z = R (sigma X v + W X^T u), R being the pseudo-inverse of q - W W^T beside u
/// (Golub and Van Loan, Matrix Computations, 7.2.4, for the symmetric matrix W W^T). So the product is
/// p v^T + u x^T with
///
/// p = 4 g'' q (u^T X v) u + 2 g' sigma z  and  x = 2 g' (W^T z + X^T u):
///
/// it sees nothing of X but X v and X^T u. Where other singular values equal the largest, q has no second derivative;
/// what would turn u towards their vectors is then left out.
#[derive(Debug)]
pub struct SpectralNormCurvature {
    /// u, of `out` elements.
    pub left: Tensor,
    /// v, of `in` elements.
    pub right: Tensor,
    /// W, or its transpose where it has more rows than columns: R is over the shorter side.
    wide: Tensor,
    transposed: bool,
    /// Eigenvectors of R in the columns, and its eigenvalues.
    vectors: Tensor,
    inverse_gaps: Tensor,
    sigma: f64,
    first: f64,
    second: f64,
}

impl SpectralNormCurvature {
    /// At a weight, from the function that gives g' and g'' at q. Decomposes in f64.
    pub(crate) fn new(weight: &Tensor, derivatives: impl Fn(f64) -> (f64, f64)) -> SpectralNormCurvature {
        let weight = weight.detach();
        let pair = LeadingPair::of(&weight);
        let (first, second) = derivatives(pair.square);
        let gaps = pair.square - &pair.squares;
        let apart = gaps.gt(COINCIDENCE * pair.square);
        let inverse_gaps = gaps.reciprocal().where_scalarother(&apart, 0.0);
        let rounded = |tensor: &Tensor| tensor.to_kind(weight.kind());
        let transposed = pair.transposed;
        SpectralNormCurvature {
            left: rounded(&pair.left),
            right: rounded(&pair.right),
            wide: if transposed { weight.tr().contiguous() } else { weight.shallow_clone() },
            transposed,
            vectors: rounded(&pair.vectors),
            inverse_gaps: rounded(&inverse_gaps),
            sigma: pair.square.sqrt(),
            first,
            second,
        }
    }

    /// Whether no eigenvalue is negative.
    pub fn is_positive(&self) -> bool {
        self.first >= 0.0 && self.second >= 0.0
    }

    /// p (out) and x (in) from X v (out) and X^T u (in).
    pub fn respond(&self, along_right: &Tensor, along_left: &Tensor) -> (Tensor, Tensor) {
        let (near, far, unit) = if self.transposed {
            (along_left, along_right, &self.right)
        } else {
            (along_right, along_left, &self.left)
        };
        let push = near * self.sigma + self.wide.mv(far);
        let turn = self.vectors.mv(&(self.vectors.tr().mv(&push) * &self.inverse_gaps));
        let stretch = 4.0 * self.second * self.sigma.powi(2) * near.dot(unit);
        let near_answer = unit * stretch + &turn * (2.0 * self.first * self.sigma);
        let far_answer = (self.wide.tr().mv(&turn) + far) * (2.0 * self.first);
        if self.transposed { (far_answer, near_answer) } else { (near_answer, far_answer) }
    }

    fn product(&self, direction: &Tensor) -> Tensor {
        let (units, features) = (self.left.size()[0], self.right.size()[0]);
        let weight = direction.narrow(0, 0, units * features).view([units, features]);
        let (p, x) = self.respond(&weight.mv(&self.right), &weight.tr().mv(&self.left));
        let product = p.outer(&self.right) + self.left.outer(&x);
        let rest = direction.size()[0] - units * features;
        Tensor::cat(&[product.flatten(0, -1), Tensor::zeros([rest], (direction.kind(), direction.device()))], 0)
    }
}

/// The leading singular pair of a matrix in f64, from the Gram matrix of its shorter side.
#[derive(Debug)]
pub(crate) struct LeadingPair {
    /// u, of as many elements as there are rows.
    pub left: Tensor,
    /// v, of as many elements as there are columns; zero for a matrix of zeros.
    pub right: Tensor,
    /// The square of the largest singular value.
    pub square: f64,
    /// Squares of the singular values in ascending order.
    squares: Tensor,
    /// The shorter side's singular vectors, in the columns.
    vectors: Tensor,
    /// Whether the columns are the shorter side.
    transposed: bool,
}

impl LeadingPair {
    /// Decomposes a matrix.
    pub(crate) fn of(matrix: &Tensor) -> LeadingPair {
        let matrix = matrix.detach().to_kind(Kind::Double);
        let transposed = matrix.size()[0] > matrix.size()[1];
        let wide = if transposed { matrix.tr() } else { matrix };
        let (squares, vectors) = wide.mm(&wide.tr()).linalg_eigh("L");
        let square = squares.double_value(&[-1]).max(0.0);
        let near = vectors.select(1, -1);
        let far = wide.tr().mv(&near);
        let far = if square > 0.0 { &far / far.norm() } else { far };
        let (left, right) = if transposed { (far, near) } else { (near, far) };
        LeadingPair { left, right, square, squares, vectors, transposed }
    }
}
