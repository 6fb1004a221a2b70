//! The schema registry: Apicurio behind its Confluent-compatible interface, stored in Postgres.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::files::{make_folder, write_private};
use crate::java::{self, Profile};
use crate::lock::Artifacts;
use crate::process::Launch;
use crate::{Component, Error, Result, Stack, StackEnv};

const CONFIG: &str = include_str!("../config/registry.properties");

/// The registry's program.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    artifacts: Artifacts,
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);

impl Registry {
    pub(crate) fn new(artifacts: Artifacts) -> Self {
        Self { artifacts }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.artifacts.java()
    }

    pub(crate) fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let folder = stack.folder(Component::Registry);
        let settings = folder.join("config"); // where it looks by itself
        let scratch = folder.join("scratch");
        for path in [&folder, &settings, &scratch] {
            make_folder(path, 0o700)?;
        }
        let value = |key: &str| env.get(key).unwrap_or_default();
        let config = CONFIG
            .replace("{port}", value("MILLRACE_REGISTRY_PORT"))
            .replace("{management}", value("MILLRACE_REGISTRY_MANAGEMENT_PORT"))
            .replace("{postgres}", value("MILLRACE_POSTGRES_PORT"))
            .replace("{password}", value("MILLRACE_POSTGRES_REGISTRY_PASSWORD"))
            .replace("{scratch}", &scratch.display().to_string());
        write_private(&settings.join("application.properties"), &config)?;
        let mut args = java::options(Profile::Quiet { heap: 256 });
        args.extend([format!("-Djava.io.tmpdir={}", scratch.display()), "-jar".to_owned()]);
        args.push(self.artifacts.registry.join("quarkus-run.jar").display().to_string());
        Ok(Launch {
            program: self.program(),
            args,
            folder,
            log: stack.log(Component::Registry),
            account: None,
        })
    }

    /// Whether it lists its subjects.
    pub(crate) async fn probe(env: &StackEnv) -> Result<()> {
        get(env, "MILLRACE_REGISTRY_URL", "/subjects").await.map(drop)
    }

    /// Refuses what readers of any version could not read. A registry that was told nothing enforces nothing, so
    /// this comes before anybody can register.
    pub(crate) async fn settle(env: &StackEnv) -> Result<()> {
        const LEVEL: &str = "FULL_TRANSITIVE";
        if let Ok(config) = get(env, "MILLRACE_REGISTRY_URL", "/config").await
            && config["compatibilityLevel"] == LEVEL
        {
            return Ok(());
        }
        let url = format!("{}/config", env.get("MILLRACE_REGISTRY_URL").unwrap_or_default());
        let request = http().put(&url).json(&json!({ "compatibility": LEVEL }));
        answer(request).await.map(drop)
    }
}

/// A document from one of the stack's own servers.
pub(crate) async fn get(env: &StackEnv, base: &str, path: &str) -> Result<Value> {
    answer(http().get(format!("{}{path}", env.get(base).unwrap_or_default()))).await
}

/// Everything is on this machine: a proxy that the user has for other places would only be in the way.
fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
    client.expect("no setting of it can fail")
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
    let response = async { request.send().await?.error_for_status()?.json().await };
    response.await.map_err(|source| Error::Http { source })
}
