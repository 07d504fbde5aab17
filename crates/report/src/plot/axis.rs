//! Scales: from values to positions, and ticks that people would choose.

use crate::plot::data::{Axis, Scale};

/// A tick: where, and its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The value.
    pub value: f64,
    /// Its label; empty for a grid line without one.
    pub label: String,
}

/// From 0 to 1.
impl Default for Axis {
    fn default() -> Self {
        Self::linear(0.0, 1.0)
    }
}

impl Axis {
    /// A linear axis over exactly this range.
    pub fn linear(low: f64, high: f64) -> Self {
        Self { scale: Scale::Linear, low, high }
    }

    /// A linear axis over exactly this range, of what is counted.
    pub(crate) fn whole(low: f64, high: f64) -> Self {
        Self { scale: Scale::Whole, low, high }
    }

    /// A logarithmic axis over exactly this range.
    pub(crate) fn log(low: f64, high: f64) -> Self {
        Self { scale: Scale::Log, low, high }
    }

    /// A logarithmic axis from 1 to this number of things, with a little air.
    pub(crate) fn counts(most: usize) -> Self {
        Self { scale: Scale::Counts, low: 0.9, high: most.max(2) as f64 * 1.25 }
    }

    /// A logarithmic axis that holds all positive values with a little air; 0.1 to 10 when there are none.
    pub fn log_around(values: impl IntoIterator<Item = f64>) -> Self {
        match extent(values.into_iter().filter(|v| *v > 0.0)) {
            Some((low, high)) => {
                // The quotient of the ends must be a number.
                let (low, high) = (low.clamp(1e-150, 1e150), high.clamp(1e-150, 1e150));
                let air = (high / low).powf(0.05).max(1.1);
                Self::log(low / air, high * air)
            }
            None => Self::log(0.1, 10.0),
        }
    }

    /// Where the value lies, 0 at the low end and 1 at the high end; outside of the range it goes beyond them.
    pub(crate) fn position(&self, value: f64) -> f64 {
        match &self.scale {
            Scale::Linear | Scale::Whole => (value - self.low) / (self.high - self.low),
            Scale::Log | Scale::Counts if value <= 0.0 => 0.0,
            Scale::Log | Scale::Counts => (value / self.low).ln() / (self.high / self.low).ln(),
            Scale::Rows(_) => 1.0 - (value + 0.5) / self.places(),
            Scale::Columns(_) => (value + 0.5) / self.places(),
        }
    }

    /// About `wanted` ticks at round values.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        match &self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, wanted),
            // No more than there are whole numbers.
            Scale::Whole => linear_ticks(self.low, self.high, wanted.min((self.high - self.low).max(1.0) as usize)),
            Scale::Log => log_ticks(self.low, self.high, wanted),
            Scale::Counts => count_ticks(self.low, self.high, wanted),
            Scale::Rows(rows) => named_ticks(rows.iter().map(|row| &row.label)),
            Scale::Columns(names) => named_ticks(names),
        }
    }

    /// Rows or columns of an axis that names them, one otherwise.
    pub(crate) fn places(&self) -> f64 {
        match &self.scale {
            Scale::Rows(rows) => rows.len().max(1) as f64,
            Scale::Columns(names) => names.len().max(1) as f64,
            Scale::Linear | Scale::Whole | Scale::Log | Scale::Counts => 1.0,
        }
    }
}

/// Smallest and largest finite value.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

fn named_ticks<'n>(names: impl IntoIterator<Item = &'n String>) -> Vec<Tick> {
    let tick = |(place, name): (usize, &String)| Tick { value: place as f64, label: name.clone() };
    names.into_iter().enumerate().map(tick).collect()
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let span = high - low;
    if span.is_nan() || span <= 0.0 {
        return Vec::new();
    }
    let rough = span / wanted.max(1) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|s| *s >= rough * 0.75);
    let step = step.unwrap_or(10.0 * magnitude);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    // A range that the numbers are too coarse or too fine for.
    if !step.is_normal() || last.saturating_sub(first) > 100 {
        return Vec::new();
    }
    (first..=last)
        .map(|i| {
            let value = i as f64 * step;
            let label = match decimals {
                0..4 if value.abs() < 1e7 => plain(value, decimals),
                _ if i == 0 => "0".into(),
                _ => scientific(value),
            };
            Tick { value, label }
        })
        .collect()
}

/// Within a decade, from many ticks to few.
const STEPS: [&[f64]; 4] = [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];

fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let within = |v: &f64| *v >= low * 0.999 && *v <= high * 1.001;
    if decades < 1.6 {
        let label = if high < 0.05 || low >= 1e4 { scientific } else { short };
        let ticks = |steps: &[f64]| -> Vec<Tick> {
            let values = (first..=last).flat_map(|e| steps.iter().map(move |m| m * 10f64.powi(e)));
            values.filter(within).map(|value| Tick { value, label: label(value) }).collect()
        };
        let finest = if decades < 0.7 { 0 } else { 1 };
        let mut choices: Vec<Vec<Tick>> = STEPS[finest..].iter().map(|steps| ticks(steps)).collect();
        choices.retain(|ticks| !ticks.is_empty());
        let fits = choices.iter().position(|ticks| ticks.len() <= wanted + 1);
        return fits.map(|index| choices.swap_remove(index)).or_else(|| choices.pop()).unwrap_or_default();
    }
    let every = ((decades / wanted.max(1) as f64).ceil() as i32).max(1);
    (first..=last)
        .filter(|e| e.rem_euclid(every) == 0)
        .map(|e| Tick { value: 10f64.powi(e), label: power(e) })
        .filter(|tick| within(&tick.value))
        .collect()
}

