//! `sealane task logs`.

use std::time::Duration;

use http::StatusCode;
use tokio::time::sleep;

use super::Session;
use super::arguments::{Logs, is_task_id};
use super::client::{Client, shaped};
use super::failure::Failure;
use super::shapes::{Task, Tasks};

/// How often new output is looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints what a task wrote, as the bytes that it wrote.
pub(super) async fn logs(session: &mut Session<'_>, wanted: &Logs) -> Result<(), Failure> {
    let task = find(&session.client, &wanted.task).await?;
    let stream = if wanted.stderr { "stderr" } else { "stdout" };
    let path = format!("/v1/tasks/{task}/logs?stream={stream}");
    if !wanted.follow {
        let tail = wanted
            .tail
            .map(|lines| format!("&tail={lines}"))
            .unwrap_or_default();
        let bytes = session.client.get_bytes(&format!("{path}{tail}")).await?;
        return session.out.write_all(&bytes).map_err(Failure::Output);
    }
    let all = session.client.get_bytes(&path).await?;
    write(session, last_lines(&all, wanted.tail))?;
    let mut seen = all.len();
    loop {
        sleep(PAUSE).await;
        let all = match session.client.get_bytes(&path).await {
            Ok(all) => all,
            // The task is gone and nothing will follow.
            Err(Failure::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => return Ok(()),
            Err(failure) => return Err(failure),
        };
        // Shorter than before: the log was rotated, and all of it is new.
        write(session, all.get(seen..).unwrap_or(&all))?;
        seen = all.len();
    }
}

fn write(session: &mut Session<'_>, bytes: &[u8]) -> Result<(), Failure> {
    session
        .out
        .write_all(bytes)
        .and_then(|()| session.out.flush())
        .map_err(Failure::Output)
}

/// The last `number` lines, all without.
fn last_lines(bytes: &[u8], number: Option<u32>) -> &[u8] {
    let Some(number) = number else { return bytes };
    let complete = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = complete
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    match (number as usize).checked_sub(1) {
        None => &[],
        Some(skipped) => match ends.map(|(index, _)| index).nth(skipped) {
            Some(index) => &bytes[index + 1..],
            None => bytes,
        },
    }
}

/// The task that `text` means: its id, the beginning of one, or an app with one task.
pub(super) async fn find(client: &Client, text: &str) -> Result<String, Failure> {
    let path = "/v2/tasks";
    let Tasks { tasks } = shaped(path, &client.get(path).await?)?;
    if tasks.iter().any(|task| task.id == text) {
        return Ok(text.to_owned());
    }
    let app = format!("/{}", text.trim_matches('/'));
    let of_app: Vec<&Task> = tasks.iter().filter(|task| task.app_id == app).collect();
    let begins: Vec<&Task> = tasks
        .iter()
        .filter(|task| task.id.starts_with(text))
        .collect();
    let matching = if of_app.is_empty() { begins } else { of_app };
    match matching.as_slice() {
        [task] => Ok(task.id.clone()),
        // Tasks that ended are not listed and may still have logs.
        [] if is_task_id(text) && text.contains('.') => Ok(text.to_owned()),
        [] => Err(Failure::Missing(format!(
            "no task has the id or app '{text}'; see `sealane task list`"
        ))),
        several => {
            let ids: Vec<&str> = several.iter().map(|task| task.id.as_str()).collect();
            Err(Failure::Usage(format!(
                "'{text}' means several tasks; give one of {}",
                ids.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn lines_from_the_end() {
        let text = b"a\nb\nc\n";
        for (number, expected) in [
            (Some(0), &b""[..]),
            (Some(1), b"c\n"),
            (Some(2), b"b\nc\n"),
            (Some(9), text),
            (None, text),
        ] {
            assert_eq!(last_lines(text, number), expected, "{number:?}");
        }
        assert_eq!(last_lines(b"a\nb", Some(1)), b"b");
    }
}
