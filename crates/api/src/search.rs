//! Which apps a list asks for.

use marathon::App;

use crate::params::Params;
use crate::refusal::Refusal;
use crate::selector::Selector;

/// The filters of `GET /v2/apps`; all of them must match.
#[derive(Debug)]
pub(crate) struct Search {
    /// Part of the command, in lower case.
    cmd: Option<String>,
    /// Part of the id, in lower case.
    id: Option<String>,
    labels: Option<Selector>,
}

impl Search {
    pub(crate) fn of(params: &Params) -> Result<Self, Refusal> {
        Ok(Self {
            cmd: params.text("cmd").map(str::to_lowercase),
            id: params.text("id").map(str::to_lowercase),
            labels: params.text("label").map(Selector::parse).transpose()?,
        })
    }

    pub(crate) fn matches(&self, app: &App) -> bool {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(part);
        let cmd = || app.cmd.as_deref().unwrap_or_default();
        self.cmd.as_deref().is_none_or(|part| holds(cmd(), part))
            && self
                .id
                .as_deref()
                .is_none_or(|part| holds(app.id.as_str(), part))
            && self
                .labels
                .as_ref()
                .is_none_or(|labels| labels.matches(&app.labels))
    }
}
