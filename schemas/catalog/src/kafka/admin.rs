//! Observing a cluster, and changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfig;
use rdkafka::error::KafkaError as ClientError;

use super::native::{self, Client};
use super::{KafkaAdminConfig, KafkaError};
use crate::{Acl, Cluster, Manifest, Plan, Step, TopicState, plan};

type Change = fn(&Client, Duration, &[Acl]) -> Result<(), native::Failure>;

/// How long the cluster may take to show what it has accepted.
const SETTLE: Duration = Duration::from_secs(15);

/// A handle on a cluster; clones share one client.
#[derive(Clone)]
pub struct KafkaAdmin {
    client: Arc<Client>,
    bootstrap: String,
    timeout: Duration,
}

impl KafkaAdmin {
    /// A handle; connects on first use.
    pub fn new(config: &KafkaAdminConfig) -> Result<Self, KafkaError> {
        let bootstrap = config.kafka_bootstrap.clone();
        let client = AdminClient::from_config(&config.client()).map_err(|source| KafkaError::Cluster {
            bootstrap: bootstrap.clone(),
            action: "be used".to_owned(),
            cause: None,
            source: Box::new(source),
        })?;
        Ok(Self { client: Arc::new(client), bootstrap, timeout: config.timeout() })
    }

    /// What the cluster has now of what the manifest names, and all access rules.
    pub async fn observe(&self, manifest: &Manifest) -> Result<Cluster, KafkaError> {
        let (brokers, counts) = self.topics().await?;
        let declared: Vec<_> =
            manifest.topics.iter().filter(|topic| counts.contains_key(&topic.name)).collect();
        let resources: Vec<_> = declared.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
        let described = match resources.is_empty() {
            true => Vec::new(),
            false => self
                .client
                .describe_configs(&resources, &self.options())
                .await
                .map_err(|source| self.failed("describe its topics", source))?,
        };
        let mut topics = BTreeMap::new();
        for resource in described.into_iter().flatten() {
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { continue };
            let (partitions, replicas) = counts[&name];
            let mut state = TopicState { partitions, replicas, ..TopicState::default() };
            for entry in resource.entries {
                if entry.source == ConfigSource::DynamicTopic {
                    state.overridden.insert(entry.name.clone());
                }
                state.settings.extend(entry.value.map(|value| (entry.name, value)));
            }
            topics.insert(name, state);
        }
        // rdkafka drops the error of a single topic and answers without settings, of which no topic has none.
        let shown =
            |topic: &str| topics.get(topic).is_some_and(|state: &TopicState| !state.settings.is_empty());
        if let Some(topic) = declared.into_iter().find(|topic| !shown(&topic.name)) {
            let what = format!("describing topic {}", topic.name);
            return Err(KafkaError::Refused { what, reason: "its settings are not shown".to_owned() });
        }
        Ok(Cluster { brokers, topics, acls: self.acls().await? })
    }

    /// Makes the cluster as declared, and waits until it shows. Returns what was done; nothing if nothing was to do.
    pub async fn apply(&self, manifest: &Manifest) -> Result<Plan, KafkaError> {
        let cluster = self.observe(manifest).await?;
        let to_do = plan(manifest, &cluster);
        if !to_do.refusals.is_empty() {
            return Err(KafkaError::Plan(to_do.refusals));
        }
        if to_do.steps.is_empty() {
            return Ok(to_do);
        }
        self.create_topics(&to_do.steps).await?;
        self.set(&to_do.steps, &cluster).await?;
        let acls = |wanted: fn(&Step) -> Option<&Acl>| {
            to_do.steps.iter().filter_map(wanted).cloned().collect::<Vec<_>>()
        };
        let granted = acls(|step| if let Step::Grant(acl) = step { Some(acl) } else { None });
        let revoked = acls(|step| if let Step::Revoke(acl) = step { Some(acl) } else { None });
        self.change_acls("grant access", granted, native::create).await?;
        self.change_acls("revoke access", revoked, native::delete).await?;
        self.settled(manifest, to_do.steps.len()).await?;
        Ok(to_do)
    }

