//! What the API says of itself is so.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{World, Written, answer};

#[tokio::test]
async fn answers_are_as_described_and_every_column_says_what_it_means() {
    let world = World::new().await;
    let row = Written {
        id: Uuid::from_u128(7),
        version: 3,
        status: "completed",
        repository: "r".to_owned(),
        verdict: Some("resolved"),
        ended_at: Some("2026-11-21T05:00:00Z"),
        ..Written::default()
    };
    world.write("acme", &row).await;
    sqlx::query("insert into execution_total (tenant_id, repository, model_name, source_partition, runs, judged, resolved) values ('acme', 'r', 'm', 0, 3, 3, 1)")
        .execute(&world.writer)
        .await
        .unwrap();
    let served = answer(world.bare("/openapi.json")).await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    let document = served.json();

    let problem = json!({ "$ref": "#/components/schemas/Problem", "components": document["components"] });
    let problem = jsonschema::draft202012::options().build(&problem).unwrap();
    let mut described = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let schema = item.pointer("/get/responses/200/content/application~1json/schema");
        let Some(schema) = schema.filter(|_| path.starts_with("/v1/")) else { continue };
        let schema = json!({ "allOf": [schema], "components": document["components"] });
        let validator = jsonschema::draft202012::options().build(&schema).unwrap();
        let answer = world.get(&path.replace("{id}", &row.id.to_string())).await;
        let judged = validator.validate(&answer.json()).map_err(|error| error.to_string());
        assert_eq!(judged, Ok(()), "{path} {answer:?}");
        let nobody = crate::fixture::answer(world.bare(path)).await.json();
        assert!(problem.is_valid(&nobody), "{nobody}");
        described += 1;
    }
    assert_eq!(described, 4, "views, executions, one execution, totals");

    let stream = &document["paths"]["/v1/views/executions/changes"]["get"];
    assert!(stream["responses"]["200"]["content"]["text/event-stream"].is_object(), "{stream}");
    for parameter in stream["parameters"].as_array().unwrap() {
        let name = parameter["$ref"].as_str().unwrap().trim_start_matches('#');
        assert!(document.pointer(name).is_some(), "{name}");
    }
    assert!(document["paths"].get("/v1/views/totals/changes").is_none());

    for view in ["executions", "totals"] {
        let columns = &document["components"]["schemas"][format!("Row-{view}")]["properties"];
        let silent = |(name, schema): (&String, &Value)| {
            schema["description"].as_str().is_none_or(str::is_empty).then(|| name.clone())
        };
        let silent: Vec<_> = columns.as_object().unwrap().iter().filter_map(silent).collect();
        assert!(silent.is_empty(), "{view} has columns without a comment: {silent:?}");
    }
}
