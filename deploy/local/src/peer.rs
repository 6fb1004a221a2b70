//! A Connect worker beside the stack that carries a topic into Postgres with Debezium's JDBC sink: what the project's own sink is
//! measured against.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tokio::process::Command;

use crate::files::{make_folder, write_private};
use crate::java::{self, Profile};
use crate::kafka::LOGGING;
use crate::lock::{Lock, fetch, fetch_peer};
use crate::progress::Progress;
use crate::{Error, Result, Stack};

const WORKER: &str = include_str!("../config/peer-worker.properties");
const SINK: &str = include_str!("../config/peer-sink.properties");

/// What the worker carries.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its consumer group, which the auditor may read with.
    pub group: &'a str,
    /// From where.
    pub topic: &'a str,
    /// To where: host, port and database.
    pub database: (&'a str, u16, &'a str),
    /// As whom.
    pub user: (&'a str, &'a str),
    /// Into which table.
    pub table: &'a str,
    /// By which field its rows are told apart.
    pub key: &'a str,
}

impl Peer<'_> {
    /// Fetches what it runs from, writes its settings into the stack's folder, and answers how it is started.
    pub async fn command(&self, stack: &Stack) -> Result<Command> {
        let (lock, progress, env) = (Lock::committed(), Progress::new(), stack.env()?);
        let servers = fetch(&lock, stack.home(), &progress).await?;
        let [sink, converter] = fetch_peer(&lock, stack.home(), &progress).await?;
        let folder = stack.root().join("jdbc-sink");
        let plugins = folder.join("plugins");
        make_folder(&folder, 0o700)?;
        make_folder(&plugins, 0o700)?;
        // The worker takes each folder in there for one plugin.
        for (name, place) in [("sink", sink.join("debezium-connector-jdbc")), ("converter", converter)] {
            let link = plugins.join(name);
            fs::remove_file(&link).ok(); // of an earlier run
            symlink(&place, &link).map_err(Error::file("link", &link))?;
        }
        let value = |key: &str| env.get(key).unwrap_or_default().to_owned();
        let (host, port, database) = self.database;
        let worker = WORKER
            .replace("{bootstrap}", &value("MILLRACE_KAFKA_BOOTSTRAP"))
            .replace("{password}", &value("MILLRACE_KAFKA_AUDITOR_PASSWORD"))
            .replace("{plugins}", &plugins.display().to_string())
            .replace("{offsets}", &folder.join("offsets").display().to_string());
        let registry = value("MILLRACE_REGISTRY_URL");
        let registry = registry.split("/apis/").next().unwrap_or_default();
        let sink = SINK
            .replace("{group}", self.group)
            .replace("{topic}", self.topic)
            .replace("{database}", &format!("//{host}:{port}/{database}"))
            .replace("{user}", self.user.0)
            .replace("{password}", self.user.1)
            .replace("{table}", self.table)
            .replace("{key}", self.key)
            .replace("{registry}", &format!("{registry}/apis/registry/v2"));
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            write_private(&path, text).map(|()| path)
        };
        let (worker, sink) = (write("worker.properties", &worker)?, write("sink.properties", &sink)?);
        let logging = write("log4j2.properties", LOGGING)?;
        let mut java = Command::new(servers.java());
        java.args(java::options(Profile::Server { heap: 512 }))
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .args(java::class_path(&servers.kafka))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .args([worker, sink])
            .current_dir(folder);
        Ok(java)
    }
}
