//! Everything that can be said of a connector before it is applied.

use connect::{Connector, FieldErrors, Finding, Plan, lint, unknown};
use outbox::{Flaw, publication};
use serde::Serialize;
use sqlx::PgConnection;

use super::{ConnectArgs, publication_of};
use crate::exit::Exit;

/// What is wrong with a connector, and what applying it would change.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What would lose events or send them again.
    findings: Vec<Finding>,
    /// What Connect and Debezium do not take.
    mistakes: Vec<FieldErrors>,
    plan: Plan,
}

impl Check {
    pub(super) async fn of(args: &ConnectArgs) -> anyhow::Result<Self> {
        let (client, connector) = (args.client()?, args.connector().await?);
        let mut findings = findings(args, &connector).await?;
        let validation = client.validate(&connector).await?;
        findings.extend(unknown(&connector, &validation.known));
        let plan = client.plan(&connector).await?;
        Ok(Self { findings, mistakes: validation.mistakes, plan })
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self { findings, mistakes, .. } if !findings.is_empty() || !mistakes.is_empty() => Exit::Failed,
            Self { plan, .. } if plan.is_empty() => Exit::Ok,
            _ => Exit::Difference,
        }
    }

    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let Self { findings, mistakes, plan } = self;
        findings.iter().for_each(|finding| println!("refused: {finding}"));
        mistakes.iter().for_each(|mistake| println!("mistaken: {mistake}"));
        println!("{plan}");
        Ok(())
    }
}

/// What its settings and its publication would lose or send again. Asks the database, not Connect.
pub(super) async fn findings(args: &ConnectArgs, connector: &Connector) -> anyhow::Result<Vec<Finding>> {
    let mut findings = lint(connector);
    findings.extend(publication_findings(&mut args.cdc().await?, connector).await?);
    Ok(findings)
}

/// What the connector's publication loses.
pub(crate) async fn publication_findings(
    cdc: &mut PgConnection,
    connector: &Connector,
) -> anyhow::Result<Vec<Finding>> {
    let name = publication_of(connector);
    let flaws = match publication(cdc, name).await? {
        Some(publication) => publication.flaws(),
        None => vec![Flaw {
            setting: "publication",
            value: "none".to_owned(),
            reason: "without a publication the slot has nothing to send",
            instead: "`millrace migrate` makes it".to_owned(),
        }],
    };
    let finding = |Flaw { setting, value, reason, instead }: Flaw| Finding {
        connector: connector.name.clone(),
        setting: format!("publication {name}: {setting}"),
        value: Some(value),
        reason: reason.to_owned(),
        instead,
    };
    Ok(flaws.into_iter().map(finding).collect())
}
