//! The doctor as a whole: all checks of one side, side by side, as a stream of findings.
//!
//! [`examine_host`] looks at how others reach this computer, [`examine_guest`] at how this computer reaches a
//! host. Each gives its findings as they come, the last one after five seconds at most. Dropping the receiver
//! stops everything.

mod guest;
mod host;
mod internet;
mod invite;

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use crate::reach::doctor::{Finding, Verdict, check};
pub use guest::{examine_guest, examine_guest_since};
pub use host::{HostExam, examine_host};
pub use invite::{examine_invite, way_to_examine};

/// How long all of it takes at most.
pub const LONGEST: Duration = Duration::from_secs(5);
/// When the checks have to have come to an end, so that all is said and tidied up by then.
const CHECKS_END: Duration = Duration::from_millis(4500);
/// When what a check waits for has to have come, so that the check can say that it did not.
const WAITS_END: Duration = Duration::from_millis(4200);
/// Findings that may wait to be taken: more than there ever are.
const WAITING: usize = 64;

/// An examination under way.
struct Exam {
    findings: mpsc::Sender<Finding>,
    until: Instant,
    /// Until when a check may wait.
    waits_until: Instant,
    checks: JoinSet<()>,
}

/// Starts an examination on the present runtime, the five seconds of which have begun at `begun`. It ends when `examine` has, or nobody listens any more.
fn start<F: Future<Output = ()> + Send + 'static>(
    begun: Instant,
    examine: impl FnOnce(Exam) -> F,
) -> mpsc::Receiver<Finding> {
    let (findings, taken) = mpsc::channel(WAITING);
    let listener = findings.clone();
    let examining = examine(Exam {
        findings,
        until: begun + CHECKS_END,
        waits_until: begun + WAITS_END,
        checks: JoinSet::new(),
    });
    tokio::spawn(async move {
        tokio::select! {
            () = examining => {}
            () = listener.closed() => {}
        }
    });
    taken
}

impl Exam {
    /// Starts a check beside the others. What it has not found in time is told as `late`.
    fn check<C>(&mut self, late: Finding, check: C)
    where
        C: Future<Output = Vec<Finding>> + Send + 'static,
    {
        let (findings, until) = (self.findings.clone(), self.until);
        self.checks.spawn(async move {
            let found = timeout_at(until, check)
                .await
                .unwrap_or_else(|_| vec![late]);
            for finding in found {
                if findings.send(finding).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Waits until all checks have ended.
    async fn finish(&mut self) {
        while let Some(ended) = self.checks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a check ended badly: {error}");
            }
        }
    }

    async fn say(&self, finding: Finding) {
        // Whoever does not listen any more ends the examination.
        let _taken = self.findings.send(finding).await;
    }
}

/// A check that did not come to an end.
fn late(check: &'static str, what: &str) -> Finding {
    Finding::note(
        check,
        format!("{what} took too long to look at, and was left."),
        "It may be as it should be, or not: it was not seen.",
    )
    .fix("Look again in a moment.")
}

/// Milliseconds for people: `0.3 ms`, `12 ms`.
fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

/// Bytes a second for people: `12.5 MB/s`.
fn rate(bytes_a_second: f64) -> String {
    let (value, unit) = match bytes_a_second {
        rate if rate >= 1e6 => (rate / 1e6, "MB/s"),
        rate => (rate / 1e3, "kB/s"),
    };
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_words() {
        assert_eq!(millis(Duration::from_micros(312)), "0.3 ms");
        assert_eq!(millis(Duration::from_micros(51_700)), "52 ms");
        assert_eq!(rate(812_345.0), "812 kB/s");
        assert_eq!(rate(2_500_000.0), "2.5 MB/s");
        assert_eq!(rate(117_000_000.0), "117 MB/s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_told_and_left() {
        let begun = Instant::now();
        let mut findings = start(begun, |mut exam| async move {
            exam.check(late(check::ROUTER, "The router"), std::future::pending());
            exam.finish().await;
        });
        let finding = findings.recv().await.unwrap();
        assert_eq!(
            (finding.check, finding.verdict),
            (check::ROUTER, Verdict::Note)
        );
        assert_eq!(findings.recv().await, None);
        assert!(begun.elapsed() <= LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_listen_any_more_ends_it() {
        let (dropped, ended) = tokio::sync::oneshot::channel::<()>();
        let findings = start(Instant::now(), |mut exam| async move {
            exam.check(late(check::ROUTER, "The router"), async move {
                let _held = dropped;
                std::future::pending().await
            });
            exam.finish().await;
        });
        tokio::task::yield_now().await;
        drop(findings);
        assert!(ended.await.is_err());
    }
}
