//! Whether an endpoint is as it was made.

use std::sync::Arc;

use ipnet::IpNet;
use netlink::{Hop, Route, Socket};

use super::add::plan_of;
use super::limits::Limit;
use super::plumb::{self, Plan};
use super::records::{CniRecord, Record, key};
use super::remove::own_namespace;
use super::shared::{Shared, blocking};
use super::{EndpointId, FabricError, names, request};

impl Shared {
    pub(crate) async fn check(self: Arc<Self>, id: EndpointId) -> Result<(), FabricError> {
        request::check_id(&id)?;
        let link = names::host_link(&id.container, &id.ifname);
        let _alone = self.locks.of(&link).await;
        let Some(Record::Cni(record)) = self.records.get(&key(&id)) else {
            return Err(FabricError::Absent(id));
        };
        blocking(move || verify(&record)).await?
    }
}

fn verify(record: &CniRecord) -> Result<(), FabricError> {
    let Some(namespace) = own_namespace(record) else {
        return Err(FabricError::NoNamespace {
            netns: record.request.netns.clone(),
        });
    };
    let Some(plan) = plan_of(record) else {
        return Err(changed(record, "its record makes no sense".to_owned()));
    };
    let host = outside(&plumb::open()?, &plan)?;
    if let Some(problem) = host {
        return Err(changed(record, format!("on the host, {problem}")));
    }
    let found = namespace.run(|socket| inside(socket, &plan));
    match found.map_err(plumb::looking)?? {
        Some(problem) => Err(changed(record, format!("in the container, {problem}"))),
        None => Ok(()),
    }
}

/// What is wrong on the host.
fn outside(socket: &Socket, plan: &Plan) -> Result<Option<String>, FabricError> {
    let link = match standing(socket, &plan.link)? {
        Ok(link) => link,
        Err(problem) => return Ok(Some(problem)),
    };
    let routes = socket.routes().map_err(plumb::looking)?;
    let missing = plan.addresses.iter().find(|net| {
        let fits = |route: &Route| route.to == **net && route.hop == Hop::Link(link.index);
        !routes.iter().any(fits)
    });
    if let Some(net) = missing {
        return Ok(Some(format!("the route to {} is missing", net.addr())));
    }
    unlimited(socket, plan.limits.ingress, &link)
}

/// Whether a limit is missing or another one.
fn unlimited(
    socket: &Socket,
    limit: Option<Limit>,
    link: &netlink::Link,
) -> Result<Option<String>, FabricError> {
    let Some(limit) = limit else { return Ok(None) };
    let found = socket.queues().map_err(plumb::looking)?;
    let changed = !limit.is_at(link.index, &found);
    Ok(changed.then(|| format!("the limit of link '{}' is missing or changed", link.name)))
}

/// What is wrong in the container.
fn inside(socket: &Socket, plan: &Plan) -> Result<Option<String>, FabricError> {
    let link = match standing(socket, &plan.ifname)? {
        Ok(link) => link,
        Err(problem) => return Ok(Some(problem)),
    };
    if link.mac != plan.mac {
        return Ok(Some("the hardware address is another one".to_owned()));
    }
    let addresses = socket.addresses(link.index).map_err(plumb::looking)?;
    if let Some(lost) = plan.addresses.iter().find(|net| !addresses.contains(net)) {
        return Ok(Some(format!("address {} is missing", lost.addr())));
    }
    let routes = socket.routes().map_err(plumb::looking)?;
    let key = |route: &Route| (route.to, route.hop, route.table);
    let missing = plumb::routes(plan, link.index)
        .into_iter()
        .find(|wanted| !routes.iter().any(|route| key(route) == key(wanted)));
    if let Some(route) = missing {
        let to = shown(route.to);
        return Ok(Some(format!("the route to {to} is missing")));
    }
    unlimited(socket, plan.limits.egress, &link)
}

fn standing(socket: &Socket, name: &str) -> Result<Result<netlink::Link, String>, FabricError> {
    Ok(match socket.link(name).map_err(plumb::looking)? {
        None => Err(format!("link '{name}' is missing")),
        Some(link) if !link.up => Err(format!("link '{name}' is down")),
        Some(link) => Ok(link),
    })
}

fn shown(net: IpNet) -> String {
    if net.prefix_len() == 0 {
        "everywhere".to_owned()
    } else {
        net.to_string()
    }
}

fn changed(record: &CniRecord, problem: String) -> FabricError {
    FabricError::Changed {
        id: record.request.id.clone(),
        problem,
    }
}
