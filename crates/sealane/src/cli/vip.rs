//! `sealane vip …`.

mod explain;
mod list;
mod shapes;
mod show;

use super::Session;
use super::arguments::VipCommand;
use super::client::encoded;
use super::failure::Failure;
use super::table::or_dash;
use shapes::Vip;

pub(super) use shapes::{At, Client};

const PATH: &str = "/v1/vips";

pub(super) async fn run(session: &mut Session<'_>, command: VipCommand) -> Result<(), Failure> {
    match command {
        VipCommand::List => list::list(session).await,
        VipCommand::Show { vip } => show::show(session, &vip).await,
        VipCommand::Explain(wanted) => explain::explain(session, &wanted).await,
    }
}

/// Where a VIP that somebody typed is found.
fn path(vip: &str) -> String {
    format!("{PATH}/{}", encoded(vip))
}

/// `2/3 ready`: backends that new connections go to, of those that are in service.
fn ready(vip: &Vip) -> String {
    let states = |state: &str| vip.backends.iter().filter(|it| it.state == state).count();
    let (ready, gone) = (states("ready"), states("gone"));
    let mut text = format!("{ready}/{} ready", vip.backends.len() - gone);
    for (state, number) in [
        ("second", states("second")),
        ("draining", states("draining")),
        ("gone", gone),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {state}"));
        }
    }
    text
}

/// Backends that new connections keep away from.
fn ejected(vip: &Vip) -> usize {
    let ejected = vip.backends.iter().filter(|it| it.ejection.is_some());
    ejected.count()
}

fn number<T: ToString>(number: Option<T>) -> String {
    or_dash(number.map(|number| number.to_string()).as_deref())
}

#[cfg(test)]
mod tests;
