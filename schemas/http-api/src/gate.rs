//! What every request is asked first: who, may they, and not too much.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, header};

use crate::HttpConfig;
use crate::auth::{Caller, Role, Verifier};
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use crate::rate::Rate;

/// Lets in who may, as often as they may.
#[derive(Debug)]
pub struct Gate {
    verifier: Arc<Verifier>,
    rate: Rate,
    metrics: Metrics,
}

impl Gate {
    /// A gate that nobody has passed yet.
    pub fn new(verifier: impl Into<Arc<Verifier>>, config: &HttpConfig, metrics: Metrics) -> Self {
        Self { verifier: verifier.into(), rate: Rate::new(config.api_rate, config.api_burst), metrics }
    }

    /// Who asks, if they may, and have not asked too much.
    ///
    /// # Errors
    /// With the problem that says which of these is not so.
    pub async fn admit(&self, headers: &HeaderMap, needed: Role) -> Result<Caller, Problem> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = match (given.next(), given.next()) {
            (Some(one), None) => one.to_str().ok(),
            _ => None,
        };
        let caller = self.verifier.caller(authorization).await.map_err(|refused| {
            self.metrics.token_refused(refused);
            Problem::new(Kind::Unauthenticated, "a valid bearer token is needed")
        })?;
        if caller.role < needed {
            return Err(Problem::new(Kind::Forbidden, "the token's role does not allow this"));
        }
        self.charge(&caller, 1)?;
        Ok(caller)
    }

    /// Takes `requests` from what the caller's tenant may ask.
    ///
    /// # Errors
    /// When that is too much just now.
    pub fn charge(&self, caller: &Caller, requests: usize) -> Result<(), Problem> {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        self.rate.take(&caller.tenant, requests, Instant::now()).map_err(|pause| {
            Problem::new(Kind::TooManyRequests, "the tenant asks too much at once").retry_after(pause)
        })
    }
}
