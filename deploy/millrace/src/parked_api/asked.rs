//! What a request asks for.

use chrono::{DateTime, Utc};
use dead_letters::{ATTEMPTS_MAX, Filter, Redrive, Scope};
use http_api::problem::{Kind, Problem};
use http_api::{Parameters, refused};
use kafka::{ParkKey, Reason};
use serde::Deserialize;

use super::pace::KEYS_PER_S_MAX;
use crate::parked::{NoProjection, key};
use crate::program::projections;

/// Most keys, causes, records or requests of one answer.
pub(super) const LIMIT_MAX: u32 = 1_000;

/// How many of them where nobody says.
pub(super) const LIMIT: u32 = 100;

/// How many keys a second are asked for where nobody says.
pub(super) const KEYS_PER_S: f64 = 100.0;

/// The longest reason, in bytes: it is kept for ever.
const REASON_BYTES_MAX: usize = 2_000;

/// Many keys of one projection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveMany {
    projection: String,
    reason: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    since: Option<DateTime<Utc>>,
    limit: Option<i64>,
    attempts_max: Option<i32>,
    #[serde(default)]
    force: bool,
    rate: Option<f64>,
}

/// One key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveOne {
    #[serde(default)]
    pub(super) force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discard {
    pub(super) reason: String,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    pub(super) foreign: bool,
    offsets: Option<Vec<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repair {
    pub(super) reason: String,
    #[serde(default)]
    pub(super) skipped: bool,
}

impl RedriveMany {
    /// The keys that are meant.
    pub(super) fn redrive(&self) -> Result<Redrive, Problem> {
        registered(&self.projection).map_err(|no| invalid("/projection", no.to_string()))?;
        let reason = self.reason.as_deref().map(reason).transpose().map_err(|no| invalid("/reason", no))?;
        if self.limit.is_some_and(|limit| limit < 1) {
            return Err(invalid("/limit", "is not a whole number from 1"));
        }
        if self.attempts_max.is_some_and(|attempts| attempts < 1) {
            return Err(invalid("/attempts_max", "is not a whole number from 1"));
        }
        if self.force && self.attempts_max.is_some() {
            return Err(invalid(
                "/force",
                "leaves no key alone, whatever attempts_max says: give one of them",
            ));
        }
        let (event_type, since) = (self.event_type.clone(), self.since);
        let filter = Filter { reason, event_type, since, ..Filter::of(&self.projection) };
        let attempts_max = (!self.force).then_some(self.attempts_max.unwrap_or(ATTEMPTS_MAX));
        Ok(Redrive { filter, keys_max: self.limit, attempts_max })
    }

    /// How many of them are asked for in a second.
    pub(super) fn keys_per_s(&self) -> Result<f64, Problem> {
        let rate = self.rate.unwrap_or(KEYS_PER_S);
        if rate > 0.0 && rate <= KEYS_PER_S_MAX {
            Ok(rate)
        } else {
            Err(invalid("/rate", format!("is not more than 0 and at most {KEYS_PER_S_MAX} keys a second")))
        }
    }
}

impl RedriveOne {
    /// That key.
    pub(super) fn redrive(&self, Key { projection, key }: &Key) -> Redrive {
        let attempts_max = (!self.force).then_some(ATTEMPTS_MAX);
        Redrive { filter: Filter::key(projection, key), keys_max: None, attempts_max }
    }
}

impl Discard {
    pub(super) fn scope(&self) -> Scope {
        if self.all { Scope::All } else { Scope::First }
    }

    /// Refuses to decide about other records than were seen.
    pub(super) fn is_about(&self, found: &[i64]) -> Result<(), Problem> {
        match &self.offsets {
            Some(seen) if seen != found => {
                let detail = format!("the records at {found:?} are meant, not those at {seen:?}");
                Err(Problem::new(Kind::KeyChanged, detail))
            }
            _ => Ok(()),
        }
    }
}

/// One key, as a path names it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) projection: String,
    pub(super) key: ParkKey,
}

impl Key {
    pub(super) fn of((projection, shown): (String, String)) -> Result<Self, Problem> {
        registered(&projection).map_err(super::failed::failed)?;
        let key = key::read(&shown).map_err(|why| refused("key", format!("cannot be read: {why}")))?;
        Ok(Self { projection, key })
    }
}

/// Which keys a query string means, and how many of an answer's lines.
pub(super) fn some_keys(mut parameters: Parameters) -> Result<(Filter, u32), Problem> {
    let projection = projection(&mut parameters)?;
    let reason = parameters.take("reason").map(|text| reason(&text)).transpose();
    let reason = reason.map_err(|why| refused("reason", why))?;
    let since = parameters.take("since").map(|text| text.parse()).transpose();
    let since = since.map_err(|_| refused("since", "is not a time as RFC 3339 has it"))?;
    let event_type = parameters.take("type");
    let limit = parameters.limit(LIMIT, LIMIT_MAX)?;
    parameters.done()?;
    Ok((Filter { projection, reason, since, event_type, tenant: None, key: None }, limit))
}

/// Whose keys or requests a query string means; all of them where it does not say.
pub(super) fn projection(parameters: &mut Parameters) -> Result<Option<String>, Problem> {
    let Some(name) = parameters.take("projection") else { return Ok(None) };
    registered(&name).map_err(|no| refused("projection", format!("is none: {no}")))?;
    Ok(Some(name))
}

/// Whether a reason says something, and not too much.
pub(super) fn reasoned(reason: &str) -> Result<(), Problem> {
    match reason.trim().len() {
        0 => Err(invalid("/reason", "is empty; it is kept with the decision")),
        1..=REASON_BYTES_MAX => Ok(()),
        _ => Err(invalid("/reason", format!("has more than {REASON_BYTES_MAX} bytes"))),
    }
}

fn registered(name: &str) -> Result<(), NoProjection> {
    let is_registered = projections().iter().any(|it| it.name() == name);
    if is_registered { Ok(()) } else { Err(NoProjection { name: name.to_owned() }) }
}

/// Reads a reason for which keys park.
fn reason(word: &str) -> Result<Reason, String> {
    let named = Reason::CAUSES.into_iter().find(|reason| reason.as_str() == word);
    named.ok_or_else(|| format!("is none of {}", Reason::CAUSES.map(Reason::as_str).join(", ")))
}

fn invalid(field: &str, why: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidRequest, why).at(field)
}
