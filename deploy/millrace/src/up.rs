//! `millrace up` and its relatives: the local stack with everything in place.

use anyhow::Context;
use catalog::Permits;

use crate::exit::Exit;
use crate::migrate::MigrateArgs;
use crate::stack_defaults::settings;

/// Raises the stack, makes its master key and its issuer of tokens, migrates the databases, applies topics and access, publishes the schemas, applies the connector. Each of
/// these changes only what is missing.
pub(crate) async fn up(args: &local::UpArgs) -> anyhow::Result<local::Raised> {
    let stack = args.stack.name.clone();
    let raising = local::up(args).await?;
    raising.servers().await?;

    let opened = local::Stack::open(&stack)?;
    crate::keys::make_master_key(&opened)?;
    crate::token::issuer(&opened)?;
    let migrate: MigrateArgs = settings(&stack)?;
    migrate.run().await?;
    let applied = crate::topics::apply(&settings(&stack)?, &Permits::default(), &stack).await;
    applied.context("failed to apply topics and access")?;
    crate::schema::publish(&settings(&stack)?).await.context("failed to publish the schemas")?;

    raising.connect().await?;
    crate::connector::apply(&settings(&stack)?).await.context("failed to apply the connector")?;
    Ok(raising.raised())
}

/// `millrace up`.
pub(crate) async fn run(args: local::UpArgs) -> anyhow::Result<Exit> {
    println!("{}", up(&args).await?);
    Ok(Exit::Ok)
}

/// The options that raise a stack by its name and nothing else.
pub(crate) fn named(stack: &str) -> local::UpArgs {
    local::UpArgs { stack: local::StackArgs { name: stack.to_owned() }, raise: local::RaiseArgs::default() }
}

/// Ends a stack's processes, and removes its data where asked.
pub(crate) async fn down(stack: &str, purge: bool) -> anyhow::Result<()> {
    let stack = local::StackArgs { name: stack.to_owned() };
    Ok(local::down(&local::DownArgs { stack, purge }).await?)
}
