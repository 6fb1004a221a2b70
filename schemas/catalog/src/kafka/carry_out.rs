//! Carrying out a plan.

use std::time::{Duration, Instant};

use rdkafka::admin::{NewPartitions, NewTopic, TopicReplication, TopicResult};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::native::{self, Client};
use super::{KafkaAdmin, KafkaError};
use crate::{Acl, Manifest, Passwords, Permits, Plan, Step, plan};

type Change = fn(&Client, Duration, &[Acl]) -> Result<(), native::Failure>;

/// How long the cluster may take to show what it has accepted.
const SETTLE: Duration = Duration::from_secs(15);

impl KafkaAdmin {
    pub(super) async fn carry_out(
        &self,
        manifest: &Manifest,
        to_do: Plan,
        permits: &Permits,
        passwords: &Passwords,
    ) -> Result<Plan, KafkaError> {
        if !to_do.refusals.is_empty() {
            return Err(KafkaError::Plan(to_do.refusals));
        }
        if to_do.steps.is_empty() {
            return Ok(to_do);
        }
        let passwords = wanted(&to_do.steps, passwords)?; // before anything changes
        self.create_topics(&to_do.steps).await?;
        self.grow_topics(&to_do.steps).await?;
        self.set(&to_do.steps).await?;
        self.set_passwords(passwords.clone()).await?;
        let acls = |wanted: fn(&Step) -> Option<&Acl>| {
            to_do.steps.iter().filter_map(wanted).cloned().collect::<Vec<_>>()
        };
        let granted = acls(|step| if let Step::Grant(acl) = step { Some(acl) } else { None });
        let revoked = acls(|step| if let Step::Revoke(acl) = step { Some(acl) } else { None });
        self.grant(granted).await?;
        self.change_acls("revoke access", revoked, native::acls::delete).await?;
        self.limit(&to_do.steps).await?;
        self.delete_topics(&to_do.steps).await?;
        self.settled(manifest, permits, to_do.steps.len()).await?;
        for (user, password) in passwords {
            self.log_in(user, password).await?;
        }
        Ok(to_do)
    }

    /// Controllers answer before brokers know; what reads the topics next must find them.
    async fn settled(&self, manifest: &Manifest, permits: &Permits, steps: usize) -> Result<(), KafkaError> {
        let begun = Instant::now();
        loop {
            let left = plan(manifest, &self.observe(manifest).await?, &permits.afterwards());
            let Some(first) = left.steps.first() else { return Ok(()) };
            if begun.elapsed() > SETTLE {
                return Err(KafkaError::NotSettled {
                    steps,
                    missing: left.steps.len(),
                    first: first.to_string(),
                    seconds: SETTLE.as_secs(),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn create_topics(&self, steps: &[Step]) -> Result<(), KafkaError> {
        let mut topics = Vec::new();
        for step in steps {
            if let Step::CreateTopic { name, partitions, replicas, settings } = step {
                let replicas = TopicReplication::Fixed(i32::try_from(*replicas).unwrap_or(i32::MAX));
                let new = NewTopic::new(name, i32::try_from(*partitions).unwrap_or(i32::MAX), replicas);
                topics.push(settings.iter().fold(new, |new, (setting, value)| new.set(setting, value)));
            }
        }
        if topics.is_empty() {
            return Ok(());
        }
        let answers = self.client.create_topics(&topics, &self.options()).await;
        let there = [RDKafkaErrorCode::TopicAlreadyExists]; // by somebody else; its settings are looked at once more
        accepted("creating", answers.map_err(|source| self.failed("create topics", source))?, &there)
    }

    async fn set(&self, steps: &[Step]) -> Result<(), KafkaError> {
        let mut wanted = native::settings::Settings::new();
        for step in steps {
            if let Step::Set { topic, setting, to, .. } = step {
                wanted.entry(topic.clone()).or_default().insert(setting, to.clone());
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let set = move |client: &Client, timeout| native::settings::set(client, timeout, &wanted);
        self.native("change topics", set).await
    }

    async fn grow_topics(&self, steps: &[Step]) -> Result<(), KafkaError> {
        let grown = steps.iter().filter_map(|step| match step {
            Step::GrowTopic { topic, to, .. } => {
                Some(NewPartitions::new(topic, usize::try_from(*to).unwrap_or(usize::MAX)))
            }
            _ => None,
        });
        let grown: Vec<_> = grown.collect();
        if grown.is_empty() {
            return Ok(());
        }
        let answers = self.client.create_partitions(&grown, &self.options()).await;
        accepted("growing", answers.map_err(|source| self.failed("grow topics", source))?, &[])
    }

    async fn delete_topics(&self, steps: &[Step]) -> Result<(), KafkaError> {
        let names = steps.iter().filter_map(|step| match step {
            Step::DeleteTopic { name } => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            return Ok(());
        }
        let answers = self.client.delete_topics(&names, &self.options()).await;
        let gone = [RDKafkaErrorCode::UnknownTopicOrPartition]; // somebody else just did
        accepted("deleting", answers.map_err(|source| self.failed("delete topics", source))?, &gone)
    }

    async fn set_passwords(&self, passwords: Vec<(String, String)>) -> Result<(), KafkaError> {
        if passwords.is_empty() {
            return Ok(());
        }
        let set = move |client: &Client, timeout| native::users::set_passwords(client, timeout, &passwords);
        self.native("give users passwords", set).await
    }

    /// A cluster does not show which password a user has, so the proof is to use it.
    async fn log_in(&self, user: String, password: String) -> Result<(), KafkaError> {
        let mut config = self.config.clone();
        config.set("sasl.username", &user).set("sasl.password", password);
        let tried = tokio::task::spawn_blocking(move || {
            config.create::<BaseConsumer>()?.fetch_metadata(Some(NO_TOPIC), SETTLE).map(drop)
        });
        let tried = tried.await.map_err(|_| KafkaError::Abandoned)?;
        tried.map_err(|source| KafkaError::LogIn { user, source: Box::new(source) })
    }

    /// Grants access; what is granted already stays so.
    pub async fn grant(&self, acls: Vec<Acl>) -> Result<(), KafkaError> {
        self.change_acls("grant access", acls, native::acls::create).await
    }

    async fn change_acls(&self, action: &str, acls: Vec<Acl>, change: Change) -> Result<(), KafkaError> {
        if acls.is_empty() {
            return Ok(());
        }
        self.native(action, move |client, timeout| change(client, timeout, &acls)).await
    }
}

/// Asked for when only the answer counts; it is far shorter than that for all topics.
const NO_TOPIC: &str = "no-such-topic";

/// The passwords that the steps need, by user.
fn wanted(steps: &[Step], passwords: &Passwords) -> Result<Vec<(String, String)>, KafkaError> {
    let users = steps.iter().filter_map(|step| match step {
        Step::CreateUser { user } | Step::RotatePassword { user } => Some(user),
        _ => None,
    });
    users.map(|user| Ok((user.clone(), passwords.of(user)?))).collect()
}

/// The first topic that was not taken, apart from those where that does not matter.
fn accepted(
    doing: &str,
    answers: Vec<TopicResult>,
    does_not_matter: &[RDKafkaErrorCode],
) -> Result<(), KafkaError> {
    let refused = answers.into_iter().filter_map(Result::err);
    match refused.into_iter().find(|(_, code)| !does_not_matter.contains(code)) {
        None => Ok(()),
        Some((name, code)) => {
            let what = format!("{doing} topic {name}");
            Err(KafkaError::Refused { what, reason: code.to_string() })
        }
    }
}
