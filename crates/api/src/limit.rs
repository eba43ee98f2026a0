//! How often a token may ask, and how often an address may ask without one.
//!
//! Each token has a bucket that refills evenly over a minute; making instances
//! has a smaller one of its own. Buckets are this process's.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use labelwire_domain::clock::Clock;
use labelwire_domain::ids::TokenId;

/// How often one may ask, in calls a minute; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// All calls of a token but those below (`ryzeapi.md` A3: 100).
    pub calls: u32,
    /// Making instances (`ryzeapi.md` A3: 20).
    pub creates: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            calls: 100,
            creates: 20,
        }
    }
}

impl Rate {
    /// No limits.
    pub const OFF: Self = Self {
        calls: 0,
        creates: 0,
    };
}

/// Where each dialect makes instances.
const CREATES: &[&str] = &[
    "/v1/instances",
    "/api/instance/new",
    "/v1/session/create",
    "/v2/session/create",
    "/api/sessions",
    "/api/sessions/",
    "/instance/create",
];
/// Unknown tokens an address may try, as a multiple of a token's calls.
const STRANGERS: u32 = 10;
/// After so many checks, buckets that are full again are thrown away.
const SWEEP_EVERY: u32 = 4096;
/// Never more buckets than this; who comes later shares one.
const MOST_BUCKETS: usize = 65_536;

/// The headers that tell how things stand: the bucket's size, what is left in
/// it, and when it is full again (Unix seconds).
pub(crate) const HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// All buckets.
pub(crate) struct Limiter {
    calls: Option<Buckets<TokenId>>,
    creates: Option<Buckets<TokenId>>,
    strangers: Option<Buckets<IpAddr>>,
    clock: Arc<dyn Clock>,
}

impl Limiter {
    /// Full buckets.
    pub(crate) fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        Self::with_ticks(rate, clock, &Ticks::Since(Instant::now()))
    }

    fn with_ticks(rate: Rate, clock: Arc<dyn Clock>, ticks: &Ticks) -> Self {
        Self {
            calls: Buckets::new(rate.calls, ticks),
            creates: Buckets::new(rate.creates, ticks),
            strangers: Buckets::new(rate.calls.saturating_mul(STRANGERS), ticks),
            clock,
        }
    }

    /// Counts a call of a token; how it stands then, `None` where there is no limit.
    pub(crate) fn call(&self, token: &TokenId, method: &Method, route: &str) -> Option<Standing> {
        let is_create = method == Method::POST && CREATES.contains(&route);
        let buckets = if is_create {
            &self.creates
        } else {
            &self.calls
        };
        buckets
            .as_ref()
            .map(|buckets| buckets.take(token, &*self.clock))
    }

    /// Counts an unknown token tried from an address; whether it may be looked at.
    pub(crate) fn stranger(&self, address: IpAddr) -> Option<Standing> {
        self.strangers
            .as_ref()
            .map(|buckets| buckets.take(&network(address), &*self.clock))
    }
}

/// What one household has of addresses: one of IPv4, a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

type Governor<K> = RateLimiter<K, HashMapStateStore<K>, Ticks, StateInformationMiddleware>;

struct Buckets<K: Clone + Eq + std::hash::Hash> {
    size: NonZeroU32,
    each: Governor<K>,
    /// For who finds no room of their own.
    rest: Governor<()>,
    ticks: Ticks,
    checks: AtomicU32,
}

impl<K: Clone + Eq + std::hash::Hash> Buckets<K> {
    fn new(per_minute: u32, ticks: &Ticks) -> Option<Self> {
        let size = NonZeroU32::new(per_minute)?;
        let quota = Quota::per_minute(size);
        Some(Self {
            size,
            each: RateLimiter::hashmap_with_clock(quota, ticks.clone()).with_middleware(),
            rest: RateLimiter::hashmap_with_clock(quota, ticks.clone()).with_middleware(),
            ticks: ticks.clone(),
            checks: AtomicU32::new(0),
        })
    }

    fn take(&self, key: &K, clock: &dyn Clock) -> Standing {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.each.retain_recent();
            self.each.shrink_to_fit();
        }
        let taken = if self.each.len() < MOST_BUCKETS {
            self.each.check_key(key)
        } else {
            self.rest.check_key(&())
        };
        let (left, wait) = match taken {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.ticks.now()))),
        };
        // When the bucket will be full again. A refused call finds it empty but
        // for the piece that is on its way.
        let missing = u64::from(self.size.get() - left.min(self.size.get()));
        let full_in = Duration::from_mins(1) / self.size.get();
        let reset = clock
            .now()
            .after(full_in.saturating_mul(u32::try_from(missing).unwrap_or(u32::MAX)));
        Standing {
            limit: self.size.get(),
            left,
            // Rounded up: at that second, it is full.
            reset: reset.0.saturating_add(999_999).div_euclid(1_000_000),
            wait,
        }
    }
}

