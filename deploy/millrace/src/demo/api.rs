//! The same over HTTP: agents in different roles drive one workflow through the command API.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use events::{DomainEvent, TenantId, WorkflowEvent};
use http_api::auth::{Grant, Role as Granted};
use local::Stack;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::World;
use crate::chain::end_of;
use crate::role::Role;

/// How long the API may take to answer for the first time, and its events to be published.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How often it is asked until then.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// The role `command-api` as a process of its own, and somebody who may use it.
struct CommandApi {
    role: Role,
    client: Client,
    url: String,
    token: String,
}

/// What came back.
struct Answer {
    status: StatusCode,
    is_repeated: bool,
    body: Value,
}

impl Answer {
    fn version(&self) -> anyhow::Result<u64> {
        let version = self.body["token"]["version"].as_u64();
        version.with_context(|| format!("the API answered {}: {}", self.status, self.body))
    }
}

impl CommandApi {
    async fn start(stack: &str, tenant: &TenantId) -> anyhow::Result<Self> {
        let lifetime = Duration::from_secs(600);
        let grant =
            Grant { tenant: tenant.clone(), actor: "demo".to_owned(), role: Granted::Writer, lifetime };
        let token = crate::token::issue(stack, &grant)?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
        let logs = Stack::open(stack)?.root().join("logs");
        let role = Role::start("command-api", &[], stack, &[("MILLRACE_API_ADDRESS", &free)], &logs)?;
        let mut api = Self { role, client: Client::new(), url: format!("http://{free}"), token };
        tokio::time::timeout(WAIT_MAX, api.answers()).await.context("the command API does not start")??;
        Ok(api)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        while self.client.get(format!("{}/openapi.json", self.url)).send().await.is_err() {
            self.role.check()?;
            tokio::time::sleep(ASKED_EVERY).await;
        }
        Ok(())
    }

    fn command(&self, workflow: Uuid, command: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}/v1/workflows/{workflow}/commands", self.url));
        request.bearer_auth(&self.token).json(command)
    }
}

async fn answer(request: RequestBuilder) -> anyhow::Result<Answer> {
    let answer = request.send().await.context("the command API does not answer")?;
    let is_repeated = answer.headers().contains_key("idempotency-replayed");
    Ok(Answer { status: answer.status(), is_repeated, body: answer.json().await? })
}

/// Drives a workflow from its goal to its outcome, and asks for two things that must not happen.
pub(crate) async fn run(world: &World, tenant: &TenantId) -> anyhow::Result<()> {
    let reader = Arc::new(world.chain_args.topics.reader()?);
    let end_before = end_of(&reader, WorkflowEvent::TOPIC).await?;
    let api = CommandApi::start(&world.stack, tenant).await?;
    println!(
        "  the role command-api answers at {}, with a token of `millrace token --tenant {tenant}`",
        api.url
    );
    let (workflow, [planner, coder, critic]) = (Uuid::now_v7(), [(); 3].map(|()| Uuid::now_v7()));
    let assign = |execution: Uuid, role: &str| json!({ "type": "AssignStep", "execution_id": execution, "role": role, "revision": 0 });
    let commands = [
        json!({ "type": "StartWorkflow", "kind": "CODING", "goal": "Accept trailing commas", "revision_limit": 2 }),
        assign(planner, "PLANNER"),
        json!({ "type": "DraftPlan", "execution_id": planner, "steps": 1, "plan": "1. Change the grammar." }),
        assign(coder, "CODER"),
        json!({ "type": "SubmitWork", "execution_id": coder, "revision": 0, "artifact": "commas.patch",
                "artifact_bytes": 1_204 }),
        assign(critic, "CRITIC"),
        json!({ "type": "ApproveWork", "execution_id": critic, "revision": 0, "remarks": "Small and tested." }),
    ];
    for (seen, command) in commands.iter().enumerate() {
        let request = api.command(workflow, command).header("if-match", format!("\"{seen}\""));
        let version = answer(request).await?.version()?;
        println!("  {:<13} {:<7} -> version {version}", text(&command["type"]), text(&command["role"]));
    }

    let complete = json!({ "type": "CompleteWorkflow", "outcome": "commas.patch" });
    let keyed = || api.command(workflow, &complete).header("idempotency-key", format!("complete-{workflow}"));
    let (first, again) = (answer(keyed()).await?, answer(keyed()).await?);
    ensure!(
        first.version()? == again.version()? && !first.is_repeated && again.is_repeated,
        "carried out twice"
    );
    println!(
        "  CompleteWorkflow, sent twice under one Idempotency-Key -> version {}, and version {} again: a repeated answer",
        first.version()?,
        again.version()?
    );

    let cancel = json!({ "type": "CancelWorkflow", "reason": "too late" });
    let refused = answer(api.command(workflow, &cancel).header("if-match", "\"6\"")).await?;
    let conflict = &refused.body["conflicts"][0];
    ensure!(refused.status == StatusCode::PRECONDITION_FAILED, "If-Match was overlooked: {}", refused.body);
    let since = conflict["events"].as_array().into_iter().flatten().map(|event| text(&event["event_type"]));
    println!(
        "  CancelWorkflow, If-Match: \"6\" -> {} {}: expected {}, actual {}; since then {}",
        refused.status.as_u16(),
        text(&refused.body["type"]),
        conflict["expected"],
        conflict["actual"],
        since.collect::<Vec<_>>().join(", ")
    );
    api.role.stop().await?;

    let published = async {
        while end_of(&reader, WorkflowEvent::TOPIC).await? - end_before < first.version()? {
            tokio::time::sleep(ASKED_EVERY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(WAIT_MAX, published)
        .await
        .context("the workflow's events do not reach their topic")??;
    println!("  {} has its {} events", WorkflowEvent::TOPIC, first.version()?);
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
