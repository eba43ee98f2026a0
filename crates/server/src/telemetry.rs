//! Logs, to stderr.

use tracing_subscriber::EnvFilter;

/// Ours in full; the client library only where something failed: its lines may
/// name chats.
const DEFAULT: &str = "warn,whatsapp_rust=error,wacore=error,labelwire=info";

/// Starts logging. `LABELWIRE_LOG` says what.
///
/// # Errors
/// The variable makes no sense.
pub(crate) fn init() -> anyhow::Result<()> {
    let filter = match std::env::var("LABELWIRE_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|e| anyhow::anyhow!("LABELWIRE_LOG is `{text}`, which makes no sense: {e}"))?,
        _ => EnvFilter::new(DEFAULT),
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();
    Ok(())
}
