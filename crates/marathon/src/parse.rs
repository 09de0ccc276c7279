//! The way of a whole definition from a request body to an [`App`].

use model::AppId;
use serde_json::Value;

use crate::definition::Definition;
use crate::read::{self, IdField, Reading};
use crate::rejection::{Details, PathErrors, Rejection};
use crate::{App, Config, defaults, migrate, validate};

/// Reads the body of `POST /v2/apps`: any accepted form in, the canonical one out.
///
/// Ids are resolved against the root. Ports to be assigned are still 0, and
/// [`App::version`] and [`App::version_info`] are `None` whatever the body says:
/// they are the server's, as all unknown fields are nobody's.
///
/// # Errors
/// 400 when the body is not JSON; 422 with every wrong type and broken constraint,
/// or else with every problem of meaning.
pub fn parse_app(body: &[u8], config: &Config) -> Result<App, Rejection> {
    let value = read::json(body)?;
    read_app(&value, config)
}

/// Reads a full replacement, as `PUT /v2/apps/{id}` takes it; the URL's `id`
/// counts and the body's does not.
///
/// # Errors
/// As for [`parse_app`].
pub fn parse_app_with_id(body: &[u8], id: &AppId, config: &Config) -> Result<App, Rejection> {
    let value = read::json(body)?;
    let reading = Reading {
        id: IdField::Ignored,
        known_networks: &[],
    };
    accept(read::definition(&value, reading)?, Some(id), config)
}

/// Reads a list of apps.
///
/// # Errors
/// As for [`parse_app`], for all elements together; paths begin with the index of
/// the element, such as `(0)/id`.
pub fn parse_apps(body: &[u8], config: &Config) -> Result<Vec<App>, Rejection> {
    let value = read::json(body)?;
    let elements = read::elements(&value)?;
    all(elements.iter().map(|value| read_app(value, config)))
}

pub(crate) fn read_app(value: &Value, config: &Config) -> Result<App, Rejection> {
    let reading = Reading {
        id: IdField::Required,
        known_networks: &[],
    };
    accept(read::definition(value, reading)?, None, config)
}

/// Takes a definition through validation of its old forms, migration, default
/// ports and canonical validation.
pub(crate) fn accept(
    mut definition: Definition,
    id: Option<&AppId>,
    config: &Config,
) -> Result<App, Rejection> {
    validate::old(&definition)?;
    migrate::migrate(&mut definition, config)?;
    defaults::fill_ports(&mut definition);
    let validated = validate::canonical(&definition, id, config)?;
    Ok(defaults::finish(
        definition,
        validated.id,
        validated.dependencies,
        config,
    ))
}

/// All results, or the refusals of all elements in one: those of types first,
/// since a definition of the wrong type has not been looked at any further.
pub(crate) fn all<T>(
    results: impl Iterator<Item = Result<T, Rejection>>,
) -> Result<Vec<T>, Rejection> {
    let mut accepted = Vec::new();
    let mut refused: Vec<Rejection> = Vec::new();
    for (index, result) in results.enumerate() {
        match result {
            Ok(value) => accepted.push(value),
            Err(rejection) => refused.push(rejection.inside_element(index)),
        }
    }
    let Some(first) = refused.first() else {
        return Ok(accepted);
    };
    let message = match refused
        .iter()
        .find(|it| it.message == Rejection::INVALID_JSON)
    {
        Some(rejection) => rejection.message.clone(),
        None => first.message.clone(),
    };
    let status = first.status;
    let places: Vec<PathErrors> = refused
        .into_iter()
        .filter(|rejection| rejection.message == message)
        .filter_map(|rejection| match rejection.details {
            Some(Details::Paths(places)) => Some(places),
            _ => None,
        })
        .flatten()
        .collect();
    let details = (!places.is_empty()).then_some(Details::Paths(places));
    Err(Rejection {
        status,
        message,
        details,
    })
}
