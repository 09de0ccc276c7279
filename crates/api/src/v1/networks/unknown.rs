//! Apps that name networks which nobody knows.
//!
//! Such an app is accepted, as Marathon accepts it: the network may be made later. Until
//! then its instances cannot start, and that is said before one has failed.

use marathon::{App, EngineType, NetworkMode};
use store::State;

use crate::context::Api;
use crate::views::NetworksView;

impl Api {
    /// Why instances of an app cannot join the networks that it names.
    pub(crate) async fn unknown_networks(&self, state: &State, app: &App) -> Vec<String> {
        if foreign(state, app).next().is_none() {
            return Vec::new();
        }
        self.unknown_among(state, app, &self.context.views.networks().await)
    }

    /// The same, by what this node knows of networks.
    pub(crate) fn unknown_among(
        &self,
        state: &State,
        app: &App,
        view: &NetworksView,
    ) -> Vec<String> {
        let kind = app
            .container
            .as_ref()
            .map_or(EngineType::Mesos, |it| it.kind);
        let (engine, make) = match kind {
            EngineType::Docker => ("docker", "`docker network create`"),
            EngineType::Mesos => ("cni", "a configuration in a directory of cni.config-dirs"),
        };
        // An engine that is away may have it.
        if !view.engines.contains(engine) {
            return Vec::new();
        }
        let known = |name: &str| {
            let mut others = view.others.iter();
            others.any(|it| it.engine == engine && it.name == name)
        };
        let unknown = foreign(state, app).filter(|name| !known(name));
        unknown
            .map(|name| {
                format!(
                    "node {} knows no network '{name}', which the app is to join; make it with \
                     `sealane network create` or {make}, or correct the name",
                    self.context.node
                )
            })
            .collect()
    }
}

/// Networks of an app that are no virtual networks.
pub(super) fn foreign<'a>(state: &'a State, app: &'a App) -> impl Iterator<Item = &'a str> {
    let named = app
        .networks
        .iter()
        .filter(|it| it.mode == NetworkMode::Container);
    let names = named.filter_map(|network| network.name.as_deref());
    names.filter(|name| !state.networks.contains_key(*name) && !state.has_unreadable_network(name))
}
