//! The rules, told as stories.

use aggregate::given;
use events::prompt::{PromptActivated, PromptCreated, PromptDeactivated, PromptRetired, PromptVersionAdded};
use events::{AgentRole, DomainEvent, PromptEvent, PromptId, Timestamp};
use uuid::Uuid;

use super::*;
use crate::Unacceptable;

const PROMPT: PromptId = PromptId(Uuid::from_u128(1));

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn create() -> CreatePrompt {
    CreatePrompt {
        prompt_id: PROMPT,
        occurred_at: at(0),
        name: "critic".into(),
        role: AgentRole::Critic,
        description: "Judges what the coder hands in.".into(),
        created_by: None,
    }
}

fn add(version: i32) -> AddPromptVersion {
    AddPromptVersion {
        prompt_id: PROMPT,
        occurred_at: at(version.into()),
        prompt_version: version,
        text: "Judge:\n{{work}}".into(),
        model_provider: Some("google".into()),
        model_name: Some("gemini-3-pro-preview".into()),
        temperature_milli: Some(700),
        note: None,
        added_by: None,
    }
}

fn activate(version: i32) -> ActivatePrompt {
    ActivatePrompt { prompt_id: PROMPT, occurred_at: at(10), prompt_version: version }
}

fn deactivate(version: i32) -> DeactivatePrompt {
    DeactivatePrompt {
        prompt_id: PROMPT,
        occurred_at: at(20),
        prompt_version: version,
        reason: "too kind".into(),
    }
}

fn retire() -> RetirePrompt {
    RetirePrompt { prompt_id: PROMPT, occurred_at: at(30), reason: "replaced".into() }
}

fn created() -> PromptEvent {
    PromptCreated::from(create()).into()
}

fn added(version: i32) -> PromptEvent {
    PromptVersionAdded::from(add(version)).into()
}

fn activated(version: i32) -> PromptEvent {
    PromptActivated::from(activate(version)).into()
}

fn deactivated(version: i32) -> PromptEvent {
    PromptDeactivated::from(deactivate(version)).into()
}

fn retired() -> PromptEvent {
    PromptRetired::from(retire()).into()
}

#[test]
fn a_prompt_is_created_once() {
    given::<Prompt>([]).when(create()).then([created()]);
    given::<Prompt>([created()]).when(create()).then_nothing();
    let other = CreatePrompt { name: "judge".into(), ..create() };
    given::<Prompt>([created()]).when(other.clone()).rejected(Rejection::AlreadyCreated);
    given::<Prompt>([created(), retired()]).when(other).rejected(Rejection::AlreadyCreated);
    given::<Prompt>([]).when(add(1)).rejected(Rejection::NotCreated);
}

#[test]
fn versions_count_from_one_without_a_gap() {
    given::<Prompt>([created()]).when(add(1)).then([added(1)]);
    given::<Prompt>([created(), added(1)]).when(add(2)).then([added(2)]);
    let gap = Rejection::VersionOutOfOrder { expected: 2, found: 3 };
    given::<Prompt>([created(), added(1)]).when(add(3)).rejected(gap);
}

#[test]
fn the_last_version_may_be_told_twice_but_never_changed() {
    given::<Prompt>([created(), added(1)]).when(add(1)).then_nothing();
    let other = AddPromptVersion { text: "Praise.".into(), ..add(1) };
    let changed = Rejection::VersionOutOfOrder { expected: 2, found: 1 };
    given::<Prompt>([created(), added(1)]).when(other).rejected(changed);
}

#[test]
fn one_version_is_followed_at_a_time_and_any_can_be() {
    let story = || given::<Prompt>([created(), added(1), added(2), activated(2)]);
    story().when(activate(2)).then_nothing();
    let back = story().when(activate(1)).then([activated(1)]).state();
    assert_eq!(back.content().and_then(|content| content.active), Some(1));
    story().when(activate(3)).rejected(Rejection::NoVersion { last: 2, found: 3 });
    given::<Prompt>([created()]).when(activate(1)).rejected(Rejection::NoVersion { last: 0, found: 1 });
}

