//! Label rows, tombstones included.

use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;
use labelwire_domain::label::Label;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct LabelRow {
        label_id: String,
        name: String,
        color: i32,
        deleted: bool,
        predefined_id: Option<i32>,
        order_index: Option<i32>,
        list_type: Option<i32>,
        is_active: Option<bool>,
        is_immutable: Option<bool>,
        mute_end_ms: Option<i64>,
        changed_at: i64,
    }
}

/// Every label ever seen, deleted ones too, in no order.
///
/// # Errors
/// The engine's own.
pub async fn all(conn: Conn<'_>, instance: InstanceKey) -> Result<Vec<Label>, Error> {
    let rows: Vec<LabelRow> = on!(conn, c => sqlx::query_as(sql!("labels/all"))
        .bind(instance.0).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|r| Label {
            id: r.label_id,
            name: r.name,
            color: r.color,
            deleted: r.deleted,
            predefined_id: r.predefined_id,
            order_index: r.order_index,
            list_type: r.list_type,
            is_active: r.is_active,
            is_immutable: r.is_immutable,
            mute_end_ms: r.mute_end_ms,
            changed_at: Timestamp(r.changed_at),
        })
        .collect())
}

/// Writes one label whole.
///
/// # Errors
/// The engine's own.
pub async fn set(tx: &mut Tx, instance: InstanceKey, label: &Label) -> Result<(), Error> {
    on!(tx.conn(), c => sqlx::query(sql!("labels/set"))
        .bind(instance.0).bind(&label.id).bind(&label.name).bind(label.color).bind(label.deleted)
        .bind(label.predefined_id).bind(label.order_index).bind(label.list_type)
        .bind(label.is_active).bind(label.is_immutable).bind(label.mute_end_ms)
        .bind(label.changed_at.0)
        .execute(c).await.map(drop))?;
    Ok(())
}
