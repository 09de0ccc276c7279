//! When a deployment has become true.

use marathon::App;
use model::{AppId, Deployment};

use crate::View;
use crate::view::config_version;

/// Whether everything that `deployment` changes is true.
pub(crate) fn is_done(view: &View<'_>, deployment: &Deployment) -> bool {
    deployment
        .affected
        .iter()
        .all(|affected| match view.apps.get(&affected.app) {
            Some(app) => is_true(view, app),
            // An app that cannot be read is not gone, and nobody knows what it wants.
            None => !view.unreadable.contains(&affected.app) && is_gone(view, &affected.app),
        })
}

/// Whether an app has just the instances it wants, all of them serving.
fn is_true(view: &View<'_>, app: &App) -> bool {
    let version = config_version(app);
    let mut serving = 0;
    for task in view.tasks_of(&app.id) {
        // Old and surplus instances must have ended; one that ended by itself is
        // replaced and shows up as missing.
        if !view.counts(task) || task.version != version {
            return false;
        }
        serving += usize::from(view.serves(task));
    }
    serving == app.instances as usize
}

/// Whether nothing is left of an app that was deleted.
fn is_gone(view: &View<'_>, app: &AppId) -> bool {
    view.tasks_of(app).next().is_none()
}
