//! Which parked keys an operator means.

use chrono::{DateTime, Utc};
use events::TenantId;
use kafka::{ParkKey, Reason};
use serde_json::{Map, Value};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::{Query, QueryAs, QueryScalar};

/// Which parked keys are meant: those for which everything holds that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this projection.
    pub projection: Option<String>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Parked for this reason, or for which the last redrive failed.
    pub reason: Option<Reason>,
    /// Blocked by an event of this type.
    pub event_type: Option<String>,
    /// Parked at that moment or later.
    pub since: Option<DateTime<Utc>>,
    /// This key.
    pub key: Option<ParkKey>,
}

impl Filter {
    /// All keys of one projection.
    pub fn of(projection: &str) -> Self {
        Self { projection: Some(projection.to_owned()), ..Self::default() }
    }

    /// One key of a projection.
    pub fn key(projection: &str, key: &ParkKey) -> Self {
        Self { key: Some(key.clone()), ..Self::of(projection) }
    }

    /// What was given, by name, for the audit.
    pub(crate) fn told(&self) -> Map<String, Value> {
        let given = [
            ("tenant", self.tenant.as_ref().map(ToString::to_string)),
            ("reason", self.reason.map(|reason| reason.to_string())),
            ("type", self.event_type.clone()),
            ("since", self.since.map(|since| since.to_rfc3339())),
            ("key", self.key.as_ref().map(ToString::to_string)),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}

/// A statement whose first six parameters are a filter's.
pub(crate) trait Filtered: Sized {
    fn filtered(self, filter: &Filter) -> Self;
}

macro_rules! filtered {
    ($query:ty $(, $O:ident)?) => {
        impl<'q $(, $O)?> Filtered for $query {
            fn filtered(self, filter: &Filter) -> Self {
                self.bind(filter.projection.clone())
                    .bind(filter.tenant.as_ref().map(ToString::to_string))
                    .bind(filter.reason.map(Reason::as_str))
                    .bind(filter.event_type.clone())
                    .bind(filter.since)
                    .bind(filter.key.as_ref().map(|key| key.as_bytes().to_vec()))
            }
        }
    };
}

filtered!(Query<'q, Postgres, PgArguments>);
filtered!(QueryAs<'q, Postgres, O, PgArguments>, O);
filtered!(QueryScalar<'q, Postgres, O, PgArguments>, O);
