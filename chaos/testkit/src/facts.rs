use std::sync::OnceLock;

use local::{Stack, StackEnv};
use rdkafka::ClientConfig;

/// How to reach the servers of the stack that the tests run on.
#[derive(Debug)]
pub struct Facts {
    stack: Stack,
    env: StackEnv,
}

/// The stack that `MILLRACE_STACK` names, `dev` when it names none.
///
/// # Panics
/// When that stack was never raised: a test that needs real servers cannot go on without.
pub fn stack() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let name = std::env::var_os("MILLRACE_STACK").map_or("dev".into(), |name| name.to_string_lossy().into_owned());
        let opened = Stack::open(&name).and_then(|stack| Ok((stack.env()?, stack)));
        match opened {
            Ok((env, stack)) => Facts { stack, env },
            Err(error) => panic!(
                "this test needs real servers, and {error}.\n`make test` raises a stack for all tests; or raise one \
                 with `millrace up --name {name}` and run again with MILLRACE_STACK={name}"
            ),
        }
    })
}

impl Facts {
    /// The stack itself.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// All its connection facts.
    pub fn env(&self) -> &StackEnv {
        &self.env
    }

    /// One connection fact, `MILLRACE_POSTGRES_PORT` for one.
    ///
    /// # Panics
    /// When there is no such fact.
    pub fn get(&self, key: &str) -> &str {
        self.env.get(key).unwrap_or_else(|| panic!("the stack {:?} has no {key}", self.stack.name()))
    }

    /// Where Redis is, with its password.
    pub fn redis_url(&self) -> &str {
        self.get("MILLRACE_REDIS_URL")
    }

    /// The Confluent-compatible interface of the registry.
    pub fn registry_url(&self) -> &str {
        self.get("MILLRACE_REGISTRY_URL")
    }

    /// The Connect worker.
    pub fn connect_url(&self) -> &str {
        self.get("MILLRACE_CONNECT_URL")
    }

    /// A client of Kafka that logs in as `user`: `admin`, `connect`, `projector`, `dead-letters` or `auditor`.
    pub fn kafka(&self, user: &str) -> ClientConfig {
        self.env.kafka_client(user)
    }
}

/// A name that nothing else has: `prefix` and eight random characters.
pub fn unique(prefix: &str) -> String {
    let id = uuid::Uuid::now_v7().simple().to_string(); // random at its end
    format!("{prefix}-{}", &id[24..])
}
