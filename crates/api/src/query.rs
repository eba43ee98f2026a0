//! Query strings: the same parsing for every call, errors left to the dialect.

use crate::refusal::Refusal;

/// A decoded query string. Bytes that are no UTF-8 read as replacement characters.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what stands behind the `?`.
    pub(crate) fn of(raw: Option<&str>) -> Self {
        let raw = raw.unwrap_or_default();
        Self(
            form_urlencoded::parse(raw.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The values of a parameter, in order.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The trimmed value of a parameter, where it is there and not blank; the
    /// first where it is there more than once.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name)
            .map(str::trim)
            .find(|value| !value.is_empty())
    }

    /// Whether a parameter is there, blank or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The items of a comma-separated parameter, trimmed. `None` where it is
    /// absent or blank; an empty list where it holds nothing but commas.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let mut items = None;
        for value in self.all(name).filter(|value| !value.trim().is_empty()) {
            items.get_or_insert_with(Vec::new).extend(
                value
                    .split(',')
                    .map(str::trim)
                    .filter(|i| !i.is_empty())
                    .map(str::to_owned),
            );
        }
        items
    }

    /// A switch: `true`, `false`, `1` or `0`; off where it is absent.
    ///
    /// # Errors
    /// [`Refusal::Query`] for everything else.
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, Refusal> {
        let mut on = false;
        for value in self.all(name) {
            on = match value {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(Refusal::Query(name)),
            };
        }
        Ok(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_trimmed_and_joined() {
        let query = Query::of(Some("a=1,%202%20,,3&a=4&b=&c=,%20,"));
        assert_eq!(
            query.list("a"),
            Some(["1", "2", "3", "4"].map(str::to_owned).to_vec())
        );
        assert_eq!(query.list("b"), None);
        assert_eq!(query.list("c"), Some(vec![]));
        assert_eq!(query.list("d"), None);
    }

    #[test]
    fn a_switch_takes_four_words() {
        for (text, on) in [
            ("", false),
            ("r=1", true),
            ("r=0", false),
            ("r=true", true),
            ("r=false", false),
        ] {
            assert!(
                matches!(Query::of(Some(text)).switch("r"), Ok(is) if is == on),
                "{text}"
            );
        }
        for text in ["r=maybe", "r=", "r", "r=TRUE", "r=1&r=x"] {
            assert!(Query::of(Some(text)).switch("r").is_err(), "{text}");
        }
    }
}
