//! Rows of every kind of source, good and bad.

use import::{Error, Origin, Rows};
use mapping::Mapping;

use crate::fixture::{Import, agent_runs, file, in_memory};

const CSV: &str = r#"
mapping: tasks
source:
  kind: csv
  delimiter: ";"
  columns:
    id: uuid
    task: text
    begun: { local: Europe/Berlin }
    ended: { local: Europe/Berlin, optional: true }
    dollars: usd?
key: [id]
aggregate: { type: execution, id: { column: id } }
commands:
  - type: StartExecution
    with: { occurred_at: begun, task: task, repository: task, model: { constant: m }, agent: { constant: a } }
  - type: CompleteExecution
    when: { present: ended }
    with:
      { occurred_at: ended, exit_status: { constant: ok }, patch_bytes: { constant: 0 }, api_calls: { constant: 1 }, reported_cost_nano_usd: dollars }
sums:
  dollars: { column: dollars, event: ExecutionCompleted, field: reported_cost_nano_usd }
"#;

fn csv() -> Mapping {
    Mapping::parse(CSV).unwrap()
}

fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

#[tokio::test]
async fn a_csv_file_is_imported_and_every_bad_row_is_told_with_place_key_field_and_reason() {
    let (one, two, three, four, five) = (id(1), id(2), id(3), id(4), id(5));
    let text = format!(
        "\u{feff}task;id;begun;ended;dollars\n\
         \"first;\nwith a line break\";{one};2026-07-01 12:00:00;2026-07-01 12:00:01;0.1\n\
         second;{two};2026-12-01 12:00:00;;\n\
         third;{three};2026-10-25 02:30:00;;\n\
         fourth;{four};2016-12-31 23:59:60;;\n\
         {five};fifth;2026-07-01 12:00:00;;\n\
         short;{five}\n\
         twice;{one};2026-07-01 12:00:00;;\n\
         dear;{five};2026-07-01 12:00:00;2026-07-01 12:00:01;-0.5\n"
    );
    let (_kept, origin) = file(&text);
    let (mapping, import) = (csv(), Import::into(&in_memory()));
    let (validated, told) = import.validate(&mapping, &origin).await;
    assert_eq!(
        (validated.counts.rows, validated.counts.rows_applied, validated.counts.rows_rejected),
        (8, 2, 6)
    );
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.place.line, it.key.clone(), it.field.as_str(), it.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (5, Some(three), "begun", "was twice in Europe/Berlin: clocks were put back over it"),
            (6, Some(four), "begun", "is a leap second, which has no place on the store's time line"),
            (7, Some("fifth".into()), "id", "is no UUID"),
            (8, None, ".", "has 2 fields, the header names 5"),
            (
                9,
                Some(one.clone()),
                ".",
                &*format!("leads to aggregate {one}, as line 2 does; one row is one aggregate")
            ),
            (
                10,
                Some(five),
                ".",
                "the rules refuse CompleteExecution: reported_cost_nano_usd is -500000000, but at least 0 is needed"
            ),
        ]
    );

    let (ran, told) = import.run(&mapping, &origin).await;
    assert_eq!((ran.counts.rows_applied, ran.counts.rows_rejected, ran.counts.events_appended), (2, 6, 3));
    assert_eq!(told.len(), 6);
    let verified = import.verify(&mapping, &origin).await;
    assert!(verified.holds(), "{verified:?}");
    assert_eq!(verified.sums["dollars"].store.0, 100_000_000);
}

#[tokio::test]
async fn a_csv_file_with_other_columns_is_refused_as_a_whole() {
    let (_kept, origin) = file("task;task;id;start\n");
    let said = Rows::open(&csv(), &origin).await.unwrap_err().to_string();
    for part in ["\"start\" is not declared", "\"task\" is there twice", "\"begun\" is missing"] {
        assert!(said.contains(part), "{said}");
    }
    let missing = Rows::open(&csv(), &Origin::File("/no/such/file".into())).await.unwrap_err();
    assert!(matches!(missing, Error::Open { .. }) && missing.to_string().contains("/no/such/file"));
    assert!(matches!(Rows::open(&csv(), &Origin::Database("x".into())).await, Err(Error::WantsFile)));
}

#[tokio::test]
async fn a_bad_line_of_json_is_told_and_holds_up_no_other() {
    let good = r#"{"run_id":"e2dc9250f84362003f70adb53829340c","task":"t","repository":"r","model":"m","agent":"a","step_limit":250,"cost_limit_usd":3.0,"exit_status":"Submitted","patch_bytes":7,"api_calls":1,"cost_usd":0.5,"resolved":true,"steps":[{"at":1763511278,"prompt_tokens":3,"completion_tokens":2,"reasoning_tokens":1,"cached_tokens":0,"cost_usd":null,"tool":"ls","thought_bytes":9,"exit_code":0,"output_bytes":8}]}"#;
    let bad = [
        (r#""prompt_tokens":3"#, r#""prompt_tokens":-3"#, "steps[0].prompt_tokens"),
        (r#""cost_usd":0.5"#, r#""cost_usd":"much""#, "cost_usd"),
        (r#""at":1763511278"#, r#""at":"yesterday""#, "steps[0].at"),
        ("e2dc", "zzzz", "run_id"),
        (r#""resolved""#, r#""resolute""#, "resolute"),
        (r#","task":"t""#, "", "task"),
        (r#""task":"t""#, r#""task":" ""#, "."),
        (r#""step_limit":250"#, r#""step_limit":2500000000"#, "step_limit"),
        (r#""exit_code":0"#, r#""exit_code":99999999999"#, "steps[0].exit_code"),
        ("[{", "[7,{", "steps[0]"),
        ("{\"run_id\"", "\u{0}", "."),
        ("}]}", "}]}x", "."),
    ];
    let lines = bad.iter().map(|(from, to, _)| good.replacen(from, to, 1) + "\n");
    let text = lines.collect::<String>() + good + "\n";
    let (_kept, origin) = file(&text);
    let (report, told) = Import::into(&in_memory()).run(&agent_runs(), &origin).await;
    assert_eq!((report.counts.rows_applied, report.counts.rows_rejected), (1, 12));
    let fields: Vec<_> = told.iter().map(|it| (it.place.line, it.field.as_str())).collect();
    let expected: Vec<_> = bad.iter().zip(1..).map(|((_, _, field), line)| (line, *field)).collect();
    assert_eq!(fields, expected, "{told:#?}");
}
