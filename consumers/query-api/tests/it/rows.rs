use reqwest::StatusCode;
use uuid::Uuid;

use crate::fixture::{World, Written, answer};

fn row(version: i64) -> Written {
    Written {
        id: Uuid::from_u128(7),
        version,
        status: "running",
        repository: "r".to_owned(),
        ..Written::default()
    }
}

const PATH: &str = "/v1/views/executions/00000000-0000-0000-0000-000000000007";

#[tokio::test]
async fn what_is_known_is_not_sent_again_and_what_was_mended_is() {
    let world = World::new().await;
    world.write("acme", &row(3)).await;
    let first = world.get(PATH).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!((&first.json()["version"], &first.json()["row"]["status"]), (&3.into(), &"running".into()));
    let again = answer(world.request("acme", PATH).header("if-none-match", &tag)).await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    world.write("acme", &row(4)).await;
    let changed = answer(world.request("acme", PATH).header("if-none-match", &tag)).await;
    assert_eq!((changed.status, &changed.json()["version"]), (StatusCode::OK, &4.into()));
    // The same version, made anew with other content.
    let tag = changed.header("etag").unwrap().to_owned();
    sqlx::query("update execution set steps = steps + 1").execute(&world.writer).await.unwrap();
    let mended = answer(world.request("acme", PATH).header("if-none-match", &tag)).await;
    assert_eq!((mended.status, &mended.json()["version"]), (StatusCode::OK, &4.into()));

    let page = world.get("/v1/views/executions").await;
    let tag = page.header("etag").unwrap();
    let again = answer(world.request("acme", "/v1/views/executions").header("if-none-match", tag)).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    world.write("acme", &row(5)).await;
    let changed = answer(world.request("acme", "/v1/views/executions").header("if-none-match", tag)).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn a_row_that_was_deleted_or_is_another_tenants_answers_like_one_that_never_was() {
    let world = World::new().await;
    world.write("globex", &row(3)).await;
    let foreign = world.get(PATH).await;
    let unknown = world.get("/v1/views/executions/00000000-0000-0000-0000-000000000008").await;
    world.write("acme", &Written { is_deleted: true, ..row(9) }).await;
    let deleted = world.get(PATH).await;
    for answer in [&foreign, &unknown, &deleted] {
        assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::NOT_FOUND, "not-found"));
    }
    let without_id = |body: &serde_json::Value| {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove("correlation_id");
        body
    };
    assert_eq!(without_id(&foreign.json()), without_id(&unknown.json()));
    assert!(world.get("/v1/views/executions").await.rows().is_empty());
    let globex = answer(world.request("globex", "/v1/views/executions")).await;
    assert_eq!(globex.rows().len(), 1);
}

#[tokio::test]
async fn a_tenants_name_is_never_more_than_a_name() {
    let world = World::new().await;
    world.write("acme", &row(3)).await;
    for tenant in ["acme.", "ACME", "acme-", "a"] {
        let Ok(_) = tenant.parse::<events::TenantId>() else { continue };
        assert!(answer(world.request(tenant, "/v1/views/executions")).await.rows().is_empty(), "{tenant}");
    }
}

#[tokio::test]
async fn nobody_reads_without_a_token_and_what_is_not_there_is_named() {
    let world = World::new().await;
    for path in ["/v1/views", "/v1/views/executions", PATH, "/v1/views/executions/boards/cost"] {
        let answer = answer(world.bare(path)).await;
        assert_eq!(
            (answer.status, answer.problem().0.as_str()),
            (StatusCode::UNAUTHORIZED, "unauthenticated"),
            "{path}"
        );
    }
    for path in [
        "/v1/views/nothing",
        "/v1/views/nothing/00000000-0000-0000-0000-000000000007",
        "/v1/views/totals/00000000-0000-0000-0000-000000000007",
        "/v1/views/executions/boards/cost",
        "/v1/nothing",
    ] {
        assert_eq!(world.get(path).await.problem().0, "not-found", "{path}");
    }
    let no_id = world.get("/v1/views/executions/7").await;
    assert_eq!(no_id.problem(), ("invalid-parameter".to_owned(), Some("id".to_owned())));
}

#[tokio::test]
async fn connections_that_the_server_ended_are_not_noticed_by_who_asks() {
    let world = World::new().await;
    world.write("acme", &row(3)).await;
    assert_eq!(world.get(PATH).await.status, StatusCode::OK);
    let ended: i64 = sqlx::query_scalar(
        "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity \
         where datname = current_database() and usename = 'dashboard'",
    )
    .fetch_one(&sqlx::PgPool::connect(&world.database.url("postgres")).await.unwrap())
    .await
    .unwrap();
    assert!(ended >= 1);
    for path in [PATH, "/v1/views/executions"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
}