/// Monotonic time since the start; tests set their own.
#[derive(Debug, Clone)]
enum Ticks {
    Since(Instant),
    #[cfg(test)]
    Set(Arc<std::sync::atomic::AtomicU64>),
}

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        match self {
            Self::Since(start) => start.elapsed(),
            #[cfg(test)]
            Self::Set(seconds) => Duration::from_secs(seconds.load(Ordering::Relaxed)),
        }
    }
}

/// How a bucket stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u32,
    left: u32,
    /// Unix seconds.
    reset: i64,
    wait: Option<Duration>,
}

impl Standing {
    /// Whether the call is one too many.
    pub(crate) fn is_over(&self) -> bool {
        self.wait.is_some()
    }

    /// Writes how things stand on an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let [limit, remaining, reset] = HEADERS;
        headers.insert(limit, self.limit.into());
        headers.insert(remaining, self.left.into());
        headers.insert(reset, self.reset.into());
        if let Some(wait) = self.wait {
            // Whole seconds, rounded up, never 0: waiting so long is enough.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
    }
}

/// What travels with a request so that who learns its token can count it, and
/// who answers can say how things stand.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) standing: Arc<OnceLock<Standing>>,
}

impl Gate {
    /// For a fresh request.
    pub(crate) fn new(limiter: &Arc<Limiter>) -> Self {
        Self {
            limiter: Arc::clone(limiter),
            standing: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use labelwire_domain::clock::Timestamp;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_750_000_000_000)
        }
    }

    fn token(name: &str) -> TokenId {
        TokenId::from_stored(name.to_owned())
    }

    fn limiter(calls: u32, creates: u32) -> Limiter {
        limiter_at(calls, creates, &Arc::default())
    }

    fn limiter_at(calls: u32, creates: u32, seconds: &Arc<AtomicU64>) -> Limiter {
        let ticks = Ticks::Set(Arc::clone(seconds));
        Limiter::with_ticks(Rate { calls, creates }, Arc::new(Noon), &ticks)
    }

    #[test]
    fn a_bucket_empties_and_refills_evenly() {
        let seconds = Arc::<AtomicU64>::default();
        let limiter = limiter_at(3, 1, &seconds);
        let ask = |name| {
            let now = limiter.call(&token(name), &Method::GET, "/api/instance/list");
            let now = now.expect("a limit");
            (now.left, now.reset - 1_750_000_000, now.wait)
        };
        assert_eq!(ask("a"), (2, 20, None));
        assert_eq!(ask("a"), (1, 40, None));
        assert_eq!(ask("a"), (0, 60, None));
        assert_eq!(ask("a"), (0, 60, Some(Duration::from_secs(20))));
        assert_eq!(ask("b"), (2, 20, None), "another token has its own");
        seconds.store(20, Ordering::Relaxed);
        assert_eq!(ask("a"), (0, 60, None));
        seconds.store(80, Ordering::Relaxed);
        assert_eq!(ask("a"), (2, 20, None));
    }

    #[test]
    fn making_instances_is_counted_apart() {
        let limiter = limiter(1, 2);
        let ask = |method, route| {
            limiter
                .call(&token("a"), &method, route)
                .map(|s| (s.limit, s.is_over()))
        };
        assert_eq!(ask(Method::POST, "/api/instance/new"), Some((2, false)));
        assert_eq!(ask(Method::POST, "/v1/instances"), Some((2, false)));
        assert_eq!(ask(Method::POST, "/v1/instances"), Some((2, true)));
        assert_eq!(ask(Method::GET, "/v1/instances"), Some((1, false)));
        assert_eq!(ask(Method::GET, "/v1/instances"), Some((1, true)));
    }

    #[test]
    fn zero_is_no_limit() {
        let limiter = limiter(0, 0);
        assert_eq!(limiter.call(&token("a"), &Method::GET, "/"), None);
        assert_eq!(limiter.stranger(IpAddr::V6(Ipv6Addr::LOCALHOST)), None);
    }

    #[test]
    fn an_ipv6_household_is_one_stranger() {
        let limiter = limiter(1, 1);
        let is_over = |n| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n);
            limiter
                .stranger(address.into())
                .is_some_and(|s| s.is_over())
        };
        assert!((0..10).all(|n| !is_over(n)));
        assert!(is_over(11));
        assert!(
            !limiter
                .stranger([127, 0, 0, 1].into())
                .is_some_and(|s| s.is_over())
        );
    }

    #[test]
    fn buckets_are_never_more_than_a_bound() {
        let seconds = Arc::<AtomicU64>::default();
        let limiter = limiter_at(1, 1, &seconds);
        let strangers = limiter.strangers.as_ref().expect("a limit");
        for n in 0..80_000_u32 {
            limiter.stranger(std::net::Ipv4Addr::from(n).into());
        }
        assert!(strangers.each.len() <= MOST_BUCKETS);
        seconds.store(120, Ordering::Relaxed);
        for _ in 0..=SWEEP_EVERY {
            limiter.stranger([127, 0, 0, 1].into());
        }
        assert!(strangers.each.len() <= 1);
    }
}
