//! Exponentials in vectors.

/// The exponential of a number that is not positive, to a unit or two in the last place; of numbers below -708, that of -708.
///
/// The library's is a call for each number. This is x = k ln 2 + r, Taylor's series of r to its thirteenth power, and 2 to the
/// power of k as a number's exponent, in steps that the compiler forms for all lanes at once.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    /// 1 / n! for n = 0, 1, .. 13.
    const INVERSE_FACTORIALS: [f64; 14] = inverse_factorials();
    /// Added to a number it leaves the nearest whole one in the last bits.
    const TO_WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;
    /// ln 2 in two parts, the first with enough zeros at its end for k times it to be exact.
    const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    let x = x.max(-708.0);
    let shifted = x * std::f64::consts::LOG2_E + TO_WHOLE;
    let k = shifted - TO_WHOLE;
    let r = (x - k * LN_2[0]) - k * LN_2[1];
    let series = INVERSE_FACTORIALS.iter().rev().fold(0.0, |series, inverse| series * r + inverse);
    series * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

const fn inverse_factorials() -> [f64; 14] {
    let mut inverse = [1.0; 14];
    let mut n = 1;
    let mut factorial = 1.0;
    while n < inverse.len() {
        factorial *= n as f64;
        inverse[n] = 1.0 / factorial;
        n += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_the_librarys() {
        for step in 0..700_000 {
            let x = -1e-3 * f64::from(step);
            let (fast, slow) = (exp_of_negative(x), x.exp());
            assert!((fast / slow - 1.0).abs() < 5e-16, "{x}: {fast} is not {slow}");
        }
        assert_eq!(exp_of_negative(-0.0), 1.0);
        assert!(exp_of_negative(-1e9) < 1e-307 && exp_of_negative(f64::NEG_INFINITY) >= 0.0);
    }
}
