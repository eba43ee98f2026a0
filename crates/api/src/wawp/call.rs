//! What a call says, wherever it says it.
//!
//! A Wawp client may put credentials and fields into the path, the query, a JSON
//! body or a form; credentials into headers too. Everything is collected under its
//! name, and a name said twice must say the same.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, header};
use labelwire_app::{App, Caller};
use serde_json::{Map, Value};

use super::error::Error;
use crate::body;
use crate::call::{admit, header_text};
use crate::refusal::Refusal;

/// The instance a call is about.
const INSTANCE: &str = "instance_id";
/// The token a call comes with.
const TOKEN: &str = "access_token";

/// A call that knows who asks, and what was said.
pub(super) struct Call {
    /// Who asks.
    pub(super) caller: Caller,
    /// What was said.
    pub(super) said: Said,
}

impl Call {
    /// The name of the instance the call is about.
    ///
    /// # Errors
    /// 400 where it names none.
    pub(super) fn instance(&self, app: &App) -> Result<String, Error> {
        let id = self.said.required(&[INSTANCE])?;
        Ok(app.name_of(&self.caller, &id))
    }

    /// The label the call is about.
    ///
    /// # Errors
    /// 400 where it names none.
    pub(super) fn label(&self) -> Result<String, Error> {
        self.said.required(&["id", "labelId"])
    }

    /// The chat the call is about.
    ///
    /// # Errors
    /// 400 where it names none.
    pub(super) fn chat(&self) -> Result<String, Error> {
        self.said.required(&["chatId"])
    }
}

impl FromRequest<App> for Call {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let mut said = Said::default();
        for (name, value) in RawPathParams::from_request_parts(&mut parts, &())
            .await
            .map_err(|_| Refusal::PathInvalid)?
            .iter()
        {
            said.add(name, value);
        }
        said.add_pairs(parts.uri.query().unwrap_or_default().as_bytes());
        said.add_headers(&parts.headers)?;
        // Whoever shows a token outside of the body is known before the body is read.
        let early = match said.text(&[TOKEN])? {
            Some(token) => Some(admit(app, &mut parts, Some(&token)).await?),
            None => None,
        };
        said.add_body(&parts.headers, body).await?;
        let token = said.text(&[TOKEN])?;
        let caller = match early {
            Some(caller) => caller,
            None => admit(app, &mut parts, token.as_deref()).await?,
        };
        Ok(Self { caller, said })
    }
}

/// All that a call says, by name.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<(String, Value)>);

impl Said {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.into()));
    }

    fn add_pairs(&mut self, encoded: &[u8]) {
        for (name, value) in form_urlencoded::parse(encoded) {
            self.add(&name, &value);
        }
    }

    fn add_headers(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        for value in headers.get_all("access-token") {
            self.add(TOKEN, header_text(value)?);
        }
        for value in headers.get_all(header::AUTHORIZATION) {
            if let Some((scheme, text)) = header_text(value)?.split_once(' ')
                && scheme.eq_ignore_ascii_case("bearer")
            {
                self.add(TOKEN, text);
            }
        }
        for value in headers.get_all("x-instance-id") {
            let id = value
                .to_str()
                .map_err(|_| Error::parameter("header `X-Instance-ID` is not visible ASCII"))?;
            self.add(INSTANCE, id);
        }
        Ok(())
    }

    async fn add_body(&mut self, headers: &HeaderMap, body: Body) -> Result<(), Error> {
        let bytes = body::bytes(body).await?;
        match sort(headers, &bytes)? {
            Sort::Nothing => {}
            Sort::Form => self.add_pairs(&bytes),
            Sort::Json => {
                let fields: Map<String, Value> = body::parse(&bytes)?;
                self.0.extend(fields);
            }
        }
        Ok(())
    }

    /// What was said under any of these names.
    fn all<'a, 'n>(
        &'a self,
        names: &'n [&'n str],
    ) -> impl Iterator<Item = &'a Value> + use<'a, 'n> {
        self.0
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, value)| value)
    }

    /// A text as it was said, blanks included; `None` where it is absent, blank or
    /// null. `names` are other names of one thing.
    ///
    /// # Errors
    /// 400 for what is no text, and for different texts in different places.
    pub(super) fn exact(&self, names: &[&str]) -> Result<Option<&str>, Error> {
        let mut texts = self.texts(names)?;
        texts.retain(|text| !text.trim().is_empty());
        same(names, &texts)
    }

    /// The same where a blank one does not count as absent.
    ///
    /// # Errors
    /// As [`Said::exact`].
    pub(super) fn even_blank(&self, names: &[&str]) -> Result<Option<&str>, Error> {
        same(names, &self.texts(names)?)
    }

    fn texts(&self, names: &[&str]) -> Result<Vec<&str>, Error> {
        let texts = self.all(names).filter(|value| !value.is_null());
        texts
            .map(|value| {
                let text = value.as_str();
                text.ok_or_else(|| Error::parameter(format!("`{}` must be a string", names[0])))
            })
            .collect()
    }

    /// The same without blanks at its ends.
    ///
    /// # Errors
    /// As [`Said::exact`].
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>, Error> {
        Ok(self.exact(names)?.map(|text| text.trim().to_owned()))
    }

    /// The same for what must be there.
    ///
    /// # Errors
    /// As [`Said::exact`], and 400 where it is absent.
    pub(super) fn required(&self, names: &[&str]) -> Result<String, Error> {
        self.text(names)?
            .ok_or_else(|| Error::parameter(format!("`{}` is required", names[0])))
    }

    /// What may be something else than a text; `None` where it is absent or null.
    ///
    /// # Errors
    /// 400 for different values in different places.
    pub(super) fn value(&self, names: &[&str]) -> Result<Option<&Value>, Error> {
        let mut values = self.all(names).filter(|value| !value.is_null());
        let first = values.next();
        match first {
            Some(first) if values.any(|other| written(other) != written(first)) => {
                Err(contradiction(names))
            }
            first => Ok(first),
        }
    }
}

