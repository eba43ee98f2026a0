//! The headers of a delivery, signed in the way of each dialect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use labelwire_domain::clock::Timestamp;
use labelwire_domain::webhook::{Config, Dialect};
use sha2::{Sha256, Sha512};

/// Headers of a connection, not of a message: nobody configures these.
const NOT_THEIRS: [&str; 6] = [
    "connection",
    "content-length",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// The event's id: the same in every try.
    pub(crate) event_id: &'a str,
    /// The delivery's number.
    pub(crate) delivery: i64,
    /// The body as it is sent.
    pub(crate) body: &'a str,
    /// The moment of the try.
    pub(crate) now: Timestamp,
}

/// The headers a delivery is sent with.
pub(crate) fn headers(dialect: Dialect, config: &Config, signed: Signed<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = match dialect {
        Dialect::Waha => concat!("WAHA/", env!("CARGO_PKG_VERSION")),
        _ => concat!("labelwire/", env!("CARGO_PKG_VERSION")),
    };
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &config.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) && !NOT_THEIRS.contains(&name.as_str())
        {
            headers.insert(name, value);
        }
    }
    let valid = config
        .secrets
        .iter()
        .filter(|secret| secret.until.is_none_or(|until| until > signed.now));
    let mut secrets = valid.map(|secret| secret.text.as_str());
    match dialect {
        Dialect::Native => standard(&mut headers, secrets, signed),
        Dialect::Waha => waha(&mut headers, secrets.next(), signed),
        Dialect::Wawp => {
            if let Some(key) = secrets.next() {
                put(
                    &mut headers,
                    "x-wawp-signature",
                    &hex(&sha256(key.as_bytes(), &[signed.body.as_bytes()])),
                );
            }
        }
        Dialect::Ryze | Dialect::Evolution => {}
    }
    headers
}

/// Standard Webhooks: one signature for each key that is valid, so that a receiver
/// may change over in its own time.
fn standard<'a>(
    headers: &mut HeaderMap,
    secrets: impl Iterator<Item = &'a str>,
    signed: Signed<'_>,
) {
    let Signed { event_id, body, .. } = signed;
    let seconds = signed.now.0.div_euclid(1_000_000).to_string();
    let message = [event_id, ".", &seconds, ".", body].map(str::as_bytes);
    let signatures: Vec<String> = secrets
        .map(|secret| format!("v1,{}", STANDARD.encode(sha256(&key(secret), &message))))
        .collect();
    put(headers, "webhook-id", event_id);
    put(headers, "webhook-timestamp", &seconds);
    if !signatures.is_empty() {
        put(headers, "webhook-signature", &signatures.join(" "));
    }
}

/// The key behind `whsec_<base64>`; text of another form is the key itself.
fn key(secret: &str) -> Vec<u8> {
    secret
        .strip_prefix("whsec_")
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .unwrap_or_else(|| secret.as_bytes().to_vec())
}

