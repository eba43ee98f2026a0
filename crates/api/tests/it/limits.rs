//! Rate limits.

use axum::extract::ConnectInfo;
use labelwire_api::Rate;
use std::net::SocketAddr;

use crate::stage::{Stage, header_of, request, text};

const LIST: &str = "/api/instance/list";

#[tokio::test]
async fn every_answer_that_knows_a_token_says_how_things_stand() {
    let (stage, token) = Stage::shop_with(|c| {
        c.rate = Rate {
            calls: 3,
            creates: 1,
        }
    })
    .await;
    let mut said = Vec::new();
    for path in [
        LIST,
        "/api/chat/tag/nowhere",
        "/api/chat/assignTag/shop",
        LIST,
    ] {
        let answer = stage.send(request("GET", path, &token, None)).await;
        said.push(format!(
            "{} {}/{} {}",
            answer.status().as_u16(),
            header_of(&answer, "x-ratelimit-remaining"),
            header_of(&answer, "x-ratelimit-limit"),
            header_of(&answer, "x-ratelimit-reset"),
        ));
    }
    // A method that is not there is refused before anybody asks for a token.
    assert_eq!(
        said,
        [
            "200 2/3 1750000020",
            "404 1/3 1750000040",
            "405 / ",
            "200 0/3 1750000060"
        ]
    );
    let answer = stage.send(request("GET", LIST, &token, None)).await;
    assert_eq!(answer.status(), 429);
    let wait: u64 = header_of(&answer, "retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(header_of(&answer, "x-ratelimit-remaining"), "0");
    assert_eq!(
        text(answer).await,
        r#"{"success":false,"error":{"message":"Rate limit exceeded. Try again later."}}"#
    );
    let path = "/v1/instances/shop/chats/1/labels";
    let answer = stage.send(request("GET", path, &token, None)).await;
    assert_eq!(answer.status(), 429);
    assert!(text(answer).await.contains(r#""code":"rate_limited""#));
    let other = stage.send(request("GET", LIST, &stage.account, None)).await;
    assert_eq!(other.status(), 200, "another token has its own bucket");
    stage.close().await;
}

#[tokio::test]
async fn making_instances_has_a_bucket_of_its_own() {
    let stage = Stage::with_config(|c| {
        c.rate = Rate {
            calls: 100,
            creates: 1,
        }
    })
    .await;
    let make = |name| request("POST", "/api/instance/new", &stage.account, Some(name));
    let first = stage.send(make(r#"{"name":"a"}"#)).await;
    assert_eq!(
        (
            first.status().as_u16(),
            header_of(&first, "x-ratelimit-limit")
        ),
        (201, "1")
    );
    assert_eq!(stage.send(make(r#"{"name":"b"}"#)).await.status(), 429);
    let list = stage.send(request("GET", LIST, &stage.account, None)).await;
    assert_eq!(
        (
            list.status().as_u16(),
            header_of(&list, "x-ratelimit-limit")
        ),
        (200, "100")
    );
    stage.close().await;
}

#[tokio::test]
async fn without_a_limit_nothing_is_said_of_one() {
    let stage = Stage::with_config(|c| c.rate = Rate::OFF).await;
    for _ in 0..200 {
        let answer = stage.send(request("GET", LIST, &stage.account, None)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header_of(&answer, "x-ratelimit-limit"), "");
    }
    stage.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_tokens_in_use_are_not() {
    let stage = Stage::with_config(|c| {
        c.rate = Rate {
            calls: 2,
            creates: 2,
        }
    })
    .await;
    let from = |address: [u8; 4], token: &str| {
        let mut asked = request("GET", LIST, token, None);
        let peer = SocketAddr::from((address, 1));
        asked.extensions_mut().insert(ConnectInfo(peer));
        asked
    };
    let guesser = [192, 0, 2, 1];
    stage.caller().await;
    for n in 0..20 {
        let answer = stage.send(from(guesser, &format!("a-guess-{n}"))).await;
        assert_eq!(answer.status(), 401, "{n}");
    }
    for token in ["one-more-guess", ""] {
        let answer = stage.send(from(guesser, token)).await;
        assert_eq!(answer.status(), 429);
        assert_ne!(header_of(&answer, "retry-after"), "");
    }
    assert_eq!(
        stage.send(from(guesser, &stage.account)).await.status(),
        200
    );
    assert_eq!(
        stage.send(from([192, 0, 2, 2], "a-guess")).await.status(),
        401
    );
    stage.close().await;
}
