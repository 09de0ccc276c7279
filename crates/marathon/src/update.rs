//! Updates of an app: merged over the stored one, then taken as a whole again.

use model::{AppId, Timestamp};
use serde_json::Value;

use crate::definition::Definition;
use crate::parse::{accept, all, read_app};
use crate::read::{self, IdField, Reading};
use crate::rejection::Rejection;
use crate::{App, Config, migrate, validate};

/// What an update asks for.
#[expect(
    clippy::large_enum_variant,
    reason = "one value a request; a box would only cost callers"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The app becomes this.
    Replace(App),
    /// The app becomes what it was in this version.
    RollBack(Timestamp),
}

/// Reads the body of `PUT` or `PATCH /v2/apps/{id}` for an app that exists.
///
/// With `partial`, fields that are absent stay as they are stored; a field that
/// is given replaces the stored one as a whole. Old forms are rewritten first, no
/// default is added to the update itself, and the merged app is validated like a
/// new one. `{"version": ...}`, with or without `id`, asks to roll back. Without
/// `partial` the body is a definition as in [`parse_app`](crate::parse_app).
///
/// Either way the id is that of `existing`, and network names that `existing`
/// already has are accepted although they may match no pattern.
///
/// Marathon refuses a `version` beside other fields. So does this function, unless
/// the body has `versionInfo` too: then it is an answer of ours sent back, as
/// clients do that get an app, change it and put it.
///
/// # Errors
/// As for [`parse_app`](crate::parse_app), and 422 for a `version` that is no time
/// or that stands beside other fields.
pub fn parse_update(
    body: &[u8],
    existing: &App,
    config: &Config,
    partial: bool,
) -> Result<Update, Rejection> {
    read_update(&read::json(body)?, existing, config, partial)
}

/// Reads the body of `PUT` or `PATCH /v2/apps`: a list of updates, each with its id.
///
/// `existing` finds stored apps; an element whose app is not there is a new app.
///
/// # Errors
/// As for [`parse_update`], for all elements together; paths begin with the index
/// of the element, such as `(0)/id`.
pub fn parse_updates<'a>(
    body: &[u8],
    existing: impl Fn(&AppId) -> Option<&'a App>,
    config: &Config,
    partial: bool,
) -> Result<Vec<(AppId, Update)>, Rejection> {
    let value = read::json(body)?;
    let elements = read::elements(&value)?;
    all(elements.iter().map(|value| {
        let id = read_id(value)?;
        let update = match existing(&id) {
            Some(app) => read_update(value, app, config, partial)?,
            None => Update::Replace(read_app(value, config)?),
        };
        Ok((id, update))
    }))
}

fn read_update(
    value: &Value,
    existing: &App,
    config: &Config,
    partial: bool,
) -> Result<Update, Rejection> {
    let known: Vec<String> = existing
        .networks
        .iter()
        .filter_map(|network| network.name.clone())
        .collect();
    let reading = Reading {
        id: IdField::Ignored,
        known_networks: &known,
    };
    let mut update = read::definition(value, reading)?;
    let id = Some(&existing.id);
    if !partial {
        return accept(update, id, config).map(Update::Replace);
    }
    if !update.has_version_info
        && let Some(version) = update.version.take()
    {
        return roll_back(&version, &update).map(Update::RollBack);
    }
    validate::old(&update)?;
    migrate::migrate(&mut update, config)?;
    // Ports of the stored app's mode mean nothing in another one, and would pad
    // the mappings of the new one.
    let mut base = Definition::from(existing.clone());
    if update.leaves_host() {
        base.port_definitions = None;
    }
    accept(update.over(base), id, config).map(Update::Replace)
}

/// The id of one element of a list.
fn read_id(value: &Value) -> Result<AppId, Rejection> {
    let text = read::id(value)?;
    AppId::resolve(&text).map_err(|error| Rejection::invalid_object("/id", &error.to_string()))
}

fn roll_back(version: &str, rest: &Definition) -> Result<Timestamp, Rejection> {
    if *rest != Definition::default() {
        let error = "The 'version' field may only be combined with the 'id' field.";
        return Err(Rejection::invalid_object("/", error));
    }
    version
        .parse()
        .map_err(|_| Rejection::invalid_json("/version", "error.expected.date.isoformat"))
}
