//! What a registry has.

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{RegistryError, unavailable};

/// One version of a subject as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Registered {
    /// Which version, by the registry's count.
    pub version: u32,
    /// The id that payloads name it by.
    pub id: u32,
    /// The schema's text; a registry may have written it in its own way.
    #[serde(rename = "schema")]
    pub text: String,
}

/// The names of all subjects.
pub(super) async fn all(http: &Client, url: &str) -> Result<Vec<String>, RegistryError> {
    let found: Option<Vec<String>> = ask(http, &format!("{url}/subjects"), "list its subjects").await?;
    Ok(found.unwrap_or_default())
}

/// Every version of a subject, oldest first; none where there is no such subject.
pub(super) async fn versions(
    http: &Client,
    url: &str,
    subject: &str,
    action: &str,
) -> Result<Vec<Registered>, RegistryError> {
    let of_subject = format!("{url}/subjects/{subject}/versions");
    let numbers: Option<Vec<u32>> = ask(http, &of_subject, action).await?;
    let mut found = Vec::new();
    for number in numbers.unwrap_or_default() {
        // One that went in between is not there.
        found.extend(ask::<Registered>(http, &format!("{of_subject}/{number}"), action).await?);
    }
    Ok(found)
}

async fn ask<T: DeserializeOwned>(
    http: &Client,
    url: &str,
    action: &str,
) -> Result<Option<T>, RegistryError> {
    let failed = |error: reqwest::Error| unavailable(action.to_owned(), error.without_url());
    let answer = http.get(url).send().await.map_err(failed)?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    answer.error_for_status().map_err(failed)?.json().await.map(Some).map_err(failed)
}
