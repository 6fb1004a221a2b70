//! Quotas of users. librdkafka has no request for them, so Kafka's own program is run: some two seconds of a core each time.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use super::{KafkaAdmin, KafkaError};
use crate::Step;

/// What a user's line begins with.
const LINE: &str = "Quota configs for user-principal '";

impl KafkaAdmin {
    /// The quotas of all users.
    pub(super) async fn quotas(&self) -> Result<BTreeMap<String, BTreeMap<String, u64>>, KafkaError> {
        let told = self.configs("describe the quotas", vec!["--describe".to_owned()]).await?;
        Ok(told.lines().filter_map(quotas_of).collect())
    }

    /// One run for each user, since the program takes one.
    pub(super) async fn limit(&self, steps: &[Step]) -> Result<(), KafkaError> {
        let mut users = BTreeMap::<_, (Vec<String>, Vec<String>)>::new();
        for step in steps {
            if let Step::Limit { user, quota, to, .. } = step {
                let (set, removed) = users.entry(user).or_default();
                match to {
                    Some(to) => set.push(format!("{quota}={to}")),
                    None => removed.push((*quota).to_owned()),
                }
            }
        }
        for (user, (set, removed)) in users {
            let mut arguments = vec!["--alter".to_owned(), "--entity-name".to_owned(), user.clone()];
            for (option, quotas) in [("--add-config", set), ("--delete-config", removed)] {
                if !quotas.is_empty() {
                    arguments.extend([option.to_owned(), quotas.join(",")]);
                }
            }
            self.configs(&format!("set the quotas of user {user}"), arguments).await?;
        }
        Ok(())
    }

    /// Runs the program; answers what it printed.
    async fn configs(&self, what: &str, arguments: Vec<String>) -> Result<String, KafkaError> {
        let Some(program) = self.configs_program.clone() else { return Err(KafkaError::NoConfigsProgram) };
        let (what, bootstrap, settings) = (what.to_owned(), self.bootstrap.clone(), self.settings());
        let run = move || {
            let failed = |source| KafkaError::Program { program: program.clone(), source };
            // Nobody else may read it, and it is gone when this ends.
            let mut file = NamedTempFile::new().map_err(failed)?;
            file.write_all(settings.as_bytes()).map_err(failed)?;
            let output = Command::new(&program)
                .args(["--bootstrap-server", &bootstrap, "--entity-type", "users", "--command-config"])
                .arg(file.path())
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .map_err(failed)?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            let said = [output.stderr, output.stdout].concat();
            let reason = String::from_utf8_lossy(&said)
                .lines()
                .find(|line| !line.trim().is_empty())
                .map(str::to_owned);
            Err(KafkaError::Refused { what, reason: reason.unwrap_or_else(|| output.status.to_string()) })
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| KafkaError::Abandoned)?
    }

    /// As whom it talks, in the words of Java clients.
    fn settings(&self) -> String {
        let value = |key| self.config.get(key).unwrap_or_default();
        let quoted = |key| format!("\"{}\"", value(key).replace('\\', "\\\\").replace('"', "\\\""));
        format!(
            "security.protocol={}\nsasl.mechanism={}\nsasl.jaas.config={} required username={} password={};\n",
            value("security.protocol").to_uppercase(),
            value("sasl.mechanism"),
            "org.apache.kafka.common.security.scram.ScramLoginModule",
            quoted("sasl.username"),
            quoted("sasl.password"),
        )
    }
}

/// A user and its quotas, from a line of the program's.
fn quotas_of(line: &str) -> Option<(String, BTreeMap<String, u64>)> {
    let (user, quotas) = line.strip_prefix(LINE)?.split_once("' are ")?;
    let quota = |told: &str| {
        let (name, value) = told.split_once('=')?;
        Some((name.to_owned(), value.parse::<f64>().ok()?.round() as u64))
    };
    Some((user.to_owned(), quotas.split(", ").filter_map(quota).collect()))
}

#[test]
fn a_line_tells_a_users_quotas() {
    let line =
        "Quota configs for user-principal 'a-b' are consumer_byte_rate=1.048576E7, producer_byte_rate=1024.0";
    let quotas =
        BTreeMap::from([("consumer_byte_rate".into(), 10_485_760), ("producer_byte_rate".into(), 1024)]);
    assert_eq!(quotas_of(line), Some(("a-b".into(), quotas)));
    assert_eq!(
        quotas_of("SCRAM credential configs for user-principal 'a' are SCRAM-SHA-512=iterations=4096"),
        None
    );
}
