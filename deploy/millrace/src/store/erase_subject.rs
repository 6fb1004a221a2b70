//! `millrace store erase-subject`: everything about a person becomes unreadable.

use clap::Args;
use event_store::Deed;
use events::TenantId;
use life_cycle::Erasure;
use personal_data::SubjectId;

use super::StewardArgs;
use crate::exit::Exit;

/// Who is to be erased.
#[derive(Debug, Args)]
pub(crate) struct EraseSubjectArgs {
    /// Whose data subject it is
    #[arg(long)]
    tenant: TenantId,

    /// The data subject, as commands named it
    #[arg(long)]
    subject: SubjectId,

    #[command(flatten)]
    deed: Deed,

    /// Say what would become unreadable, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,
}

impl EraseSubjectArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let steward = self.store.steward().await?;
        let erasure = if self.dry_run {
            steward.preview_erasure(&self.tenant, &self.subject).await?
        } else {
            steward.erase_subject(&self.tenant, &self.subject, &self.deed).await?
        };
        if self.json {
            println!("{}", serde_json::to_string(&erasure)?);
        } else {
            print(&erasure, self.dry_run);
        }
        Ok(if erasure.keys.is_empty() { Exit::NotFound } else { Exit::Ok })
    }
}

fn print(erasure: &Erasure, dry_run: bool) {
    let Erasure { tenant, subject, .. } = erasure;
    if erasure.keys.is_empty() {
        println!("tenant {tenant} has no key of {subject}: nothing of theirs was ever sealed");
        return;
    }
    let becomes = match (dry_run, erasure.was_erased) {
        (_, true) => "was erased before; unreadable are",
        (true, false) => "would be erased; unreadable would become",
        (false, false) => "is erased; unreadable became",
    };
    let texts: i64 = erasure.unreadable.iter().map(|unreadable| unreadable.texts).sum();
    println!(
        "{subject} of tenant {tenant} {becomes} {texts} texts in {} aggregates",
        erasure.unreadable.len()
    );
    for unreadable in &erasure.unreadable {
        println!(
            "  {} {}: {} events, versions {} to {}: {}",
            unreadable.aggregate_type,
            unreadable.aggregate_id,
            unreadable.events,
            unreadable.first_version,
            unreadable.last_version,
            unreadable.fields.join(", ")
        );
    }
    if erasure.snapshots > 0 {
        println!(
            "{} snapshots of these aggregates {}",
            erasure.snapshots,
            if dry_run { "would go" } else { "are gone" }
        );
    }
    if erasure.archived_events > 0 {
        println!(
            "{} events of the tenant are in archives: what the key sealed there is unreadable too, and not listed",
            erasure.archived_events
        );
    }
}