/// A value as a query would say it: `3` and `"3"` are the same there.
fn written(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.trim().into(),
        other => other.to_string().into(),
    }
}

/// The one text that all of these are, blanks at their ends aside.
fn same<'a>(names: &[&str], texts: &[&'a str]) -> Result<Option<&'a str>, Error> {
    match texts {
        [] => Ok(None),
        [first, others @ ..] if others.iter().all(|other| other.trim() == first.trim()) => {
            Ok(Some(first))
        }
        _ => Err(contradiction(names)),
    }
}

impl Said {
    /// What says this, for tests.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(pairs: [(&str, Value); N]) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

fn contradiction(names: &[&str]) -> Error {
    Error::parameter(format!(
        "`{}` is said in several places, and not the same",
        names[0]
    ))
}

enum Sort {
    Nothing,
    Json,
    Form,
}

fn sort(headers: &HeaderMap, bytes: &Bytes) -> Result<Sort, Error> {
    let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace()) else {
        return Ok(Sort::Nothing);
    };
    let kind = match headers.get(header::CONTENT_TYPE) {
        Some(value) => value.to_str().unwrap_or("?"),
        None => "",
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is = |known: &str| kind.eq_ignore_ascii_case(known);
    // `curl -d` says "form" of whatever it sends, and no form begins with a brace.
    if is("application/json") || ((kind.is_empty() || is(FORM)) && *first == b'{') {
        Ok(Sort::Json)
    } else if kind.is_empty() || is(FORM) {
        Ok(Sort::Form)
    } else {
        Err(Error::media_type())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn said(pairs: &[(&str, Value)]) -> Said {
        Said(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    #[test]
    fn what_is_said_twice_must_be_the_same() {
        let once = said(&[
            ("id", " 3 ".into()),
            ("labelId", "3".into()),
            ("id", "".into()),
        ]);
        assert_eq!(
            once.text(&["id", "labelId"]).expect("agrees").as_deref(),
            Some("3")
        );
        let twice = said(&[("id", "3".into()), ("labelId", "4".into())]);
        assert!(twice.text(&["id", "labelId"]).is_err());
        assert_eq!(twice.text(&["id"]).expect("one").as_deref(), Some("3"));
        assert!(said(&[("id", 3.into())]).text(&["id"]).is_err());
        assert!(matches!(
            said(&[("id", Value::Null)]).text(&["id"]),
            Ok(None)
        ));
        assert!(matches!(
            said(&[("id", " ".into())]).text(&["id"]),
            Ok(None)
        ));
        assert!(matches!(
            said(&[("id", " ".into())]).even_blank(&["id"]),
            Ok(Some(" "))
        ));
        assert!(
            said(&[("color", 3.into()), ("color", "3".into())])
                .value(&["color"])
                .is_ok()
        );
        assert!(
            said(&[("color", 3.into()), ("color", 3.into())])
                .value(&["color"])
                .is_ok()
        );
        assert!(
            said(&[("color", 3.into()), ("color", 4.into())])
                .value(&["color"])
                .is_err()
        );
    }

    #[test]
    fn a_body_is_what_it_says_or_looks_like() {
        let sorted = |kind: &'static str, text: &'static str| {
            let mut headers = HeaderMap::new();
            if !kind.is_empty() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            match sort(&headers, &Bytes::from_static(text.as_bytes())) {
                Ok(Sort::Nothing) => "nothing",
                Ok(Sort::Json) => "json",
                Ok(Sort::Form) => "form",
                Err(_) => "refused",
            }
        };
        assert_eq!(sorted("application/json; charset=utf-8", "[]"), "json");
        assert_eq!(sorted("Application/JSON", ""), "nothing");
        assert_eq!(sorted(FORM, "a=1"), "form");
        assert_eq!(sorted(FORM, " {\"a\":1}"), "json");
        assert_eq!(sorted("", "{}"), "json");
        assert_eq!(sorted("", "a=1"), "form");
        assert_eq!(sorted("text/xml", "<a/>"), "refused");
        assert_eq!(sorted("text/xml", " \n"), "nothing");
    }
}
