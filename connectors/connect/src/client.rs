//! Connect's REST interface.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{Config, Connector, Error, FieldErrors, Offsets, Plan, Status};

/// Validation connects to the database, which may take a while; Connect itself gives up after 90 s.
const ANSWER_MAX: Duration = Duration::from_secs(100);
/// Between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a worker that is busy rebalancing (409) is asked again.
const BUSY_MAX: Duration = Duration::from_secs(30);

/// A Connect worker.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// A connector is as its file says, and runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What was changed.
    pub plan: Plan,
    /// What was true at the end.
    pub status: Status,
    /// How long it took to run.
    pub waited: Duration,
}

/// What Connect finds in a connector's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Settings with mistakes. None: it could be applied.
    pub mistakes: Vec<FieldErrors>,
    /// The settings that the plugin, its converters and its transforms have.
    pub known: BTreeSet<String>,
}

#[derive(Deserialize)]
struct ValidationAnswer {
    configs: Vec<ValidatedField>,
}

#[derive(Deserialize)]
struct ValidatedField {
    /// What the plugin says the setting is; nothing where it has none of that name.
    definition: Option<IgnoredAny>,
    value: ValidatedValue,
}

#[derive(Deserialize)]
struct ValidatedValue {
    name: String,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Client {
    /// A client of the worker at that URL.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(ANSWER_MAX)
            .no_proxy() // Connect is a neighbour
            .build()
            .map_err(Error::Client)?;
        Ok(Self { http, url: config.connect_url.trim_end_matches('/').to_owned() })
    }

    /// Lets Connect look for mistakes without changing anything; the connector's own checks run too, so a Debezium
    /// connector tries its database.
    pub async fn validate(&self, connector: &Connector) -> Result<Validation, Error> {
        let what = format!("validate connector {}", connector.name);
        let class = connector.settings.get("connector.class").map_or("", String::as_str);
        let mut settings = connector.settings.clone();
        settings.insert("name".to_owned(), connector.name.clone());
        // Connect finds a plugin by its simple name.
        let plugin = class.rsplit('.').next().unwrap_or_default();
        let path = format!("/connector-plugins/{plugin}/config/validate");
        let found: ValidationAnswer =
            self.ask(&what, || self.request(Method::PUT, &path).json(&settings)).await?;
        let known = found.configs.iter().filter(|field| field.definition.is_some());
        let known = known.map(|field| field.value.name.clone()).collect();
        let with_errors = |field: ValidatedField| {
            let ValidatedValue { name: field, errors } = field.value;
            (!errors.is_empty()).then_some(FieldErrors { field, errors })
        };
        Ok(Validation { mistakes: found.configs.into_iter().filter_map(with_errors).collect(), known })
    }

    /// What [`Self::apply`] would change.
    pub async fn plan(&self, connector: &Connector) -> Result<Plan, Error> {
        let what = format!("show connector {}", connector.name);
        let path = format!("/connectors/{}/config", connector.name);
        let live: Option<BTreeMap<String, String>> =
            found(self.ask(&what, || self.request(Method::GET, &path)).await)?;
        Ok(Plan::between(live.as_ref(), connector))
    }

    /// Makes the connector be as its file says, and running: validates, changes only what differs, resumes it if an
    /// operator held it, starts failed parts anew once, and waits until connector and tasks run and `ready` says yes
    /// (for the outbox: the replication slot is active). Gives up after `bound`.
    pub async fn apply<E>(
        &self,
        connector: &Connector,
        bound: Duration,
        mut ready: impl AsyncFnMut() -> Result<bool, E>,
    ) -> Result<Applied, Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let name = &connector.name;
        let Validation { mistakes: fields, known } = self.validate(connector).await?;
        if !fields.is_empty() {
            return Err(Error::Invalid { name: name.clone(), fields });
        }
        let findings = crate::unknown(connector, &known);
        if !findings.is_empty() {
            return Err(Error::Unknown { name: name.clone(), findings });
        }
        let plan = self.plan(connector).await?;
        let before = self.status(name).await?;
        if !plan.is_empty() {
            let (what, path) = (format!("change connector {name}"), format!("/connectors/{name}/config"));
            self.ask::<serde_json::Value>(&what, || {
                self.request(Method::PUT, &path).json(&connector.settings)
            })
            .await?;
        } else if before.as_ref().is_some_and(|status| status.failure().is_some()) {
            self.restart(name).await?;
        }
        if before.is_some_and(|status| status.is_held()) {
            self.resume(name).await?;
        }

