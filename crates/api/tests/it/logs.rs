//! What the log must not hold.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::stage::Stage;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Sees what the tests beside it log, too; that must be as clean.
#[tokio::test]
async fn tokens_chats_queries_and_bodies_are_in_no_log() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(written.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    let (stage, token) = Stage::shop().await;
    let account = stage.account.clone();
    stage
        .talk(
            &token,
            &[
                "GET /api/chat/contactsByLabel/shop?labelNames=Important",
                &format!("GET /api/chat/tag/shop?token={account}"),
                "GET /v1/instances/shop/chats/5511988887777/labels",
                "GET /api/chat/tag/shop?token=a-secret-that-is-wrong",
                r#"POST /api/chat/assignTag/shop {"number":"5511966665555","tagId":"2"}"#,
                r#"POST /api/chat/assignTag/shop {"number":"a-private-text","tagId":"2"}"#,
                "GET /api/chat/tag/a-private-name",
            ],
        )
        .await;
    stage
        .talk(
            &account,
            &[r#"POST /api/instance/new {"name":"desk","token":"a-secret-of-my-own"}"#],
        )
        .await;
    stage
        .talk("a-secret-that-is-wrong", &["GET /api/chat/tag/shop"])
        .await;
    stage.close().await;
    let log = String::from_utf8(written.0.lock().expect("lock").clone()).expect("UTF-8");
    assert!(
        log.contains("GET /api/chat/contactsByLabel/{instance}"),
        "{log}"
    );
    assert!(log.contains("status=200"), "{log}");
    for secret in [
        token.as_str(),
        &account,
        "a-secret",
        "a-private",
        "labelNames",
        "Important",
        "5511988887777",
        "5511966665555",
    ] {
        assert!(!log.contains(secret), "`{secret}` is in the log:\n{log}");
    }
}
