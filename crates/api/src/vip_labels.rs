//! VIP labels that ask for an address no VIP may have here.
//!
//! The labels' form is checked where apps are read; which addresses there are is
//! a setting of the fleet.

use std::collections::BTreeMap;

use marathon::{App, PathErrors};
use vip::{Label, VipRanges};

use crate::refusal::Refusal;

/// Checks every VIP label of an app's ports.
pub(crate) fn check(app: &App, ranges: &VipRanges) -> Result<(), Refusal> {
    let definitions = app
        .port_definitions
        .iter()
        .flatten()
        .map(|port| &port.labels);
    let mappings = app
        .container
        .iter()
        .flat_map(|container| &container.port_mappings)
        .flatten();
    let mut wrong = Vec::new();
    for (index, labels) in definitions.enumerate() {
        collect(
            &format!("/portDefinitions({index})"),
            labels,
            ranges,
            &mut wrong,
        );
    }
    for (index, mapping) in mappings.enumerate() {
        let place = format!("/container/portMappings({index})");
        collect(&place, &mapping.labels, ranges, &mut wrong);
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid_places(wrong))
    }
}

fn collect(
    place: &str,
    labels: &BTreeMap<String, String>,
    ranges: &VipRanges,
    wrong: &mut Vec<PathErrors>,
) {
    for (key, value) in labels {
        if let Some(Ok(label)) = Label::parse(key, value)
            && let Err(error) = ranges.check(&label)
        {
            let errors = vec![error.to_string()];
            wrong.push(PathErrors {
                path: format!("{place}/labels/{key}"),
                errors,
            });
        }
    }
}
