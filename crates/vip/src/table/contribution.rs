//! What one task or external adds to VIP ports.
//!
//! It depends on that record, its status, and the records of its own node and of the
//! node that the table is for, and on nothing else: neither on other tasks nor on
//! which names have addresses. So it stays what it is while those change.

use model::TaskStatus;

use super::Problem;
use super::backends::{Instance, Nodes, Offer};
use super::candidate::Candidate;
use super::origin::Origin;
use super::target::{PortKey, Target, Virtual};
use super::wishes::Wish;
use crate::label::{Host, LabelFlaw};
use crate::name::{join, owner};
use crate::ranges::VipRanges;
use crate::settings::Settings;

/// What somebody adds to one VIP port.
#[derive(Debug)]
pub(super) struct Contribution {
    pub(super) origin: Origin,
    /// For each of its ports that asks: the position of the port's declaration, and the
    /// settings that its labels have.
    pub(super) asks: Vec<(usize, Settings)>,
    /// Who would serve; none while it does not run.
    pub(super) candidates: Vec<Candidate>,
}

/// Everything that somebody adds.
#[derive(Debug, Default)]
pub(super) struct Contributions {
    /// Each target once.
    pub(super) ports: Vec<(Target, Contribution)>,
    /// Labels that are wrong whatever others do.
    pub(super) problems: Vec<Problem>,
}

impl Contributions {
    /// What the labels of a task or external come to. A task's status must be its own
    /// node's; without one it asks and does not serve.
    pub(super) fn of(
        origin: &Origin,
        status: Option<&TaskStatus>,
        nodes: Nodes<'_>,
        ranges: &VipRanges,
    ) -> Self {
        let wishes = origin.wishes();
        let mut found = Self::default();
        if let Origin::External(external, _) = origin {
            external
                .problems
                .iter()
                .for_each(|it| found.report(origin, it.clone()));
        }
        for error in &wishes.errors {
            found.report(origin, error.to_string());
        }
        if wishes.found.is_empty() {
            return found;
        }
        let instance = match origin {
            Origin::Task(task) => status.and_then(|it| Instance::of_task(task, it, nodes)),
            Origin::External(external, _) => Some(Instance::of_external(external, nodes)),
        };
        for wish in &wishes.found {
            match target(origin, wish, ranges) {
                Ok(target) => found.add(origin, instance.as_ref(), wish, target),
                Err(flaw) => found.report(origin, wish.error(flaw).to_string()),
            }
        }
        found
    }

    fn add(
        &mut self,
        origin: &Origin,
        instance: Option<&Instance<'_>>,
        wish: &Wish<'_>,
        target: Target,
    ) {
        let offers = match &target.vip {
            Virtual::Address(address) => {
                let ipv4 = address.is_ipv4();
                [Some(Offer::Addressed { ipv4 }), None]
            }
            Virtual::Name(_) => [true, false].map(|ipv4| Some(Offer::Named { ipv4 })),
        };
        let ask = (wish.port.index, wish.settings.service);
        let mut candidates = Vec::new();
        if let Some(instance) = instance {
            for offer in offers.into_iter().flatten() {
                instance.offer(&wish.port, wish.settings.weight, offer, &mut candidates);
            }
        }
        match self.ports.iter_mut().find(|(it, _)| *it == target) {
            Some((_, known)) => {
                known.asks.push(ask);
                known.candidates.extend(candidates);
            }
            None => {
                // There are as many of these as there are backends in the fleet.
                candidates.shrink_to_fit();
                let contribution = Contribution {
                    origin: origin.clone(),
                    asks: vec![ask],
                    candidates,
                };
                self.ports.push((target, contribution));
            }
        }
    }

    fn report(&mut self, origin: &Origin, message: String) {
        self.problems.push(Problem {
            task: origin.id().clone(),
            message,
        });
    }
}

/// What a label points at, if that may be a VIP.
fn target(origin: &Origin, wish: &Wish<'_>, ranges: &VipRanges) -> Result<Target, LabelFlaw> {
    let vip = match &wish.label.host {
        Host::Address(address) => {
            ranges.check_address(*address)?;
            Virtual::Address(*address)
        }
        Host::Name(name) => Virtual::Name(join(name, &owner(origin.framework())?)?.into()),
    };
    let port = PortKey {
        number: wish.label.port,
        protocol: wish.protocol,
    };
    Ok(Target { vip, port })
}
