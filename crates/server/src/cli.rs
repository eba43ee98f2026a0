//! The command line. Every option may come from the environment instead.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use labelwire_api::{CONNECTIONS, Origins, Rate};
use labelwire_domain::event::Kind;
use labelwire_domain::intent::LabelRules;
use labelwire_domain::token::Scopes;

use crate::gateway::Settings;

/// A WhatsApp account's labels over HTTP.
#[derive(Debug, Parser)]
#[command(name = "labelwire", version, propagate_version = true)]
#[command(
    after_help = "Logs go to stderr; LABELWIRE_LOG sets what is logged (`warn`, `labelwire=debug`, …)."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the gateway on the real WhatsApp
    #[command(long_about = "Runs the gateway on the real WhatsApp.\n\n\
        The first start makes account `main` and prints its token, once. It makes instance\n\
        `phone` and shows a QR code to scan: on the phone, Linked devices > Link a device.\n\
        Later starts come back by themselves.\n\n\
        SIGTERM or ctrl-C stops it in an orderly way, a second one at once.")]
    Serve(Serve),
    /// Manages accounts: who owns instances and holds a token
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Account(Account),
    /// Manages tokens: what opens an account or one of its instances
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Token(Token),
    /// Drops old history and says so in it; what it came to is kept
    #[command(
        after_help = "The state of labels at the last dropped event is kept, so that every later moment\n\
        can still be told. Events still to be told to a webhook stay."
    )]
    Prune(Prune),
    /// Asks a running gateway whether it answers; fails where it does not
    Healthcheck(Healthcheck),
    /// Runs a simulated WhatsApp, a paired gateway and a made-up shop, to look around
    #[cfg(feature = "simulator")]
    Demo(Demo),
    /// Runs a simulated WhatsApp
    #[cfg(feature = "simulator")]
    Sim(Sim),
    /// Runs the gateway on a running simulated WhatsApp
    #[cfg(feature = "simulator")]
    ServeSim(ServeSim),
}

/// Where things are kept.
#[derive(Debug, Args)]
pub(crate) struct Storage {
    /// Folder for everything that is kept; made where it is missing
    #[arg(long, value_name = "DIR", default_value = "./labelwire-data")]
    #[arg(env = "LABELWIRE_DATA", hide_env_values = true)]
    pub(crate) data: PathBuf,
    /// `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/NAME` [default: labelwire.db in DIR]
    #[arg(
        long,
        value_name = "URL",
        env = "LABELWIRE_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<String>,
}

/// Where callers find the gateway.
#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    #[arg(env = "LABELWIRE_LISTEN", hide_env_values = true)]
    pub(crate) listen: SocketAddr,
    /// Where callers reach the gateway, for the OpenAPI documents
    #[arg(
        long,
        value_name = "URL",
        env = "LABELWIRE_BASE_URL",
        hide_env_values = true
    )]
    pub(crate) base_url: Option<String>,
    /// Calls a token may make a minute; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = Rate::default().calls)]
    #[arg(env = "LABELWIRE_RATE_LIMIT", hide_env_values = true)]
    pub(crate) rate_limit: u32,
    /// Instances a token may make a minute; 0 is no limit
    #[arg(long, value_name = "NUMBER", default_value_t = Rate::default().creates)]
    #[arg(env = "LABELWIRE_RATE_LIMIT_CREATE", hide_env_values = true)]
    pub(crate) rate_limit_create: u32,
    /// Origins of web pages that may call the gateway (`https://app.example.org,…`, or `*`)
    #[arg(
        long,
        value_name = "ORIGINS",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(env = "LABELWIRE_CORS_ORIGINS", hide_env_values = true)]
    pub(crate) cors_origins: Origins,
    /// Connections at a time; who comes above it waits
    #[arg(long, value_name = "NUMBER", default_value_t = CONNECTIONS)]
    #[arg(env = "LABELWIRE_MAX_CONNECTIONS", hide_env_values = true)]
    pub(crate) max_connections: usize,
    /// How the Wawp dialect writes lists: `array` or `keyed_object` (`{"0":{…}}`)
    #[arg(long, value_name = "SHAPE", default_value = "array")]
    #[arg(env = "LABELWIRE_WAWP_LIST_SHAPE", hide_env_values = true)]
    pub(crate) wawp_list_shape: labelwire_api::ListShape,
}

