//! Tokens: scopes, ends, rotation, revocation.

use std::time::Duration;

use labelwire_app::tokens::NewToken;
use labelwire_app::{Caller, Error};
use labelwire_domain::clock::Clock as _;
use labelwire_domain::token::{Scope, Scopes};

use crate::stage::{Stage, request, text};

fn new<'a>(name: &'a str, scopes: &str) -> NewToken<'a> {
    NewToken {
        name,
        instance: None,
        scopes: scopes.parse().expect("scopes"),
        expires_at: None,
    }
}

async fn status(stage: &Stage, token: &str, method: &str, path: &str, body: Option<&str>) -> u16 {
    let answer = stage.send(request(method, path, token, body)).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn a_scope_opens_what_it_names_and_nothing_else() {
    let (stage, _) = Stage::shop().await;
    let owner = stage.caller().await;
    let on = r#"{"number":"5511966665555","tagId":"2"}"#;
    let calls = [
        ("GET", "/api/chat/tag/shop", None, "read"),
        ("GET", "/api/chat/contactsByLabel/shop", None, "read"),
        (
            "GET",
            "/v1/instances/shop/chats/5511966665555/labels",
            None,
            "read",
        ),
        ("GET", "/api/instance/list", None, "read"),
        ("POST", "/api/chat/assignTag/shop", Some(on), "label"),
        ("GET", "/api/instance/connect/shop", None, "admin"),
        (
            "POST",
            "/api/instance/new",
            Some(r#"{"name":"desk"}"#),
            "admin",
        ),
        ("DELETE", "/api/instance/delete/desk", None, "admin"),
    ];
    for scope in Scope::ALL.map(Scope::as_str) {
        let (_, token) = stage
            .app
            .create_token(&owner, new("one scope", scope))
            .await
            .expect("a token");
        for (method, path, body, needed) in calls {
            let said = status(&stage, &token, method, path, body).await;
            let is_open = scope == needed;
            assert_eq!(said != 403, is_open, "{scope}: {method} {path} {said}");
            assert!(!is_open || said < 300, "{scope}: {method} {path} {said}");
        }
    }
    let (_, sender) = stage
        .app
        .create_token(&owner, new("s", "send"))
        .await
        .expect("one");
    let said = stage
        .talk(
            &sender,
            &[
                "GET /v1/instances/shop/chats/1/labels",
                "GET /api/chat/tag/shop",
            ],
        )
        .await;
    assert!(said.contains(r#""code":"scope_missing""#), "{said}");
    assert!(
        said.contains("Token does not have permission for this action"),
        "{said}"
    );
    stage.close().await;
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_that_moment() {
    let stage = Stage::empty().await;
    let owner = stage.caller().await;
    let (view, token) = stage
        .app
        .create_token(&owner, new("ci", "read"))
        .await
        .expect("one");
    let list = "/api/instance/list";
    assert_eq!(status(&stage, &token, "GET", list, None).await, 200);
    stage
        .app
        .revoke_token(&owner, view.id.as_str())
        .await
        .expect("there");
    assert_eq!(status(&stage, &token, "GET", list, None).await, 401);
    let again = stage.app.revoke_token(&owner, view.id.as_str()).await;
    assert!(matches!(again, Err(Error::TokenNotFound(_))));
    let all = stage.app.list_tokens(&owner).await.expect("all");
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .any(|t| t.id == view.id && t.revoked_at.is_some())
    );
    stage.close().await;
}

#[tokio::test]
async fn a_token_ends_when_it_was_told_to() {
    let stage = Stage::empty().await;
    let owner = stage.caller().await;
    let end = stage.clock.now().after(Duration::from_mins(1));
    let (_, token) = stage
        .app
        .create_token(
            &owner,
            NewToken {
                expires_at: Some(end),
                ..new("short", "read")
            },
        )
        .await
        .expect("one");
    let list = "/api/instance/list";
    assert_eq!(status(&stage, &token, "GET", list, None).await, 200);
    stage.clock.advance(Duration::from_mins(1));
    assert_eq!(status(&stage, &token, "GET", list, None).await, 401);
    let path = "/v1/instances/shop/chats/1/labels";
    let said = text(stage.send(request("GET", path, &token, None)).await).await;
    assert!(said.contains(r#""code":"token_expired""#), "{said}");
    let late = NewToken {
        expires_at: Some(end),
        ..new("late", "read")
    };
    let refused = stage.app.create_token(&owner, late).await;
    assert!(matches!(refused, Err(Error::ExpiryPast)));
    stage.close().await;
}

#[tokio::test]
async fn a_rotated_tokens_old_text_works_as_long_as_it_was_given() {
    let stage = Stage::empty().await;
    let owner = stage.caller().await;
    let list = "/api/instance/list";
    let (view, first) = stage
        .app
        .create_token(&owner, new("ci", "read"))
        .await
        .expect("one");
    assert_eq!(status(&stage, &first, "GET", list, None).await, 200);
    let id = view.id.as_str();
    let hour = Duration::from_hours(1);
    let (same, second) = stage
        .app
        .rotate_token(&owner, id, hour)
        .await
        .expect("there");
    assert_eq!(same.id, view.id);
    for text in [&first, &second] {
        assert_eq!(status(&stage, text, "GET", list, None).await, 200);
    }
    stage.clock.advance(hour);
    assert_eq!(status(&stage, &first, "GET", list, None).await, 401);
    assert_eq!(status(&stage, &second, "GET", list, None).await, 200);
    let (_, third) = stage
        .app
        .rotate_token(&owner, id, Duration::ZERO)
        .await
        .expect("there");
    assert_eq!(status(&stage, &second, "GET", list, None).await, 401);
    assert_eq!(status(&stage, &third, "GET", list, None).await, 200);
    stage.close().await;
}

#[tokio::test]
async fn an_instance_token_reaches_its_own_instances_tokens_only() {
    let stage = Stage::empty().await;
    let token = stage.instance("shop").await;
    stage.instance("desk").await;
    let shop: Caller = stage.app.authenticate(&token).await.expect("known");
    let owner = stage.caller().await;
    let for_account = stage.app.create_token(&shop, new("mine", "read")).await;
    assert!(matches!(for_account, Err(Error::AccountTokenRequired)));
    let of = |instance| NewToken {
        instance: Some(instance),
        ..new("reader", "read")
    };
    let for_other = stage.app.create_token(&shop, of("desk")).await;
    assert!(matches!(for_other, Err(Error::InstanceMismatch)));
    let (reader, text) = stage
        .app
        .create_token(&shop, of("shop"))
        .await
        .expect("one");
    assert_eq!(reader.instance.as_deref(), Some("shop"));
    assert_eq!(stage.app.list_tokens(&shop).await.expect("its").len(), 2);
    assert_eq!(stage.app.list_tokens(&owner).await.expect("all").len(), 4);
    let account = owner.token.clone().expect("a token");
    for refused in [
        stage.app.revoke_token(&shop, account.as_str()).await.err(),
        stage
            .app
            .rotate_token(&shop, account.as_str(), Duration::ZERO)
            .await
            .err(),
    ] {
        assert!(
            matches!(refused, Some(Error::TokenNotFound(_))),
            "{refused:?}"
        );
    }
    let reading = stage.app.authenticate(&text).await.expect("known");
    assert_eq!(reading.actor(), format!("token:{}", reader.id));
    assert_eq!(
        stage.app.token_of(&reading).await.expect("its own").name,
        "reader"
    );
    let listing = stage.app.list_tokens(&reading).await;
    assert!(matches!(listing, Err(Error::ScopeMissing(Scope::Admin))));
    stage.close().await;
}

#[tokio::test]
async fn the_last_use_is_known_at_once_and_written_in_one_go() {
    let stage = Stage::empty().await;
    let owner = stage.caller().await;
    let (view, token) = stage
        .app
        .create_token(&owner, new("ci", "read"))
        .await
        .expect("one");
    assert_eq!(view.last_used_at, None);
    stage.clock.advance(Duration::from_mins(5));
    assert_eq!(
        status(&stage, &token, "GET", "/api/instance/list", None).await,
        200
    );
    let used = Some(stage.clock.now());
    let caller = stage.app.authenticate(&token).await.expect("known");
    assert_eq!(
        stage
            .app
            .token_of(&caller)
            .await
            .expect("its own")
            .last_used_at,
        used
    );
    stage.app.note_used_tokens().await.expect("written");
    assert_eq!(
        stage
            .app
            .token_of(&caller)
            .await
            .expect("its own")
            .last_used_at,
        used
    );
    stage.close().await;
}

#[tokio::test]
async fn what_makes_no_sense_as_a_token_is_refused() {
    let stage = Stage::empty().await;
    let owner = stage.caller().await;
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let refused = stage.app.create_token(&owner, new(name, "read")).await;
        assert!(matches!(refused, Err(Error::TokenNameInvalid)), "{name:?}");
    }
    let none = NewToken {
        scopes: Scopes::default(),
        ..new("none", "read")
    };
    assert!(matches!(
        stage.app.create_token(&owner, none).await,
        Err(Error::ScopesEmpty)
    ));
    let nowhere = NewToken {
        instance: Some("nowhere"),
        ..new("none", "read")
    };
    let refused = stage.app.create_token(&owner, nowhere).await;
    assert!(matches!(refused, Err(Error::InstanceNotFound(_))));
    stage.close().await;
}
