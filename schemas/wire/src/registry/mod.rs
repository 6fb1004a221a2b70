//! The schema registry, through schema_registry_converter's HTTP calls and our own cache.
//!
//! The crate's own cache keeps some failures for ever and its decoder has silent defects, so only its request
//! functions are used. What it calls retriable is not believed either: everything but an answer in the registry's own
//! words is taken for trouble that passes.

mod cache;
mod compatibility;
mod config;
mod disk;
mod error;
mod retry;
#[cfg(test)]
mod stub;
mod subjects;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SrCall, SuppliedSchema};

use crate::WriterSchema;
use cache::Cache;
pub use compatibility::Compatibility;
pub use config::RegistryConfig;
use disk::Disk;
pub use error::RegistryError;
use retry::persistently;
pub use subjects::Registered;

/// Schemas kept in memory. A topic has a few; the bound is against forged ids.
const SCHEMAS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// How long "not found" is believed. A schema is registered before its first event is stored, so this is rare.
const REFUSAL_TTL: Duration = Duration::from_secs(30);
/// So many times the deadline may anything take that is not asked for an event: it is rare, and a registry that has just begun is
/// slow.
const ADMINISTRATION: u32 = 5;

/// A handle on the registry; clones share one cache and one connection pool.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    settings: SrSettings,
    http: reqwest::Client,
    deadline: Duration,
    cache: Cache,
    disk: Option<Disk>,
}

impl Registry {
    /// A handle; connects on first use.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        Self::with_refusal_ttl(config, REFUSAL_TTL)
    }

    fn with_refusal_ttl(config: &RegistryConfig, refusal_ttl: Duration) -> Result<Self, RegistryError> {
        let url = config.registry_url.trim_end_matches('/').to_owned();
        let refused = |reason: String| RegistryError::Address { url: shown(&url), reason };
        let parsed = reqwest::Url::parse(&url).map_err(|e| refused(e.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refused("it is not an http or https address".into()));
        }
        let client = || {
            let builder = reqwest::Client::builder().timeout(config.timeout());
            // A proxy of the surroundings cannot reach this machine's loopback.
            if is_loopback(&parsed) { builder.no_proxy() } else { builder }
        };
        let settings = SrSettings::new_builder(url.clone())
            .set_timeout(config.timeout())
            .build_with(client())
            .map_err(|e| refused(e.to_string()))?;
        let http = client().build().map_err(|e| refused(e.to_string()))?;
        let cache = Cache::new(SCHEMAS_MAX, refusal_ttl);
        let open = |folder: &PathBuf| {
            let path = folder.display().to_string();
            Disk::open(folder, &url).map_err(|e| RegistryError::Cache { path, reason: e.to_string() })
        };
        let disk = config.registry_cache.as_ref().map(open).transpose()?;
        let deadline = config.timeout();
        Ok(Self { shared: Arc::new(Shared { url, settings, http, deadline, cache, disk }) })
    }

    /// The schema behind an id, from memory or from the registry. Many callers cause one request.
    pub async fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        self.shared.cache.get(id, async || self.shared.schema(id).await).await
    }

    /// What memory says about an id: its schema, or a refusal that is still believed. `None`: the registry has to be
    /// asked.
    pub fn cached(&self, id: u32) -> Option<Result<Arc<WriterSchema>, RegistryError>> {
        self.shared.cache.peek(id)
    }

    /// The id of a schema under a subject. Looks up, never registers.
    pub async fn id_of(&self, subject: &str, schema_text: &str) -> Result<u32, RegistryError> {
        let shared = &self.shared;
        let action = format!("look up subject {subject}");
        let found = persistently(shared.deadline, &action, || shared.look_up(subject, schema_text)).await;
        match (&shared.disk, found) {
            (Some(disk), Ok(id)) => {
                disk.keep_id(subject, schema_text, id).await;
                Ok(id)
            }
            (Some(disk), Err(error)) if error.is_transient() => {
                disk.id_of(subject, schema_text).await.ok_or(error)
            }
            (_, found) => found,
        }
    }

    /// Registers a schema under a subject and returns its id; the same schema again returns the same id.
    pub async fn register(&self, subject: &str, schema_text: &str) -> Result<u32, RegistryError> {
        let action = format!("register the schema of subject {subject}");
        self.administer(&action, || self.shared.register(subject, schema_text, &action)).await
    }

    /// Sets the rule for every subject that has none of its own.
    pub async fn set_compatibility(&self, level: Compatibility) -> Result<(), RegistryError> {
        let Shared { http, url, .. } = &*self.shared;
        self.administer("take a compatibility rule", || compatibility::set(http, url, level)).await
    }

    /// The names of all subjects.
    pub async fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        let Shared { http, url, .. } = &*self.shared;
        self.administer("list its subjects", || subjects::all(http, url)).await
    }

    /// Every version of a subject, oldest first; none where there is no such subject.
    pub async fn versions(&self, subject: &str) -> Result<Vec<Registered>, RegistryError> {
        let Shared { http, url, .. } = &*self.shared;
        let action = format!("tell the versions of subject {subject}");
        self.administer(&action, || subjects::versions(http, url, subject, &action)).await
    }

    /// The rule for every subject that has none of its own.
    pub async fn compatibility(&self) -> Result<Compatibility, RegistryError> {
        let Shared { http, url, .. } = &*self.shared;
        self.administer("tell its compatibility", || compatibility::get(http, url)).await
    }

    /// What people ask, seldom and with patience.
    async fn administer<T, F>(&self, action: &str, ask: impl Fn() -> F) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        persistently(self.shared.deadline * ADMINISTRATION, action, ask).await
    }
}

