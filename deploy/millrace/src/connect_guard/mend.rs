//! What takes longer than a look: counting what the topics lack, and making everything whole again.

use std::time::Duration;

use event_store::Deed;

use super::decide::Counted;
use crate::connector::{ConnectArgs, let_go, slot_of};
use crate::reconcile::StoreToTopic;

#[derive(Debug, Clone)]
pub(super) struct Mender {
    pub(super) connect: ConnectArgs,
    pub(super) comparison: StoreToTopic,
}

impl Mender {
    /// Counts the events that the topics lack. While the connector is stopped nothing is waited for.
    pub(super) async fn count(mut self, while_running: bool) -> anyhow::Result<Counted> {
        if !while_running {
            self.comparison.wait_max = Duration::ZERO;
        }
        let missing = missing(&self.comparison).await?;
        Ok(Counted { missing, while_running })
    }

    /// The section of the runbook, step by step: a whole slot, no place from before it, a connector that runs, and what
    /// the topics lack published again.
    pub(super) async fn repair(self) -> anyhow::Result<Counted> {
        let (client, connector) = (self.connect.client()?, self.connect.connector().await?);
        let mut cdc = self.connect.cdc().await?;
        client.stop(&connector.name).await?;
        let slot = slot_of(&connector);
        let_go(&mut cdc, &client, &connector).await?;
        if outbox::slot(&mut cdc, slot).await?.is_some_and(|slot| slot.lost) {
            outbox::drop_slot(&mut cdc, slot).await?;
        }
        outbox::ensure_slot(&mut cdc, slot).await?;
        client.forget_offsets(&connector.name).await?;
        crate::connector::apply(&self.connect).await?;
        let deed =
            Deed { actor: "connect-guard".to_owned(), reason: "the replication slot lost events".to_owned() };
        let findings = StoreToTopic { repair: Some(deed), ..self.comparison.clone() }.run().await?;
        for findings in &findings {
            tracing::warn!(
                topic = findings.topic,
                published = findings.published,
                "events are published again"
            );
        }
        self.count(true).await
    }
}

async fn missing(comparison: &StoreToTopic) -> anyhow::Result<u64> {
    let findings = comparison.run().await?;
    for findings in findings.iter().filter(|findings| findings.missing() > 0) {
        tracing::error!(
            topic = findings.topic,
            missing = findings.missing(),
            "the topic lacks events of the store"
        );
    }
    Ok(findings.iter().map(|findings| findings.missing() as u64).sum())
}
