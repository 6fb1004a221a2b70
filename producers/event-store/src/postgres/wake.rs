//! Telling readers that something was appended: by NOTIFY, on a connection of its own, after the commit.
//!
//! A NOTIFY inside an append would make commits wait for one another: the server takes one lock for all that notify.
//! So appenders only leave word; one task a store sends one NOTIFY for all that was left meanwhile. What gets lost (a
//! process that dies, a connection that breaks) is made up for by the readers, who look again by themselves.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Executor, PgPool};
use tokio::sync::{mpsc, watch};

use super::connections::Connections;
use crate::Wakeups;

/// Told by every store, listened to by every log of one database.
const CHANNEL: &str = "event_store_appended";

/// How long a listener waits before it tries to connect again. Its readers look by themselves meanwhile.
const AGAIN: Duration = Duration::from_secs(1);

/// Leaves word that something was appended; never waits.
#[derive(Debug, Clone)]
pub(super) struct Waker(mpsc::Sender<()>);

impl Waker {
    /// Tells of appends at most once in `every`, for as long as a clone of this is held.
    pub(super) fn new(connections: Connections, every: Duration) -> Self {
        let (leave, mut word) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut own = None;
            while word.recv().await.is_some() {
                if own.is_none() {
                    own = connections.own().await.ok();
                }
                if let Some(connection) = &mut own
                    && connection.execute(sqlx::raw_sql("notify event_store_appended")).await.is_err()
                {
                    own = None;
                }
                tokio::time::sleep(every).await;
            }
        });
        Self(leave)
    }

    /// Something was committed. Word that is left already says so too.
    pub(super) fn wake(&self) {
        self.0.try_send(()).ok();
    }
}

/// Wakes whoever follows the log when a store tells of an append, until nobody follows any more.
pub(super) fn listen(auditor: PgPool) -> Wakeups {
    let (tell, told) = watch::channel(());
    tokio::spawn(async move {
        let mut listener = None;
        loop {
            let listening = match &mut listener {
                Some(listening) => listening,
                None => match connect(&auditor).await {
                    Ok(connected) => {
                        tell.send_replace(()); // of what came before it listened
                        listener.insert(connected)
                    }
                    Err(_) => {
                        tokio::select! {
                            () = tokio::time::sleep(AGAIN) => continue,
                            () = tell.closed() => return,
                        }
                    }
                },
            };
            tokio::select! {
                heard = listening.try_recv() => match heard {
                    // None: it was connected anew, and what was told in between is lost.
                    Ok(Some(_) | None) => tell.send_replace(()),
                    Err(_) => listener = None,
                },
                () = tell.closed() => return,
            }
        }
    });
    Wakeups::told_by(told)
}

async fn connect(auditor: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(auditor).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
