//! The store on both engines.

mod access;
mod history;

/// Runs a body on both engines.
macro_rules! on_both {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() {
                run(TestDb::sqlite().expect("a folder")).await;
            }

            #[tokio::test]
            #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
            async fn postgres() {
                run(TestDb::postgres().await.expect("a server")).await;
            }

            async fn run(test: TestDb) {
                let db = test.open().await.expect("a database");
                Box::pin($body(db.clone())).await;
                db.close().await;
                test.remove().await.expect("removed");
            }
        }
    };
}
pub(crate) use on_both;
