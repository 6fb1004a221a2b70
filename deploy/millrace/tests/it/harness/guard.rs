use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use super::{PATIENCE, Role, World, eventually};

impl Role {
    /// Waits until the guard shows a number; answers how long that took.
    pub(crate) async fn says(&self, metric: &str, wanted: f64) -> Duration {
        let (name, begun) = (format!("millrace_connect_guard_{metric}"), Instant::now());
        let what = format!("the guard says {metric} {wanted}");
        eventually(&what, PATIENCE, async || self.metric(&name).await == Some(wanted)).await;
        eprintln!("{what} after {:.1} s", begun.elapsed().as_secs_f64());
        begun.elapsed()
    }

    /// Waits until the guard raises an alarm.
    pub(crate) async fn raises(&self, alarm: &str) -> Duration {
        self.says(&format!("alarm{{alarm=\"{alarm}\"}}"), 1.0).await
    }
}

impl World {
    /// What `millrace connect status` shows.
    pub(crate) async fn connector(&self) -> Value {
        self.program.run(&["connect", "status", "--json"]).await.json()
    }

    /// Connect's REST interface below the connector, as whoever gets hold of it would use it.
    pub(crate) fn rest(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/connectors/outbox/{path}", self.fact("MILLRACE_CONNECT_URL"));
        reqwest::Client::builder().no_proxy().build().unwrap().request(method, url)
    }

    /// The superuser in the events' database.
    pub(crate) async fn superuser(&self) -> PgConnection {
        let url: PgConnectOptions = self.fact("MILLRACE_POSTGRES_SUPERUSER_URL").parse().unwrap();
        PgConnection::connect_with(&url.database("millrace_events")).await.unwrap()
    }

    /// Ends the reader of the slot and drops it before it can come back; again where Debezium made it anew meanwhile.
    pub(crate) async fn drop_slot(&self) {
        let mut superuser = self.superuser().await;
        let end = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'outbox' and active";
        let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'outbox' and not active";
        eventually("the slot is dropped", PATIENCE, async || {
            superuser.execute(end).await.unwrap();
            superuser.execute(drop).await.is_ok_and(|dropped| dropped.rows_affected() == 1)
        })
        .await;
    }
}
