//! Service ports: cluster-wide numbers for ports that ask for any.

use std::collections::HashSet;

use crate::rejection::Rejection;
use crate::{App, Config};

impl App {
    /// The service ports in declared order; 0 is not assigned yet.
    pub fn service_ports(&self) -> impl Iterator<Item = u16> + '_ {
        let definitions = self.port_definitions.iter().flatten().map(|it| it.port);
        let container = self.container.iter();
        let mappings = container.flat_map(|it| it.port_mappings.iter().flatten());
        definitions.chain(mappings.map(|it| it.service_port))
    }

    fn service_ports_mut(&mut self) -> impl Iterator<Item = &mut u16> {
        let definitions = self
            .port_definitions
            .iter_mut()
            .flatten()
            .map(|it| &mut it.port);
        let container = self.container.iter_mut();
        let mappings = container.flat_map(|it| it.port_mappings.iter_mut().flatten());
        definitions.chain(mappings.map(|it| &mut it.service_port))
    }
}

/// Gives a number to every service port of `app` that is 0, in host mode to the
/// ports of its definitions as well.
///
/// `apps` are all apps of the cluster: the stored ones, the old version of `app`
/// among them, and those of the same request that have been assigned before. A
/// port first gets a number that the old version had in the range and the new one
/// does not name, so that numbers survive updates, then the lowest one of the
/// range that nobody has. Numbers that are named stay, wherever they are and
/// whoever else has them (Marathon's `AssignDynamicServiceLogic`).
///
/// # Errors
/// 500 when the range has no number left; `app` is unchanged then.
pub fn assign_service_ports<'a>(
    apps: impl IntoIterator<Item = &'a App>,
    app: &mut App,
    config: &Config,
) -> Result<(), Rejection> {
    // Port 0 means "assign one" and can itself never be assigned.
    let range = config.local_port_min.max(1)..=config.local_port_max;
    let named: HashSet<u16> = app.service_ports().filter(|port| *port != 0).collect();
    let mut taken = named.clone();
    let mut own: Vec<u16> = Vec::new();
    for other in apps {
        taken.extend(other.service_ports());
        if other.id == app.id {
            own.extend(other.service_ports().filter(|port| range.contains(port)));
        }
    }
    let mut seen = named;
    own.retain(|port| seen.insert(*port));

    let free = range.filter(|port| !taken.contains(port));
    let wanted = app.service_ports().filter(|port| *port == 0).count();
    let numbers: Vec<u16> = own.into_iter().chain(free).take(wanted).collect();
    if numbers.len() < wanted {
        return Err(Rejection {
            status: 500,
            message: format!(
                "All ports in the range [{}-{}) are already in use",
                config.local_port_min, config.local_port_max
            ),
            details: None,
        });
    }
    let unassigned = app.service_ports_mut().filter(|port| **port == 0);
    for (port, number) in unassigned.zip(numbers) {
        *port = number;
    }
    Ok(())
}
