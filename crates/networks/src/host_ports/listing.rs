//! Reading what `nft -j list table` prints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value as Json;

use super::elements::{Elements, Value};
use super::layout::{Layout, MARK};

/// A table as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listing {
    /// The comment of [`MARK`]; absent in a table that is somebody else's.
    pub(super) sign: Option<String>,
    /// Rules of each chain.
    rules: BTreeMap<String, usize>,
    /// Names of sets and maps.
    sets: Vec<String>,
    pub(super) elements: Elements,
}

impl Listing {
    /// Reads the JSON.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let items = json.get("nftables").and_then(Json::as_array);
        let items = items.ok_or("it has no list 'nftables'")?;
        let mut listing = Self::default();
        for (kind, item) in items.iter().filter_map(Json::as_object).flatten() {
            let name = text_of(item, "name");
            match kind.as_str() {
                "set" if name == MARK => listing.sign = Some(text_of(item, "comment").to_owned()),
                "set" | "map" => listing.add_set(name, item),
                "chain" => *listing.rules.entry(name.to_owned()).or_default() += 0,
                "rule" => {
                    let chain = text_of(item, "chain").to_owned();
                    *listing.rules.entry(chain).or_default() += 1;
                }
                _ => {}
            }
        }
        Ok(listing)
    }

    /// Whether the table has this layout, as far as can be told: somebody who exchanges
    /// a rule for another one does it on purpose.
    pub(super) fn has(&self, layout: &Layout) -> bool {
        let chains = layout.chains.iter();
        let rules: BTreeMap<&str, usize> = chains
            .map(|chain| (chain.name, chain.rules.len()))
            .collect();
        let found = self
            .rules
            .iter()
            .map(|(name, count)| (name.as_str(), *count));
        self.sign.as_deref() == Some(layout.sign().as_str())
            && rules == found.collect()
            && layout
                .sets
                .iter()
                .all(|(name, ..)| self.sets.iter().any(|set| set == name))
    }

    fn add_set(&mut self, set: &str, item: &Json) {
        self.sets.push(set.to_owned());
        let elements = item.get("elem").and_then(Json::as_array);
        for element in elements.into_iter().flatten() {
            let (key, to) = match element.as_array().map(Vec::as_slice) {
                Some([key, to]) => (key, Some(written(to))),
                _ => (element, None),
            };
            let (key, comment) = match key.get("elem") {
                Some(elem) => (elem.get("val").unwrap_or(&Json::Null), elem.get("comment")),
                None => (key, None),
            };
            let comment = comment.and_then(Json::as_str).map(ToOwned::to_owned);
            let key = (set.to_owned(), written(key));
            self.elements.insert(key, Value { to, comment });
        }
    }
}

fn text_of<'a>(item: &'a Json, field: &str) -> &'a str {
    item.get(field).and_then(Json::as_str).unwrap_or_default()
}

/// A key or value as scripts have it, addresses in one spelling.
fn written(json: &Json) -> String {
    match (json.get("concat").and_then(Json::as_array), json) {
        (Some(parts), _) => parts.iter().map(written).collect::<Vec<_>>().join(" . "),
        (None, Json::String(text)) => text
            .parse()
            .map_or_else(|_| text.clone(), |ip: IpAddr| ip.to_string()),
        (None, other) => other.to_string(),
    }
}
