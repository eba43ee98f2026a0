//! The account's order of labels.

use labelwire_domain::change::LabelOrder;
use labelwire_domain::clock::Timestamp;
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

row! {
    struct OrderRow {
        ids: String,
        changed_at: i64,
    }
}

/// The order, if WhatsApp ever told one.
///
/// # Errors
/// [`Error::Corrupt`] for what this program never writes; the engine's own.
pub async fn find(conn: Conn<'_>, instance: InstanceKey) -> Result<Option<LabelOrder>, Error> {
    let row: Option<OrderRow> = on!(conn, c => sqlx::query_as(sql!("label_orders/find"))
        .bind(instance.0).fetch_optional(c).await)?;
    row.map(|row| {
        Ok(LabelOrder {
            ids: serde_json::from_str(&row.ids).map_err(|_| Error::Corrupt("label_orders.ids"))?,
            changed_at: Timestamp(row.changed_at),
        })
    })
    .transpose()
}

/// Writes the order whole.
///
/// # Errors
/// The engine's own.
pub async fn set(tx: &mut Tx, instance: InstanceKey, order: &LabelOrder) -> Result<(), Error> {
    let ids = serde_json::Value::from(order.ids.as_slice()).to_string();
    on!(tx.conn(), c => sqlx::query(sql!("label_orders/set"))
        .bind(instance.0).bind(ids).bind(order.changed_at.0)
        .execute(c).await.map(drop))?;
    Ok(())
}
