//! Sessions and their linking.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::phone::PhoneEvent;
use labelwire_domain::instance::State;
use serde_json::{Value, json};

use super::{short_id, talk};
use crate::fake::QR;
use crate::stage::Stage;

/// The JSON answer to one line.
async fn answer(stage: &Stage, token: &str, session: &str, line: &str) -> (u16, Value) {
    let said = talk(stage, token, session, &[line]).await;
    let mut lines = said.lines().skip(1);
    let status = lines.next().expect("a status").trim().parse();
    let text = lines.next().expect("an answer");
    (
        status.expect("a number"),
        serde_json::from_str(text).expect("JSON"),
    )
}

#[tokio::test]
async fn a_session_is_made_linked_stopped_started_logged_out_and_deleted() {
    let stage = Stage::empty().await;
    let (status, made) = answer(&stage, &stage.account, "", "POST /v2/session/create").await;
    assert_eq!(status, 201);
    let id = made["instance_id"].as_str().expect("an id");
    let token = made["access_token"].as_str().expect("a token");
    assert!(id.len() == 12 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
    let name = format!("wawp-{id}");
    assert_eq!(
        made,
        json!({
            "success": true,
            "instance_id": id,
            "session_name": name,
            "server_name": "labelwire",
            "access_token": token,
        })
    );
    let standing = async |expected: &str| {
        let (status, info) = answer(&stage, token, id, "GET /v2/session/info").await;
        assert_eq!((status, &info["status"]), (200, &json!(expected)));
        info
    };
    let done = async |line: &str| {
        let (status, said) = answer(&stage, token, id, line).await;
        let expected = json!({"success": true, "message": "Operation completed successfully"});
        assert_eq!((status, said), (200, expected), "{line}");
    };

    let info = standing("STOPPED").await;
    assert_eq!(
        info,
        json!({"name": name, "status": "STOPPED", "config": {"webhooks": {}, "proxy": null}, "me": null})
    );
    done("POST /v2/session/start").await;
    stage.stands(&name, |s| s.qr.is_some()).await;
    let info = standing("SCAN_QR_CODE").await;
    let picture = STANDARD.decode(info["qr"].as_str().expect("a picture"));
    assert!(picture.expect("base64").starts_with(b"\x89PNG"));

    stage.pair(&name, vec![]).await;
    let info = standing("WORKING").await;
    let me = json!({"id": "5511900000000@c.us", "pushName": "Corner"});
    assert_eq!((&info["me"], info.get("qr")), (&me, None));
    assert_eq!(
        answer(&stage, token, id, "GET /v2/session/me").await,
        (200, me)
    );

    done("GET /v2/session/stop").await;
    standing("STOPPED").await;
    assert_eq!(
        answer(&stage, token, id, "GET /v2/session/me").await,
        (200, Value::Null)
    );
    done("GET /v2/session/start").await;
    stage.stands(&name, |s| s.state == State::Connected).await;
    standing("WORKING").await;
    done("POST /v2/session/restart").await;
    stage.stands(&name, |s| s.state == State::Connected).await;

    done("POST /v2/session/logout").await;
    stage.stands(&name, |s| s.qr.is_some()).await;
    standing("SCAN_QR_CODE").await;
    let (status, refused) = answer(&stage, token, id, "DELETE /v2/session/delete").await;
    assert_eq!(
        (status, &refused["code"]),
        (403, &json!("account_token_required"))
    );
    let (status, _) = answer(&stage, &stage.account, &name, "DELETE /v2/session/delete").await;
    assert_eq!(status, 200);
    let (status, _) = answer(&stage, token, id, "GET /v2/session/info").await;
    assert_eq!(status, 401);
    let said = talk(&stage, &stage.account, id, &["POST /v2/session/start"]).await;
    assert!(
        said.contains("404") && said.contains(r#""code":"invalid_instance""#),
        "{said}"
    );
    stage.close().await;
}

#[tokio::test]
async fn codes_are_shown_as_text_as_a_picture_or_to_type() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    for line in [
        "GET /v2/auth/qr",
        "POST /v2/auth/qr format=raw",
        r#"POST /v2/auth/qr {"format":"raw"}"#,
    ] {
        let (status, said) = answer(&stage, &token, "shop", line).await;
        assert_eq!(
            (status, &said["mimetype"]),
            (200, &json!("application/json"))
        );
        let raw = STANDARD
            .decode(said["data"].as_str().expect("text"))
            .expect("base64");
        let raw: Value = serde_json::from_slice(&raw).expect("JSON");
        assert_eq!(raw, json!({"value": QR, "expiry": 1_750_000_020_000_i64}));
    }
    for line in [
        "GET /v2/auth/qr?format=image",
        "GET /v2/auth/qr-image",
        "POST /v2/auth/qr-image {}",
    ] {
        let (status, said) = answer(&stage, &token, "shop", line).await;
        assert_eq!((status, &said["mimetype"]), (200, &json!("image/png")));
        let png = STANDARD
            .decode(said["data"].as_str().expect("text"))
            .expect("base64");
        assert!(png.starts_with(b"\x89PNG"));
    }
    let mut said = talk(
        &stage,
        &token,
        "shop",
        &[
            r#"POST /v2/auth/request-code {"phone_number":"201145202826"}"#,
            r#"POST /v2/auth/request-code {"phoneNumber":"+20 114 520 2826"}"#,
            "POST /v2/auth/request-code phone_number=201145202826",
            "POST /v2/auth/request-code",
            r#"POST /v2/auth/request-code {"phone_number":"12"}"#,
            r#"POST /v2/auth/request-code {"phone_number":"201145202826","phoneNumber":"201145202827"}"#,
            "GET /v2/auth/request-code",
            "GET /v2/auth/qr?format=svg",
            "POST /v2/session/stop",
            "GET /v2/auth/qr",
            "GET /v2/auth/qr-image",
            "POST /v2/session/start",
        ],
    )
    .await;
    stage.pair("shop", vec![]).await;
    said += "── linked\n";
    said += &talk(
        &stage,
        &token,
        "shop",
        &[
            "GET /v2/auth/qr",
            "GET /v2/auth/qr-image",
            r#"POST /v2/auth/request-code {"phone_number":"201145202826"}"#,
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_codes", said);
    stage.close().await;
}

#[tokio::test]
async fn a_session_that_ended_by_itself_has_failed() {
    let (stage, token) = Stage::shop().await;
    let caller = stage.caller().await;
    let scope = labelwire_domain::token::Scope::Read;
    let key = stage
        .app
        .instance(&caller, scope, "shop")
        .expect("there")
        .key;
    stage.offline("shop").await;
    let (_, info) = answer(&stage, &token, "shop", "POST /v2/session/info").await;
    assert_eq!(
        (&info["status"], &info["me"]),
        (&json!("STARTING"), &Value::Null)
    );
    stage
        .fake
        .tell(key, PhoneEvent::LoggedOut("the phone removed it".into()));
    stage.stands("shop", |s| s.state == State::LoggedOut).await;
    let (_, info) = answer(&stage, &token, "shop", "POST /v2/session/info").await;
    assert_eq!(info["status"], json!("FAILED"));
    let desk = stage.instance("desk").await;
    stage.fake.unreachable.store(true, Ordering::Relaxed);
    let said = talk(
        &stage,
        &desk,
        "desk",
        &[
            "POST /v2/session/start",
            "POST /v2/session/restart",
            "GET /v2/auth/qr",
        ],
    )
    .await;
    insta::assert_snapshot!("wawp_unreachable", said);
    stage.close().await;
}

/// Stopped means stopped: another start of the program connects what is linked,
/// but not what was stopped.
#[tokio::test]
async fn a_stopped_session_stays_stopped_over_restarts_of_the_program() {
    let (stage, token) = Stage::shop().await;
    let id = short_id(&stage, "shop").await;
    let (status, _) = answer(&stage, &token, &id, "POST /v2/session/stop").await;
    assert_eq!(status, 200);
    let stage = stage.reopened().await;
    let (_, info) = answer(&stage, &token, &id, "GET /v2/session/info").await;
    assert_eq!(info["status"], json!("STOPPED"));
    let (status, _) = answer(&stage, &token, &id, "POST /v2/session/start").await;
    assert_eq!(status, 200);
    stage.stands("shop", |s| s.state == State::Connected).await;
    let stage = stage.reopened().await;
    stage.stands("shop", |s| s.state == State::Connected).await;
    stage.close().await;
}
