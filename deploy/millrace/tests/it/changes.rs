//! Streams of what changes, followed through crashes, redrives and rebuilds: whoever comes back with its last id misses nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::harness::{
    Agent, PATIENCE, Role, Runs, World, eventually, finish, import, new_event_id, sample, tenant,
};

const NAME: &str = "executions-postgres";
const VIEWS: [&str; 2] = ["executions", "live-executions"];

/// The query API, wherever it listens by now.
struct Queries {
    role: Role,
    client: Client,
    token: String,
    url: Arc<Mutex<String>>,
}

/// What a client has heard of a view.
#[derive(Debug, Default, Clone)]
struct Heard {
    last_id: Option<String>,
    versions: BTreeMap<Uuid, u64>,
    resets: Vec<String>,
    connections: usize,
}

struct Follower {
    heard: Arc<Mutex<Heard>>,
    _task: AbortOnDropHandle<()>,
}

impl Queries {
    async fn start(world: &World, tenant: &str) -> Self {
        let token = world.program.done(&["token", "--tenant", tenant, "--actor", "tester"]).await;
        let role = Self::role(world).await;
        let url = Arc::new(Mutex::new(format!("http://{}", role.address("views are shown").unwrap())));
        Self { role, client: Client::new(), token: token.trim().to_owned(), url }
    }

    async fn role(world: &World) -> Role {
        Role::ready(world, "query-api", &[("MILLRACE_QUERY_ADDRESS", "127.0.0.1:0")]).await
    }

    async fn kill_and_start(&mut self, world: &World) {
        let next = Self::role(world).await;
        *self.url.lock().unwrap() = format!("http://{}", next.address("views are shown").unwrap());
        std::mem::replace(&mut self.role, next).kill().await;
    }

