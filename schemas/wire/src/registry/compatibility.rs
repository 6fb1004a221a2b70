//! What a new version of a schema owes to the others.

use std::fmt;
use std::str::FromStr;

use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};

use super::{RegistryError, unavailable};

/// A registry's compatibility level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Compatibility {
    /// Anything goes.
    None,
    /// New programs read the last version's data.
    Backward,
    /// New programs read every older version's data.
    BackwardTransitive,
    /// The last version's programs read new data.
    Forward,
    /// Every older version's programs read new data.
    ForwardTransitive,
    /// Both, for the last version.
    Full,
    /// Both, for every version: what this project uses, because topics and stores keep events of all versions.
    FullTransitive,
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Compatibility {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "compatibilityLevel", alias = "compatibility")]
    level: Compatibility,
}

pub(super) async fn set(http: &Client, url: &str, level: Compatibility) -> Result<(), RegistryError> {
    let request = http
        .put(format!("{url}/config"))
        .header("content-type", "application/vnd.schemaregistry.v1+json")
        .body(serde_json::json!({ "compatibility": level }).to_string());
    let answer = request.send().await.and_then(reqwest::Response::error_for_status);
    answer.map(drop).map_err(|e| unavailable(format!("set the compatibility to {level}"), e))
}

pub(super) async fn get(http: &Client, url: &str) -> Result<Compatibility, RegistryError> {
    let action = || "tell its compatibility".to_owned();
    let answer = http.get(format!("{url}/config")).send().await.map_err(|e| unavailable(action(), e))?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(Compatibility::None); // nobody ever set one
    }
    let config: Config = answer
        .error_for_status()
        .map_err(|e| unavailable(action(), e))?
        .json()
        .await
        .map_err(|e| unavailable(action(), e))?;
    Ok(config.level)
}
