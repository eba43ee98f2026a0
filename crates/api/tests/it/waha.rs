//! The WAHA dialect: golden calls and errors.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labelwire_app::phone::PhoneEvent;
use labelwire_domain::chat::ChatJid;
use labelwire_domain::contact::ContactNews;
use labelwire_domain::token::Scope;
use serde_json::{Value, json};

use crate::fake::QR;
use crate::keyed::{compare_document, request, send, talk};
use crate::stage::Stage;

const KEY: &str = "X-Api-Key";

#[tokio::test]
async fn labels_are_listed_made_changed_and_deleted() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            "GET /api/shop/labels",
            r#"POST /api/shop/labels {"name":"Lead","color":1}"#,
            r##"POST /api/shop/labels {"name":"Orçamento 🧾","colorHex":"#FFAF04","color":null}"##,
            "GET /api/shop/labels/",
            // The same name with another colour.
            r#"PUT /api/shop/labels/2 {"name":"VIP","color":7}"#,
            r##"PUT /api/shop/labels/2/ {"name":"VIP +","colorHex":"#9368cf"}"##,
            r#"PUT /api/shop/labels/2 {"name":"VIP"}"#,
            "DELETE /api/shop/labels/2",
            "DELETE /api/shop/labels/2",
            "GET /api/shop/labels",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_labels", said);
    stage.close().await;
}

#[tokio::test]
async fn a_label_that_makes_no_sense_is_refused() {
    let (stage, token) = Stage::shop().await;
    let mut said = talk(
        &stage,
        (KEY, &token),
        &[
            r#"POST /api/shop/labels {"name":"VIP","color":1}"#,
            r##"POST /api/shop/labels {"name":"Lead","color":1,"colorHex":"#64c4ff"}"##,
            r#"POST /api/shop/labels {"name":"Lead"}"#,
            r#"POST /api/shop/labels {"name":"Lead","color":null,"colorHex":null}"#,
            r##"POST /api/shop/labels {"name":"Lead","colorHex":"#123456"}"##,
            r#"POST /api/shop/labels {"name":"Lead","color":20}"#,
            r#"POST /api/shop/labels {"name":"Lead","color":-1}"#,
            r#"POST /api/shop/labels {"name":"Lead","color":"1"}"#,
            r#"POST /api/shop/labels {"name":" ","color":1}"#,
            r#"POST /api/shop/labels {"color":1}"#,
            r#"POST /api/shop/labels ["Lead"]"#,
            "POST /api/shop/labels",
            r#"PUT /api/shop/labels/1 {"name":"VIP","color":1}"#,
            r#"PUT /api/shop/labels/99 {"name":"Lead","color":1}"#,
            "DELETE /api/shop/labels/99",
            "PATCH /api/shop/labels/1",
            "GET /api/shop/labels/1",
            "GET /api/shop/labels/1/2/3",
            "GET /api/%FF/labels",
        ],
    )
    .await;
    for n in 0..17 {
        let path = "/api/shop/labels";
        let body = format!(r#"{{"name":"Label {n}","color":{n}}}"#);
        let (status, _, _) = send(&stage, request("POST", path, (KEY, &token), Some(&body))).await;
        assert_eq!(status, 201, "label {n}");
    }
    said += &talk(
        &stage,
        (KEY, &token),
        &[r#"POST /api/shop/labels {"name":"One too many","color":1}"#],
    )
    .await;
    insta::assert_snapshot!("waha_labels_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn a_chats_labels_are_set_as_a_whole_under_any_of_its_ids() {
    let (stage, token) = Stage::shop().await;
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            "GET /api/shop/labels/1/chats",
            "GET /api/shop/labels/10/chats/",
            "GET /api/shop/labels/99/chats",
            "GET /api/shop/labels/chats/5511988887777@c.us",
            "GET /api/shop/labels/chats/5511988887777%40s.whatsapp.net/",
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"labels":[{"id":"2"},{"id":"10"}]}"#,
            "GET /api/shop/labels/chats/5511988887777",
            "GET /api/shop/labels/chats/+5511988887777",
            "GET /api/shop/labels/1/chats",
            r#"PUT /api/shop/labels/chats/5511988887777@c.us/ {"labels":[]}"#,
            "GET /api/shop/labels/chats/5511988887777@c.us",
            r#"PUT /api/shop/labels/chats/120363021033254949@g.us {"labels":[{"id":"1"},{"id":"1"}]}"#,
            "GET /api/shop/labels/chats/120363021033254949@g.us",
            "GET /api/shop/labels/chats/77777777777777@lid",
            "GET /api/shop/labels/chats/5511900001111@c.us",
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"labels":[{"id":"99"}]}"#,
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"labels":["1"]}"#,
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"labels":null}"#,
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"label":[]}"#,
            r#"PUT /api/shop/labels/chats/bob {"labels":[]}"#,
            "GET /api/shop/labels/chats/bob",
            "POST /api/shop/labels/chats/5511988887777@c.us",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_chats", said);
    stage.fake.refusing.store(true, Ordering::Relaxed);
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            r#"PUT /api/shop/labels/chats/5511966665555@c.us {"labels":[{"id":"2"}]}"#,
            r#"POST /api/shop/labels {"name":"Lead","color":1}"#,
            r#"PUT /api/shop/labels/2 {"name":"Lead","color":1}"#,
            "DELETE /api/shop/labels/2",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_refused", said);
    stage.close().await;
}

