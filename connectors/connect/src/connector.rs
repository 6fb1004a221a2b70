//! A connector as its file describes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::Error;

/// The name in files for the path of the secrets' file.
const SECRETS: &str = "{secrets}";

/// A connector's name and configuration, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// Its name, as in Connect: the name of its file.
    pub name: String,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
}

impl Connector {
    /// The connector that carries the outbox: `connectors/debezium/outbox.json`.
    pub fn outbox(secrets: &Path) -> Self {
        Self::parse("outbox", include_str!("../../debezium/outbox.json"), secrets)
            .expect("a test reads the committed file")
    }

    /// Reads a file; the connector is named after it.
    pub async fn read(file: &Path, secrets: &Path) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::File { file: file.display().to_string(), reason };
        let name = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .ok_or_else(|| unreadable("has no name".into()))?;
        let text = tokio::fs::read_to_string(file).await.map_err(|e| unreadable(e.to_string()))?;
        Self::parse(name, &text, secrets)
    }

    /// Reads a file, or every `.json` file of a folder by name.
    pub async fn read_all(path: &Path, secrets: &Path) -> Result<Vec<Self>, Error> {
        let unreadable = |reason: String| Error::File { file: path.display().to_string(), reason };
        if !path.is_dir() {
            return Ok(vec![Self::read(path, secrets).await?]);
        }
        let mut entries = tokio::fs::read_dir(path).await.map_err(|e| unreadable(e.to_string()))?;
        let mut files = vec![];
        while let Some(entry) = entries.next_entry().await.map_err(|e| unreadable(e.to_string()))? {
            files.push(entry.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort_unstable();
        let mut connectors = vec![];
        for file in files {
            connectors.push(Self::read(&file, secrets).await?);
        }
        if connectors.is_empty() {
            return Err(unreadable("has no connector (no .json file)".into()));
        }
        Ok(connectors)
    }

    /// Reads a file's text: one flat object of settings. `{secrets}` becomes the path of the secrets' file.
    pub fn parse(name: &str, text: &str, secrets: &Path) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::File { file: format!("{name}.json"), reason };
        let settings: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|e| unreadable(format!("is no object of settings: {e}")))?;
        let secrets = secrets.display().to_string();
        let settings = settings.into_iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key, text.replace(SECRETS, &secrets))),
            Value::Number(number) => Ok((key, number.to_string())),
            Value::Bool(flag) => Ok((key, flag.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(unreadable(format!(
                "has a setting {key:?} that is neither text, number nor true or false"
            ))),
        });
        Ok(Self { name: name.to_owned(), settings: settings.collect::<Result<_, _>>()? })
    }

    /// The same with one setting changed.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_connector_names_secrets_and_holds_none() {
        let outbox = Connector::outbox(Path::new("/run/secrets.properties"));
        assert_eq!(outbox.settings["database.password"], "${file:/run/secrets.properties:cdc_password}");
        assert!(outbox.settings.values().all(|value| !value.contains(SECRETS)));
        assert!(outbox.settings.keys().all(|key| !key.starts_with("producer.override.")));
    }

    #[test]
    fn a_file_that_is_not_flat_is_refused_by_the_key() {
        let refused =
            Connector::parse("outbox", r#"{"transforms": ["outbox"]}"#, Path::new("s")).unwrap_err();
        assert!(refused.to_string().contains("\"transforms\""), "{refused}");
        assert!(Connector::parse("outbox", "[]", Path::new("s")).is_err());
    }
}
