//! `millrace store rotate-keys`: another master key, the same events.

use anyhow::bail;
use clap::Args;
use event_store::Deed;
use personal_data::KeyringConfig;

use super::StewardArgs;
use crate::exit::Exit;

/// Give the new master key first and the old ones after it; once this is done the old ones can be thrown away.
#[derive(Debug, Args)]
pub(crate) struct RotateKeysArgs {
    #[command(flatten)]
    deed: Deed,

    #[command(flatten)]
    keys: KeyringConfig,

    #[command(flatten)]
    store: StewardArgs,
}

impl RotateKeysArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let Some(master) = self.keys.master_keys()? else {
            bail!("no master key is given: name MILLRACE_MASTER_KEY_FILE or MILLRACE_MASTER_KEYS");
        };
        let rotated = self.store.steward().await?.rotate_keys(&master, &self.deed).await?;
        println!("{} keys were wrapped anew; master key {} wraps all of them", rotated.keys, rotated.master);
        Ok(Exit::Ok)
    }
}