#[tokio::test]
async fn a_chat_has_a_name_where_one_is_known() {
    let (stage, token) = Stage::shop().await;
    let caller = stage.caller().await;
    let handle = stage
        .app
        .instance(&caller, Scope::Admin, "shop")
        .expect("there");
    let chat = ChatJid::from_app_state("5511999999999@s.whatsapp.net");
    let news = ContactNews {
        name: Some("Maria José".to_owned()),
        ..ContactNews::of(chat)
    };
    stage
        .fake
        .tell(handle.key, PhoneEvent::Contacts(vec![news]));
    let named = json!([
        {"id": "5511988887777@c.us"},
        {"id": "5511999999999@c.us", "name": "Maria José"},
    ]);
    let asked = async {
        loop {
            let path = "/api/shop/labels/1/chats";
            let (_, _, body) = send(&stage, request("GET", path, (KEY, &token), None)).await;
            if serde_json::from_slice::<Value>(&body).expect("JSON") == named {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), asked)
        .await
        .expect("the name is learned");
    stage.close().await;
}

#[tokio::test]
async fn a_session_that_does_not_work_says_so() {
    let (stage, _) = Stage::shop().await;
    stage.offline("shop").await;
    stage.instance("fresh").await;
    let said = talk(
        &stage,
        (KEY, &stage.account),
        &[
            // What is known is told, connected or not.
            "GET /api/shop/labels/chats/5511988887777@c.us",
            r#"PUT /api/shop/labels/chats/5511988887777@c.us {"labels":[]}"#,
            r#"POST /api/shop/labels {"name":"Lead","color":1}"#,
            r#"PUT /api/shop/labels/2 {"name":"Lead","color":1}"#,
            "DELETE /api/shop/labels/2",
            "GET /api/fresh/labels",
            "GET /api/fresh/labels/1/chats",
            "GET /api/fresh/labels/chats/5511988887777@c.us",
            r#"POST /api/fresh/labels {"name":"Lead","color":1}"#,
            r#"PUT /api/fresh/labels/chats/5511988887777@c.us {"labels":[]}"#,
            "GET /api/fresh/auth/qr",
            r#"POST /api/fresh/auth/request-code {"phoneNumber":"5511999999999"}"#,
            "GET /api/nobody/labels",
            "GET /api/nobody/auth/qr",
            "DELETE /api/nobody/labels/1",
            "GET /api/%20/labels",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_standing", said);
    stage.close().await;
}

#[tokio::test]
async fn a_session_is_made_paired_stopped_and_deleted() {
    let stage = Stage::empty().await;
    let mut said = talk(
        &stage,
        (KEY, &stage.account),
        &[
            "GET /api/sessions",
            r#"POST /api/sessions {"name":"default","start":false,"config":{"webhooks":[]}}"#,
            "GET /api/sessions",
            "GET /api/sessions?all=true",
            "GET /api/sessions/default",
            "GET /api/sessions/default/me",
        ],
    )
    .await;
    started(&stage, "/api/sessions/default/start", None).await;
    started(&stage, "/api/sessions/default/start/", Some("{}")).await;
    shows_code(&stage, "default").await;
    said += &talk(
        &stage,
        (KEY, &stage.account),
        &[
            "GET /api/sessions/default",
            "GET /api/default/auth/qr?format=raw",
            r#"POST /api/default/auth/request-code {"phoneNumber":"5511999999999"}"#,
            r#"POST /api/default/auth/request-code {"phoneNumber":"12"}"#,
            r#"POST /api/default/auth/request-code {}"#,
        ],
    )
    .await;
    stage.pair("default", vec![]).await;
    said += &talk(
        &stage,
        (KEY, &stage.account),
        &[
            "GET /api/sessions/default",
            "GET /api/sessions/default/me",
            "GET /api/default/labels",
            "GET /api/default/auth/qr",
            "POST /api/sessions/default/stop",
            "POST /api/sessions/default/stop",
            "GET /api/sessions",
        ],
    )
    .await;
    started(&stage, "/api/sessions", Some("{}")).await;
    shows_code(&stage, "session_1").await;
    said += &talk(
        &stage,
        (KEY, &stage.account),
        &[
            r#"POST /api/sessions {"start":false}"#,
            "GET /api/sessions/?all=1",
            "DELETE /api/sessions/session_1",
            "DELETE /api/sessions/session_1/",
            "GET /api/sessions/session_1",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_sessions", said);
    stage.close().await;
}

#[tokio::test]
async fn a_session_call_that_makes_no_sense_is_refused() {
    let (stage, own) = Stage::shop().await;
    let mut said = talk(
        &stage,
        (KEY, &stage.account),
        &[
            r#"POST /api/sessions {"name":"shop"}"#,
            r#"POST /api/sessions {"name":"no blanks"}"#,
            r#"POST /api/sessions {"name":7}"#,
            r#"POST /api/sessions {"name":"x","config":7}"#,
            "POST /api/sessions",
            "GET /api/sessions?all=perhaps",
            "GET /api/sessions/nobody",
            "GET /api/sessions/nobody/me",
            "POST /api/sessions/nobody/start",
            "POST /api/sessions/nobody/stop",
            "POST /api/sessions/nobody/restart",
            "POST /api/sessions/nobody/logout",
            "GET /api/sessions/shop/start",
            "GET /api/sessions/shop/nothing",
            "GET /api/shop/auth/qr?format=jpeg",
            "GET /api/shop/auth/captcha",
            "GET /api/server/nothing",
        ],
    )
    .await;
    said += "── the session's own key\n";
    stage.instance("desk").await;
    said += &talk(
        &stage,
        (KEY, &own),
        &[
            "GET /api/sessions?all=true",
            "GET /api/desk/labels",
            "GET /api/sessions/desk",
            r#"POST /api/sessions {"name":"mine"}"#,
            "DELETE /api/sessions/shop",
        ],
    )
    .await;
    insta::assert_snapshot!("waha_sessions_refused", said);
    stage.fake.unreachable.store(true, Ordering::Relaxed);
    let said = talk(
        &stage,
        (KEY, &stage.account),
        &["POST /api/sessions/desk/start"],
    )
    .await;
    insta::assert_snapshot!("waha_unreachable", said);
    stage.close().await;
}

#[tokio::test]
async fn logging_out_and_restarting_show_a_new_code() {
    let (stage, _) = Stage::shop().await;
    let key = (KEY, stage.account.as_str());
    for call in ["logout", "restart"] {
        let path = format!("/api/sessions/shop/{call}");
        let (status, _, _) = send(&stage, request("POST", &path, key, None)).await;
        assert_eq!(status, 201, "{call}");
        shows_code(&stage, "shop").await;
        let session = request("GET", "/api/sessions/shop", key, None);
        let (_, _, body) = send(&stage, session).await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["status"], "SCAN_QR_CODE", "{call}");
    }
    stage.close().await;
}

#[tokio::test]
async fn the_code_is_a_picture_or_json_as_asked() {
    let stage = Stage::empty().await;
    stage.instance("shop").await;
    let key = (KEY, stage.account.as_str());
    let started = request("POST", "/api/sessions/shop/start", key, None);
    assert_eq!(send(&stage, started).await.0, 201);
    let asked = |path: &str, accept: Option<&str>| {
        let mut request = request("GET", path, key, None);
        if let Some(accept) = accept {
            let accept = accept.parse().expect("a value");
            request.headers_mut().insert("accept", accept);
        }
        request
    };
    let (status, kind, png) = send(&stage, asked("/api/shop/auth/qr", None)).await;
    assert_eq!((status, kind.as_str()), (200, "image/png"));
    assert!(png.starts_with(b"\x89PNG\r\n"));
    let accept = Some("application/json");
    let (status, kind, json) = send(&stage, asked("/api/shop/auth/qr", accept)).await;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(
        json,
        json!({"mimetype": "image/png", "data": STANDARD.encode(&png)})
    );
    for accept in [None, Some("image/png")] {
        let (status, _, json) = send(&stage, asked("/api/shop/auth/qr?format=raw", accept)).await;
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!((status, json), (200, json!({ "value": QR })));
    }
    stage.close().await;
}

#[tokio::test]
async fn the_key_may_be_in_three_places() {
    let (stage, token) = Stage::shop().await;
    let get = |path: String| Request::builder().uri(path);
    let path = || "/api/shop/labels".to_owned();
    for (request, status) in [
        (get(path()).header("X-Api-Key", &token), 200),
        (
            get(path()).header("Authorization", format!("Bearer {token}")),
            200,
        ),
        (get(format!("{}?x-api-key={token}", path())), 200),
        (get(format!("{}?x-api-key=", path())), 401),
        (get(path()).header("X-Api-Key", "nonsense"), 401),
        (get(path()).header("X-Api-Key", [0xff].as_slice()), 401),
        (get(path()), 401),
        (get("/ping".to_owned()), 200),
        (get("/api/server/version".to_owned()), 401),
        (get("/api/sessions".to_owned()), 401),
    ] {
        let request = request.body(Body::empty()).expect("a request");
        let shown = format!("{request:?}");
        let (answered, _, body) = send(&stage, request).await;
        assert_eq!(answered, status, "{shown}");
        if status == 401 {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(body, json!({"message": "Unauthorized", "statusCode": 401}));
        }
    }
    stage.close().await;
}

#[tokio::test]
async fn the_gateway_tells_its_version() {
    let stage = Stage::empty().await;
    let (status, _, pong) = send(&stage, request("GET", "/ping", (KEY, ""), None)).await;
    assert_eq!((status, pong), (200, br#"{"message":"pong"}"#.to_vec()));
    let key = (KEY, stage.account.as_str());
    for path in ["/api/server/version", "/api/version"] {
        let (status, _, body) = send(&stage, request("GET", path, key, None)).await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, 200);
        assert_eq!(body["engine"], "LABELWIRE");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    }
    stage.close().await;
}

/// Sessions named like another dialect's paths open both doors.
#[tokio::test]
async fn a_session_may_be_called_what_another_dialect_begins_with() {
    let stage = Stage::empty().await;
    for name in ["chat", "instance", "server", "sessions", "labels", "waha"] {
        stage.instance(name).await;
        stage
            .pair(name, vec![crate::fake::label("1", name, 0)])
            .await;
        let key = (KEY, stage.account.as_str());
        let (status, _, body) = send(
            &stage,
            request("GET", &format!("/api/{name}/labels"), key, None),
        )
        .await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        if name == "sessions" {
            // As in the dialect itself: this is a session called `labels`.
            assert_eq!(
                (status, &body["message"]),
                (404, &json!("Session not found"))
            );
        } else {
            assert_eq!((status, &body[0]["name"]), (200, &json!(name)), "{name}");
        }
        let (status, tags) = stage.get(&format!("/api/chat/tag/{name}")).await;
        assert_eq!((status, &tags["tags"][0]["name"]), (200, &json!(name)));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_key_asks_only_so_often() {
    let (stage, token) = Stage::shop_with(|c| {
        c.rate = labelwire_api::Rate {
            calls: 2,
            creates: 1,
        }
    })
    .await;
    let said = talk(
        &stage,
        (KEY, &token),
        &[
            "GET /api/shop/labels/99/chats",
            "GET /api/shop/labels/99/chats",
            "GET /api/shop/labels/99/chats",
        ],
    )
    .await;
    assert!(
        said.ends_with(concat!(
            "GET /api/shop/labels/99/chats\n  429 application/json\n  ",
            r#"{"message":"Too many requests for this key; try again later","#,
            r#""error":"Too Many Requests","statusCode":429}"#,
            "\n\n",
        )),
        "{said}"
    );
    let new = |name: &str| format!(r#"{{"name":"{name}","start":false}}"#);
    for (name, path, status) in [("a", "/api/sessions", 201), ("b", "/api/sessions/", 429)] {
        let call = request("POST", path, (KEY, &stage.account), Some(&new(name)));
        assert_eq!(send(&stage, call).await.0, status, "{path}");
    }
    stage.close().await;
}

#[tokio::test]
async fn the_document_is_the_one_checked_in() {
    compare_document("/waha/openapi.json", "waha.json").await;
}

/// A call that starts a session: its code may be there already, or not yet.
async fn started(stage: &Stage, path: &str, body: Option<&str>) {
    let call = request("POST", path, (KEY, &stage.account), body);
    let (status, _, body) = send(stage, call).await;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(status, 201, "{path}: {body}");
    assert!(
        body["status"] == "STARTING" || body["status"] == "SCAN_QR_CODE",
        "{path}: {body}"
    );
}

async fn shows_code(stage: &Stage, name: &str) {
    let caller = stage.caller().await;
    let handle = stage
        .app
        .instance(&caller, Scope::Admin, name)
        .expect("there");
    let mut watch = handle.watch();
    let shown = watch.wait_for(|status| status.qr.is_some());
    tokio::time::timeout(std::time::Duration::from_secs(20), shown)
        .await
        .expect("in time")
        .expect("up");
}
