//! Asking for many keys: written down first, asked one by one, so that it can be cut short, slowed down and gone on with.

use kafka::ParkKey;
use serde_json::{Value, json};
use sqlx::{Connection, FromRow};

use crate::filter::Filtered;
use crate::operator::{Operator, State, failed};
use crate::shown::{RequestKeyShown, RequestShown};
use crate::{Error, Filter};

/// Redrives of a key that may fail before it is left alone.
pub const ATTEMPTS_MAX: i32 = 5;

/// Which keys of a projection are to be redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Which; of one projection.
    pub filter: Filter,
    /// At most so many; those come first of which the fewest redrives failed, then those that are parked longest.
    pub keys_max: Option<i64>,
    /// Keys of which so many redrives failed are left alone; `None`: no key is.
    pub attempts_max: Option<i32>,
}

/// A redrive that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The request's number.
    pub request: i64,
    /// It was asked for before and cut short; this goes on with it.
    pub goes_on: bool,
    /// Keys that are meant, besides, and left alone because too many redrives of them failed.
    pub exhausted: i64,
}

/// A key whose turn has come.
#[derive(Debug, Clone, FromRow)]
pub struct Turn {
    key: Vec<u8>,
    /// Its partition.
    pub partition: i32,
    /// Its owner is asked; else it was not parked any more, or asked for by somebody else.
    pub asked: bool,
}

impl Turn {
    /// The key.
    pub fn key(&self) -> ParkKey {
        ParkKey::from_stored(self.key.clone())
    }
}

impl Redrive {
    /// What was said, for the audit; two redrives that say the same are the same.
    fn said(&self) -> Value {
        let mut said = self.filter.told();
        said.insert("limit".to_owned(), self.keys_max.into());
        said.insert("attempts_max".to_owned(), self.attempts_max.into());
        Value::Object(said)
    }
}

