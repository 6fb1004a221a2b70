//! Keys of data subjects, beside the events they seal.

use events::TenantId;
use futures::FutureExt;
use futures::future::BoxFuture;
use personal_data::{KeyId, KeyState, KeyStore, KeyStoreError, StoredKey};
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::Connections;
use super::connections::Lent;
use super::faults::is_broken;
use crate::StoreError;

/// Wrapped keys in Postgres, as the role `app`; each call is one round trip that names its tenant.
#[derive(Debug, Clone)]
pub struct PgSubjectKeys {
    app: Connections,
}

impl PgSubjectKeys {
    /// The keys behind these connections, made by [`crate::Config::connect`].
    pub fn new(app: Connections) -> Self {
        Self { app }
    }

    /// Both questions may be repeated as they are, so a connection that was found dead is no reason to fail.
    async fn ask(
        &self,
        query: impl Fn() -> Query<'static, sqlx::Postgres, PgArguments>,
    ) -> Result<Option<StoredKey>, KeyStoreError> {
        let run = async |mut lent: Lent| {
            let row = query().fetch_optional(&mut lent.connection).await?;
            lent.give_back();
            Ok(row)
        };
        let row = match run(self.app.any().await.map_err(failed)?).await {
            Err(error) if is_broken(&error) => run(self.app.fresh().await.map_err(failed)?).await,
            answer => answer,
        };
        row.map_err(failed)?.as_ref().map(stored_key).transpose()
    }
}

impl KeyStore for PgSubjectKeys {
    fn ensure<'a>(
        &'a self,
        tenant: &'a TenantId,
        candidate: StoredKey,
    ) -> BoxFuture<'a, Result<StoredKey, KeyStoreError>> {
        async move {
            let (wrapped, master) = match candidate.state {
                KeyState::Wrapped { wrapped, master } => (Some(wrapped), Some(master)),
                KeyState::Destroyed => (None, None),
            };
            let query = || {
                sqlx::query(include_str!("../../queries/subject_key_ensure.sql"))
                    .bind(tenant.as_str().to_owned())
                    .bind(candidate.subject.as_str().to_owned())
                    .bind(candidate.key_id.0)
                    .bind(wrapped.clone())
                    .bind(master.clone())
            };
            self.ask(query).await?.ok_or_else(|| failed(sqlx::Error::RowNotFound))
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        key_id: KeyId,
    ) -> BoxFuture<'a, Result<Option<StoredKey>, KeyStoreError>> {
        async move {
            let query = || {
                sqlx::query(include_str!("../../queries/subject_key_find.sql"))
                    .bind(tenant.as_str().to_owned())
                    .bind(key_id.0)
            };
            self.ask(query).await
        }
        .boxed()
    }
}

fn stored_key(row: &PgRow) -> Result<StoredKey, KeyStoreError> {
    let subject = row.get::<String, _>("subject").parse();
    let state = match (row.get("wrapped"), row.get("master")) {
        (Some(wrapped), Some(master)) => KeyState::Wrapped { wrapped, master },
        _ => KeyState::Destroyed,
    };
    Ok(StoredKey {
        key_id: KeyId(row.get::<Uuid, _>("key_id")),
        subject: subject.map_err(|error| KeyStoreError { transient: false, source: Box::new(error) })?,
        state,
    })
}

fn failed(source: sqlx::Error) -> KeyStoreError {
    let error = StoreError::Database { what: "reach the keys of data subjects", source };
    KeyStoreError { transient: error.is_transient(), source: Box::new(error) }
}
