//! Schemas into the registry.

use events::DomainEvent;
use wire::{Compatibility, Registry, RegistryError, SchemaError, WriterSchema};

use crate::Tree;

/// One version of one schema that the registry has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Under which subject.
    pub subject: String,
    /// Which of our versions, from 1.
    pub version: u32,
    /// The registry's id for it.
    pub id: u32,
    /// Whether this run registered it.
    pub new: bool,
}

/// Why publishing stopped. What came before stays published; running it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The rule could not be set, so nothing was registered.
    #[error("the registry did not accept {level} as its compatibility rule, so nothing is registered")]
    Rule {
        /// The rule.
        level: Compatibility,
        /// What the registry said.
        source: RegistryError,
    },
    /// The registry took the rule and has another one.
    #[error(
        "the registry's compatibility rule is {found} after it was set to {level}, so nothing is registered"
    )]
    RuleIgnored {
        /// The rule.
        level: Compatibility,
        /// The one it has.
        found: Compatibility,
    },
    /// A schema of this program is unusable.
    #[error("version {version} of {event_type} cannot be used as a schema")]
    Schema {
        /// Whose schema.
        event_type: String,
        /// Which version.
        version: usize,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// The registry refused a version, and says why.
    #[error("version {version} of subject {subject} is not registered")]
    Refused {
        /// Under which subject.
        subject: String,
        /// Which version.
        version: usize,
        /// What the registry said.
        source: RegistryError,
    },
}

/// Registers every version of every event type of `E`, oldest first, under the rule that all versions read each
/// other. What is there already stays as it is.
pub async fn publish<E: DomainEvent>(registry: &Registry) -> Result<Vec<Published>, PublishError> {
    let types = E::TYPES.iter().map(|t| (t.name, t.history));
    publish_history(registry, E::TOPIC, types).await
}

/// [`publish`] for every type that has its schemas in a folder.
pub async fn publish_tree(registry: &Registry, tree: &Tree) -> Result<Vec<Published>, PublishError> {
    let mut published = Vec::new();
    for (topic, types) in &tree.topics {
        let texts: Vec<(&str, Vec<&str>)> =
            types.iter().map(|(name, record)| (name.as_str(), record.texts().collect())).collect();
        let types = texts.iter().map(|(name, history)| (*name, history.as_slice()));
        published.extend(publish_history(registry, topic, types).await?);
    }
    Ok(published)
}

/// [`publish`] for types given by name and history.
pub async fn publish_history<'a>(
    registry: &Registry,
    topic: &str,
    types: impl IntoIterator<Item = (&'a str, &'a [&'a str])>,
) -> Result<Vec<Published>, PublishError> {
    // Before the first registration: an earlier version would never be checked again.
    let level = Compatibility::FullTransitive;
    let rule = |source| PublishError::Rule { level, source };
    if registry.compatibility().await.map_err(rule)? != level {
        registry.set_compatibility(level).await.map_err(rule)?;
        let found = registry.compatibility().await.map_err(rule)?;
        if found != level {
            return Err(PublishError::RuleIgnored { level, found });
        }
    }
    let mut published = Vec::new();
    for (event_type, history) in types {
        for (version, text) in (1..).zip(history) {
            let schema = WriterSchema::parse(text).map_err(|source| PublishError::Schema {
                event_type: event_type.to_owned(),
                version,
                source,
            })?;
            let subject = schema.subject(topic);
            let (id, new) = register(registry, &subject, text)
                .await
                .map_err(|source| PublishError::Refused { subject: subject.clone(), version, source })?;
            let version = u32::try_from(version).expect("a handful of versions");
            published.push(Published { subject, version, id, new });
        }
    }
    Ok(published)
}

async fn register(registry: &Registry, subject: &str, text: &str) -> Result<(u32, bool), RegistryError> {
    match registry.id_of(subject, text).await {
        Ok(id) => Ok((id, false)),
        Err(RegistryError::NotRegistered { .. }) => Ok((registry.register(subject, text).await?, true)),
        Err(error) => Err(error),
    }
}
