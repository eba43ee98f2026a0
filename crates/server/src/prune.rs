//! `labelwire prune`: dropping old history.

use anyhow::Context as _;
use labelwire_app::retention::{self, prunable};
use labelwire_domain::clock::{Clock as _, SystemClock, Timestamp};
use labelwire_domain::ids::InstanceKey;
use labelwire_store::{Db, instances};

use crate::cli::Prune;
use crate::console::complain;
use crate::token::{account, instance};

/// Drops what is asked for on the database, whether a gateway runs on it or not.
pub(crate) async fn run(args: Prune) -> anyhow::Result<()> {
    let db = Db::open(&args.owner.storage.database_url())
        .await
        .context("the database cannot be opened")?;
    let done = act(&db, &args).await;
    db.close().await;
    done
}

async fn act(db: &Db, args: &Prune) -> anyhow::Result<()> {
    let account = account(db, &args.owner.account).await?;
    let now = SystemClock.now();
    let before = match (args.before, args.older_than) {
        (Some(time), _) => Timestamp(time.as_microsecond()),
        (None, older_than) => {
            let ago = i64::try_from(older_than.unwrap_or_default().as_micros())
                .context("that long ago there was nothing")?;
            Timestamp(now.0.saturating_sub(ago))
        }
    };
    let which: Vec<(InstanceKey, String)> = match &args.instance {
        Some(name) => vec![(instance(db, &account, name).await?, name.clone())],
        None => {
            let mut reader = db.reader().await?;
            let all = instances::by_account(reader.conn(), &account).await?;
            all.into_iter().map(|row| (row.key(), row.name)).collect()
        }
    };
    let all = prunable();
    let ask = retention::Prune {
        before,
        kinds: if args.kinds.is_empty() {
            &all
        } else {
            &args.kinds
        },
        actor: "prune",
    };
    for (key, name) in which {
        let dropped = retention::prune(db, key, &ask, now).await?;
        complain(&format!(
            "instance `{name}`: {} events dropped",
            dropped.rows
        ));
    }
    Ok(())
}
