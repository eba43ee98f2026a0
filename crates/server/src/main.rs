//! labelwire: a gateway that gives a WhatsApp account's labels an HTTP API.
//!
//! The composition root: command line, environment, lifecycle. Two builds come
//! out of it: the plain one reaches the real WhatsApp and nothing else, the one
//! with feature `simulator` reaches simulated ones on this machine and nothing
//! else.
//!
//! ```text
//! main ─► cli ─► serve │ serve-sim │ demo ─► gateway ─► Db · App · WaConnector · api
//! ```

mod account;
mod cli;
mod console;
#[cfg(feature = "simulator")]
mod demo;
mod folder;
mod gateway;
mod healthcheck;
mod lifecycle;
mod listen;
mod prune;
#[cfg(not(feature = "simulator"))]
mod qr;
mod serve;
#[cfg(feature = "simulator")]
mod simulator;
mod telemetry;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(run(cli.command));
    // What still runs after an orderly stop must not hold the program up.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Account(args) => account::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Prune(args) => prune::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(&args).await,
        #[cfg(feature = "simulator")]
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        #[cfg(feature = "simulator")]
        Command::Sim(args) => Box::pin(simulator::run(args)).await,
        #[cfg(feature = "simulator")]
        Command::ServeSim(args) => Box::pin(simulator::serve(args)).await,
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    console::complain(&format!("labelwire: {error:#}"));
    ExitCode::FAILURE
}