fn waha(headers: &mut HeaderMap, secret: Option<&str>, signed: Signed<'_>) {
    let request = format!("{}-{}", signed.event_id, signed.delivery);
    put(headers, "x-webhook-request-id", &request);
    let ms = signed.now.as_millis().to_string();
    put(headers, "x-webhook-timestamp", &ms);
    if let Some(secret) = secret {
        put(
            headers,
            "x-webhook-hmac",
            &hex(&sha512(secret.as_bytes(), signed.body.as_bytes())),
        );
        put(headers, "x-webhook-hmac-algorithm", "sha512");
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key may be of any length: this never fails.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn sha512(key: &[u8], body: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use labelwire_domain::webhook::{Filter, Schedule, Secret};
    use standardwebhooks::Webhook;

    use super::*;

    const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn config(secrets: &[(&str, Option<i64>)], headers: &[(&str, &str)]) -> Config {
        Config {
            url: "https://example.org/".into(),
            filter: Filter::default(),
            by_event: false,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            secrets: secrets
                .iter()
                .map(|(text, until)| Secret {
                    text: (*text).to_owned(),
                    until: until.map(Timestamp),
                })
                .collect(),
            retries: Schedule::Standard,
            message_text: false,
            extra: serde_json::Value::Null,
        }
    }

    fn now() -> Timestamp {
        use labelwire_domain::clock::{Clock as _, SystemClock};
        SystemClock.now()
    }

    fn signed(body: &str) -> Signed<'_> {
        Signed {
            event_id: "evt_01jy0000000000000000000000",
            delivery: 7,
            body,
            now: now(),
        }
    }

    #[test]
    fn the_standards_own_crate_verifies_us_under_every_valid_secret() {
        let body = r#"{"type":"chat.labeled","data":{"name":"Café"}}"#;
        let later = now().0 + 60_000_000;
        let past = now().0 - 1;
        let config = config(&[(NEW, None), (OLD, Some(later))], &[]);
        let headers = headers(Dialect::Native, &config, signed(body));
        for secret in [NEW, OLD] {
            let webhook = Webhook::new(secret).expect("a secret");
            webhook.verify(body.as_bytes(), &headers).expect("verified");
            assert!(webhook.verify(b"{}", &headers).is_err());
        }
        let config = self::config(&[(NEW, None), (OLD, Some(past))], &[]);
        let headers = super::headers(Dialect::Native, &config, signed(body));
        let old = Webhook::new(OLD).expect("a secret");
        assert!(old.verify(body.as_bytes(), &headers).is_err());
        let new = Webhook::new(NEW).expect("a secret");
        new.verify(body.as_bytes(), &headers).expect("verified");
        assert_eq!(headers["webhook-id"], "evt_01jy0000000000000000000000");
    }

    #[test]
    fn wahas_published_vector_comes_out() {
        let body = r#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        let config = config(&[("my-secret-key", None)], &[]);
        let headers = headers(Dialect::Waha, &config, signed(body));
        assert_eq!(
            headers["x-webhook-hmac"],
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8\
             097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        );
        assert_eq!(headers["x-webhook-hmac-algorithm"], "sha512");
        assert_eq!(
            headers["x-webhook-request-id"],
            "evt_01jy0000000000000000000000-7"
        );
        let ms: i64 = headers["x-webhook-timestamp"]
            .to_str()
            .ok()
            .and_then(|t| t.parse().ok())
            .expect("a number");
        assert!((now().as_millis() - ms).abs() < 10_000);
        let agent = headers["user-agent"].to_str().expect("ASCII");
        assert!(agent.starts_with("WAHA/"), "{agent}");
        let bare = self::config(&[], &[]);
        let headers = super::headers(Dialect::Waha, &bare, signed(body));
        assert!(!headers.contains_key("x-webhook-hmac"));
    }

    #[test]
    fn wawp_is_signed_in_hex() {
        // RFC 4231, test case 2.
        let config = config(&[("Jefe", None)], &[]);
        let signed = signed("what do ya want for nothing?");
        let headers = headers(Dialect::Wawp, &config, signed);
        assert_eq!(
            headers["x-wawp-signature"],
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn configured_headers_go_along_but_are_no_connections() {
        let config = config(
            &[],
            &[
                ("X-Team", "blue"),
                ("User-Agent", "mine"),
                ("Host", "elsewhere"),
                ("webhook-id", "forged"),
            ],
        );
        for dialect in [Dialect::Ryze, Dialect::Evolution, Dialect::Native] {
            let headers = headers(dialect, &config, signed("{}"));
            assert_eq!(headers["x-team"], "blue");
            assert_eq!(headers["user-agent"], "mine");
            assert!(!headers.contains_key("host"));
        }
        let headers = headers(Dialect::Native, &config, signed("{}"));
        assert_eq!(headers["webhook-id"], "evt_01jy0000000000000000000000");
    }
}