/// What labels made over the API may look like; the phone's own are shown as they are.
#[derive(Debug, Args)]
pub(crate) struct Labels {
    /// Labels an account may have; 0 is no limit of labelwire's
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    #[arg(env = "LABELWIRE_MAX_LABELS", hide_env_values = true)]
    pub(crate) max_labels: usize,
    /// Characters a label's name may have, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    #[arg(env = "LABELWIRE_MAX_LABEL_NAME", hide_env_values = true)]
    pub(crate) max_label_name: u8,
    /// Lets labels have the same name
    #[arg(long, env = "LABELWIRE_ALLOW_SAME_NAMES", hide_env_values = true)]
    pub(crate) allow_same_names: bool,
}

impl Labels {
    fn rules(&self) -> LabelRules {
        LabelRules {
            max_labels: Some(self.max_labels).filter(|n| *n > 0),
            name_chars: self.max_label_name.into(),
            unique_names: !self.allow_same_names,
        }
    }
}

/// Where events are sent.
#[derive(Debug, Args)]
pub(crate) struct Webhooks {
    /// Lets webhooks lead to addresses that are not public: this machine, a network at home
    #[arg(long, env = "LABELWIRE_WEBHOOKS_ALLOW_PRIVATE", hide_env_values = true)]
    pub(crate) webhooks_allow_private: bool,
}

/// How the gateway is to be.
pub(crate) fn settings(http: Http, labels: &Labels, webhooks: &Webhooks) -> Settings {
    Settings {
        base_url: http.base_url,
        rate: Rate {
            calls: http.rate_limit,
            creates: http.rate_limit_create,
        },
        cors: http.cors_origins,
        connections: http.max_connections,
        wawp_list_shape: http.wawp_list_shape,
        rules: labels.rules(),
        webhooks_allow_private: webhooks.webhooks_allow_private,
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) storage: Storage,
    #[command(flatten)]
    pub(crate) http: Http,
    #[command(flatten)]
    pub(crate) labels: Labels,
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
}

#[derive(Debug, Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Makes an account and prints its token, which is shown this once
    Create(CreateAccount),
}

#[derive(Debug, Args)]
pub(crate) struct CreateAccount {
    /// Name of the account
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) storage: Storage,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it, this once
    Create(CreateToken),
    /// Lists tokens, without what opens
    List(ListTokens),
    /// Gives a token a new text and prints it, this once
    #[command(after_help = "A running gateway sees it within a second.")]
    Rotate(RotateToken),
    /// Ends a token
    #[command(after_help = "A running gateway sees it within a second.")]
    Revoke(RevokeToken),
}

/// Whose tokens.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// Name of the account
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) storage: Storage,
}

#[derive(Debug, Args)]
pub(crate) struct CreateToken {
    /// Name of the token, for people
    pub(crate) name: String,
    /// The one instance it is to open; all of the account's without it
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// What it is good for: any of read, label, send, admin
    #[arg(long, value_name = "SCOPES", default_value = "read,label,send,admin")]
    pub(crate) scopes: Scopes,
    /// When it ends, from now (`90d`, `12h`, `30m`, `45s`); never without it
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) expires_in: Option<Duration>,
    #[command(flatten)]
    pub(crate) owner: Owner,
}

#[derive(Debug, Args)]
pub(crate) struct ListTokens {
    #[command(flatten)]
    pub(crate) owner: Owner,
}