impl Shared {
    async fn register(&self, subject: &str, schema_text: &str, action: &str) -> Result<u32, RegistryError> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema_text.to_owned());
        match post_schema(&self.settings, subject.to_owned(), schema).await {
            Ok(registered) => Ok(registered.id),
            Err(error) => Err(match said(&error) {
                Some((409, reason)) => RegistryError::Incompatible { subject: subject.to_owned(), reason },
                Some((42200..=42299, reason)) => {
                    RegistryError::Invalid { subject: subject.to_owned(), reason }
                }
                _ => unavailable(action.to_owned(), told(&error)),
            }),
        }
    }

    async fn look_up(&self, subject: &str, schema_text: &str) -> Result<u32, RegistryError> {
        let body = serde_json::json!({ "schema": schema_text, "schemaType": "AVRO" }).to_string();
        let found = perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)).await;
        let action = || format!("look up subject {subject}");
        match found {
            Ok(answer) => answer.id.ok_or_else(|| unavailable(action(), "its answer has no id")),
            Err(error) => Err(match said(&error) {
                // Unknown subject, unknown version, unknown schema.
                Some((40401..=40403, _)) => RegistryError::NotRegistered { subject: subject.to_owned() },
                Some((42200..=42299, reason)) => {
                    RegistryError::Invalid { subject: subject.to_owned(), reason }
                }
                _ => unavailable(action(), told(&error)),
            }),
        }
    }

    /// The schema from the registry; from disk while it is away.
    async fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        let found = persistently(self.deadline, &format!("give schema {id}"), || self.fetch(id)).await;
        match (&self.disk, found) {
            (Some(disk), Ok(schema)) => {
                disk.keep_schema(id, schema.text()).await;
                Ok(schema)
            }
            (Some(disk), Err(error)) if error.is_transient() => {
                let known = disk.schema(id).await.and_then(|text| WriterSchema::parse(&text).ok());
                known.map(Arc::new).ok_or(error)
            }
            (_, found) => found,
        }
    }

    async fn fetch(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        let found = get_schema_by_id(id, &self.settings).await.map_err(|error| match said(&error) {
            Some((40403, _)) => RegistryError::NotFound { id },
            _ => unavailable(format!("give schema {id}"), told(&error)),
        })?;
        let unusable = |reason: String| RegistryError::Unusable { id, reason };
        if found.schema_type != SchemaType::Avro {
            return Err(unusable(format!("it is of type {:?}, not Avro", found.schema_type)));
        }
        if !found.references.is_empty() {
            return Err(unusable("it refers to other schemas; schemas of events are self-contained".into()));
        }
        WriterSchema::parse(&found.schema).map(Arc::new).map_err(|e| unusable(e.to_string()))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&shown(&self.shared.url)).finish()
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// The registry's own error code and words, if it answered in them.
fn said(error: &SRCError) -> Option<(u32, String)> {
    let said = std::error::Error::source(error)?.downcast_ref::<RawError>()?;
    (said.error_code != 0).then(|| (said.error_code, said.message.clone()))
}

fn unavailable(action: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RegistryError {
    RegistryError::Unavailable { action, source: Arc::from(source.into()) }
}

/// What the crate's error wraps: its own words are advice on retrying that is not taken here.
fn told(error: &SRCError) -> String {
    let mut told = error.error.clone();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// An address without the password in it.
fn shown(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // Fails for addresses that cannot have a password, and this one has.
            parsed.set_password(Some("hidden")).map_or_else(|()| "hidden".to_owned(), |()| parsed.to_string())
        }
        _ => url.to_owned(),
    }
}