        let (begun, mut seen) = (Instant::now(), String::new());
        while begun.elapsed() < bound {
            let status = self.status(name).await?;
            seen = status.as_ref().map_or("Connect does not show it yet".to_owned(), Status::to_string);
            let failure = status.as_ref().and_then(Status::failure);
            if let Some(status) = status.filter(Status::is_running) {
                if ready().await.map_err(|e| Error::Ready { name: name.clone(), source: e.into() })? {
                    return Ok(Applied { plan, status, waited: begun.elapsed() });
                }
                seen.push_str(", but what it needs to be ready is missing");
            }
            // A status from before the change may still be shown for a moment, hence not at once.
            if let Some(reason) = failure.filter(|_| begun.elapsed() > bound / 4) {
                return Err(Error::Failed { name: name.clone(), reason });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Error::NotRunning { name: name.clone(), waited: begun.elapsed(), seen })
    }

    /// What the connector is doing; `None`: there is none of that name.
    pub async fn status(&self, name: &str) -> Result<Option<Status>, Error> {
        let path = format!("/connectors/{name}/status");
        found(
            self.ask(&format!("tell the status of connector {name}"), || self.request(Method::GET, &path))
                .await,
        )
    }

    /// The names of all connectors.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        self.ask("list its connectors", || self.request(Method::GET, "/connectors")).await
    }

    /// Holds the connector's tasks; they keep their connections.
    pub async fn pause(&self, name: &str) -> Result<(), Error> {
        self.tell(Method::PUT, name, "pause").await
    }

    /// Shuts the connector's tasks down; its place in the log is kept.
    pub async fn stop(&self, name: &str) -> Result<(), Error> {
        self.tell(Method::PUT, name, "stop").await
    }

    /// Lets a held connector go on.
    pub async fn resume(&self, name: &str) -> Result<(), Error> {
        self.tell(Method::PUT, name, "resume").await
    }

    /// Starts the failed ones of the connector and its tasks anew.
    pub async fn restart(&self, name: &str) -> Result<(), Error> {
        self.tell(Method::POST, name, "restart?includeTasks=true&onlyFailed=true").await
    }

    /// Starts the connector and all of its tasks anew, those that say that they run among them.
    pub async fn restart_all(&self, name: &str) -> Result<(), Error> {
        self.tell(Method::POST, name, "restart?includeTasks=true&onlyFailed=false").await
    }

    /// Up to where in the log the connector has delivered; `None`: there is no connector of that name.
    pub async fn offsets(&self, name: &str) -> Result<Option<Offsets>, Error> {
        let path = format!("/connectors/{name}/offsets");
        found(
            self.ask(&format!("tell the offsets of connector {name}"), || self.request(Method::GET, &path))
                .await,
        )
    }

    /// Forgets a stopped connector's place in the log: it goes on where its slot begins. Debezium refuses to go on with a new
    /// slot from a place before it; and on another server a place means something else, so that events below it would be
    /// passed over.
    pub async fn forget_offsets(&self, name: &str) -> Result<(), Error> {
        let path = format!("/connectors/{name}/offsets");
        let what = format!("forget the offsets of connector {name}");
        self.send(&what, || self.request(Method::DELETE, &path)).await.map(drop)
    }

    /// Changes a stopped connector's place in the log. Whatever lies between the two is not sent.
    pub async fn set_offsets(&self, name: &str, offsets: &Offsets) -> Result<(), Error> {
        let path = format!("/connectors/{name}/offsets");
        let what = format!("change the offsets of connector {name}");
        self.send(&what, || self.request(Method::PATCH, &path).json(offsets)).await.map(drop)
    }

    /// Removes the connector. Its place in the log is kept by Connect under its name, and by the slot.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let path = format!("/connectors/{name}");
        self.send(&format!("delete connector {name}"), || self.request(Method::DELETE, &path)).await.map(drop)
    }

    async fn tell(&self, method: Method, name: &str, order: &str) -> Result<(), Error> {
        let path = format!("/connectors/{name}/{order}");
        let what = format!("{} connector {name}", order.split('?').next().unwrap_or(order));
        self.send(&what, || self.request(method.clone(), &path)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, Error> {
        let answer = self.send(what, request).await?;
        answer.json().await.map_err(|source| self.unreachable(what, source))
    }

    /// Sends a request, again while the worker is rebalancing.
    async fn send(
        &self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<reqwest::Response, Error> {
        let begun = Instant::now();
        loop {
            let answer = request().send().await.map_err(|source| self.unreachable(what, source))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            let text = answer.text().await.unwrap_or_default();
            let message = serde_json::from_str(&text).map_or(text, |Message { message }| message);
            // Connect has two ways to say that it is rebalancing.
            let is_busy = status == StatusCode::CONFLICT || message.contains("rebalance");
            if !is_busy || begun.elapsed() > BUSY_MAX {
                return Err(Error::Refused { what: what.to_owned(), status: status.as_u16(), message });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn unreachable(&self, what: &str, source: reqwest::Error) -> Error {
        Error::Unreachable { url: self.url.clone(), what: what.to_owned(), source: source.without_url() }
    }
}

/// What Connect does not have is no failure.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(Error::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
