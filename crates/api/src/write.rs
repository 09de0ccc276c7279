//! What becomes of apps that a request wants.

use std::collections::BTreeSet;

use marathon::{App, assign_service_ports, only_scales, stamp};
use model::{AffectedApp, AppId, DeploymentAction, Timestamp};
use store::{Expect, State};

use crate::change::Draft;
use crate::context::ApiContext;
use crate::refusal::Refusal;

impl Draft {
    /// Makes the apps what they should be: new ones start, changed ones scale or
    /// restart, and ones that are so already stay untouched.
    ///
    /// Returns the apps as they are stored.
    pub(crate) fn put_apps(
        &mut self,
        state: &State,
        wanted: Vec<App>,
        context: &ApiContext,
        now: Timestamp,
    ) -> Result<Vec<App>, Refusal> {
        check_ids(state, &wanted)?;
        let mut stored: Vec<App> = Vec::with_capacity(wanted.len());
        for mut app in wanted {
            let others = state.apps.values().map(|held| &*held.record).chain(&stored);
            assign_service_ports(others, &mut app, &context.config)?;
            let previous = state.apps.get(&app.id);
            stamp(previous.map(|held| &*held.record), &mut app, now);
            match previous {
                None => {
                    self.change.put_app(&app, Expect::Absent);
                    self.affect(&app.id, DeploymentAction::StartApplication);
                }
                Some(previous) if *previous.record == app => {
                    self.change
                        .require_app(&app.id, Expect::Revision(previous.revision));
                }
                Some(previous) => {
                    self.change
                        .put_app(&app, Expect::Revision(previous.revision));
                    let action = if only_scales(previous, &app) {
                        DeploymentAction::ScaleApplication
                    } else {
                        DeploymentAction::RestartApplication
                    };
                    self.affect(&app.id, action);
                }
            }
            stored.push(app);
        }
        Ok(stored)
    }

    /// Deletes an app that exists; its tasks end by the deployment.
    pub(crate) fn delete_app(&mut self, state: &State, id: &AppId) -> Result<(), Refusal> {
        let Some(app) = state.apps.get(id) else {
            return Err(Refusal::NoApp(id.to_string()));
        };
        self.change.delete_app(id, Expect::Revision(app.revision));
        self.affect(id, DeploymentAction::StopApplication);
        Ok(())
    }

    pub(crate) fn affect(&mut self, app: &AppId, action: DeploymentAction) {
        self.affected.push(AffectedApp {
            app: app.clone(),
            action,
        });
    }
}

/// Ids are unique in a request, and a path is an app or a group of apps, not both.
fn check_ids(state: &State, wanted: &[App]) -> Result<(), Refusal> {
    let mut ids = BTreeSet::new();
    for app in wanted {
        if !ids.insert(&app.id) {
            let error = format!("app {} occurs more than once in this request", app.id);
            return Err(Refusal::invalid("/id", error));
        }
    }
    for app in wanted {
        if state.apps.contains_key(&app.id) {
            continue;
        }
        let all = || state.apps.keys().chain(ids.iter().copied());
        if all().any(|other| is_inside(other, &app.id) || is_inside(&app.id, other)) {
            let error = "Groups and Applications may not have the same identifier.";
            return Err(Refusal::invalid("/id", error));
        }
    }
    Ok(())
}

fn is_inside(inner: &AppId, group: &AppId) -> bool {
    inner
        .as_str()
        .strip_prefix(group.as_str())
        .is_some_and(|rest| rest.starts_with('/'))
}
