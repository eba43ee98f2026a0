//! Instances: what is linked, and how it stands.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::{AccountId, InstanceId, InstanceKey};
use labelwire_domain::instance::{Profile, State};

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    /// An instance's row.
    pub struct Instance {
        /// Row number.
        pub instance: i64,
        /// Public id, `ins_…`.
        pub instance_id: String,
        /// The owning account.
        pub account_id: String,
        /// Name, unique within the account.
        pub name: String,
        /// Whether a client should run.
        pub wanted: bool,
        /// State word.
        pub state: String,
        /// Why it is in that state; empty where there is nothing to say.
        pub reason: String,
        /// When the first sync ended, microseconds.
        pub synced_at: Option<i64>,
        /// Own number.
        pub jid: Option<String>,
        /// Own hidden id.
        pub lid: Option<String>,
        /// Phone platform.
        pub platform: Option<String>,
        /// Business name.
        pub business_name: Option<String>,
        /// Shown name.
        pub push_name: Option<String>,
        /// When a caller stopped it, microseconds; `None` where it may run.
        pub stopped_at: Option<i64>,
    }
}

impl Instance {
    /// The row number, typed.
    #[must_use]
    pub const fn key(&self) -> InstanceKey {
        InstanceKey(self.instance)
    }

    /// The state, typed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a word this program never writes.
    pub fn state(&self) -> Result<State, Error> {
        self.state
            .parse()
            .map_err(|_| Error::Corrupt("instances.state"))
    }

    /// What pairing told.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile {
            jid: self.jid.clone(),
            lid: self.lid.clone(),
            platform: self.platform.clone(),
            business_name: self.business_name.clone(),
            push_name: self.push_name.clone(),
        }
    }
}

/// Adds an instance, born disconnected.
///
/// # Errors
/// [`Error::Taken`] where the account has one of that name.
pub async fn insert(
    tx: &mut Tx,
    id: &InstanceId,
    account: &AccountId,
    name: &str,
    now: Timestamp,
) -> Result<InstanceKey, Error> {
    let key = take_number(tx, "instance", 1).await?;
    on!(tx.conn(), c => sqlx::query(sql!("instances/insert"))
        .bind(key).bind(id.as_str()).bind(account.as_str()).bind(name)
        .bind(State::Disconnected.as_str()).bind("").bind(now.0)
        .execute(c).await.map(drop))
    .map_err(|e| Error::taken(e, "name"))?;
    Ok(InstanceKey(key))
}

/// Takes `count` numbers from a counter; returns the last of them. Gap-free and
/// in commit order, because the counter's row is locked until the commit.
pub(crate) async fn take_number(tx: &mut Tx, counter: &str, count: i64) -> Result<i64, Error> {
    let (value,): (i64,) = on!(tx.conn(), c => sqlx::query_as(sql!("counters/take"))
        .bind(counter).bind(count).fetch_one(c).await)?;
    Ok(value)
}

/// Every instance.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>) -> Result<Vec<Instance>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("instances/all")).fetch_all(c).await)?)
}

/// The account's instances, by name.
///
/// # Errors
/// The engine's own.
pub async fn by_account(conn: Conn<'_>, account: &AccountId) -> Result<Vec<Instance>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("instances/by_account"))
        .bind(account.as_str()).fetch_all(c).await)?)
}

/// One instance of an account, by name.
///
/// # Errors
/// The engine's own.
pub async fn find_by_name(
    conn: Conn<'_>,
    account: &AccountId,
    name: &str,
) -> Result<Option<Instance>, Error> {
    Ok(
        on!(conn, c => sqlx::query_as(sql!("instances/find_by_name"))
        .bind(account.as_str()).bind(name).fetch_optional(c).await)?,
    )
}

/// One instance.
///
/// # Errors
/// The engine's own.
pub async fn find(conn: Conn<'_>, key: InstanceKey) -> Result<Option<Instance>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("instances/find")).bind(key.0).fetch_optional(c).await)?)
}

/// Writes state and reason.
///
/// # Errors
/// The engine's own.
pub async fn set_state(
    tx: &mut Tx,
    key: InstanceKey,
    state: State,
    reason: &str,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/set_state"))
        .bind(key.0).bind(state.as_str()).bind(reason).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes whether a client should run.
///
/// # Errors
/// The engine's own.
pub async fn set_wanted(tx: &mut Tx, key: InstanceKey, wanted: bool) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/set_wanted"))
        .bind(key.0).bind(wanted).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes since when an instance is stopped; `None` where it may run.
///
/// # Errors
/// The engine's own.
pub async fn set_stopped(
    tx: &mut Tx,
    key: InstanceKey,
    at: Option<Timestamp>,
) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/set_stopped"))
        .bind(key.0).bind(at.map(|at| at.0)).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes when the first sync ended.
///
/// # Errors
/// The engine's own.
pub async fn set_synced(tx: &mut Tx, key: InstanceKey, at: Timestamp) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/set_synced"))
        .bind(key.0).bind(at.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes what is known of the account; what is `None` stays as it was.
///
/// # Errors
/// The engine's own.
pub async fn set_profile(tx: &mut Tx, key: InstanceKey, profile: &Profile) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/set_profile"))
        .bind(key.0).bind(profile.jid.as_deref()).bind(profile.lid.as_deref())
        .bind(profile.platform.as_deref()).bind(profile.business_name.as_deref())
        .bind(profile.push_name.as_deref())
        .execute(c).await.map(drop))?;
    Ok(())
}

/// The highest label id ever given out here.
///
/// # Errors
/// The engine's own.
pub async fn label_floor(conn: Conn<'_>, key: InstanceKey) -> Result<i64, Error> {
    let row: Option<(i64,)> = on!(conn, c => sqlx::query_as(sql!("instances/label_floor"))
        .bind(key.0).fetch_optional(c).await)?;
    Ok(row.map_or(0, |r| r.0))
}

/// Notes that a label id is given out.
///
/// # Errors
/// The engine's own.
pub async fn raise_label_floor(tx: &mut Tx, key: InstanceKey, id: i64) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("instances/raise_label_floor"))
        .bind(key.0).bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets the protocol's state of a pairing that is void. The mirror stays
/// readable until another account is paired.
///
/// # Errors
/// The engine's own.
pub async fn forget_pairing(tx: &mut Tx, key: InstanceKey) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("collections/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("collections/delete_all_buckets")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("protocol/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets the mirror and who it was of. History stays.
///
/// # Errors
/// The engine's own.
pub async fn forget_mirror(tx: &mut Tx, key: InstanceKey) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("chat_labels/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("message_labels/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("label_orders/delete")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("labels/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("lid_map/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("contacts/delete_all")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("instances/clear_profile")).bind(key.0).execute(c).await.map(drop))?;
    Ok(())
}

/// Removes the instance and all it left, its tokens and baselines too. Of the
/// history only the log's rows stay: they are never changed.
///
/// # Errors
/// The engine's own.
pub async fn delete(tx: &mut Tx, key: InstanceKey) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("log/delete_baselines")).bind(key.0).execute(c).await.map(drop))?;
    on!(tx.conn(), c => sqlx::query(sql!("checkpoints/delete_before")).bind(key.0).bind(i64::MAX).execute(c).await.map(drop))?;
    forget_pairing(tx, key).await?;
    forget_mirror(tx, key).await?;
    on!(tx.conn(), c => sqlx::query(sql!("instances/delete")).bind(key.0).execute(c).await.map(drop))?;
    Ok(())
}

#[cfg(all(test, feature = "testing"))]
#[path = "instances_tests.rs"]
mod tests;
