//! The figures labelwire is held to: ratios within one run, on this machine.
//!
//! Every figure is a line `bench <name> <value> <unit>` on stdout; progress goes
//! to stderr. The gateway and the simulator are the real binary, in processes of
//! their own; what they are compared with runs in a process of its own too.
#![expect(clippy::print_stdout, reason = "figures are this program's output")]

mod bare;
mod first_sync;
mod http;
mod idle;
mod lists;
mod live;
mod peer;
mod process;
mod stand;
mod writes;

use clap::{Parser, Subcommand};

/// What figures and their groups begin with.
const NAMES: &[&str] = &[
    "first_sync",
    "lists",
    "list",
    "one_chat",
    "live",
    "live_change",
    "writes",
    "link_ratio",
    "link_c16",
    "bulk_10k",
    "idle",
    "idle_instance",
];

/// Measures labelwire and prints the figures.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Measure only this: `first_sync`, `lists`, `live`, `writes`, `idle`, or the name of a figure.
    name: Option<String>,
}

#[derive(Subcommand)]
enum Role {
    /// (internal) The bare client of the first-sync figure.
    #[command(hide = true)]
    Peer {
        /// The simulator's WebSocket.
        ws: String,
        /// The simulator's HTTP origin.
        http: String,
    },
    /// (internal) A handler that sends a file's bytes.
    #[command(hide = true)]
    Static {
        /// The file.
        body: std::path::PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Peer { ws, http }) => return peer::run(&ws, &http).await,
        Some(Role::Static { body }) => return lists::serve_static(&body).await,
        None => {}
    }
    let wanted = cli.name.unwrap_or_default();
    if !wanted.is_empty()
        && !NAMES
            .iter()
            .any(|n| wanted == *n || wanted.starts_with(&format!("{n}_")))
    {
        anyhow::bail!(
            "there is no figure `{wanted}`; name one of {NAMES:?}, or what a printed figure's name begins with"
        );
    }
    let is = |group: &str, figures: &[&str]| {
        wanted.is_empty() || wanted == group || figures.iter().any(|f| wanted.starts_with(f))
    };
    if is("first_sync", &["first_sync"]) {
        first_sync::run().await?;
    }
    if is("lists", &["list_", "one_chat"]) {
        lists::run().await?;
    }
    if is("live", &["live_change"]) {
        live::run().await?;
    }
    if is("writes", &["link_", "bulk_"]) {
        let whole = wanted.is_empty() || wanted == "writes";
        writes::run(|figure| whole || wanted.starts_with(figure)).await?;
    }
    if is("idle", &["idle_instance"]) {
        idle::run().await?;
    }
    Ok(())
}

/// Prints one figure.
fn figure(name: &str, value: f64, unit: &str) {
    println!("bench {name} {value:.3} {unit}");
}

/// The middle of the values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
