//! Kafka Connect: one worker that carries the outbox into Kafka with Debezium.

use std::path::PathBuf;
use std::time::Duration;

use crate::files::{make_folder, write_private};
use crate::java::{self, Profile};
use crate::kafka::LOGGING;
use crate::lock::Artifacts;
use crate::process::Launch;
use crate::registry::get;
use crate::{Component, Result, Stack, StackEnv};

const CONFIG: &str = include_str!("../config/connect.properties");

/// The worker's program.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    artifacts: Artifacts,
}

/// Where a stack's file keeps how long the connector waits between two looks at what it read.
pub(crate) const POLL_MS: &str = "MILLRACE_CONNECT_POLL_MS";

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);

impl Connect {
    pub(crate) fn new(artifacts: Artifacts) -> Self {
        Self { artifacts }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.artifacts.java()
    }

    pub(crate) fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let folder = stack.folder(Component::Connect);
        make_folder(&folder, 0o700)?;
        let value = |key: &str| env.get(key).unwrap_or_default();
        let config = CONFIG
            .replace("{bootstrap}", value("MILLRACE_KAFKA_BOOTSTRAP"))
            .replace("{port}", value("MILLRACE_CONNECT_PORT"))
            .replace("{password}", value("MILLRACE_KAFKA_CONNECT_PASSWORD"))
            .replace("{plugins}", &self.artifacts.debezium.display().to_string())
            .replace("{folder}", &folder.display().to_string());
        let (worker, logging) = (folder.join("worker.properties"), folder.join("log4j2.properties"));
        write_private(&worker, &config)?;
        write_private(&logging, LOGGING)?;
        let secrets = format!(
            "cdc_password={}\npostgres_host={}\npostgres_port={}\npoll_interval_ms={}\n",
            value("MILLRACE_POSTGRES_CDC_PASSWORD"),
            value("MILLRACE_POSTGRES_HOST"),
            value("MILLRACE_POSTGRES_PORT"),
            value(POLL_MS),
        );
        write_private(&folder.join("secrets.properties"), &secrets)?;
        let mut args = java::options(Profile::Server { heap: 512 });
        args.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        args.extend(java::class_path(&self.artifacts.kafka));
        args.push("org.apache.kafka.connect.cli.ConnectDistributed".to_owned());
        args.push(worker.display().to_string());
        Ok(Launch {
            program: self.program(),
            args,
            folder,
            log: stack.log(Component::Connect),
            account: None,
        })
    }

    /// Whether the worker calls itself healthy: it has joined its group and read its topics.
    pub(crate) async fn probe(env: &StackEnv) -> Result<()> {
        get(env, "MILLRACE_CONNECT_URL", "/health").await.map(drop)
    }
}
