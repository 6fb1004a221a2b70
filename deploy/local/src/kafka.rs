//! Kafka: one node that is broker and controller, SCRAM for clients, and an authorizer that refuses what no ACL allows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::files::{make_folder, write_private};
use crate::java::{self, Profile};
use crate::lock::Artifacts;
use crate::process::{Launch, run};
use crate::{Component, Error, Result, Stack, StackEnv};

const CONFIG: &str = include_str!("../config/server.properties");
pub(crate) const LOGGING: &str = include_str!("../config/log4j2.properties");
const HEAP: Profile = Profile::Server { heap: 256 };

/// The program for quotas, in the broker's folder.
pub(crate) const CONFIGS_PROGRAM: &str = "kafka-configs";

/// The users that clients and the broker itself log in as; the controller's is no SCRAM user.
const USERS: [&str; 6] = ["broker", "admin", "connect", "projector", "dead-letters", "auditor"];

/// The broker's program.
#[derive(Debug, Clone)]
pub(crate) struct Kafka {
    artifacts: Artifacts,
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120); // it may have a log to recover

impl Kafka {
    pub(crate) fn new(artifacts: Artifacts) -> Self {
        Self { artifacts }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.artifacts.java()
    }

    pub(crate) async fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let folder = stack.folder(Component::Kafka);
        make_folder(&folder, 0o700)?;
        let (config, logging) = (folder.join("server.properties"), folder.join("log4j2.properties"));
        let data = folder.join("data");
        if !data.join("meta.properties").exists() {
            self.format(stack, env).await?;
        }
        write_private(&config, &properties(env, &data.display().to_string()))?;
        write_private(&logging, LOGGING)?;
        self.write_configs_program(&folder)?;
        let mut args = java::options(HEAP);
        args.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        args.extend(java::class_path(&self.artifacts.kafka));
        args.extend(["kafka.Kafka".to_owned(), config.display().to_string()]);
        Ok(Launch { program: self.program(), args, folder, log: stack.log(Component::Kafka), account: None })
    }

    /// What Kafka's own archive has as `bin/kafka-configs.sh`.
    fn write_configs_program(&self, folder: &Path) -> Result<()> {
        let words = [self.program().display().to_string()]
            .into_iter()
            .chain(java::options(Profile::Quiet { heap: 64 }))
            .chain(java::class_path(&self.artifacts.kafka));
        let words: Vec<_> = words.map(|word| format!("'{word}'")).collect();
        let program = folder.join(CONFIGS_PROGRAM);
        write_private(
            &program,
            &format!("#!/bin/sh\nexec {} kafka.admin.ConfigCommand \"$@\"\n", words.join(" ")),
        )?;
        let executable = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&program, executable).map_err(Error::file("change the mode of", &program))
    }

    /// Formats the log folder with the users in it, beside its final place. The passwords reach the command in a
    /// file of arguments; it prints their salts and keys, which go nowhere.
    async fn format(&self, stack: &Stack, env: &StackEnv) -> Result<()> {
        let folder = stack.folder(Component::Kafka);
        let (staged, arguments) = (folder.join("data.new"), folder.join("format.arguments"));
        let config = folder.join("format.properties");
        for left in [&staged, &folder.join("data")] {
            if left.exists() {
                fs::remove_dir_all(left).map_err(Error::file("remove", left))?;
            }
        }
        write_private(&config, &properties(env, &staged.display().to_string()))?;
        let id = env.get("MILLRACE_KAFKA_CLUSTER_ID").unwrap_or_default();
        let mut lines = format!("format\n--cluster-id\n{id}\n--config\n{}\n", config.display());
        for user in USERS {
            lines += &format!("--add-scram\nSCRAM-SHA-512=[name={user},password={}]\n", password(env, user));
        }
        write_private(&arguments, &lines)?;
        let mut command = Command::new(self.program());
        command
            .args(java::options(Profile::Quiet { heap: 128 }))
            .args(java::class_path(&self.artifacts.kafka));
        command.arg("kafka.tools.StorageTool").arg(format!("@{}", arguments.display())).current_dir(&folder);
        let formatted = run(&mut command, "").await.map_err(without_keys);
        for secret in [&arguments, &config] {
            fs::remove_file(secret).map_err(Error::file("remove", secret))?;
        }
        formatted?;
        fs::rename(&staged, folder.join("data")).map_err(Error::file("rename", &staged))
    }

    /// Whether the broker describes its cluster to the administrator.
    pub(crate) async fn probe(env: &StackEnv) -> Result<()> {
        let bootstrap = env.get("MILLRACE_KAFKA_BOOTSTRAP").unwrap_or_default();
        TcpStream::connect(bootstrap).await.map_err(Error::run("a connection to Kafka"))?; // spares clients that fail
        let config = env.kafka_client("admin");
        let describe = move || {
            let client: AdminClient<DefaultClientContext> = config.create()?;
            client.inner().fetch_metadata(None, Duration::from_secs(5))
        };
        let described = tokio::task::spawn_blocking(describe).await.expect("the client does not panic");
        let failed = |output: String| {
            let (program, status) =
                ("a description of the cluster".to_owned(), "no broker answered".to_owned());
            Error::Failed { program, status, output }
        };
        match described {
            Ok(cluster) if !cluster.brokers().is_empty() => Ok(()),
            Ok(_) => Err(failed(String::new())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl StackEnv {
    /// How a user of this stack reaches its broker: `admin`, `connect`, `projector`, `dead-letters`, `auditor`.
    pub fn kafka_client(&self, user: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.get("MILLRACE_KAFKA_BOOTSTRAP").unwrap_or_default())
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", user)
            .set("sasl.password", password(self, user));
        config
    }
}

fn password<'a>(env: &'a StackEnv, user: &str) -> &'a str {
    env.get(&format!("MILLRACE_KAFKA_{}_PASSWORD", user.to_ascii_uppercase().replace('-', "_")))
        .unwrap_or_default()
}

fn properties(env: &StackEnv, data: &str) -> String {
    let value = |key: &str| env.get(key).unwrap_or_default();
    CONFIG
        .replace("{client}", value("MILLRACE_KAFKA_PORT"))
        .replace("{internal}", value("MILLRACE_KAFKA_INTERNAL_PORT"))
        .replace("{controller}", value("MILLRACE_KAFKA_CONTROLLER_PORT"))
        .replace("{broker_password}", value("MILLRACE_KAFKA_BROKER_PASSWORD"))
        .replace("{controller_password}", value("MILLRACE_KAFKA_CONTROLLER_PASSWORD"))
        .replace("{data}", data)
}

fn without_keys(error: Error) -> Error {
    match error {
        Error::Failed { program, status, output } => {
            let harmless = output.lines().filter(|line| !line.to_ascii_lowercase().contains("scram"));
            Error::Failed { program, status, output: harmless.collect::<Vec<_>>().join("\n") }
        }
        other => other,
    }
}
