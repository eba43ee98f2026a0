//! History read over the native API: events, moments of the past, snapshots, diffs,
//! retention and erasure.

use std::time::Duration;

use serde_json::Value;

use crate::stage::{Stage, request, text};

/// The shop after some changes through the API, a minute apart.
async fn shop() -> (Stage, String) {
    let (stage, token) = Stage::shop().await;
    for line in [
        r#"PUT /v1/instances/shop/chats/5511999999999/labels/2"#,
        r#"PATCH /v1/instances/shop/labels/1 {"name":"Urgent"}"#,
        r#"DELETE /v1/instances/shop/chats/5511988887777/labels/1"#,
        r#"POST /v1/instances/shop/labels {"name":"New","color":7}"#,
        r#"DELETE /v1/instances/shop/labels/10"#,
        r#"PUT /v1/instances/shop/labels/order {"labels":["2","1"]}"#,
    ] {
        stage.clock.advance(Duration::from_mins(1));
        let said = stage.talk(&token, &[line]).await;
        assert!(said.contains("\n  20"), "{said}");
    }
    (stage, token)
}

async fn seqs(stage: &Stage, kind: &str) -> Vec<i64> {
    let (_, events) = stage
        .get(&format!("/v1/instances/shop/events?type={kind}"))
        .await;
    let events = events["events"].as_array().expect("a list");
    events
        .iter()
        .map(|e| e["seq"].as_i64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn history_is_read_by_what_is_asked_of_it() {
    let (stage, token) = shop().await;
    let said = stage
        .talk(
            &token,
            &[
                "GET /v1/instances/shop/events?type=chat.labeled,chat.unlabeled,label.changed",
                "GET /v1/instances/shop/events?type=label.created&format=ndjson&order=desc",
                "GET /v1/instances/shop/chats/5511988887777/events?format=csv",
                "GET /v1/instances/shop/events?label=urgent&type=label.changed,chat.unlabeled&format=csv",
                "GET /v1/instances/shop/events?label=nothing",
                "GET /v1/instances/shop/events?actor=job",
                "GET /v1/instances/shop/events?type=nothing",
                "GET /v1/instances/shop/events?type=,",
                "GET /v1/instances/shop/events?since=yesterday",
                "GET /v1/instances/shop/events?order=up",
                "GET /v1/instances/shop/events?order=desc&initial=true",
                "GET /v1/instances/shop/events?chat=bob",
                "GET /v1/instances/shop/events?limit=0",
                "GET /v1/instances/shop/events?cursor=c1_x",
            ],
        )
        .await;
    insta::assert_snapshot!(said);
    stage.close().await;
}

#[tokio::test]
async fn pages_of_history_are_the_whole_and_a_first_sync_can_be_told() {
    let (stage, _) = shop().await;
    for (query, least) in [
        ("", 9),
        ("order=desc", 9),
        ("initial=true", 17),
        ("initial=true&chat=77777777777777@lid", 1),
        ("initial=true&label=2", 3),
    ] {
        let path = format!("/v1/instances/shop/events?{query}");
        let (status, whole) = stage.get(&path).await;
        assert_eq!(status, 200, "{whole}");
        let whole = whole["events"].as_array().expect("a list").clone();
        assert!(whole.len() >= least, "{query}: {}", whole.len());
        let mut ids: Vec<&str> = whole
            .iter()
            .map(|e| e["id"].as_str().expect("text"))
            .collect();
        let told = ids.len();
        if !query.contains("desc") {
            assert!(ids.is_sorted(), "{query}: {ids:?}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), told, "{query}: each once");
        for limit in [1, 2, 3, 7] {
            let mut paged = Vec::new();
            let mut cursor = String::new();
            loop {
                let (_, page) = stage
                    .get(&format!("{path}&limit={limit}&cursor={cursor}"))
                    .await;
                let events = page["events"].as_array().expect("a list");
                assert!(events.len() <= limit);
                paged.extend(events.iter().cloned());
                match page["next_cursor"].as_str() {
                    Some(next) => next.clone_into(&mut cursor),
                    None => break,
                }
            }
            assert_eq!(paged, whole, "{query} by {limit}");
        }
    }
    stage.close().await;
}

#[tokio::test]
async fn labels_are_told_as_they_were() {
    let (stage, token) = shop().await;
    let synced = seqs(&stage, "instance.synced").await[0];
    let renamed = seqs(&stage, "label.changed").await[0];
    let at = |path: &str, as_of: i64| {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("GET /v1/instances/shop/{path}{sign}as_of={as_of}")
    };
    let lines = [
        at("labels", synced),
        at("labels", renamed),
        at("labels/counts", synced),
        at("chats?any=1&names=false", synced),
        at("chats?any=urgent&names=false", renamed),
        at(
            "chats?any=urgent&names=false&format=csv&sort=-labeled_at",
            renamed,
        ),
        at("chats/5511988887777/labels", synced),
        at("chats?names=false&limit=2", synced),
        "GET /v1/instances/shop/labels/counts".into(),
        "GET /v1/instances/shop/labels/counts?as_of=now".into(),
        "GET /v1/instances/shop/labels?as_of=2025-06-15T15:08:00Z".into(),
        "GET /v1/instances/shop/labels?as_of=2025-06-15T17:08:00+02:00".into(),
        "GET /v1/instances/shop/labels?as_of=2020-01-01T00:00:00Z".into(),
        "GET /v1/instances/shop/labels?as_of=2099-01-01T00:00:00Z".into(),
        "GET /v1/instances/shop/labels?as_of=1".into(),
        "GET /v1/instances/shop/labels?as_of=100000".into(),
        "GET /v1/instances/shop/chats?as_of=soon".into(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    insta::assert_snapshot!(stage.talk(&token, &lines).await);
    // All of it by pages, in each order.
    for sort in ["chat", "labeled_at", "-labeled_at"] {
        let path = format!("/v1/instances/shop/chats?as_of={synced}&sort={sort}");
        let (_, whole) = stage.get(&path).await;
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let (_, page) = stage.get(&format!("{path}&limit=1&cursor={cursor}")).await;
            paged.extend(page["chats"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(Value::from(paged), whole["chats"], "{sort}");
    }
    stage.close().await;
}

#[tokio::test]
async fn snapshots_are_kept_and_compared() {
    let (stage, token) = shop().await;
    let synced = seqs(&stage, "instance.synced").await[0];
    let make =
        format!(r#"POST /v1/instances/shop/snapshots {{"name":"before","as_of":"{synced}"}}"#);
    let said = stage
        .talk(
            &token,
            &[
                &make,
                r#"POST /v1/instances/shop/snapshots {"name":"some","selection":{"any":["2"],"chats":["5511988887777"]}}"#,
                r#"POST /v1/instances/shop/snapshots {"name":" "}"#,
                r#"POST /v1/instances/shop/snapshots {"name":"x","as_of":"soon"}"#,
                "GET /v1/instances/shop/snapshots",
            ],
        )
        .await;
    insta::assert_snapshot!("snapshots_made", said);
    let (_, all) = stage.get("/v1/instances/shop/snapshots").await;
    let ids: Vec<String> = all["snapshots"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| s["id"].as_str().expect("text").to_owned())
        .collect();
    let (before, some) = (&ids[0], &ids[1]);
    let lines = [
        format!("GET /v1/instances/shop/snapshots/{before}"),
        format!("GET /v1/instances/shop/snapshots/{before}/chats?format=csv"),
        format!("GET /v1/instances/shop/snapshots/{some}/chats"),
        format!("GET /v1/instances/shop/diff?from={before}"),
        format!("GET /v1/instances/shop/diff?from={before}&to={some}&format=csv"),
        format!("GET /v1/instances/shop/diff?from={some}&to={synced}&format=ndjson"),
        "GET /v1/instances/shop/diff?from=now".into(),
        "GET /v1/instances/shop/diff".into(),
        "GET /v1/instances/shop/diff?from=snp_none".into(),
        format!("DELETE /v1/instances/shop/snapshots/{some}"),
        format!("GET /v1/instances/shop/snapshots/{some}"),
        "GET /v1/instances/shop/snapshots/schedule".into(),
        r#"PUT /v1/instances/shop/snapshots/schedule {"every_h":24,"keep":2,"selection":{"none":["1"]}}"#.into(),
        "GET /v1/instances/shop/snapshots/schedule".into(),
        r#"PUT /v1/instances/shop/snapshots/schedule {"every_h":24,"keep":0}"#.into(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    insta::assert_snapshot!("snapshots_read", stage.talk(&token, &lines).await);
    // A day after the other; only so many stay.
    for _ in 0..4 {
        stage.app.tend_history(false).await;
        stage.app.tend_history(false).await;
        stage.clock.advance(Duration::from_hours(24));
    }
    let (_, all) = stage.get("/v1/instances/shop/snapshots").await;
    let all = all["snapshots"].as_array().expect("a list");
    let names: Vec<&str> = all
        .iter()
        .map(|s| s["name"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["before", "scheduled", "scheduled"]);
    stage.close().await;
}

#[tokio::test]
async fn what_is_over_is_dropped_and_later_moments_are_still_told() {
    let (stage, token) = shop().await;
    let (_, made) = stage.get("/v1/instances/shop/events").await;
    let rows = made["events"].as_array().expect("a list").len();
    let set = r#"PUT /v1/instances/shop/retention {"days":{"chat.labeled":3,"chat.unlabeled":3,"instance.synced":3}}"#;
    let said = stage
        .talk(
            &token,
            &[
                set,
                "GET /v1/instances/shop/retention",
                r#"PUT /v1/instances/shop/retention {"days":{"history.pruned":3}}"#,
                r#"PUT /v1/instances/shop/retention {"days":{"chat.exploded":3}}"#,
                r#"PUT /v1/instances/shop/retention {"days":{"chat.labeled":0}}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("retention_set", said);
    stage.app.tend_history(true).await;
    let (_, all) = stage.get("/v1/instances/shop/events").await;
    assert_eq!(all["events"].as_array().expect("a list").len(), rows);
    stage.clock.advance(Duration::from_hours(24 * 5));
    stage.app.tend_history(true).await;
    stage.app.tend_history(true).await;
    assert!(seqs(&stage, "chat.labeled").await.is_empty());
    assert!(
        !seqs(&stage, "label.changed").await.is_empty(),
        "not asked for"
    );
    assert_eq!(
        seqs(&stage, "history.pruned").await.len(),
        1,
        "one row says so"
    );
    // The moment behind the last dropped row and all later ones.
    let pruned = seqs(&stage, "history.pruned").await[0];
    let (_, live) = stage.get("/v1/instances/shop/labels/counts").await;
    for moment in [pruned.to_string(), "2025-06-18T00:00:00Z".into()] {
        let path = format!("/v1/instances/shop/labels/counts?as_of={moment}");
        assert_eq!(stage.get(&path).await, (200, live.clone()), "{moment}");
    }
    let (status, gone) = stage.get("/v1/instances/shop/chats?as_of=1").await;
    assert_eq!((status, gone["code"].as_str()), (400, Some("as_of_pruned")));
    stage.close().await;
}

#[tokio::test]
async fn a_person_is_erased_everywhere_and_counts_stay() {
    let (stage, token) = shop().await;
    let synced = seqs(&stage, "instance.synced").await[0];
    let whole = format!(r#"POST /v1/instances/shop/snapshots {{"name":"all","as_of":"{synced}"}}"#);
    stage.talk(&token, &[&whole]).await;
    let counts = stage
        .get(&format!("/v1/instances/shop/labels/counts?as_of={synced}"))
        .await;
    let said = stage
        .talk(
            &token,
            &[
                r#"POST /v1/instances/shop/erase {"chat":"5511988887777"}"#,
                r#"POST /v1/instances/shop/erase {"chat":"120363021033254949@g.us"}"#,
                r#"POST /v1/instances/shop/erase {"chat":"bob"}"#,
            ],
        )
        .await;
    insta::assert_snapshot!("erased", said);
    let (_, all) = stage.get("/v1/instances/shop/snapshots").await;
    let id = all["snapshots"][0]["id"].as_str().expect("text").to_owned();
    for path in [
        "events?initial=true".to_owned(),
        format!("chats?as_of={synced}"),
        format!("snapshots/{id}/chats"),
        format!("diff?from={synced}&to=now"),
    ] {
        let response = stage
            .send(request(
                "GET",
                &format!("/v1/instances/shop/{path}"),
                &token,
                None,
            ))
            .await;
        assert_eq!(response.status(), 200, "{path}");
        let said = text(response).await;
        assert!(!said.contains("5511988887777"), "{path}: {said}");
        assert!(said.contains("erased-"), "{path}: {said}");
    }
    let after = stage
        .get(&format!("/v1/instances/shop/labels/counts?as_of={synced}"))
        .await;
    assert_eq!(after, counts);
    let story = "GET /v1/instances/shop/chats/5511988887777/events";
    assert!(
        stage
            .talk(&token, &[story])
            .await
            .contains(r#""events":[]"#)
    );
    stage.close().await;
}
