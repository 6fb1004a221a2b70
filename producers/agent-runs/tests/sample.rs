//! The sample, whole: every line is read, every command is legal, nothing changes on the way.

use std::fs::File;
use std::io::{BufRead, BufReader};

use agent_runs::AgentRun;
use agents::Execution;
use aggregate::Aggregate;
use events::execution::Verdict;
use events::{DomainEvent, ExecutionEvent, NanoUsd, TenantId};
use flate2::read::GzDecoder;

fn runs() -> Vec<AgentRun> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../agents/samples/agent-runs.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("the sample is there"))).lines();
    lines
        .map(|line| agent_runs::parse(&line.expect("the sample is text")).expect("the line is good"))
        .collect()
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("the name is a tenant's")
}

fn history(run: &AgentRun) -> Vec<ExecutionEvent> {
    let id = agent_runs::execution_id(&tenant("acme"), run);
    let mut state = Execution::default();
    let mut history = Vec::new();
    for command in agent_runs::commands(run, id) {
        for event in state.decide(command).expect("the rules allow what happened") {
            state = state.evolve(&event);
            history.push(event);
        }
    }
    history
}

#[test]
fn the_totals_of_the_sample_survive_the_translation() {
    let histories: Vec<_> = runs().iter().map(history).collect();
    let events: Vec<_> = histories.iter().flatten().collect();
    let (mut prompt, mut completion, mut steps, mut failed) = (0, 0, 0, 0);
    let (mut step_cost, mut run_cost, mut resolved) = (NanoUsd::ZERO, NanoUsd::ZERO, 0);
    for event in &events {
        match event {
            ExecutionEvent::ModelCalled(call) => {
                steps += 1;
                prompt += call.prompt_tokens;
                completion += call.completion_tokens;
                step_cost = step_cost + call.cost.unwrap_or_default();
            }
            ExecutionEvent::ToolUsed(tool) => {
                failed += i32::from(tool.exit_code.is_some_and(|code| code != 0))
            }
            ExecutionEvent::Completed(completed) => {
                run_cost = run_cost + completed.reported_cost.unwrap_or_default()
            }
            ExecutionEvent::Judged(judged) => resolved += i32::from(judged.verdict == Verdict::Resolved),
            ExecutionEvent::Withdrawn(_) => panic!("nothing of the sample was taken back"),
            ExecutionEvent::Started(_) | ExecutionEvent::Failed(_) | ExecutionEvent::Cancelled(_) => {}
        }
    }
    assert_eq!((histories.len(), steps, resolved, failed), (400, 16_254, 298, 1_170));
    assert_eq!((prompt, completion), (272_390_223, 4_464_549));
    assert_eq!(run_cost, NanoUsd::new(186_120_203_775));
    assert_eq!(step_cost, NanoUsd::new(182_257_955_400));
    assert_eq!(events.len(), 400 + 2 * 16_254 + 400 + 400);
}

#[test]
fn a_line_read_twice_is_the_same_execution_and_another_tenants_is_not() {
    let runs = runs();
    let ids = ["acme", "globex"].map(|name| agent_runs::execution_id(&tenant(name), &runs[0]));
    assert_ne!(ids[0], ids[1]);
    let [first, again] = [history(&runs[0]), history(&runs[0])];
    assert_eq!(first, again);
    assert_eq!(first[0].aggregate_id(), ids[0].into());
    assert_ne!(agent_runs::event_id(ids[0], 1), agent_runs::event_id(ids[0], 2));
}
