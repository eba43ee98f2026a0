//! What only a build for the real WhatsApp can show.

use crate::cli::{labelwire, text};

#[test]
fn a_forged_certificate_chain_is_refused() {
    assert_eq!(labelwire_wa::trust::prove_chain_is_checked(), Ok(()));
}

#[test]
fn the_simulator_is_not_in_it() {
    for command in ["demo", "sim", "serve-sim"] {
        let out = labelwire(&[command]);
        assert_eq!(out.status.code(), Some(2), "{command}");
        assert!(
            text(&out.stderr).contains("unrecognized subcommand"),
            "{command}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("UTF-8");
    let out = labelwire(&["serve", "--listen", &address, "--data", data]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(
        said.contains(&address) && said.contains("--listen"),
        "{said}"
    );
}
