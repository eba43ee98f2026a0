//! Who may import what: always downwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on of ours, for itself and not only for its tests.
const OURS: &[(&str, &[&str])] = &[
    ("labelwire-domain", &[]),
    ("labelwire-store", &["labelwire-domain"]),
    ("labelwire-app", &["labelwire-domain", "labelwire-store"]),
    (
        "labelwire-wa",
        &["labelwire-domain", "labelwire-store", "labelwire-app"],
    ),
    ("labelwire-api", &["labelwire-domain", "labelwire-app"]),
    // The other side of the wire: nothing of ours.
    ("labelwire-sim", &[]),
    (
        "labelwire",
        &[
            "labelwire-domain",
            "labelwire-store",
            "labelwire-app",
            "labelwire-wa",
            "labelwire-api",
            "labelwire-sim",
        ],
    ),
];

/// Who alone may depend on these.
const OTHERS: &[(&str, &[&str])] = &[
    ("sqlx", &["labelwire-store"]),
    ("whatsapp-rust", &["labelwire-wa"]),
    ("wacore", &["labelwire-wa", "labelwire-sim"]),
    ("wacore-binary", &["labelwire-wa", "labelwire-sim"]),
    ("waproto", &["labelwire-wa", "labelwire-sim"]),
    ("axum", &["labelwire-api", "labelwire-sim"]),
    ("utoipa", &["labelwire-api", "labelwire-sim"]),
    ("reqwest", &[]),
    ("clap", &["labelwire"]),
    ("tracing-subscriber", &["labelwire"]),
    ("tempfile", &["labelwire-store"]),
];

/// What pure code does without.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "async-trait", "futures-util", "tracing", "bytes"];

/// What must not come in, however far down.
const NOWHERE: &[&str] = &[
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "diesel",
    "libsqlite3-sys-vendored",
];

/// Measuring tools are on nobody's side.
const EXEMPT: &[&str] = &["labelwire-bench"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every crate of the workspace with what it depends on for itself.
fn crates() -> Vec<(String, Vec<String>)> {
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let own = dependencies.iter().filter(|d| d["kind"].is_null());
            (
                text(&package["name"]),
                own.map(|d| text(&d["name"])).collect(),
            )
        })
        .filter(|(name, _): &(String, _)| !EXEMPT.contains(&name.as_str()))
        .collect()
}

#[test]
fn crates_depend_downwards_only() {
    for (name, dependencies) in crates() {
        let (_, allowed) = OURS
            .iter()
            .find(|(krate, _)| *krate == name)
            .unwrap_or_else(|| {
                panic!("crate `{name}` has no place in the walls; give it one here")
            });
        for dependency in dependencies.iter().filter(|d| d.starts_with("labelwire")) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "`{name}` must not depend on `{dependency}`"
            );
        }
    }
}

#[test]
fn borders_translate() {
    for (name, dependencies) in crates() {
        for (foreign, allowed) in OTHERS {
            if dependencies.iter().any(|d| d == foreign) {
                assert!(
                    allowed.contains(&name.as_str()),
                    "`{name}` must not depend on `{foreign}`"
                );
            }
        }
        if name == "labelwire-domain" {
            for foreign in NOT_IN_DOMAIN {
                assert!(
                    !dependencies.iter().any(|d| d == foreign),
                    "the domain needs no `{foreign}`"
                );
            }
        }
    }
}

#[test]
fn unwanted_crates_come_in_nowhere() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    for name in NOWHERE {
        assert!(
            !lock.contains(&format!("name = \"{name}\"\n")),
            "`{name}` is in the tree"
        );
    }
}

#[test]
fn dialects_never_import_one_another() {
    let source = root().join("crates/api/src");
    let dialects: Vec<String> = std::fs::read_dir(&source)
        .expect("sources")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().join("mod.rs").is_file())
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        // What all of them send over, no dialect.
        .filter(|name| name != "stream")
        .collect();
    assert!(dialects.len() >= 2, "{dialects:?}");
    for file in rust_files(&source) {
        let inside = file.strip_prefix(&source).expect("inside");
        let own = inside
            .iter()
            .next()
            .expect("a name")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        // These join them; they are in no dialect.
        if ["router.rs", "lib.rs", "words.rs"].contains(&own.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        for import in uses(&text) {
            for other in dialects.iter().filter(|d| **d != own) {
                let named = [format!("crate::{other}"), format!("super::{other}")]
                    .iter()
                    .any(|path| import.contains(path.as_str()))
                    || import.contains("crate::{") && import.contains(&format!("{other}::"));
                assert!(
                    !named,
                    "{} imports dialect `{other}`: {import}",
                    inside.display()
                );
            }
        }
        for other in dialects.iter().filter(|d| **d != own) {
            let path = format!("crate::{other}::");
            assert!(
                !text.contains(&path),
                "{} names dialect `{other}`",
                inside.display()
            );
        }
    }
}

/// The `use` declarations of a file, each as one line.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim) {
        let starts = line.starts_with("use ")
            || line.starts_with("pub use ")
            || line.starts_with("pub(crate) use ");
        match &mut open {
            Some(import) => import.push_str(line),
            None if starts => open = Some(line.to_owned()),
            None => continue,
        }
        if line.ends_with(';') {
            found.extend(open.take());
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
