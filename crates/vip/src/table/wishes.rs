//! What the labels of a task or an external ask for.

use model::{External, Protocol, Task, TaskPort};

use super::port::Port;
use crate::label::{Label, LabelError, LabelFlaw, TaskLabel};
use crate::settings::{PortSettings, is_setting, without_vip};

/// A VIP that is asked for at a port, and the label that says so.
pub(super) struct Wish<'a> {
    key: &'a str,
    value: &'a str,
    pub(super) label: Label,
    pub(super) port: Port<'a>,
    /// The VIP's protocol; a task label may differ from the port's declaration.
    pub(super) protocol: Protocol,
    pub(super) settings: PortSettings,
}

/// Everything that somebody's labels ask for, those of ports first.
#[derive(Default)]
pub(super) struct Wishes<'a> {
    pub(super) found: Vec<Wish<'a>>,
    /// Labels that cannot be what they are meant for.
    pub(super) errors: Vec<LabelError>,
    /// Ports with settings and no VIP label.
    bare: Vec<Port<'a>>,
}

impl Wish<'_> {
    /// The flaw as an error about this wish's label.
    pub(super) fn error(&self, flaw: LabelFlaw) -> LabelError {
        flaw.of_label(self.key, self.value)
    }
}

impl<'a> Wishes<'a> {
    pub(super) fn of_task(task: &'a Task) -> Self {
        let mut wishes = Self::default();
        for port in &task.ports {
            wishes.add_port(Port::from(port));
        }
        for (key, value) in &task.labels {
            match TaskLabel::parse(key, value) {
                Some(Ok(label)) => wishes.add_task_label(task, key, value, label),
                Some(Err(error)) => wishes.errors.push(error),
                None => {}
            }
        }
        wishes.report_bare();
        wishes
    }

    pub(super) fn of_external(external: &'a External) -> Self {
        let mut wishes = Self::default();
        for port in external.ports.iter().enumerate() {
            wishes.add_port(Port::from(port));
        }
        wishes.report_bare();
        wishes
    }

    fn add_port(&mut self, port: Port<'a>) {
        let (settings, errors) = PortSettings::parse(port.labels);
        self.errors
            .extend(errors.into_iter().map(|(_, error)| error));
        let (mut has_vip, mut has_settings) = (false, false);
        for (key, value) in port.labels {
            has_settings |= is_setting(key);
            let Some(label) = Label::parse(key, value) else {
                continue;
            };
            has_vip = true;
            match label {
                Ok(label) => self.found.push(Wish {
                    key,
                    value,
                    label,
                    port,
                    protocol: port.protocol,
                    settings,
                }),
                Err(error) => self.errors.push(error),
            }
        }
        if has_settings && !has_vip {
            self.bare.push(port);
        }
    }

    fn add_task_label(&mut self, task: &'a Task, key: &'a str, value: &'a str, found: TaskLabel) {
        let port = match labelled_port(task, &found) {
            Ok(port) => Port::from(port),
            Err(flaw) => {
                self.errors.push(flaw.of_label(key, value));
                return;
            }
        };
        self.found.push(Wish {
            key,
            value,
            label: found.label,
            port,
            protocol: found.protocol,
            settings: PortSettings::parse(port.labels).0,
        });
    }

    /// Settings on ports that are in no wish. Protocols of one declaration count as one
    /// port: a task label may be for one of them only.
    fn report_bare(&mut self) {
        for port in std::mem::take(&mut self.bare) {
            if !self.found.iter().any(|it| it.port.index == port.index) {
                let errors = without_vip(port.labels);
                self.errors.extend(errors.map(|(_, error)| error));
            }
        }
    }
}

/// The port that a task label means.
///
/// In HOST mode a port is open for both protocols, whatever its declaration says;
/// elsewhere only what is mapped can be reached.
fn labelled_port<'t>(task: &'t Task, label: &TaskLabel) -> Result<&'t TaskPort, LabelFlaw> {
    let numbers = task.host_ports();
    let (index, protocol) = (label.port_index, label.protocol);
    let number = *numbers.get(index).ok_or(LabelFlaw::NoSuchPort {
        index,
        ports: numbers.len(),
    })?;
    let mut with_number = task
        .ports
        .iter()
        .filter(|port| port.host_port == Some(number));
    let either = task.on_host_network();
    with_number
        .find(|port| either || port.protocol == protocol)
        .ok_or(LabelFlaw::NotMapped { index, protocol })
}
