//! The road from WhatsApp's app state to the mirror: the real library against
//! the simulated WhatsApp, on both engines.

mod contacts;
mod gateway;
mod identity;
mod inbound;
mod labels;
mod messages;
mod recovery;
mod storm;
mod sync;
mod together;
mod witness;
mod writes;

/// The same test on SQLite and on PostgreSQL.
macro_rules! both {
    ($(#[$doc:meta])* $name:ident, $body:expr) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let body = $body;
                body(labelwire_store::testing::TestDb::sqlite().unwrap()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
            async fn postgres() {
                let body = $body;
                body(labelwire_store::testing::TestDb::postgres().await.unwrap()).await;
            }
        }
    };
}
pub(crate) use both;