#[test]
fn only_the_version_that_is_active_is_deactivated() {
    let story = || given::<Prompt>([created(), added(1), added(2), activated(2)]);
    story().when(deactivate(2)).then([deactivated(2)]);
    story().when(deactivate(1)).rejected(Rejection::OtherActive { active: 2, found: 1 });
    let none = given::<Prompt>([created(), added(1), activated(1), deactivated(1)]);
    none.when(deactivate(1)).then_nothing();
}

#[test]
fn a_name_and_a_description_are_as_said_last() {
    let rename = RenamePrompt { prompt_id: PROMPT, occurred_at: at(5), name: "strict".into() };
    let renamed: PromptEvent = PromptRenamed::from(rename.clone()).into();
    given::<Prompt>([created()]).when(rename.clone()).then([renamed.clone()]);
    given::<Prompt>([created(), renamed]).when(rename).then_nothing();
    let describe = DescribePrompt { prompt_id: PROMPT, occurred_at: at(5), description: String::new() };
    let described: PromptEvent = PromptDescribed::from(describe.clone()).into();
    let state = given::<Prompt>([created()]).when(describe.clone()).then([described.clone()]).state();
    assert_eq!(state.content().map(|content| content.description.as_str()), Some(""));
    given::<Prompt>([created(), described]).when(describe).then_nothing();
}

#[test]
fn a_prompt_that_is_followed_is_not_retired() {
    let story = given::<Prompt>([created(), added(1), activated(1)]);
    story.when(retire()).rejected(Rejection::StillActive { active: 1 });
    given::<Prompt>([created(), added(1)]).when(retire()).then([retired()]);
}

#[test]
fn a_retired_prompt_is_history() {
    let story = || given::<Prompt>([created(), added(1), retired()]);
    story().when(retire()).then_nothing();
    story().when(create()).then_nothing();
    story().when(add(1)).then_nothing();
    let other = RetirePrompt { reason: "another".into(), ..retire() };
    story().when(other).rejected(Rejection::Retired);
    story().when(add(2)).rejected(Rejection::Retired);
    story().when(activate(1)).rejected(Rejection::Retired);
}

#[test]
fn what_is_stored_counts_also_where_todays_rules_would_refuse_it() {
    let state = Prompt::replay(&[created(), added(7), activated(9), retired()]);
    let content = state.content().unwrap();
    assert_eq!((content.versions(), content.active), (7, Some(9)));
    assert!(matches!(state, Prompt::Retired(..)), "{state:?}");
}

#[test]
fn a_prompt_that_was_taken_back_may_be_created_anew() {
    let withdrawn = PromptEvent::withdrawn(PROMPT.into(), at(99), "imported by mistake".into());
    let story = || given::<Prompt>([created(), added(1), retired(), withdrawn.clone()]);
    story().when(add(2)).rejected(Rejection::NotCreated);
    story().when(create()).then([created()]);
}

#[test]
fn what_no_prompt_could_accept_is_refused_by_field() {
    let unknown = CreatePrompt { role: AgentRole::Unknown, ..create() };
    let role = Unacceptable::UnknownWord { field: "role", known: "PLANNER, CODER, CRITIC" };
    given::<Prompt>([]).when(unknown).rejected(role);
    let blank = AddPromptVersion { text: "\n".into(), ..add(1) };
    let text = Unacceptable::BadText { field: "text", problem: "is blank" };
    given::<Prompt>([created()]).when(blank).rejected(text);
    let long = CreatePrompt { name: "x".repeat(513), ..create() };
    let name = Unacceptable::TooLong { field: "name", bytes: 513, max: 512 };
    given::<Prompt>([]).when(long).rejected(name);
    let found = PromptId(Uuid::from_u128(2));
    let other = AddPromptVersion { prompt_id: found, ..add(1) };
    given::<Prompt>([created()]).when(other).rejected(Rejection::OtherPrompt { expected: PROMPT, found });
}
