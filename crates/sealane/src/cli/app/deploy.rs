//! `sealane app deploy`.

use std::io::Read;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::Value;

use super::super::Session;
use super::super::arguments::Deploy;
use super::super::client::shaped;
use super::super::failure::Failure;
use super::definitions::{Definition, parse};
use super::{Accepted, Answer, finish};

/// Reads everything before it deploys anything, so that a mistake in the last file
/// does not leave half of the apps deployed.
pub(super) async fn run(session: &mut Session<'_>, wanted: &Deploy) -> Result<(), Failure> {
    let mut definitions = Vec::new();
    for path in &wanted.files {
        definitions.extend(parse(path, &read(path)?, wanted.id.as_ref())?);
    }
    if let Some(twice) = twice(&definitions) {
        let id = &twice.id;
        return Err(Failure::Usage(format!(
            "{id} is there twice; give each app once"
        )));
    }
    let force = wanted.change.force;
    let accepted = match definitions.as_slice() {
        [one] => vec![deploy(session, one, force).await?],
        all => deploy_together(session, all, force).await?,
    };
    finish(session, accepted, &wanted.change.wait).await
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn twice(definitions: &[Definition]) -> Option<&Definition> {
    definitions
        .iter()
        .enumerate()
        .find(|(index, one)| definitions[..*index].iter().any(|other| other.id == one.id))
        .map(|(_, one)| one)
}

/// Creates the app or replaces its definition.
///
/// Replaces, as opposed to Marathon's default of merging: what is no longer in the
/// file must not live on, such as the command of an app that became an image.
async fn deploy(
    session: &Session<'_>,
    definition: &Definition,
    force: bool,
) -> Result<Accepted, Failure> {
    let path = format!(
        "/v2/apps{}?partialUpdate=false&force={force}",
        definition.id
    );
    let (status, answer) = session
        .client
        .change(Method::PUT, &path, Some(&definition.body))
        .await?;
    let answer: Answer = shaped(&path, &answer)?;
    let verb = if status == StatusCode::CREATED {
        "created"
    } else {
        "updated"
    };
    Ok(answer.accepted(definition.id.clone(), verb))
}

/// Deploys several apps by one change: all of them are accepted, or none.
async fn deploy_together(
    session: &Session<'_>,
    definitions: &[Definition],
    force: bool,
) -> Result<Vec<Accepted>, Failure> {
    let path = format!("/v2/apps?partialUpdate=false&force={force}");
    let body: Value = definitions
        .iter()
        .map(|definition| definition.body.clone())
        .collect();
    let (_, answer) = session
        .client
        .change(Method::PUT, &path, Some(&body))
        .await?;
    let answer: Answer = shaped(&path, &answer)?;
    let accepted = |definition: &Definition| answer.accepted(definition.id.clone(), "deployed");
    Ok(definitions.iter().map(accepted).collect())
}
