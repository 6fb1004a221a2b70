//! Redis: everything it answered is in its append-only file within a second.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::files::{make_folder, write_private};
use crate::process::{Launch, run};
use crate::{Component, Error, Result, Stack, StackEnv};

const CONFIG: &str = include_str!("../config/redis.conf");

/// The server's program.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    program: PathBuf,
}

impl Redis {
    pub(crate) fn installed() -> Option<Self> {
        let program = PathBuf::from("/usr/bin/redis-server");
        program.exists().then_some(Self { program })
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.program.clone()
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let printed = run(Command::new(&self.program).arg("--version"), "").await?;
        let version = printed.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Ok(version.unwrap_or("?").to_owned())
    }

    pub(crate) fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let folder = stack.folder(Component::Redis);
        make_folder(&folder, 0o700)?;
        let config = CONFIG
            .replace("{port}", env.get("MILLRACE_REDIS_PORT").unwrap_or_default())
            .replace("{password}", env.get("MILLRACE_REDIS_PASSWORD").unwrap_or_default())
            .replace("{folder}", &folder.display().to_string());
        write_private(&folder.join("redis.conf"), &config)?;
        let args = vec![folder.join("redis.conf").display().to_string()];
        Ok(Launch { program: self.program(), args, folder, log: stack.log(Component::Redis), account: None })
    }

    /// Whether it answers a ping: while it loads its file it answers everything with an error.
    pub(crate) async fn probe(env: &StackEnv) -> Result<()> {
        let port: u16 = env.get("MILLRACE_REDIS_PORT").and_then(|port| port.parse().ok()).unwrap_or_default();
        let password = env.get("MILLRACE_REDIS_PASSWORD").unwrap_or_default();
        let talk = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(format!("AUTH {password}\r\nPING\r\nQUIT\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let answer = talk.await.map_err(Error::run("a ping of Redis"))?;
        if answer.contains("+PONG") {
            return Ok(());
        }
        let (program, status) = ("a ping of Redis".to_owned(), "no pong".to_owned());
        Err(Error::Failed { program, status, output: answer })
    }
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120); // it may have a long file to load
