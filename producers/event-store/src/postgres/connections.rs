//! A few connections that many callers share, and nothing else on the wire.
//!
//! sqlx's pool asks a connection whether it lives each time it comes back: a second round trip for every append. Here
//! a connection comes back only after a statement that ended well; any other is closed, and so is one whose caller
//! was cancelled half-way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections of one role to one database; clones share them.
#[derive(Debug, Clone)]
pub struct Connections {
    options: PgConnectOptions,
    acquire_max: Duration,
    most: usize,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<PgConnection>>>,
}

/// How many connections are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The bound.
    pub most: usize,
    /// Lent to callers now.
    pub in_use: usize,
}

/// A connection that one caller has for now.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) connection: PgConnection,
    idle: Arc<Mutex<Vec<PgConnection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// At most `most` connections, opened as they are needed; whoever gets none within `acquire_max` is told so.
    pub fn new(options: PgConnectOptions, most: u32, acquire_max: Duration) -> Self {
        let most = most as usize;
        Self { options, acquire_max, most, permits: Arc::new(Semaphore::new(most)), idle: Arc::default() }
    }

    /// Longest wait for a connection.
    pub(super) fn acquire_max(&self) -> Duration {
        self.acquire_max
    }

    /// How many connections there may be, and how many of them somebody has now.
    pub fn usage(&self) -> Usage {
        Usage { most: self.most, in_use: self.most - self.permits.available_permits() }
    }

    /// A connection that was used before, if there is one; whether it still lives will be seen.
    pub(super) async fn any(&self) -> Result<Lent, sqlx::Error> {
        let permit = self.permit().await?;
        let used = lock(&self.idle).pop();
        match used {
            Some(connection) => Ok(self.lend(connection, permit)),
            None => self.open(permit).await,
        }
    }

    /// A new connection. Those that wait idle are closed: where one is dead, so are the others.
    pub(super) async fn fresh(&self) -> Result<Lent, sqlx::Error> {
        let permit = self.permit().await?;
        lock(&self.idle).clear();
        self.open(permit).await
    }

    /// A connection beside those that are counted, for as long as its caller likes.
    pub(super) async fn own(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        match tokio::time::timeout(self.acquire_max, self.permits.clone().acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    async fn open(&self, permit: OwnedSemaphorePermit) -> Result<Lent, sqlx::Error> {
        match tokio::time::timeout(self.acquire_max, self.options.connect()).await {
            Ok(connection) => Ok(self.lend(connection?, permit)),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    fn lend(&self, connection: PgConnection, permit: OwnedSemaphorePermit) -> Lent {
        Lent { connection, idle: self.idle.clone(), _permit: permit }
    }
}

impl Lent {
    /// Gives the connection back for others to use.
    pub(super) fn give_back(self) {
        lock(&self.idle).push(self.connection);
    }
}

fn lock(idle: &Mutex<Vec<PgConnection>>) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