#[derive(Debug, Args)]
pub(crate) struct RotateToken {
    /// The token's id, `tok_…`
    pub(crate) id: String,
    /// How long the old text keeps working (`90d`, `12h`, `30m`, `45s`)
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "0s")]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) owner: Owner,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeToken {
    /// The token's id, `tok_…`
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) owner: Owner,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Drops what was seen before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "older_than")]
    #[arg(required_unless_present = "older_than")]
    pub(crate) before: Option<jiff::Timestamp>,
    /// Drops what was seen longer ago than this (`90d`, `12h`)
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) older_than: Option<Duration>,
    /// Kinds of events (`chat.labeled,instance.offline`); all without it
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    pub(crate) kinds: Vec<Kind>,
    /// The one instance; all of the account's without it
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    #[command(flatten)]
    pub(crate) owner: Owner,
}

/// A kind of events that can be dropped.
fn kind(text: &str) -> Result<Kind, String> {
    let all = labelwire_app::retention::prunable();
    let known = Kind::parse(text).filter(|kind| all.contains(kind));
    known.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
        format!("write any of {}", words.join(", "))
    })
}

/// A time like `90d`.
fn span(text: &str) -> Result<Duration, String> {
    let seconds = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, unit)| {
        let number: u32 = text[..at].parse().ok()?;
        Some(Duration::from_secs(u64::from(number) * seconds(unit)?))
    });
    parsed.ok_or_else(|| "write a number and `s`, `m`, `h` or `d`".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Address of the gateway
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    #[arg(env = "LABELWIRE_LISTEN", hide_env_values = true)]
    pub(crate) address: SocketAddr,
}

#[cfg(feature = "simulator")]
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder for everything that is kept; a second start on it resumes
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    #[arg(env = "DEMO_DIR", hide_env_values = true)]
    pub(crate) dir: PathBuf,
    /// Address of the gateway; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    #[arg(env = "LISTEN", hide_env_values = true)]
    pub(crate) listen: SocketAddr,
    /// Address of the simulated WhatsApp (loopback only); port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    #[arg(env = "SIM_LISTEN", hide_env_values = true)]
    pub(crate) sim_listen: SocketAddr,
    /// Same seed, same shop
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    #[arg(env = "SEED", hide_env_values = true)]
    pub(crate) seed: u64,
    /// Chats of the shop
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=200_000))]
    #[arg(env = "CHATS", hide_env_values = true)]
    pub(crate) chats: u32,
    /// Pre-keys to upload when pairing; fewer pair faster in a debug build
    #[arg(long, value_name = "NUMBER", default_value_t = 60, hide = true)]
    pub(crate) pre_keys: usize,
}

#[cfg(feature = "simulator")]
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// Address to listen on (loopback only); port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7788")]
    #[arg(env = "SIM_LISTEN", hide_env_values = true)]
    pub(crate) listen: SocketAddr,
    /// Folder to keep its state in; without it everything is gone at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Seed of accounts that name none; random without it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

#[cfg(feature = "simulator")]
#[derive(Debug, Args)]
pub(crate) struct ServeSim {
    /// Where clients of the simulator connect
    #[arg(
        long,
        value_name = "URL",
        default_value = "ws://127.0.0.1:7788/ws/chat"
    )]
    pub(crate) sim_ws_url: String,
    #[command(flatten)]
    pub(crate) storage: Storage,
    #[command(flatten)]
    pub(crate) http: Http,
    #[command(flatten)]
    pub(crate) labels: Labels,
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
    /// Pre-keys to upload when pairing
    #[arg(long, value_name = "NUMBER", hide = true)]
    pub(crate) pre_keys: Option<usize>,
}

impl Storage {
    /// The database's URL.
    pub(crate) fn database_url(&self) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.data.join("labelwire.db").display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(span("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(span("0s"), Ok(Duration::ZERO));
        for bad in ["", "d", "90", "1w", "-1d", "1.5h", "9é"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
