//! `labelwire token`: what opens an account or one of its instances.

use anyhow::{Context as _, bail};
use labelwire_app::tokens::{Keyring, NewToken, TokenView};
use labelwire_domain::clock::{Clock as _, SystemClock, SystemEntropy, Timestamp};
use labelwire_domain::ids::{AccountId, InstanceKey};
use labelwire_store::{Db, accounts, instances};

use crate::cli::{Owner, Token, TokenCommand};
use crate::console::{complain, say};
use crate::folder;

/// Does what is asked on the database, whether a gateway runs on it or not.
pub(crate) async fn run(args: Token) -> anyhow::Result<()> {
    let owner = match &args.command {
        TokenCommand::Create(args) => &args.owner,
        TokenCommand::List(args) => &args.owner,
        TokenCommand::Rotate(args) => &args.owner,
        TokenCommand::Revoke(args) => &args.owner,
    };
    let storage = &owner.storage;
    if storage.database_url.is_none() {
        folder::make(&storage.data)?;
    }
    let db = Db::open(&storage.database_url())
        .await
        .context("the database cannot be opened")?;
    let done = act(&db, &args.command, owner).await;
    db.close().await;
    done
}

/// A token's text alone goes to stdout, so that a script can keep it.
async fn act(db: &Db, command: &TokenCommand, owner: &Owner) -> anyhow::Result<()> {
    let account = account(db, &owner.account).await?;
    let keyring = Keyring {
        db,
        clock: &SystemClock,
        entropy: &SystemEntropy,
    };
    match command {
        TokenCommand::Create(args) => {
            let instance = match &args.instance {
                Some(name) => Some((instance(db, &account, name).await?, name.clone())),
                None => None,
            };
            let new = NewToken {
                name: &args.name,
                instance: args.instance.as_deref(),
                scopes: args.scopes,
                expires_at: args.expires_in.map(|time| SystemClock.now().after(time)),
            };
            let (view, text) = keyring.create(&account, instance, &new).await?;
            complain(&format!(
                "token `{}` ({}), good for {}; it is not shown again:",
                view.name, view.id, view.scopes
            ));
            say(&text);
        }
        TokenCommand::List(_) => {
            for view in keyring.list(&account, None).await? {
                say(&line(&view));
            }
        }
        TokenCommand::Rotate(args) => {
            let (view, text) = keyring.rotate(&account, None, &args.id, args.grace).await?;
            complain(&format!(
                "token `{}` ({}); its new text, which is not shown again:",
                view.name, view.id
            ));
            say(&text);
        }
        TokenCommand::Revoke(args) => {
            let view = keyring.revoke(&account, None, &args.id).await?;
            complain(&format!(
                "token `{}` ({}) opens nothing now",
                view.name, view.id
            ));
        }
    }
    Ok(())
}

pub(crate) async fn account(db: &Db, name: &str) -> anyhow::Result<AccountId> {
    let mut reader = db.reader().await?;
    let all = accounts::all(reader.conn()).await?;
    let Some(found) = all.into_iter().find(|account| account.name == name) else {
        bail!(
            "there is no account `{name}`; `labelwire account create` makes one (--account, --data)"
        )
    };
    Ok(AccountId::from_stored(found.account_id))
}

pub(crate) async fn instance(
    db: &Db,
    account: &AccountId,
    name: &str,
) -> anyhow::Result<InstanceKey> {
    let mut reader = db.reader().await?;
    let found = instances::find_by_name(reader.conn(), account, name).await?;
    let found = found.with_context(|| format!("there is no instance `{name}` in this account"))?;
    Ok(found.key())
}

/// A token in tab-separated words, which scripts can cut.
fn line(view: &TokenView) -> String {
    let time = |at: Option<Timestamp>, what: &str| {
        at.map_or_else(|| "-".to_owned(), |at| format!("{what} {}", rfc3339(at)))
    };
    let of = view.instance.as_deref().unwrap_or("(account)");
    let scopes: Vec<&str> = view.scopes.iter().map(|scope| scope.as_str()).collect();
    let end = match view.revoked_at {
        Some(at) => time(Some(at), "revoked"),
        None => time(view.expires_at, "expires"),
    };
    [
        view.id.as_str(),
        &view.name,
        of,
        &scopes.join(","),
        &time(Some(view.created_at), "made"),
        &time(view.last_used_at, "used"),
        &end,
    ]
    .join("\t")
}

/// To the second; a moment no calendar has is left as a number.
fn rfc3339(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)) {
        Ok(time) => time.to_string(),
        Err(_) => at.0.to_string(),
    }
}
