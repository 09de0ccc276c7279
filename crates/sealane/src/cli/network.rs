//! `sealane network …`.

mod list;
mod shapes;
mod show;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Session;
use super::arguments::{CreateNetwork, NetworkCommand};
use super::client::{encoded, shaped};
use super::failure::Failure;
use super::table::joined;
use shapes::{Deleted, Network, Released};

const PATH: &str = "/v1/networks";

pub(super) async fn run(session: &mut Session<'_>, command: NetworkCommand) -> Result<(), Failure> {
    match command {
        NetworkCommand::List => list::list(session).await,
        NetworkCommand::Show { name } => show::show(session, &name).await,
        NetworkCommand::Create(wanted) => create(session, &wanted).await,
        NetworkCommand::Delete { name } => delete(session, &name).await,
        NetworkCommand::Release { network, node } => release(session, &network, &node).await,
    }
}

/// Where a network that somebody typed is found.
fn path(name: &str) -> String {
    format!("{PATH}/{}", encoded(name))
}

async fn create(session: &mut Session<'_>, wanted: &CreateNetwork) -> Result<(), Failure> {
    let subnets = [
        (&wanted.subnet, wanted.block),
        (&wanted.subnet6, wanted.block6),
    ];
    let subnets: Vec<Value> = subnets
        .into_iter()
        .filter_map(|(net, block)| Some(json!({ "net": net.as_ref()?, "block": block })))
        .collect();
    let body = json!({
        "name": wanted.name,
        "subnets": subnets,
        "mtu": wanted.mtu,
        "masquerade": !wanted.no_masquerade,
    });
    let value = change(session, Method::POST, PATH, Some(&body)).await?;
    let created: Network = shaped(PATH, &value)?;
    let name = &created.name;
    session.print(&value, || {
        let subnets = joined(created.subnets.iter().map(|it| it.net.clone()));
        Ok(format!(
            "{name} created, {subnets}; see `sealane network show {name}`\n"
        ))
    })
}

async fn delete(session: &mut Session<'_>, name: &str) -> Result<(), Failure> {
    let path = path(name);
    let value = change(session, Method::DELETE, &path, None).await?;
    let deleted: Deleted = shaped(&path, &value)?;
    session.print(&value, || {
        Ok(match deleted.nodes.len() {
            0 => format!("{name} deleted\n"),
            nodes => format!(
                "{name} deleted; {nodes} nodes give their blocks back when no container has an \
                 address of it\n"
            ),
        })
    })
}

async fn release(session: &mut Session<'_>, network: &str, node: &str) -> Result<(), Failure> {
    let path = format!("{}/blocks/{}", path(network), encoded(node));
    let value = change(session, Method::DELETE, &path, None).await?;
    let released: Released = shaped(&path, &value)?;
    session.print(&value, || {
        let nets = joined(released.nets);
        Ok(format!("{nets} of {network} is free, which {node} had\n"))
    })
}

/// A change of networks. One that others stand in the way of is no change of an app, for
/// which there would be help.
async fn change(
    session: &Session<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let changed = session.client.change(method, path, body).await;
    changed
        .map(|(_, value)| value)
        .map_err(|failure| match failure {
            Failure::Refused {
                status: StatusCode::CONFLICT,
                message,
                ..
            } => Failure::InTheWay(message),
            other => missing(other),
        })
}

/// The daemon's words tell its own addresses; a user knows commands.
fn missing(failure: Failure) -> Failure {
    match failure {
        Failure::Refused {
            status: StatusCode::NOT_FOUND,
            message,
            ..
        } => {
            Failure::Missing(message.replace("/v1/networks lists", "`sealane network list` shows"))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
