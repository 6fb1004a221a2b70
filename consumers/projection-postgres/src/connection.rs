//! One connection, held for the life of the lane.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::Error;

/// Gives the connection away for each piece of work; one that is not given back (an error, a call that was cut off)
/// is gone with everything it had open, and the next piece of work connects anew.
#[derive(Debug)]
pub(crate) struct Held {
    options: PgConnectOptions,
    timeout: Duration,
    connection: Option<PgConnection>,
}

impl Held {
    pub(crate) fn new(options: PgConnectOptions, timeout: Duration) -> Self {
        Self { options, timeout, connection: None }
    }

    /// The connection, unless a new one is needed.
    pub(crate) fn take(&mut self) -> Option<PgConnection> {
        self.connection.take()
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        match tokio::time::timeout(self.timeout, PgConnection::connect_with(&self.options)).await {
            Ok(connected) => connected.map_err(Error::Connect),
            Err(_) => Err(Error::ConnectTimeout),
        }
    }

    pub(crate) fn give_back(&mut self, connection: PgConnection) {
        self.connection = Some(connection);
    }
}
