//! Observing a cluster, and changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

use super::native::{self, Client};
use super::{KafkaAdminConfig, KafkaError};
use crate::{Cluster, Manifest, Passwords, Permits, Plan, PlanFile, TopicState, plan};

/// A handle on a cluster; clones share one client.
#[derive(Clone)]
pub struct KafkaAdmin {
    pub(super) client: Arc<Client>,
    pub(super) config: ClientConfig,
    pub(super) timeout: Duration,
    pub(super) bootstrap: String,
    pub(super) configs_program: Option<PathBuf>,
    cluster_id: Option<String>,
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
        Ok(Self {
            client: Arc::new(client),
            config: config.client(),
            timeout: config.timeout(),
            bootstrap,
            configs_program: config.kafka_configs.clone(),
            cluster_id: config.cluster_id.clone(),
        })
    }

    /// What the cluster has now of what the manifest names, all access rules, and who has a password; quotas where the
    /// manifest declares some.
    pub async fn observe(&self, manifest: &Manifest) -> Result<Cluster, KafkaError> {
        let names = manifest.topics.iter().map(|topic| &topic.name);
        let names: BTreeSet<_> = names.chain(manifest.retired.iter().map(|retired| &retired.name)).collect();
        let mut cluster = self.observe_topics(|name| names.contains(&name.to_owned())).await?;
        if manifest.users.iter().any(|user| user.quotas.is_some()) {
            cluster.quotas = self.quotas().await?;
        }
        Ok(cluster)
    }

    /// What the cluster has now of topics whose names begin so, but for Kafka's own; all access rules, and who has a
    /// password.
    pub async fn observe_prefix(&self, prefix: &str) -> Result<Cluster, KafkaError> {
        self.observe_topics(|name| name.starts_with(prefix) && !KAFKAS_OWN.contains(&name)).await
    }

    async fn observe_topics(&self, wanted: impl Fn(&str) -> bool) -> Result<Cluster, KafkaError> {
        let id = self.native("tell its id", native::cluster_id).await?;
        if let Some(expected) = self.cluster_id.as_ref().filter(|expected| **expected != id) {
            let (bootstrap, expected) = (self.bootstrap.clone(), expected.clone());
            return Err(KafkaError::WrongCluster { bootstrap, expected, found: id });
        }
        // A topic that is being deleted may be listed for a moment when its settings are gone.
        const LOOKS_MAX: usize = 10;
        const LOOK_EVERY: Duration = Duration::from_millis(100);
        let mut looks = 1;
        let (brokers, topics) = loop {
            let (brokers, mut counts) = self.topics().await?;
            counts.retain(|name, _| wanted(name));
            match self.describe(&counts).await {
                Err(KafkaError::Refused { .. }) if looks < LOOKS_MAX => looks += 1,
                described => break (brokers, described?),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let acls = self.native("list its access rules", native::acls::list).await?.into_iter().collect();
        let users = self.native("list its users", native::users::list).await?;
        Ok(Cluster { id, brokers, topics, acls, users, quotas: BTreeMap::new() })
    }

    /// Topics of which the partitions and replicas are known, with their settings.
    async fn describe(
        &self,
        counts: &BTreeMap<String, (u32, u32)>,
    ) -> Result<BTreeMap<String, TopicState>, KafkaError> {
        let resources: Vec<_> = counts.keys().map(|name| ResourceSpecifier::Topic(name)).collect();
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
            let values = resource.entries.into_iter().filter_map(|it| Some((it.name, it.value?)));
            state.settings.extend(values);
            topics.insert(name, state);
        }
        // rdkafka drops the error of a single topic and answers without settings, of which no topic has none.
        let shown =
            |topic: &str| topics.get(topic).is_some_and(|state: &TopicState| !state.settings.is_empty());
        if let Some(topic) = counts.keys().find(|topic| !shown(topic)) {
            let what = format!("describing topic {topic}");
            return Err(KafkaError::Refused { what, reason: "its settings are not shown".to_owned() });
        }
        Ok(topics)
    }

    /// Makes the cluster as declared, and waits until it shows. Returns what was done; nothing if nothing was to do.
    pub async fn apply(
        &self,
        manifest: &Manifest,
        permits: &Permits,
        passwords: &Passwords,
    ) -> Result<Plan, KafkaError> {
        let cluster = self.observe(manifest).await?;
        let to_do = plan(manifest, &cluster, permits);
        self.carry_out(manifest, to_do, permits, passwords).await
    }

    /// As [`KafkaAdmin::apply`], but exactly what a plan file says, and only while all that it stands on is as it was.
    pub async fn apply_file(
        &self,
        manifest: &Manifest,
        file: &PlanFile,
        passwords: &Passwords,
    ) -> Result<Plan, KafkaError> {
        let cluster = self.observe(manifest).await?;
        let to_do = file.confirm(manifest, &cluster)?;
        self.carry_out(manifest, to_do, file.permits(), passwords).await
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

    /// A blocking call, on a thread that may block.
    pub(super) async fn native<T: Send + 'static>(
        &self,
        action: &str,
        call: impl FnOnce(&Client, Duration) -> Result<T, native::Failure> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let (client, timeout) = (Arc::clone(&self.client), self.timeout);
        let outcome = tokio::task::spawn_blocking(move || call(&client, timeout)).await;
        outcome.map_err(|_| KafkaError::Abandoned)?.map_err(|failure| match failure {
            native::Failure::Request(ClientError::AdminOp(code)) if NOT_ALLOWED.contains(&code) => {
                KafkaError::Refused { what: format!("the request to {action}"), reason: code.to_string() }
            }
            native::Failure::Request(source) => self.failed(action, source),
            native::Failure::Refused { what, reason } => KafkaError::Refused { what, reason },
        })
    }

    pub(super) fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    pub(super) fn failed(&self, action: &str, source: ClientError) -> KafkaError {
        let cause = native::complaint(&self.client);
        KafkaError::Cluster {
            bootstrap: self.bootstrap.clone(),
            action: action.to_owned(),
            cause,
            source: Box::new(source),
        }
    }
}

/// Answers, not failures: asking once more helps nobody.
const NOT_ALLOWED: [RDKafkaErrorCode; 2] =
    [RDKafkaErrorCode::ClusterAuthorizationFailed, RDKafkaErrorCode::TopicAuthorizationFailed];

/// Topics that nobody declares.
const KAFKAS_OWN: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__remote_log_metadata"];

impl fmt::Debug for KafkaAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KafkaAdmin").field(&self.bootstrap).finish()
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
