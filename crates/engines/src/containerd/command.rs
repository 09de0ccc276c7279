//! Command line, environment and working directory of a task's process.

use std::net::IpAddr;

use model::Task;

use super::image::RunConfig;
use super::user::Identity;
use crate::EngineError;

/// Search path when neither task nor image has one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where a container with an image sees its sandbox, as in Mesos.
pub(super) const SANDBOX_IN_IMAGE: &str = "/mnt/mesos/sandbox";

/// The program and its arguments.
///
/// As in Mesos (docs/mesos-containerizer.md, "Docker runtime isolator"): a shell
/// command replaces all that the image says; arguments replace its `Cmd`.
///
/// # Errors
/// [`EngineError::Unsupported`] when neither task nor image names a program.
pub(super) fn line(task: &Task, image: Option<&RunConfig>) -> Result<Vec<String>, EngineError> {
    let command = &task.command;
    if let Some(shell) = &command.shell {
        return Ok(["/bin/sh", "-c", shell].map(str::to_owned).to_vec());
    }
    let (entrypoint, cmd) = match image {
        Some(image) => (image.entrypoint.as_slice(), image.cmd.as_slice()),
        None => Default::default(),
    };
    let args = if command.args.is_empty() {
        cmd
    } else {
        &command.args
    };
    let line = [entrypoint, args].concat();
    if line.is_empty() {
        return Err(EngineError::Unsupported(format!(
            "task {} has nothing to run: give it 'cmd' or 'args', or an image with an entry point",
            task.id
        )));
    }
    Ok(line)
}

/// The environment: defaults, over them the image's, over them the task's.
pub(super) fn environment(
    task: &Task,
    image: Option<&RunConfig>,
    who: &Identity,
    sandbox: &str,
    addresses: &[IpAddr],
) -> Vec<String> {
    let mut env = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), who.home.clone()),
        ("MESOS_SANDBOX".to_owned(), sandbox.to_owned()),
    ];
    if let Some(address) = addresses.first() {
        env.push(("MESOS_CONTAINER_IP".to_owned(), address.to_string()));
    }
    let image = image.map(|image| image.env.as_slice()).unwrap_or_default();
    let image = image.iter().filter_map(|entry| entry.split_once('='));
    let task = task
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in image.chain(task) {
        match env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => env.push((name.to_owned(), value.to_owned())),
        }
    }
    env.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The working directory: the image's, or else the sandbox.
pub(super) fn directory<'a>(image: Option<&'a RunConfig>, sandbox: &'a str) -> &'a str {
    match image {
        Some(image) if image.working_dir.starts_with('/') => &image.working_dir,
        _ => sandbox,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn image() -> RunConfig {
        RunConfig {
            entrypoint: vec!["/entry".into(), "-v".into()],
            cmd: vec!["serve".into()],
            env: vec!["PATH=/app".into(), "MODE=image".into(), "broken".into()],
            working_dir: "/srv".into(),
            ..RunConfig::default()
        }
    }

    #[test]
    fn shell_arguments_and_image() {
        let task = |shell: Option<&str>, args: &[&str]| {
            let mut task = sample::task();
            task.command.shell = shell.map(str::to_owned);
            task.command.args = args.iter().map(|arg| (*arg).to_owned()).collect();
            task
        };
        let image = image();
        for (task, image, expected) in [
            (
                task(Some("a b"), &["x"]),
                Some(&image),
                vec!["/bin/sh", "-c", "a b"],
            ),
            (task(Some("a b"), &[]), None, vec!["/bin/sh", "-c", "a b"]),
            (task(None, &[]), Some(&image), vec!["/entry", "-v", "serve"]),
            (
                task(None, &["x", "y z"]),
                Some(&image),
                vec!["/entry", "-v", "x", "y z"],
            ),
            (task(None, &["x"]), None, vec!["x"]),
        ] {
            assert_eq!(line(&task, image).unwrap(), expected);
        }
        let error = line(&task(None, &[]), None).unwrap_err();
        assert!(error.to_string().contains("nothing to run"), "{error}");
    }

    #[test]
    fn the_tasks_environment_wins() {
        let mut task = sample::task();
        task.env = [
            ("MODE".to_owned(), "task".to_owned()),
            ("HOME".to_owned(), "/h".to_owned()),
        ]
        .into();
        let who = Identity {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: "/root".into(),
        };
        let addresses = ["10.0.0.9".parse().unwrap()];
        assert_eq!(
            environment(&task, Some(&image()), &who, "/box", &addresses),
            [
                "PATH=/app",
                "HOME=/h",
                "MESOS_SANDBOX=/box",
                "MESOS_CONTAINER_IP=10.0.0.9",
                "MODE=task"
            ]
        );
        assert_eq!(
            environment(&sample::task(), None, &who, "/box", &[])[0],
            format!("PATH={PATH}")
        );
    }

    #[test]
    fn the_images_directory_wins() {
        assert_eq!(directory(Some(&image()), "/box"), "/srv");
        assert_eq!(directory(Some(&RunConfig::default()), "/box"), "/box");
        assert_eq!(directory(None, "/box"), "/box");
    }
}
