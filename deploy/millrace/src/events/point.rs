//! A place in a history, as it is said on the command line.

use std::str::FromStr;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use event_store::Until;
use events::Timestamp;

/// How far to read: all of it where nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct At {
    /// As of this version
    #[arg(long)]
    version: Option<u64>,

    /// As of this moment (RFC 3339): what had happened by then
    #[arg(long)]
    at: Option<DateTime<Utc>>,

    /// As of this moment (RFC 3339): what the store knew by then
    #[arg(long)]
    recorded_at: Option<DateTime<Utc>>,

    /// As of this position in the whole store
    #[arg(long)]
    position: Option<u64>,
}

/// One place: `3`, `@4711`, `2026-11-21T10:00:00Z`, `recorded:2026-11-21T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point(Until);

impl At {
    pub(super) fn until(&self) -> Until {
        match (self.version, self.at, self.recorded_at, self.position) {
            (Some(version), ..) => Until::Version(version),
            (_, Some(at), ..) => Until::Occurred(micros(at)),
            (_, _, Some(at), _) => Until::Recorded(micros(at)),
            (.., Some(position)) => Until::Position(position),
            _ => Until::Now,
        }
    }
}

impl Point {
    pub(super) fn until(self) -> Until {
        self.0
    }
}

impl FromStr for Point {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let moment = |text: &str| {
            let read = text.parse::<DateTime<Utc>>();
            read.map(micros).with_context(|| format!("{text:?} is no moment such as 2026-11-21T10:00:00Z"))
        };
        if let Some(position) = text.strip_prefix('@') {
            let position = position.parse().with_context(|| format!("{position:?} is no position"))?;
            return Ok(Self(Until::Position(position)));
        }
        if let Some(at) = text.strip_prefix("recorded:") {
            return Ok(Self(Until::Recorded(moment(at)?)));
        }
        if text.is_empty() {
            bail!("nothing is said");
        }
        match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => {
                Ok(Self(Until::Version(text.parse().with_context(|| format!("{text:?} is no version"))?)))
            }
            false => Ok(Self(Until::Occurred(moment(text)?))),
        }
    }
}

fn micros(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_micros(at.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_version_a_position_or_a_moment() {
        let second = Timestamp::from_micros(1_000_000);
        for (text, until) in [
            ("0", Until::Version(0)),
            ("12", Until::Version(12)),
            ("@7", Until::Position(7)),
            ("1970-01-01T00:00:01Z", Until::Occurred(second)),
            ("1970-01-01T01:00:01+01:00", Until::Occurred(second)),
            ("recorded:1970-01-01T00:00:01Z", Until::Recorded(second)),
        ] {
            assert_eq!(text.parse::<Point>().unwrap().until(), until, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_named() {
        for text in ["", "@", "@x", "-1", "yesterday", "recorded:", "18446744073709551616", "1.5"] {
            assert!(text.parse::<Point>().is_err(), "{text:?}");
        }
    }
}
