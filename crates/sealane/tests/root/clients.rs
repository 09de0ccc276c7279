//! Processes that call services from inside containers, as apps of their own.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON};

/// What a script prints when everything before it is done.
const DONE: &str = "the script is done";

/// The URL of a VIP by its full name.
pub(crate) fn by_name(vip: &str, port: u16) -> String {
    format!("http://{vip}.marathon.l4lb.thisdcos.directory:{port}/")
}

/// A shell line that calls `url` until it answers, and prints the answer.
pub(crate) fn until_answered(url: &str) -> String {
    format!("until curl -sS -m 5 {url}; do sleep 0.2; done")
}

/// A native app that runs `script` on `networks` and then waits to be ended.
pub(crate) fn native_client(id: &str, networks: &Value, script: &str) -> Value {
    json!({
        "id": id, "cpus": 0.05, "mem": 32, "networks": networks,
        "container": {"type": "MESOS"},
        "cmd": format!("trap 'exit 0' TERM\n{script}\necho; echo {DONE}\nsleep 1000 & wait"),
    })
}

/// A Docker app that does nothing on `networks` until something is run inside it.
pub(crate) fn docker_client(id: &str, networks: &Value) -> Value {
    json!({
        "id": id, "cpus": 0.05, "mem": 32, "networks": networks,
        "container": {"type": "DOCKER", "docker": {"image": "chrisrc/myservice"}},
    })
}

impl Lab {
    /// Waits until the script of `app` is done and yields what it printed, by
    /// `sealane task logs`.
    pub(crate) fn printed(&self, app: &str) -> Result<String> {
        let mut last = String::new();
        wait_for("a script to be done", SOON, || {
            last = self.sealane(&["task", "logs", app]).ok()?;
            last.contains(DONE).then_some(())
        })
        .with_context(|| {
            let stderr = self.sealane(&["task", "logs", app, "--stderr", "--tail", "5"]);
            format!("{app} printed {last:?} and {stderr:?}")
        })?;
        Ok(last.replace(DONE, "").trim().to_owned())
    }

    /// The Docker container of the only task of `app`.
    pub(crate) fn container(&self, app: &str) -> Result<String> {
        let tasks = self.tasks(app)?;
        let task = tasks.first().and_then(|task| task["id"].as_str());
        let label = format!("label=sealane.task={}", task.context("no task")?);
        let docker = self.docker.as_ref().context("no docker")?;
        let id = docker.docker(&["ps", "-q", "--filter", &label])?;
        ensure!(!id.is_empty(), "{app} has no container");
        Ok(id)
    }

    /// Runs a command inside the Docker container of `app`.
    pub(crate) fn exec(&self, app: &str, command: &[&str]) -> Result<String> {
        let container = self.container(app)?;
        let docker = self.docker.as_ref().context("no docker")?;
        docker.docker(&[&["exec", &container], command].concat())
    }

    /// Calls `url` from inside the Docker container of `app` until it answers.
    pub(crate) fn answer_in(&self, app: &str, url: &str) -> Result<String> {
        let mut last = None;
        wait_for("an answer inside a container", SOON, || {
            let answer = self.exec(app, &["curl", "-sS", "--fail", "-m", "5", url]);
            let answered = answer.as_ref().ok().cloned();
            last = Some(answer);
            answered
        })
        .with_context(|| format!("{url} inside {app}: {last:?}"))
    }

    /// The name of the only instance of `app`, as its server tells it.
    pub(crate) fn instance(&self, app: &str) -> Result<String> {
        let tasks = self.tasks(app)?;
        ensure!(tasks.len() == 1, "{app} has {} tasks", tasks.len());
        Ok(tasks[0]["id"].as_str().context("no id")?.to_owned())
    }
}
