//! From many figures to few.

/// The value that so much of the sorted values is below, 0 to 1.
pub(crate) fn quantile(sorted: &[u64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).map_or(f64::NAN, |value| *value as f64)
}

/// Median and 99th percentile in milliseconds, of nanoseconds in any order.
pub(crate) fn p50_p99(mut nanoseconds: Vec<u64>) -> [f64; 2] {
    nanoseconds.sort_unstable();
    [0.5, 0.99].map(|share| quantile(&nanoseconds, share) / 1e6)
}

/// What several rounds come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Nothing, of no rounds.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self {
            median,
            least,
            most,
        })
    }
}
