use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::fixture::{Answer, World, Written};

const STATES: [&str; 3] = ["running", "completed", "failed"];

/// Thirty rows, many of which are level in any column but their ids, and some without a verdict or an end.
fn rows() -> Vec<Written> {
    let row = |n: i64| Written {
        id: Uuid::from_u128(1000 - u128::from(n.unsigned_abs())),
        version: n + 1,
        status: STATES[usize::try_from(n % 3).unwrap()],
        repository: format!("r{}", n % 4),
        steps: n % 5,
        verdict: [None, Some("resolved"), Some("unresolved")][usize::try_from(n % 7 % 3).unwrap()],
        ended_at: [None, Some("2026-11-21T04:00:00.000001Z"), Some("2026-11-21T05:00:00Z")]
            [usize::try_from(n % 3).unwrap()],
        is_deleted: false,
    };
    (0..30).map(row).collect()
}

async fn filled() -> World {
    let world = World::new().await;
    for row in rows() {
        world.write("acme", &row).await;
    }
    world
}

/// All rows, page by page.
async fn walk(world: &World, query: &str) -> Vec<Value> {
    walk_on(world, query, String::new()).await
}

/// All rows after a cursor.
async fn walk_on(world: &World, query: &str, mut cursor: String) -> Vec<Value> {
    let mut found = vec![];
    for _ in 0..30 {
        let page = world.get(&format!("/v1/views/executions?{query}{cursor}")).await;
        let rows = page.rows();
        found.extend(rows);
        match page.json()["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("the pages of {query} do not end");
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["aggregate_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_pages_of_any_order_show_every_row_once_and_in_that_order() {
    let world = filled().await;
    for (sort, sql) in [
        ("", "aggregate_id"),
        ("-aggregate_id", "aggregate_id desc"),
        ("status", "status, aggregate_id"),
        ("verdict", "verdict nulls last, aggregate_id"),
        ("-verdict,steps", "verdict desc nulls last, steps, aggregate_id"),
        ("-ended_at,-steps,repository", "ended_at desc nulls last, steps desc, repository, aggregate_id"),
    ] {
        let order = format!("select aggregate_id::text from execution order by {sql}");
        let expected: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(order)).fetch_all(&world.writer).await.unwrap();
        for limit in [1, 7, 30, 50] {
            let query = format!("sort={sort}&limit={limit}");
            assert_eq!(ids(&walk(&world, &query).await), expected, "{query}");
        }
    }
}

#[tokio::test]
async fn rows_that_come_and_go_between_pages_move_no_other_row() {
    let world = filled().await;
    let first = world.get("/v1/views/executions?limit=10").await;
    let (seen, next) = (ids(&first.rows()), first.json()["next"].as_str().unwrap().to_owned());
    // One before the cursor goes, one before it comes.
    let gone = Written { id: seen[0].parse().unwrap(), version: 99, is_deleted: true, ..rows()[0].clone() };
    world.write("acme", &gone).await;
    world.write("acme", &Written { id: Uuid::from_u128(1), version: 1, ..rows()[0].clone() }).await;
    let rest = walk_on(&world, "limit=10", format!("&cursor={next}")).await;
    assert_eq!(rest.len(), 20);
    assert!(ids(&rest).iter().all(|id| !seen.contains(id)));
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let (world, all) = (filled().await, rows());
    let count = |is: &dyn Fn(&Written) -> bool| all.iter().filter(|row| is(row)).count();
    let expected: [(&str, usize); 13] = [
        ("status=running", count(&|it| it.status == "running")),
        ("status.ne=running", count(&|it| it.status != "running")),
        ("status.in=running,failed", count(&|it| it.status != "completed")),
        ("steps.lt=2", count(&|it| it.steps < 2)),
        ("steps.lte=2", count(&|it| it.steps <= 2)),
        ("steps.gt=2", count(&|it| it.steps > 2)),
        ("steps.gte=2&steps.lt=4", count(&|it| (2..4).contains(&it.steps))),
        ("verdict.null=true", count(&|it| it.verdict.is_none())),
        ("verdict.null=false&status=failed", count(&|it| it.verdict.is_some() && it.status == "failed")),
        (
            "ended_at=2026-11-21T04:00:00.000001Z",
            count(&|it| it.ended_at == Some("2026-11-21T04:00:00.000001Z")),
        ),
        ("ended_at.gt=2026-11-21T05:00:00%2B01:00", count(&|it| it.ended_at.is_some())),
        ("aggregate_id=00000000-0000-0000-0000-0000000003e8", 1),
        ("repository=it%27s%20none", 0),
    ];
    for (query, expected) in expected {
        assert_eq!(
            world.get(&format!("/v1/views/executions?{query}")).await.rows().len(),
            expected,
            "{query}"
        );
    }
    let shown = world.get("/v1/views/executions?fields=status,steps&limit=1").await.rows();
    assert_eq!(shown[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["status", "steps"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_the_parameter_named() {
    let world = filled().await;
    let next = |page: &Answer| page.json()["next"].as_str().unwrap().to_owned();
    let by_key = next(&world.get("/v1/views/executions?limit=1").await);
    let by_steps = next(&world.get("/v1/views/executions?limit=1&sort=steps").await);
    // {"s":"","p":["x"]}: of the right form, and no place.
    let of_nowhere = "eyJzIjoiIiwicCI6WyJ4Il19";
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=51", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=nothing", "sort"),
        ("sort=steps,-steps", "sort"),
        ("sort=tenant_id", "sort"),
        ("sort=steps,", "sort"),
        ("fields=status,deleted_at", "fields"),
        ("fields=", "fields"),
        ("color=red", "color"),
        ("tenant_id=globex", "tenant_id"),
        ("status.like=r%25", "status.like"),
        ("status.null=perhaps", "status.null"),
        ("steps=9223372036854775808", "steps"),
        ("step_limit.gt=3000000000", "step_limit.gt"),
        ("aggregate_id=urn:uuid:00000000-0000-0000-0000-000000000001", "aggregate_id"),
        ("steps=1;drop table execution", "steps"),
        ("steps.in=1,x", "steps.in"),
        ("ended_at.gt=yesterday", "ended_at.gt"),
        ("aggregate_id=7", "aggregate_id"),
        ("status=%00", "status"),
        ("cursor=x", "cursor"),
        (&format!("cursor={of_nowhere}"), "cursor"),
        (&format!("cursor={by_steps}"), "cursor"),
        (&format!("sort=steps&cursor={by_key}"), "cursor"),
        ("token=acme/7", "token"),
        ("token=globex/00000000-0000-0000-0000-000000000001/1", "token"),
        ("wait_ms=-1", "wait_ms"),
        ("wait_ms=10001", "wait_ms"),
    ] {
        let answer = world.get(&format!("/v1/views/executions?{query}")).await;
        let problem = (StatusCode::BAD_REQUEST, ("invalid-parameter".to_owned(), Some(parameter.to_owned())));
        assert_eq!((answer.status, answer.problem()), problem, "{query} {answer:?}");
    }
    assert_eq!(world.get("/v1/views/executions").await.rows().len(), 30);
}

#[tokio::test]
async fn a_list_of_too_many_values_is_refused() {
    let world = World::new().await;
    let values = vec!["1"; 101].join(",");
    let answer = world.get(&format!("/v1/views/executions?steps.in={values}")).await;
    assert_eq!(answer.problem().1.as_deref(), Some("steps.in"));
}

#[tokio::test]
async fn totals_are_filtered_and_sorted_like_rows_and_belong_to_a_tenant() {
    let world = World::new().await;
    for (tenant, repository, partition, runs) in
        [("acme", "a", 0, 2_i64), ("acme", "a", 7, 3), ("acme", "b", 0, 1), ("globex", "a", 0, 50)]
    {
        sqlx::query("insert into execution_total (tenant_id, repository, model_name, source_partition, runs) values ($1, $2, 'm', $3, $4)")
            .bind(tenant)
            .bind(repository)
            .bind(partition)
            .bind(runs)
            .execute(&world.writer)
            .await
            .unwrap();
    }
    let runs = |rows: Vec<Value>| -> HashMap<String, i64> {
        let one =
            |row: &Value| (row["repository"].as_str().unwrap().to_owned(), row["runs"].as_i64().unwrap());
        rows.iter().map(one).collect()
    };
    let all = HashMap::from([("a".to_owned(), 5), ("b".to_owned(), 1)]);
    assert_eq!(runs(world.get("/v1/views/totals").await.rows()), all);
    let first = world.get("/v1/views/totals?sort=-runs&limit=1").await;
    assert_eq!(first.rows()[0]["runs"], 5);
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = world.get(&format!("/v1/views/totals?sort=-runs&limit=1&cursor={next}")).await;
    assert_eq!((second.rows()[0]["runs"].clone(), second.json()["next"].clone()), (1.into(), Value::Null));
    assert_eq!(world.get("/v1/views/totals?runs.gt=1").await.rows().len(), 1);
}
