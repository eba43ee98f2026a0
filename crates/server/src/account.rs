//! `labelwire account`: who owns instances.

use anyhow::Context as _;
use labelwire_domain::clock::{SystemClock, SystemEntropy};
use labelwire_store::Db;

use crate::cli::{Account, AccountCommand};
use crate::console::{complain, say};
use crate::folder;

/// Makes an account. The token alone goes to stdout, so that a script can keep it.
pub(crate) async fn run(args: Account) -> anyhow::Result<()> {
    let AccountCommand::Create(args) = args.command;
    if args.storage.database_url.is_none() {
        folder::make(&args.storage.data)?;
    }
    let db = Db::open(&args.storage.database_url())
        .await
        .context("the database cannot be opened")?;
    let made = labelwire_app::create_account(&db, &SystemClock, &SystemEntropy, &args.name).await;
    db.close().await;
    let (id, token) = match made {
        Ok(made) => made,
        Err(labelwire_app::Error::NameTaken(name)) => {
            anyhow::bail!("there is an account `{name}` already; choose another name")
        }
        Err(error) => return Err(error.into()),
    };
    complain(&format!(
        "account `{}` ({id}); its token, which is not shown again:",
        args.name
    ));
    say(&token);
    Ok(())
}
