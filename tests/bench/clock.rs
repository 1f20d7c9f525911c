//! The one clock that both ends of a load read.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the bench looked first.
pub(crate) fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}
