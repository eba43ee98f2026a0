//! Whether an endpoint may be sent to: one that fails and fails is only probed.

use std::time::Duration;

use labelwire_domain::clock::Timestamp;
use labelwire_domain::webhook::Schedule;

/// Failures in a row after which an endpoint counts as down. Receivers that fail
/// at random, one call in five, come to it once in ten million calls.
const FAILURES: u32 = 10;
/// The longest pause between two probes, so that one that is back is soon noticed.
const LONGEST: Duration = Duration::from_mins(5);
/// The pause where the schedule knows none.
const USUAL: Duration = Duration::from_mins(1);

/// How an endpoint stands.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// When to probe next; `None` while it is not down.
    probe_at: Option<Timestamp>,
    probing: bool,
}

impl Breaker {
    /// Whether a call may be begun.
    pub(crate) fn admits(&self, now: Timestamp) -> bool {
        self.probe_at.is_none_or(|at| at <= now && !self.probing)
    }

    /// A call is begun; it is the probe where the endpoint is down.
    pub(crate) const fn begin(&mut self) {
        self.probing = self.probe_at.is_some();
    }

    /// When a call may be begun at the earliest; `None` for at once, or when the
    /// probe under way has ended.
    pub(crate) fn opens_at(&self) -> Option<Timestamp> {
        self.probe_at.filter(|_| !self.probing)
    }

    /// Whether it is down.
    pub(crate) const fn is_open(&self) -> bool {
        self.probe_at.is_some()
    }

    /// A call succeeded; returns whether it was down before.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }

    /// A call failed; returns whether it is down from now on and was not before.
    pub(crate) fn failed(&mut self, schedule: &Schedule, now: Timestamp, jitter: u8) -> bool {
        self.failures = self.failures.saturating_add(1);
        let Some(over) = self.failures.checked_sub(FAILURES) else {
            return false;
        };
        let was_open = self.is_open();
        // Calls begun before it was down are no probes.
        if was_open && !self.probing {
            return false;
        }
        self.probing = false;
        let pause = schedule.pause(over + 1).unwrap_or(USUAL).min(LONGEST);
        let pause = pause + pause * u32::from(jitter) / 1_275;
        self.probe_at = Some(now.after(pause));
        !was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(breaker: &mut Breaker, now: Timestamp) -> bool {
        let admits = breaker.admits(now);
        if admits {
            breaker.begin();
        }
        admits
    }

    #[test]
    fn what_fails_and_fails_is_probed_by_one_call_at_a_time() {
        let schedule = Schedule::Standard;
        let mut breaker = Breaker::default();
        let now = Timestamp(1_000_000);
        for _ in 1..FAILURES {
            assert!(admit(&mut breaker, now));
            assert!(!breaker.failed(&schedule, now, 0));
        }
        assert!(admit(&mut breaker, now));
        assert!(breaker.failed(&schedule, now, 0));
        // Those under way when it went down do not count.
        assert!(!breaker.failed(&schedule, now, 0));
        let at = breaker.opens_at().expect("a probe");
        assert_eq!(at, now.after(Duration::from_secs(5)));
        assert!(!admit(&mut breaker, now));
        assert!(admit(&mut breaker, at));
        assert!(!admit(&mut breaker, at), "one at a time");
        assert!(!breaker.failed(&schedule, at, 0));
        let later = breaker.opens_at().expect("a probe");
        assert!(later > at.after(Duration::from_secs(5)));
        assert!(admit(&mut breaker, later));
        assert!(breaker.succeeded());
        assert!(admit(&mut breaker, later) && admit(&mut breaker, later));
        assert!(!breaker.is_open());
    }

    #[test]
    fn probes_are_never_far_apart() {
        let mut breaker = Breaker::default();
        let mut now = Timestamp(0);
        for _ in 0..60 {
            if let Some(at) = breaker.opens_at() {
                assert!(at <= now.after(LONGEST * 2));
                now = at;
            }
            assert!(admit(&mut breaker, now));
            breaker.failed(&Schedule::Standard, now, 255);
        }
    }
}
