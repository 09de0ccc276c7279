//! Whom people mean by a client.

use agent::ClientName;
use api::{Client, ClientView, ExplainError};
use model::{NodeId, TaskId};
use store::State;

/// A client as the agent knows it, and what is known of it before it is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) name: ClientName,
    pub(super) view: ClientView,
}

/// Finds the client that is meant, by the records of this node's containers. One that
/// has no record may still be known to an engine by its name.
pub(super) fn meant(client: &Client, state: &State, node: &NodeId) -> Result<Meant, ExplainError> {
    let found = match client {
        Client::Host => {
            let view = ClientView {
                host: true,
                ..ClientView::default()
            };
            let name = ClientName::Host;
            return Ok(Meant { name, view });
        }
        Client::Task(text) => {
            let found = task(text, state, node)?;
            let none = || {
                ExplainError::NoClient(format!(
                    "no task or app with a task on this node is called '{text}'; see `sealane \
                     task list`"
                ))
            };
            return found.ok_or_else(none).map(|task| of_task(task, state));
        }
        Client::Container(text) => container(text, state, node)?,
        Client::Any(text) => match task(text, state, node)? {
            Some(task) => return Ok(of_task(task, state)),
            None => container(text, state, node)?,
        },
    };
    let (Client::Task(text) | Client::Container(text) | Client::Any(text)) = client else {
        return Err(ExplainError::NoClient(client.to_string()));
    };
    Ok(found.unwrap_or_else(|| Meant {
        name: ClientName::Container(text.clone()),
        view: ClientView::default(),
    }))
}

fn of_task(task: &TaskId, state: &State) -> Meant {
    let status = state.statuses.get(task);
    Meant {
        name: ClientName::Container(task.to_string()),
        view: ClientView {
            task: Some(task.clone()),
            container: status.and_then(|status| status.container.clone()),
            ..ClientView::default()
        },
    }
}

/// A task by its id, by the beginning of one, or by an app with a single one here.
fn task<'s>(
    text: &str,
    state: &'s State,
    node: &NodeId,
) -> Result<Option<&'s TaskId>, ExplainError> {
    let exact = text.parse::<TaskId>().ok();
    if let Some((id, task)) = exact.and_then(|id| state.tasks.get_key_value(&id)) {
        if task.node == *node {
            return Ok(Some(id));
        }
        return Err(ExplainError::Unclear(format!(
            "task {id} runs on node {}; ask there",
            task.node
        )));
    }
    let app = format!("/{}", text.trim_matches('/'));
    let here = || state.tasks.values().filter(|task| task.node == *node);
    let of_app: Vec<_> = here().filter(|task| task.app.as_str() == app).collect();
    let begin = || here().filter(|task| task.id.as_str().starts_with(text));
    let found: Vec<&TaskId> = match of_app.as_slice() {
        [] => begin().map(|task| &task.id).collect(),
        of_app => of_app.iter().map(|task| &task.id).collect(),
    };
    let found: Vec<_> = found
        .iter()
        .filter_map(|id| state.tasks.get_key_value(*id))
        .map(|(id, _)| id)
        .collect();
    one_of(text, "tasks", found)
}

/// A container that has a record, by its id or the beginning of one; one that somebody
/// else started also by its name.
fn container(text: &str, state: &State, node: &NodeId) -> Result<Option<Meant>, ExplainError> {
    let tasks = state.statuses.values().filter(|it| it.node == *node);
    let tasks = tasks.filter_map(|status| {
        let container = status.container.as_deref()?;
        (container.starts_with(text)).then_some((container, status.task.clone(), None))
    });
    let externals = state.externals.values().filter(|it| it.node == *node);
    let externals = externals.filter_map(|external| {
        let id = external.id();
        let is_it =
            external.container.starts_with(text) || external.name == text || id.as_str() == text;
        is_it.then_some((
            external.container.as_str(),
            id,
            Some(external.name.as_str()),
        ))
    });
    let mut found: Vec<_> = tasks.chain(externals).collect();
    // A whole name or id is not the beginning of another one's.
    let whole = |(id, task, name): &(&str, TaskId, Option<&str>)| {
        *id == text || task.as_str() == text || *name == Some(text)
    };
    if found.iter().any(whole) {
        found.retain(whole);
    }
    let meant = |(container, task, _): (&str, TaskId, Option<&str>)| Meant {
        // The agent knows containers of tasks by either, and others by their own id.
        name: ClientName::Container(container.to_owned()),
        view: ClientView {
            task: Some(task),
            container: Some(container.to_owned()),
            ..ClientView::default()
        },
    };
    one_of(text, "containers", found.into_iter().map(meant).collect())
}

fn one_of<T>(text: &str, what: &str, mut found: Vec<T>) -> Result<Option<T>, ExplainError>
where
    T: Named,
{
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(Named::called).collect();
        return Err(ExplainError::Unclear(format!(
            "'{text}' means several {what} of this node; give one of {}",
            names.join(", ")
        )));
    }
    Ok(found.pop())
}

/// What can be named in a choice.
trait Named {
    fn called(&self) -> String;
}

impl Named for &TaskId {
    fn called(&self) -> String {
        self.to_string()
    }
}

impl Named for Meant {
    fn called(&self) -> String {
        self.view.container.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
