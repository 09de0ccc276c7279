//! Updates of apps, one or a list of them.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use marathon::{App, Update, parse_app_with_id, parse_update, parse_updates};
use model::{AppId, Timestamp};
use store::State;
use vip::VipRanges;

use super::apps::location;
use crate::change::Draft;
use crate::context::Api;
use crate::params::Params;
use crate::refusal::Refusal;
use crate::vip_labels;

/// What a `PUT` or `PATCH` is about.
///
/// `partial`: fields that are absent stay. `create`: an app that does not exist
/// is made.
#[derive(Debug)]
pub(crate) enum Updates {
    One {
        id: AppId,
        partial: bool,
        create: bool,
    },
    List {
        partial: bool,
        create: bool,
    },
}

/// Apps as they were in versions that an update goes back to.
type Former = BTreeMap<(AppId, Timestamp), App>;

impl Updates {
    pub(crate) async fn apply(
        &self,
        api: &Api,
        params: &Params,
        body: &[u8],
    ) -> Result<Response, Refusal> {
        let force = params.flag("force", false)?;
        let former = self.former(api, body).await?;
        let mut created = false;
        let accepted = api
            .deploy(force, |state, now| {
                let mut wanted = Vec::new();
                for (id, update) in self.read(api, state, body)? {
                    wanted.push(match update {
                        Update::Replace(app) => app,
                        Update::RollBack(version) => go_back(&former, id, version)?,
                    });
                }
                self.check(&wanted, &api.context.vip_ranges)?;
                if let Self::One { id, .. } = self {
                    created = !state.apps.contains_key(id);
                }
                let mut draft = Draft::default();
                draft.put_apps(state, wanted, &api.context, now)?;
                Ok(draft)
            })
            .await?;
        Ok(match self {
            Self::One { id, .. } if created => {
                let answer = accepted.answer(StatusCode::CREATED);
                ([(header::LOCATION, location(id))], answer).into_response()
            }
            _ => accepted.answer(StatusCode::OK),
        })
    }

    /// What the body asks for, given the apps that there are.
    fn read(&self, api: &Api, state: &State, body: &[u8]) -> Result<Vec<(AppId, Update)>, Refusal> {
        let config = &api.context.config;
        let existing = |id: &AppId| state.apps.get(id).map(|held| &*held.record);
        match self {
            Self::One {
                id,
                partial,
                create,
            } => {
                let update = match existing(id) {
                    Some(app) => parse_update(body, app, config, *partial)?,
                    None if *create => Update::Replace(parse_app_with_id(body, id, config)?),
                    None => return Err(Refusal::NoApp(id.to_string())),
                };
                Ok(vec![(id.clone(), update)])
            }
            Self::List { partial, create } => {
                let updates = parse_updates(body, existing, config, *partial)?;
                match updates.iter().find(|(id, _)| existing(id).is_none()) {
                    Some((id, _)) if !create => Err(Refusal::NoApp(id.to_string())),
                    _ => Ok(updates),
                }
            }
        }
    }

    fn check(&self, wanted: &[App], ranges: &VipRanges) -> Result<(), Refusal> {
        match (self, wanted) {
            (Self::One { .. }, [app]) => vip_labels::check(app, ranges),
            _ => vip_labels::check_list(wanted, ranges),
        }
    }

    /// Looks up the versions that the body goes back to. It does before the change,
    /// because versions are never changed, only forgotten.
    async fn former(&self, api: &Api, body: &[u8]) -> Result<Former, Refusal> {
        let state = api.state().await?;
        let mut former = Former::new();
        for (id, update) in self.read(api, &state, body)? {
            if let Update::RollBack(version) = update {
                let found = api.context.records.app_version(&id, version).await?;
                let app = found.ok_or_else(|| no_version(&id, version))?;
                former.insert((id, version), app);
            }
        }
        Ok(former)
    }
}

fn go_back(former: &Former, id: AppId, version: Timestamp) -> Result<App, Refusal> {
    let key = (id, version);
    former
        .get(&key)
        .cloned()
        .ok_or_else(|| no_version(&key.0, version))
}

fn no_version(app: &AppId, version: Timestamp) -> Refusal {
    Refusal::NoVersion {
        app: app.clone(),
        version: version.to_string(),
    }
}
