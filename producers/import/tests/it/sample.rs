//! The 400 runs, whole: every line is read, every command is legal, nothing changes on the way.

use import::{Origin, Planner, Rows};
use sha2::{Digest, Sha256};

use crate::fixture::{Import, agent_runs, in_memory, rules, sample, tenant};

/// The ids, types and payload bytes of all events that the sample has always led to.
#[tokio::test]
async fn the_sample_leads_to_the_same_ids_and_bytes_as_ever() {
    let (mapping, tenant, rules) = (agent_runs(), tenant("acme"), rules());
    let mut planner = Planner::new(&mapping, &tenant, &*rules, None);
    let mut rows = Rows::open(&mapping, &Origin::File(sample())).await.unwrap();
    let (mut digest, mut events) = (Sha256::new(), 0);
    while let Some((place, row)) = rows.next().await.unwrap() {
        let planned = planner.plan(place, row).unwrap();
        digest.update(planned.aggregate_id.0);
        for event in &planned.events {
            digest.update(event.event_id.0);
            digest.update(&event.event_type);
            // Behind the framing, which holds the id that a registry gave to the schema.
            digest.update(&event.payload[5..]);
        }
        events += planned.events.len();
    }
    assert_eq!(events, 33_708);
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(digest, "db9fba25ae5bf502bf4412e498fc86423320994105ccdacf8530eaf5e7e153e3");
}

#[tokio::test]
async fn the_totals_of_the_sample_survive_the_translation_and_verify() {
    let (mapping, origin) = (agent_runs(), Origin::File(sample()));
    let import = Import::into(&in_memory());
    let (report, rejected) = import.run(&mapping, &origin).await;
    assert_eq!(rejected, []);
    let counts = &report.counts;
    assert_eq!((counts.rows, counts.rows_applied, counts.events_appended), (400, 400, 33_708));
    let commands: Vec<_> = counts.commands.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(
        commands,
        [
            ("CompleteExecution", 400),
            ("JudgeExecution", 400),
            ("RecordModelCall", 16_254),
            ("RecordToolUse", 16_254),
            ("StartExecution", 400)
        ]
    );
    let verified = import.verify(&mapping, &origin).await;
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.rows_equal, verified.events_found), (400, 33_708));
    let sums: Vec<_> =
        verified.sums.iter().map(|(name, sum)| (name.as_str(), sum.source.0, sum.store.0)).collect();
    assert_eq!(
        sums,
        [
            ("completion_tokens", 4_464_549, 4_464_549),
            ("cost_of_steps_nano_usd", 182_257_955_400, 182_257_955_400),
            ("prompt_tokens", 272_390_223, 272_390_223),
            ("reported_cost_nano_usd", 186_120_203_775, 186_120_203_775),
        ]
    );

    let (again, _) = import.run(&mapping, &origin).await;
    assert_eq!((again.counts.events_appended, again.counts.events_present), (0, 33_708));
}
