//! How much one tenant may ask: a token bucket for each, with time as an argument.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use events::TenantId;
use lru::LruCache;

/// Tenants whose buckets are remembered. One that is forgotten starts with a full bucket, as it would after a pause.
const TENANTS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("10 000 is not zero");

/// Requests per second and tenant, with a burst.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    burst: f64,
    buckets: Mutex<LruCache<TenantId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Rate {
    /// At least one request per second, with a burst of at least one.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let (per_second, burst) = (f64::from(per_second.max(1)), f64::from(burst.max(1)));
        Self { per_second, burst, buckets: Mutex::new(LruCache::new(TENANTS_MAX)) }
    }

    /// Takes what one request costs.
    ///
    /// # Errors
    /// With the time after which it could be had, when the tenant has asked for too much.
    pub fn take(&self, tenant: &TenantId, cost: u32, now: Instant) -> Result<(), Duration> {
        let cost = f64::from(cost).min(self.burst); // what is larger than the bucket empties it
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_or_insert_mut(tenant.clone(), || Bucket { tokens: self.burst, filled: now });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.per_second).min(self.burst);
        bucket.filled = now;
        if bucket.tokens >= cost {
            bucket.tokens -= cost;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((cost - bucket.tokens) / self.per_second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let (rate, start) = (Rate::new(10, 3), Instant::now());
        let acme = tenant("acme");
        for _ in 0..3 {
            assert_eq!(rate.take(&acme, 1, start), Ok(()));
        }
        assert_eq!(rate.take(&acme, 1, start), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(&acme, 1, start + Duration::from_millis(101)), Ok(()));
        assert!(rate.take(&acme, 1, start + Duration::from_millis(102)).is_err());
    }

    #[test]
    fn one_tenant_does_not_use_up_what_another_has() {
        let (rate, start) = (Rate::new(1, 1), Instant::now());
        assert!(rate.take(&tenant("acme"), 1, start).is_ok());
        assert!(rate.take(&tenant("acme"), 1, start).is_err());
        assert!(rate.take(&tenant("globex"), 1, start).is_ok());
    }

    #[test]
    fn a_pause_fills_the_bucket_and_no_more() {
        let (rate, start) = (Rate::new(10, 2), Instant::now());
        let (acme, later) = (tenant("acme"), start + Duration::from_secs(3600));
        assert!(rate.take(&acme, 2, start).is_ok());
        assert!(rate.take(&acme, 2, later).is_ok());
        assert!(rate.take(&acme, 1, later).is_err());
    }

    #[test]
    fn a_request_larger_than_the_bucket_empties_it() {
        let (rate, start) = (Rate::new(10, 2), Instant::now());
        assert!(rate.take(&tenant("acme"), 50, start).is_ok());
        assert_eq!(rate.take(&tenant("acme"), 50, start), Err(Duration::from_millis(200)));
    }
}
