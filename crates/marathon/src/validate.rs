//! What a well-typed definition may not say, with Marathon's paths and texts.
//!
//! [`old`] looks at a definition as it was written, [`canonical`] at one without
//! old forms and with its ports filled in.

mod container;
mod health;
mod id;
mod networks;
mod old;
mod ports;
mod process;
mod vip_labels;

use model::AppId;

use crate::Config;
use crate::definition::Definition;
use crate::rejection::{Problems, Rejection};

/// Refuses old fields that contradict each other or the new ones.
pub(crate) fn old(definition: &Definition) -> Result<(), Rejection> {
    let mut problems = Problems::default();
    old::check(definition, &mut problems);
    problems.or_invalid_object()
}

/// The parts of a definition that validation turns into something better.
pub(crate) struct Validated {
    pub(crate) id: AppId,
    pub(crate) dependencies: Vec<AppId>,
}

/// Refuses what no app may say; all problems at once.
///
/// `id` takes the place of the definition's own.
pub(crate) fn canonical(
    definition: &Definition,
    id: Option<&AppId>,
    config: &Config,
) -> Result<Validated, Rejection> {
    let mut problems = Problems::default();
    let id = id::resolve(definition, id, &mut problems);
    let dependencies = id::dependencies(definition, &mut problems);
    networks::check(definition, config, &mut problems);
    ports::check(definition, config, &mut problems);
    vip_labels::check(definition, &mut problems);
    container::check(definition, &mut problems);
    process::check(definition, &mut problems);
    health::check(definition, &mut problems);
    problems.or_invalid_object()?;
    // Marathon finds this only when everything else is in order.
    let mut problems = Problems::default();
    health::check_commands(definition, &mut problems);
    problems.or_invalid_object()?;
    let id = id.ok_or_else(|| Rejection::invalid_object("/id", "must be given"))?;
    Ok(Validated { id, dependencies })
}
