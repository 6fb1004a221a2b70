//! A projection of one's own: the program of "Write an event" and "Write a projection" in the README, from its first event to the
//! proof.

use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::{OwnStack, PATIENCE, Program, Role, World, eventually};

/// What the README has in the directory of the program.
const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tickets/schemas");

/// The titles that a reader sees of a tenant in a table.
async fn titles(reader: &mut PgConnection, table: &str, tenant: &str) -> Vec<String> {
    let mut reading = reader.begin().await.unwrap();
    let told = sqlx::query("select set_config('millrace.tenant', $1, true)").bind(tenant);
    told.execute(&mut *reading).await.unwrap();
    let titles = format!("select title from {table} where deleted_at is null order by title");
    let titles = sqlx::query_scalar(AssertSqlSafe(titles)).fetch_all(&mut *reading).await.unwrap();
    reading.commit().await.unwrap();
    titles
}

/// Opens a ticket as the README does; answers its id.
async fn open(world: &World, title: &str) -> String {
    let mut command = world.program.command(&["open", title]);
    let output = command.envs(world.env().iter()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_projection_of_ones_own_is_seen_parked_discarded_rebuilt_and_proved() {
    assert!(Path::new(SCHEMAS).is_dir());
    let own = OwnStack::raised_by(Program::tickets, "tickets").await;
    let (world, program) = (&own.world, &own.world.program);
    program.done(&["schema", "lint", "--from", SCHEMAS]).await;
    program.done(&["schema", "publish", "--from", SCHEMAS]).await;
    let projector = Role::start(world, "projector", &[]);
    let relay = Role::relay(world);
    let mut dashboard = world.postgres("MILLRACE_VIEWS_DASHBOARD_URL").await;

    open(world, "the build is red").await;
    eventually("the row is there", PATIENCE, async || {
        titles(&mut dashboard, "ticket", "acme").await.len() == 1
    })
    .await;
    assert_eq!(titles(&mut dashboard, "ticket", "acme").await, ["the build is red"]);
    assert!(titles(&mut dashboard, "ticket", "globex").await.is_empty(), "it is not theirs");
    let written = sqlx::query("update ticket set title = 'mine'").execute(&mut dashboard).await.unwrap_err();
    assert!(written.to_string().contains("permission denied"), "{written}");

    // Analysts do not read what is personal.
    let mut analyst = world.postgres("MILLRACE_VIEWS_ANALYST_URL").await;
    let refused = sqlx::query("select title from ticket").execute(&mut analyst).await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    assert_eq!(titles(&mut analyst, "ticket_masked", "acme").await, ["[masked]"]);

    let queries = Role::ready(world, "query-api", &[("MILLRACE_QUERY_ADDRESS", "127.0.0.1:0")]).await;
    let token = program.done(&["token", "--tenant", "acme"]).await;
    let address = queries.address("views are shown").unwrap();
    let client = Client::new();
    let first = async || -> Value {
        let rows = client.get(format!("http://{address}/v1/views/tickets")).bearer_auth(token.trim());
        rows.send().await.unwrap().json::<Value>().await.unwrap()["rows"][0].clone()
    };
    let row = first().await;
    assert_eq!((&row["title"], &row["version"]), (&json!("the build is red"), &json!(1)));

    let untitled = open(world, "").await;
    let list = ["parked", "list", "tickets-postgres", "--json"];
    eventually("it is parked", PATIENCE, async || {
        program.run(&list).await.lines().iter().any(|it| it["key"] == *untitled && it["reason"] == "refused")
    })
    .await;
    let copies = ["topics", "read", "tickets-postgres.dlq", "--last", "1"];
    eventually("it is copied", PATIENCE, async || program.run(&copies).await.stdout.contains(&untitled))
        .await;
    let discard =
        ["parked", "discard", "tickets-postgres", &untitled, "--reason", "nobody knows what it is about"];
    program.done(&discard).await;
    eventually("nothing is parked", PATIENCE, async || program.run(&list).await.lines().is_empty()).await;

    // Tables that are defined otherwise by now are made anew.
    let mut owner = world.postgres("MILLRACE_VIEWS_OWNER_URL").await;
    program.done(&["projections", "rebuild", "tickets-postgres", "--no-switch"]).await;
    sqlx::query("update projection_rebuild set definition = 'other'").execute(&mut owner).await.unwrap();
    let made = program.done(&["projections", "rebuild", "tickets-postgres"]).await;
    assert!(made.contains("from 2 events"), "{made}");
    assert_eq!(titles(&mut dashboard, "ticket", "acme").await, ["the build is red"]);
    assert_eq!(titles(&mut analyst, "ticket_masked", "acme").await, ["[masked]"]);
    projector.kill().await;
    let again = Role::start(world, "projector", &[]);
    open(world, "the door squeaks").await;
    eventually("it goes on", PATIENCE, async || titles(&mut dashboard, "ticket", "acme").await.len() == 2)
        .await;
    again.stop().await;
    relay.stop().await;
    world.assert_proved().await;

    // As an edition with another column does.
    for sql in [
        "alter table ticket add letters integer",
        "update projection_edition set made_at = clock_timestamp()",
    ] {
        sqlx::query(sql).execute(&mut owner).await.unwrap();
    }
    eventually("the column is shown", PATIENCE, async || first().await.get("letters").is_some()).await;
    sqlx::query("update projection_edition set edition = 2").execute(&mut owner).await.unwrap();
    let verified = program.run(&["verify", "--full"]).await;
    assert!(verified.stderr.contains("are of edition 2, and this program makes edition 1"), "{verified:?}");
    queries.stop().await;
}