    /// Controllers answer before brokers know; what reads the topics next must find them.
    async fn settled(&self, manifest: &Manifest, steps: usize) -> Result<(), KafkaError> {
        let begun = Instant::now();
        loop {
            let left = plan(manifest, &self.observe(manifest).await?);
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

    /// Brokers, and partitions and replicas by topic.
    async fn topics(&self) -> Result<(u32, BTreeMap<String, (u32, u32)>), KafkaError> {
        let (client, timeout) = (Arc::clone(&self.client), self.timeout);
        let metadata = tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, timeout))
            .await
            .map_err(|_| KafkaError::Abandoned)?
            .map_err(|source| self.failed("describe itself", source))?;
        let topics = metadata.topics().iter().map(|topic| {
            let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0);
            (topic.name().to_owned(), (count(topic.partitions().len()), count(replicas)))
        });
        Ok((count(metadata.brokers().len()), topics.collect()))
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
        for answer in answers.map_err(|source| self.failed("create topics", source))? {
            match answer {
                Err((name, code)) if !KafkaError::is_existing_topic(code) => {
                    let what = format!("creating topic {name}");
                    return Err(KafkaError::Refused { what, reason: code.to_string() });
                }
                _ => {} // created, or somebody else just did; the settings are looked at once more
            }
        }
        Ok(())
    }

    /// Kafka's call replaces all settings of a topic, so the ones that are not ours go along unchanged.
    async fn set(&self, steps: &[Step], cluster: &Cluster) -> Result<(), KafkaError> {
        let mut wanted: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for step in steps {
            if let Step::Set { topic, setting, to, .. } = step {
                wanted.entry(topic).or_default().insert(setting, to);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        for (topic, settings) in &mut wanted {
            let found = &cluster.topics[*topic];
            for name in &found.overridden {
                settings.entry(name).or_insert(&found.settings[name]);
            }
        }
        let alterations: Vec<_> = wanted
            .iter()
            .map(|(topic, settings)| {
                let alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
                settings.iter().fold(alter, |alter, (setting, value)| alter.set(setting, value))
            })
            .collect();
        let answers = self.client.alter_configs(&alterations, &self.options()).await;
        for answer in answers.map_err(|source| self.failed("change topics", source))? {
            if let Err((resource, code)) = answer {
                let what = format!("changing {resource:?}");
                return Err(KafkaError::Refused { what, reason: code.to_string() });
            }
        }
        Ok(())
    }

    async fn acls(&self) -> Result<BTreeSet<Acl>, KafkaError> {
        let acls = self.native("list its access rules", native::list).await?;
        Ok(acls.into_iter().collect())
    }

    async fn change_acls(&self, action: &str, acls: Vec<Acl>, change: Change) -> Result<(), KafkaError> {
        if acls.is_empty() {
            return Ok(());
        }
        self.native(action, move |client, timeout| change(client, timeout, &acls)).await
    }

    /// A blocking call, on a thread that may block.
    async fn native<T: Send + 'static>(
        &self,
        action: &str,
        call: impl FnOnce(&Client, Duration) -> Result<T, native::Failure> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let (client, timeout) = (Arc::clone(&self.client), self.timeout);
        let outcome = tokio::task::spawn_blocking(move || call(&client, timeout)).await;
        outcome.map_err(|_| KafkaError::Abandoned)?.map_err(|failure| match failure {
            native::Failure::Request(source) => self.failed(action, source),
            native::Failure::Refused { what, reason } => KafkaError::Refused { what, reason },
        })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    fn failed(&self, action: &str, source: ClientError) -> KafkaError {
        let cause = native::complaint(&self.client);
        KafkaError::Cluster {
            bootstrap: self.bootstrap.clone(),
            action: action.to_owned(),
            cause,
            source: Box::new(source),
        }
    }
}

impl fmt::Debug for KafkaAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaAdmin").field(&self.bootstrap).finish()
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
