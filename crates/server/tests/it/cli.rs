//! The command line.

use std::process::{Command, Output};

use labelwire_domain::clock::Timestamp;
use labelwire_domain::event::{Kind, Origin};
use labelwire_domain::ids::{AccountId, InstanceId, InstanceKey};
use labelwire_store::log::{self, NewEntry};
use labelwire_store::{Db, accounts, instances};

pub(crate) fn labelwire(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelwire"));
    // Options must not come from whatever the test was started with.
    for (name, _) in std::env::vars() {
        let ours = ["LISTEN", "SIM_LISTEN", "SEED", "CHATS", "DEMO_DIR"];
        if name.starts_with("LABELWIRE_") || ours.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .env("COLUMNS", "100")
        .output()
        .expect("it runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn help_is_for_people() {
    let build = if cfg!(feature = "simulator") {
        "simulator"
    } else {
        "plain"
    };
    let mut commands = vec![
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["account", "create", "--help"],
        vec!["token", "--help"],
        vec!["token", "create", "--help"],
        vec!["token", "list", "--help"],
        vec!["token", "rotate", "--help"],
        vec!["token", "revoke", "--help"],
        vec!["prune", "--help"],
        vec!["healthcheck", "--help"],
    ];
    if cfg!(feature = "simulator") {
        commands.extend([
            vec!["demo", "--help"],
            vec!["sim", "--help"],
            vec!["serve-sim", "--help"],
        ]);
    }
    let said: String = commands
        .iter()
        .map(|args| {
            let out = labelwire(args);
            assert!(out.status.success());
            format!("$ labelwire {}\n{}\n", args.join(" "), text(&out.stdout))
        })
        .collect();
    insta::assert_snapshot!(format!("help_{build}"), said);
}

#[test]
fn an_account_is_made_once_and_its_token_printed_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let made = labelwire(&["account", "create", "ana", "--data", data]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout);
    assert_eq!(
        (token.trim().len(), token.lines().count()),
        (36, 1),
        "{token}"
    );
    assert!(!text(&made.stderr).contains(token.trim()));
    let again = labelwire(&["account", "create", "ana", "--data", data]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("there is an account `ana` already"));
    let bytes: Vec<u8> = std::fs::read_dir(data)
        .expect("there")
        .flat_map(|file| std::fs::read(file.expect("a file").path()).expect("readable"))
        .collect();
    let token = token.trim().as_bytes();
    assert!(
        !bytes.windows(token.len()).any(|w| w == token),
        "the token is stored as it is"
    );
}

#[test]
fn tokens_are_made_listed_rotated_and_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let run = |args: &[&str]| {
        let out = labelwire(&[args, &["--data", data]].concat());
        let (said, complained) = (text(&out.stdout), text(&out.stderr));
        (out.status.code(), said, complained)
    };
    let nobody = run(&["token", "list"]);
    assert_eq!(nobody.0, Some(1));
    assert!(
        nobody.2.contains("there is no account `main`"),
        "{}",
        nobody.2
    );
    assert_eq!(run(&["account", "create", "main"]).0, Some(0));

    let scoped = ["--scopes", "read,label", "--expires-in", "90d"];
    let made = run(&[&["token", "create", "the till"], &scoped[..]].concat());
    assert_eq!((made.0, made.1.trim().len()), (Some(0), 36), "{}", made.2);
    let list = run(&["token", "list"]).1;
    let till = list
        .lines()
        .find(|line| line.contains("the till"))
        .expect("listed");
    let [id, "the till", "(account)", "read,label", _, "-", end] =
        till.split('\t').collect::<Vec<_>>()[..]
    else {
        panic!("{till}")
    };
    assert!(end.starts_with("expires ") && end.ends_with('Z'), "{end}");
    assert_eq!(
        list.lines().count(),
        2,
        "the account's own is listed too: {list}"
    );

    let rotated = run(&["token", "rotate", id, "--grace", "1h"]);
    assert_eq!(
        (rotated.0, rotated.1.trim().len()),
        (Some(0), 36),
        "{}",
        rotated.2
    );
    assert_ne!(rotated.1, made.1);
    assert_eq!(run(&["token", "revoke", id]).0, Some(0));
    assert!(run(&["token", "list"]).1.contains("\trevoked "));
    let again = run(&["token", "revoke", id]);
    assert_eq!(again.0, Some(1));
    assert!(again.2.contains(id), "{}", again.2);

    for (bad, why) in [
        (
            &["token", "create", "x", "--scopes", "write"][..],
            "`write` is no scope",
        ),
        (
            &["token", "create", "x", "--scopes", ""],
            "at least one scope",
        ),
        (
            &["token", "create", "x", "--expires-in", "1w"],
            "write a number",
        ),
        (
            &["token", "create", "x", "--instance", "y"],
            "there is no instance `y`",
        ),
        (&["token", "create", " "], "a token's name"),
        (
            &["token", "list", "--account", "y"],
            "there is no account `y`",
        ),
    ] {
        let refused = run(bad);
        assert_ne!(refused.0, Some(0), "{bad:?}");
        assert!(refused.2.contains(why), "{bad:?}: {}", refused.2);
    }
}

