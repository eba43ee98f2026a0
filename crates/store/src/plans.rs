//! What SQLite makes of the statements that look something up.

use crate::Conn;
use crate::testing::TestDb;

/// Where SQLite has no statistics it may walk an instance's whole LID map for
/// each of 40,000 numbers: minutes instead of milliseconds.
#[tokio::test]
async fn no_lookup_walks_all_rows_of_an_instance() {
    let home = TestDb::sqlite().unwrap();
    let db = home.open().await.unwrap();
    let mut reader = db.reader().await.unwrap();
    let Conn::Sqlite(conn) = reader.conn() else {
        panic!("SQLite was asked for")
    };
    macro_rules! plan {
        ($name:literal) => {
            (
                $name,
                concat!(
                    "EXPLAIN QUERY PLAN ",
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql"))
                ),
            )
        };
    }
    for (name, text) in [
        plan!("chat_labels/chats_of_label.sqlite"),
        plan!("chat_labels/find_many.sqlite"),
        plan!("chat_labels/live_of_chats.sqlite"),
        plan!("chat_labels/of_chats.sqlite"),
        plan!("commands/find_by_key"),
        plan!("contacts/find_many.sqlite"),
        plan!("contacts/page"),
        plan!("labeled_chats/of_chats.sqlite"),
        plan!("labeled_chats/page_by_time.sqlite"),
        plan!("labeled_chats/some_carriers.sqlite"),
        plan!("lid_map/find_by_lid"),
        plan!("lid_map/find_by_lids.sqlite"),
        plan!("lid_map/find_by_phone.sqlite"),
        plan!("lid_map/find_by_phones.sqlite"),
        plan!("message_labels/count_of_label"),
        plan!("message_labels/find_many.sqlite"),
        plan!("message_labels/keys_of_message.sqlite"),
        plan!("message_labels/labels_of_message.sqlite"),
        plan!("message_labels/page_of_label"),
    ] {
        use sqlx::Row as _;
        let rows = sqlx::query(text)
            .bind(1_i64)
            .bind("[]")
            .bind(10_i64)
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        for row in rows {
            let step: String = row.get("detail");
            assert!(!step.ends_with("(instance=?)"), "{name}: {step}");
        }
    }
}