impl Operator<'_> {
    /// Writes a redrive down with the keys that it means now: parked ones, of which nothing is asked. One that says
    /// the same and was cut short is gone on with instead.
    pub async fn plan(&mut self, redrive: &Redrive, actor: &str) -> Result<Planned, Error> {
        let Some(projection) = redrive.filter.projection.as_deref() else { return Err(Error::NoProjection) };
        let cannot = || failed("plan a redrive", projection);
        let redrive = &Redrive { filter: self.own(&redrive.filter), ..redrive.clone() };
        let tenant = self.tenant.clone();
        let mut transaction = self.connection.begin().await.map_err(cannot())?;
        sqlx::query(include_str!("../queries/parked_request_lock.sql"))
            .bind(projection)
            .execute(&mut *transaction)
            .await
            .map_err(cannot())?;
        let exhausted = match redrive.attempts_max {
            None => 0,
            Some(attempts_max) => sqlx::query_scalar(include_str!("../queries/parked_key_exhausted.sql"))
                .filtered(&redrive.filter)
                .bind(attempts_max)
                .fetch_one(&mut *transaction)
                .await
                .map_err(cannot())?,
        };
        let unfinished = sqlx::query_scalar(include_str!("../queries/parked_request_unfinished.sql"))
            .bind(projection)
            .bind(redrive.said())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(cannot())?;
        if let Some(request) = unfinished {
            transaction.commit().await.map_err(cannot())?;
            return Ok(Planned { request, goes_on: true, exhausted });
        }
        let mut operator = Operator { connection: &mut transaction, tenant };
        let request = operator.write_down(projection, "redrive", &redrive.said(), None, actor).await?;
        let meant = operator.meant(redrive, request).await?;
        if let Some(key) = &redrive.filter.key
            && meant == 0
        {
            return Err(operator.why_not(projection, key).await);
        }
        transaction.commit().await.map_err(cannot())?;
        Ok(Planned { request, goes_on: false, exhausted })
    }

    /// Writes down that versions which a key waits for are published again. The key's turn to be redriven comes with
    /// [`ask_next`](Self::ask_next), once they have arrived.
    pub async fn plan_repair(
        &mut self,
        projection: &str,
        key: &ParkKey,
        versions: &[u64],
        reason: &str,
        actor: &str,
    ) -> Result<i64, Error> {
        if reason.trim().is_empty() || actor.trim().is_empty() {
            return Err(Error::Unreasoned);
        }
        let cannot = || failed("plan a repair", projection);
        let tenant = self.tenant.clone();
        let mut transaction = self.connection.begin().await.map_err(cannot())?;
        let mut operator = Operator { connection: &mut transaction, tenant };
        operator.parked_in(projection, key).await?;
        let said = json!({ "key": key.to_string(), "versions": versions });
        let request = operator.write_down(projection, "repair", &said, Some(reason), actor).await?;
        let one = Redrive { filter: Filter::key(projection, key), keys_max: None, attempts_max: None };
        operator.meant(&one, request).await?;
        transaction.commit().await.map_err(cannot())?;
        Ok(request)
    }

    /// Writes down which keys a redrive means; answers how many.
    async fn meant(&mut self, redrive: &Redrive, request: i64) -> Result<u64, Error> {
        let meant = sqlx::query(include_str!("../queries/parked_request_plan.sql"))
            .filtered(&self.own(&redrive.filter))
            .bind(redrive.attempts_max)
            .bind(redrive.keys_max)
            .bind(request)
            .execute(&mut *self.connection)
            .await;
        let projection = redrive.filter.projection.as_deref().unwrap_or_default();
        Ok(meant.map_err(failed("write down the keys of a request", projection))?.rows_affected())
    }

    /// Asks for the next key of a redrive; `None` when every key had its turn.
    pub async fn ask_next(&mut self, request: i64) -> Result<Option<Turn>, Error> {
        sqlx::query_as(include_str!("../queries/parked_request_next.sql"))
            .bind(request)
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(failed("ask for a parked key", "a redrive"))
    }

    /// Leaves a request to whoever [keeps the pace](Self::keep_pace): at most so many keys a second, more than none.
    pub async fn leave_to_pace(&mut self, request: i64, keys_per_s: f64) -> Result<(), Error> {
        sqlx::query(include_str!("../queries/parked_request_pace.sql"))
            .bind(request)
            .bind(keys_per_s)
            .execute(&mut *self.connection)
            .await
            .map_err(failed("give a request its pace", "any projection"))?;
        Ok(())
    }

    /// Whether this connection keeps the pace from now on, for as long as it lives; one does at a time.
    pub async fn keep_pace(&mut self) -> Result<bool, Error> {
        sqlx::query_scalar(include_str!("../queries/parked_request_pace_lock.sql"))
            .fetch_one(&mut *self.connection)
            .await
            .map_err(failed("keep the pace of the requests", "any projection"))
    }

    /// Asks for the keys that are due of all requests that were left to the pace, at most `keys_max` of each; answers how
    /// many turns that were. A request of which nothing was asked yet has one key due.
    pub async fn ask_due(&mut self, keys_max: i32) -> Result<u64, Error> {
        let due: Vec<(i64, i32)> = sqlx::query_as(include_str!("../queries/parked_request_due.sql"))
            .bind(keys_max)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("find the keys that are due", "any projection"))?;
        let mut turns = 0;
        for (request, keys) in due {
            for _ in 0..keys {
                if self.ask_next(request).await?.is_none() {
                    break;
                }
                turns += 1;
            }
        }
        Ok(turns)
    }

    /// Asks the owner to apply the key's records in order, up to the first that fails; answers the request's number.
    pub async fn redrive(&mut self, projection: &str, key: &ParkKey, actor: &str) -> Result<i64, Error> {
        let (filter, attempts_max) = (Filter::key(projection, key), Some(ATTEMPTS_MAX));
        let redrive = Redrive { filter, keys_max: None, attempts_max };
        let planned = self.plan(&redrive, actor).await?;
        while self.ask_next(planned.request).await?.is_some() {}
        Ok(planned.request)
    }

    /// The newest `limit` requests of a projection, or of all.
    pub async fn requests(
        &mut self,
        projection: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RequestShown>, Error> {
        self.requests_of(None, projection, limit).await
    }

    /// One request.
    pub async fn request(&mut self, id: i64) -> Result<RequestShown, Error> {
        self.requests_of(Some(id), None, 1).await?.pop().ok_or(Error::NoRequest { id })
    }

    /// The first `limit` keys of a request, in the order in which they are asked for.
    pub async fn request_keys(&mut self, id: i64, limit: i64) -> Result<Vec<RequestKeyShown>, Error> {
        self.keys_of(id, false, limit).await
    }

    /// The first `limit` keys of a request that are neither done nor passed over.
    pub async fn request_keys_left(&mut self, id: i64, limit: i64) -> Result<Vec<RequestKeyShown>, Error> {
        self.keys_of(id, true, limit).await
    }

    async fn keys_of(&mut self, id: i64, left: bool, limit: i64) -> Result<Vec<RequestKeyShown>, Error> {
        sqlx::query_as(include_str!("../queries/parked_request_keys.sql"))
            .bind(id)
            .bind(left)
            .bind(limit)
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the keys of a request", "any projection"))
    }

    async fn requests_of(
        &mut self,
        id: Option<i64>,
        projection: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RequestShown>, Error> {
        sqlx::query_as(include_str!("../queries/parked_request_list.sql"))
            .bind(id)
            .bind(projection)
            .bind(limit)
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the requests", projection.unwrap_or("any projection")))
    }

    /// Why a key cannot be asked for.
    async fn why_not(&mut self, projection: &str, key: &ParkKey) -> Error {
        match self.parked_in(projection, key).await {
            Ok(states) => Error::Exhausted {
                projection: projection.into(),
                key: key.to_string(),
                attempts: states.iter().map(|State { attempts, .. }| *attempts).max().unwrap_or_default(),
            },
            Err(error) => error,
        }
    }
}