#[test]
fn an_origin_that_is_none_is_told_before_anything_starts() {
    let out = labelwire(&["serve", "--cors-origins", "app.example"]);
    assert_eq!(out.status.code(), Some(2));
    let said = text(&out.stderr);
    assert!(said.contains("`app.example` is no origin"), "{said}");
}

#[test]
fn a_gateway_that_is_not_there_is_not_healthy() {
    // Nothing listens on a port that was free a moment ago.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let out = labelwire(&["healthcheck", "--address", &port.to_string()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("no answer from"),
        "{}",
        text(&out.stderr)
    );
}

#[cfg(feature = "simulator")]
#[test]
fn a_simulator_build_does_not_serve_the_real_whatsapp() {
    let out = labelwire(&["serve"]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(
        said.contains("cargo build -p labelwire --release"),
        "{said}"
    );
}

#[test]
fn old_history_is_dropped_by_kind_and_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8").to_owned();
    assert!(
        labelwire(&["account", "create", "main", "--data", &data])
            .status
            .success()
    );
    let url = format!("sqlite://{data}/labelwire.db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let left = |url: String| async move {
        let db = Db::open(&url).await.expect("a database");
        let mut reader = db.reader().await.expect("a reader");
        let rows = log::page_after(reader.conn(), InstanceKey(1), 0, 100).await;
        let kinds: Vec<String> = rows.expect("read").into_iter().map(|r| r.kind).collect();
        drop(reader);
        db.close().await;
        kinds
    };
    runtime.block_on(async {
        let db = Db::open(&url).await.expect("a database");
        let mut reader = db.reader().await.expect("a reader");
        let account = accounts::all(reader.conn()).await.expect("read").remove(0);
        drop(reader);
        let account = AccountId::from_stored(account.account_id);
        let now = Timestamp(1_000_000);
        let id = InstanceId::new(now, [1; 10]);
        let mut tx = db.begin().await.expect("begun");
        let key = instances::insert(&mut tx, &id, &account, "shop", now)
            .await
            .expect("new");
        for kind in [
            Kind::InstanceOnline,
            Kind::ChatLabeled,
            Kind::InstanceOffline,
        ] {
            let entry = NewEntry {
                chat_jid: Some("7@lid".into()),
                label_id: Some("1".into()),
                ..NewEntry::new(now, kind, Origin::Phone, &serde_json::json!({}))
            };
            log::append(&mut tx, key, now, &[entry])
                .await
                .expect("appended");
        }
        tx.commit().await.expect("committed");
        db.close().await;
    });
    let run = |args: &[&str]| {
        let out = labelwire(&[&["prune", "--data", &data], args].concat());
        (out.status.code(), text(&out.stderr))
    };
    for (args, why) in [
        (&[][..], "--before"),
        (&["--older-than", "1w"], "write a number"),
        (&["--before", "yesterday"], "invalid value"),
        (
            &["--older-than", "1d", "--kinds", "history.pruned"],
            "write any of",
        ),
        (
            &["--older-than", "1d", "--instance", "y"],
            "there is no instance `y`",
        ),
        (
            &["--older-than", "1d", "--account", "y"],
            "there is no account `y`",
        ),
    ] {
        let (code, said) = run(args);
        assert!(code != Some(0) && said.contains(why), "{args:?}: {said}");
    }
    let none = run(&["--before", "1970-01-01T00:00:00Z"]);
    assert_eq!(
        none,
        (Some(0), "instance `shop`: 0 events dropped\n".into())
    );
    let some = run(&[
        "--older-than",
        "1d",
        "--kinds",
        "instance.online,instance.offline",
    ]);
    assert_eq!(
        some,
        (Some(0), "instance `shop`: 2 events dropped\n".into())
    );
    let kinds = runtime.block_on(left(url.clone()));
    assert_eq!(kinds, ["chat.labeled", "history.pruned"]);
    let all = run(&["--before", "2020-01-01T00:00:00Z", "--instance", "shop"]);
    assert_eq!(all, (Some(0), "instance `shop`: 1 events dropped\n".into()));
    let kinds = runtime.block_on(left(url));
    assert_eq!(kinds, ["history.pruned", "history.pruned"]);
}