    /// Follows a view for ever, from one connection to the next.
    fn follow(&self, view: &str) -> Follower {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (client, token, url, view) =
            (self.client.clone(), self.token.clone(), Arc::clone(&self.url), view.to_owned());
        let told = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            loop {
                let address = url.lock().unwrap().clone();
                let mut request =
                    client.get(format!("{address}/v1/views/{view}/changes")).bearer_auth(&token);
                if let Some(id) = &told.lock().unwrap().last_id {
                    request = request.header("last-event-id", id);
                }
                if let Ok(response) = request.send().await
                    && response.status().is_success()
                {
                    told.lock().unwrap().connections += 1;
                    listen(response, &told).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Follower { heard, _task: AbortOnDropHandle::new(task) }
    }

    /// The version of every row of a view in Postgres.
    async fn versions(&self) -> BTreeMap<Uuid, u64> {
        let url = self.url.lock().unwrap().clone();
        let request =
            self.client.get(format!("{url}/v1/views/executions?limit=1000&fields=aggregate_id,version"));
        let page: Value = request.bearer_auth(&self.token).send().await.unwrap().json().await.unwrap();
        let row = |row: &Value| {
            (row["aggregate_id"].as_str().unwrap().parse().unwrap(), row["version"].as_u64().unwrap())
        };
        page["rows"].as_array().unwrap().iter().map(row).collect()
    }
}

/// Takes in what a connection has to say, until it ends.
async fn listen(mut response: reqwest::Response, told: &Mutex<Heard>) {
    let mut unread = String::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        unread.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((event, rest)) = unread.split_once("\n\n") {
            let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data: Value = line("data: ").map_or(Value::Null, |data| serde_json::from_str(data).unwrap());
            let mut heard = told.lock().unwrap();
            if let Some(version) = data["version"].as_u64() {
                let known = heard.versions.entry(data["id"].as_str().unwrap().parse().unwrap()).or_default();
                assert!(*known <= version, "{event} after version {known}");
                *known = version;
            }
            heard.resets.extend(data["reason"].as_str().map(str::to_owned));
            heard.last_id = line("id: ").map(str::to_owned).or(heard.last_id.take());
            drop(heard);
            unread = rest.to_owned();
        }
    }
}

impl Follower {
    fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    async fn begins(&self) {
        eventually("the stream begins", PATIENCE, async || self.heard().last_id.is_some()).await;
    }
}

#[tokio::test]
async fn whatever_is_killed_a_client_that_comes_back_misses_no_change() {
    let (world, tenant) = (World::shared(), tenant("changes"));
    let mut projector = Role::projector(&world).await;
    let mut queries = Queries::start(&world, tenant.as_str()).await;
    let followers = VIEWS.map(|view| queries.follow(view));
    for follower in &followers {
        follower.begins().await;
    }
    // Each of the parts is sure to bring news to whoever has heard of all the parts before it.
    let parts: Vec<_> = sample(60).chunks(20).map(Runs::of).collect();
    let mut importing = Vec::new();
    for runs in &parts {
        let heard_of = followers[0].heard().versions.len();
        importing.push(world.program.start(&import(runs, &tenant)));
        eventually("changes are heard of", PATIENCE, async || {
            followers.iter().all(|it| it.heard().versions.len() > heard_of)
        })
        .await;
        projector.kill().await;
        projector = Role::projector(&world).await;
    }
    queries.kill_and_start(&world).await;
    for (importing, runs) in importing.into_iter().zip(&parts) {
        assert!(finish(importing, &import(runs, &tenant)).await.code == 0);
    }
    world.drained(&tenant).await;
    let expected = queries.versions().await;
    assert_eq!(expected.len(), 60);
    for (follower, view) in followers.iter().zip(VIEWS) {
        eventually(view, PATIENCE, async || follower.heard().versions == expected).await;
        eventually("it came back", PATIENCE, async || follower.heard().connections >= 2).await;
        assert_eq!(follower.heard().resets, [] as [&str; 0]);
    }
    projector.stop().await;
    queries.role.stop().await;
}

#[tokio::test]
async fn a_redrive_is_heard_of_and_a_rebuild_and_a_way_back_are_a_reset() {
    let (world, tenant, refused) = (World::shared(), tenant("heard"), new_event_id());
    let id = refused.to_string();
    let refusing = Role::projector_with(&world, &[("MILLRACE_REFUSE_EVENTS", &id)]).await;
    let queries = Queries::start(&world, tenant.as_str()).await;
    let followers = VIEWS.map(|view| queries.follow(view));
    for follower in &followers {
        follower.begins().await;
    }
    let mut agent = Agent::started(&world, &tenant).await;
    for event in [new_event_id(), refused] {
        agent.call(event).await;
    }
    let aggregate = agent.aggregate().0;
    let at = async |version: u64| {
        eventually("the version is heard of", PATIENCE, async || {
            followers.iter().all(|it| it.heard().versions.get(&aggregate) == Some(&version))
        })
        .await;
    };
    world.parked_but_drained(1, &tenant).await;
    at(2).await;
    refusing.stop().await;
    let projector = Role::projector(&world).await;
    let key = agent.aggregate().to_string();
    for projection in [NAME, "executions-redis"] {
        world.program.done(&["parked", "redrive", projection, &key, "--wait"]).await;
    }
    at(3).await;

    let resets = async |expected: &[&str]| {
        eventually("the reset is heard of", PATIENCE, async || followers[0].heard().resets == expected).await;
    };
    world.program.done(&["projections", "rebuild", NAME]).await;
    resets(&["the view was rebuilt"]).await;
    eventually("its streams end with the edition", PATIENCE, async || followers[0].heard().connections > 1)
        .await;
    agent.call(new_event_id()).await;
    at(4).await;
    world.program.done(&["projections", "go-back", NAME]).await;
    resets(&["the view was rebuilt", "the view went back to an earlier edition"]).await;
    agent.call(new_event_id()).await;
    at(5).await;
    assert!(followers[1].heard().resets.is_empty(), "views in Redis are not rebuilt");
    world.drained(&tenant).await;
    world.assert_proved().await;
    projector.stop().await;
    queries.role.stop().await;
}
