//! The command line.

use std::process::{Command, Output};

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
