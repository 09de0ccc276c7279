//! Marathon's behaviour in tables: networks, service ports, ids, updates, errors.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bodies;
mod ids;
mod networks;
mod service_ports;
mod updates;
mod vip_labels;

use marathon::{
    App, Config, Details, Network, NetworkMode, Rejection, Update, assign_service_ports, parse_app,
    parse_app_with_id, parse_apps, parse_update, parse_updates,
};
use model::{AppId, Timestamp};
use serde_json::{Value, json};

fn post(body: &Value) -> Result<App, Rejection> {
    parse_app(body.to_string().as_bytes(), &Config::default())
}

fn accept(body: &Value) -> App {
    post(body).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// Every problem as `path: text`, in the order of the paths; else the message.
fn refused<T: std::fmt::Debug>(result: Result<T, Rejection>) -> Vec<String> {
    let rejection = result.unwrap_err();
    match rejection.details {
        Some(Details::Paths(places)) => places
            .iter()
            .flat_map(|it| {
                it.errors
                    .iter()
                    .map(move |error| format!("{}: {error}", it.path))
            })
            .collect(),
        _ => vec![rejection.message],
    }
}

fn put(existing: &App, body: &Value, partial: bool) -> Result<App, Rejection> {
    let body = body.to_string();
    match parse_update(body.as_bytes(), existing, &Config::default(), partial)? {
        Update::Replace(app) => Ok(app),
        Update::RollBack(version) => panic!("{body} rolls back to {version}"),
    }
}