/// At 1, 2, 5, 10, 20, ..., or, where that is too many, at powers of ten.
fn count_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let ticks = |steps: &[f64]| -> Vec<Tick> {
        let values = (0..=high.log10().floor() as i32).flat_map(|e| steps.iter().map(move |m| m * 10f64.powi(e)));
        let within = values.filter(|value| (low..=high).contains(value));
        within.map(|value| Tick { value, label: plain(value, 0) }).collect()
    };
    Some(ticks(&[1.0, 2.0, 5.0])).filter(|ticks| ticks.len() <= wanted).unwrap_or_else(|| ticks(&[1.0]))
}

/// A power of ten as `10⁻³`.
fn power(exponent: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raised = exponent.to_string();
    let raised = raised.chars().map(|c| c.to_digit(10).map_or('⁻', |d| digits[d as usize]));
    "10".chars().chain(raised).collect()
}

/// A number in few characters, for values of any size.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return scientific(value);
    }
    let decimals = if size == 0.0 { 0 } else { (1 - size.log10().floor() as i32).max(0) as usize };
    let text = plain(value, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number other than zero as `5·10⁻⁴`.
fn scientific(value: f64) -> String {
    let exponent = (value.abs() * 1.000001).log10().floor() as i32;
    let mantissa = plain(value / 10f64.powi(exponent), 1);
    match mantissa.strip_suffix(".0").unwrap_or(&mantissa) {
        "1" => power(exponent),
        "−1" => format!("−{}", power(exponent)),
        mantissa => format!("{mantissa}·{}", power(exponent)),
    }
}

/// Fixed decimals, a true minus sign, and commas between thousands.
pub(crate) fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let zero = text.chars().all(|c| c == '0' || c == '.');
    let sign = if value < 0.0 && !zero { "−" } else { "" };
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, wanted: usize) -> Vec<String> {
        axis.ticks(wanted).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&Axis::linear(0.0, 1.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Axis::linear(0.0, 6000.0), 3), ["0", "2,000", "4,000", "6,000"]);
        assert_eq!(labels(&Axis::whole(0.5, 2.5), 5), ["1", "2"]);
        assert_eq!(labels(&Axis::whole(0.5, 1.5), 5), ["1"]);
        assert_eq!(labels(&Axis::whole(4.5, 10.5), 4), labels(&Axis::linear(4.5, 10.5), 4));
        assert_eq!(labels(&Axis::linear(-0.3, 0.3), 3), ["−0.2", "0.0", "0.2"]);
        assert_eq!(labels(&Axis::linear(0.0, 1.6e-3), 3), ["0", "5·10⁻⁴", "10⁻³", "1.5·10⁻³"]);
    }

    #[test]
    fn log_ticks_are_powers_of_ten_and_thinned() {
        assert_eq!(labels(&Axis::log(1e-4, 1e-1), 5), ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]);
        assert_eq!(labels(&Axis::log(1e-4, 1e6), 5), ["10⁻⁴", "10⁻²", "10⁰", "10²", "10⁴", "10⁶"]);
        assert_eq!(labels(&Axis::log(2e-4, 1e-3), 5), ["2·10⁻⁴", "3·10⁻⁴", "4·10⁻⁴", "5·10⁻⁴", "7·10⁻⁴", "10⁻³"]);
        assert_eq!(labels(&Axis::log(2.8e-4, 1.1e-3), 3), ["5·10⁻⁴", "10⁻³"]);
        assert_eq!(labels(&Axis::log(2.8e-4, 1.1e-3), 1), ["5·10⁻⁴", "10⁻³"]);
        assert_eq!(labels(&Axis::log(1e-3, 2e-2), 1), ["10⁻³", "10⁻²"]);
        assert_eq!(labels(&Axis::log(2.1e-3, 4.9e-3), 0), ["3·10⁻³"]);
    }

    #[test]
    fn no_range_makes_more_ticks_than_a_panel_has_room_for() {
        let ends = [0.0, -0.0, 5e-324, -5e-324, 1e-308, 1.0, 1.0 + f64::EPSILON, 1e17, 1e300, f64::MAX, f64::INFINITY];
        let ends = ends.iter().flat_map(|end| [*end, -end]).chain([f64::NAN]);
        for (low, high) in ends.clone().flat_map(|low| ends.clone().map(move |high| (low, high))) {
            for axis in [Axis::log_around([low, high]), Axis::linear(low, high)] {
                for wanted in [1, 8] {
                    let ticks = axis.ticks(wanted);
                    assert!(ticks.len() <= 101, "{axis:?}: {} ticks", ticks.len());
                    assert!(ticks.iter().all(|tick| tick.label.chars().count() <= 15), "{ticks:?}");
                }
            }
        }
    }

    #[test]
    fn counts_are_written_out() {
        assert_eq!(labels(&Axis::counts(40), 8), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(labels(&Axis::counts(700), 4), ["1", "10", "100"]);
        assert_eq!(labels(&Axis::counts(1), 8), ["1", "2"]);
        assert!((Axis::counts(40).position(6.7) - 0.5).abs() < 0.01, "6 is halfway to 40");
    }

    #[test]
    fn zero_lies_on_the_lower_edge_of_a_log_axis() {
        let axis = Axis::log(1e-2, 1e2);
        assert_eq!(axis.position(0.0), 0.0);
        assert_eq!(axis.position(-3.0), 0.0);
        assert!((axis.position(1.0) - 0.5).abs() < 1e-12);
    }
}
