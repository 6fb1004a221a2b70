//! What holds for every sequence of commands, sensible or not.

use events::{AgentRole, DomainEvent, PromptEvent, PromptId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::laws;

/// From small domains, so that repetitions, conflicts and legal successors all come up often.
fn command() -> impl Strategy<Value = PromptCommand> {
    let id = prop_oneof![19 => Just(1_u128), 1 => Just(2)].prop_map(|n| PromptId(Uuid::from_u128(n)));
    let time = prop_oneof![19 => 0..2_i64, 1 => any::<i64>()].prop_map(Timestamp::from_micros);
    let word = prop_oneof![19 => "[ab]", 1 => Just(String::new())];
    let version = prop_oneof![19 => 1..4_i32, 1 => any::<i32>()];
    (id, time, word, version, 0..10_u8).prop_map(|(prompt_id, occurred_at, word, prompt_version, kind)| {
        match kind {
            0 | 1 => {
                let (role, description) = (AgentRole::Critic, word.clone());
                CreatePrompt { prompt_id, occurred_at, name: word, role, description, created_by: None }
                    .into()
            }
            2..=4 => AddPromptVersion {
                prompt_id,
                occurred_at,
                prompt_version,
                text: word,
                model_provider: None,
                model_name: None,
                temperature_milli: Some(prompt_version),
                note: None,
                added_by: None,
            }
            .into(),
            5 => ActivatePrompt { prompt_id, occurred_at, prompt_version }.into(),
            6 => DeactivatePrompt { prompt_id, occurred_at, prompt_version, reason: word }.into(),
            7 => RenamePrompt { prompt_id, occurred_at, name: word }.into(),
            8 => DescribePrompt { prompt_id, occurred_at, description: word }.into(),
            _ => RetirePrompt { prompt_id, occurred_at, reason: word }.into(),
        }
    })
}

/// Any event of the set, whether it fits or not: what the commands say, taken as facts.
fn any_event() -> impl Strategy<Value = PromptEvent> {
    let told = command().prop_map(|command| match command {
        PromptCommand::CreatePrompt(it) => PromptCreated::from(it).into(),
        PromptCommand::AddPromptVersion(it) => PromptVersionAdded::from(it).into(),
        PromptCommand::ActivatePrompt(it) => PromptActivated::from(it).into(),
        PromptCommand::DeactivatePrompt(it) => PromptDeactivated::from(it).into(),
        PromptCommand::RenamePrompt(it) => PromptRenamed::from(it).into(),
        PromptCommand::DescribePrompt(it) => PromptDescribed::from(it).into(),
        PromptCommand::RetirePrompt(it) => PromptRetired::from(it).into(),
    });
    prop_oneof![9 => told, 1 => laws::withdrawn::<PromptEvent>(PromptId(Uuid::from_u128(1)))]
}

proptest! {
    #[test]
    fn every_decided_history_is_one_a_reader_can_rely_on(commands in prop::collection::vec(command(), 0..60)) {
        let (history, _) = laws::run::<Prompt>(commands, |_| true);
        let (mut versions, mut active, mut is_retired) = (0, None, false);
        for (place, event) in history.iter().enumerate() {
            prop_assert_eq!(event.aggregate_id(), history[0].aggregate_id());
            prop_assert_eq!(place == 0, matches!(event, PromptEvent::Created(_)));
            prop_assert!(!is_retired, "nothing follows the end");
            match event {
                PromptEvent::VersionAdded(added) => {
                    versions += 1;
                    prop_assert_eq!(added.prompt_version, versions);
                }
                PromptEvent::Activated(activated) => {
                    prop_assert!((1..=versions).contains(&activated.prompt_version));
                    active = Some(activated.prompt_version);
                }
                PromptEvent::Deactivated(it) => prop_assert_eq!(active.take(), Some(it.prompt_version)),
                PromptEvent::Retired(_) => {
                    prop_assert_eq!(active, None);
                    is_retired = true;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_laws_of_aggregates_hold(
        history in prop::collection::vec(any_event(), 0..40),
        command in command(),
    ) {
        laws::hold::<Prompt>(&history, command, PromptCommand::aggregate_id);
    }
}
