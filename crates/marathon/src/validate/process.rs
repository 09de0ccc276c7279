//! What is run, where, and with which resources.

use regex::Regex;
use serde_json::Value;

use crate::defaults;
use crate::definition::Definition;
use crate::rejection::Problems;

pub(super) fn check(definition: &Definition, problems: &mut Problems) {
    check_command(definition, problems);
    check_single_instance(definition, problems);
    check_limits(definition, problems);
    for (index, constraint) in definition.constraints.iter().flatten().enumerate() {
        if let Some(error) = constraint_problem(constraint) {
            problems.add(format!("/constraints({index})"), error);
        }
    }
    for (index, artifact) in definition.fetch.iter().flatten().enumerate() {
        if !artifact
            .get("uri")
            .and_then(Value::as_str)
            .is_some_and(is_uri)
        {
            problems.add(format!("/fetch({index})/uri"), "URI has invalid syntax.");
        }
    }
}

/// `cmd` and `args` exclude each other; an image may have its own command.
fn check_command(definition: &Definition, problems: &mut Problems) {
    let cmd = definition.cmd.as_deref();
    let has_args = definition
        .args
        .as_ref()
        .is_some_and(|args| !args.is_empty());
    let has_image = definition
        .canonical_container()
        .is_some_and(|container| container.docker.is_some() || container.appc.is_some());
    let is_runnable = match (cmd.is_some(), has_args) {
        (true, true) => false,
        (false, false) => has_image,
        _ => true,
    };
    if !is_runnable {
        problems.add(
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        );
    }
    // Marathon's rule and text, although one character is no empty string.
    if cmd.is_some_and(|cmd| cmd.chars().count() < 2) {
        problems.add("/", "must not be an empty string");
    }
}

fn check_single_instance(definition: &Definition, problems: &mut Problems) {
    if !defaults::is_single_instance(definition) {
        return;
    }
    if definition.instances.unwrap_or(1) > 1 {
        problems.add("/", "Single instance app may only have one instance");
    }
    let strategy = defaults::upgrade_strategy(definition);
    for (name, share) in [
        ("minimumHealthCapacity", strategy.minimum_health_capacity),
        ("maximumOverCapacity", strategy.maximum_over_capacity),
    ] {
        if share != 0.0 {
            problems.add(
                format!("/upgradeStrategy/{name}"),
                format!("got {share:?}, expected 0.0"),
            );
        }
    }
}

/// A limit is `"unlimited"` or at least what is requested.
fn check_limits(definition: &Definition, problems: &mut Problems) {
    let limits = definition.rest.get("resourceLimits");
    let requests = [
        ("cpus", definition.cpus.unwrap_or(1.0)),
        ("mem", definition.mem.unwrap_or(128.0)),
    ];
    for (name, requested) in requests {
        let Some(limit) = limits.and_then(|limits| limits.get(name)) else {
            continue;
        };
        let place = format!("/resourceLimits/{name}");
        match (limit, limit.as_f64()) {
            (Value::String(text), _) if text == "unlimited" => {}
            (_, Some(limit)) if limit >= requested => {}
            (_, Some(_)) => problems.add(
                place,
                format!(
                    "resource limit must be greater than or equal to requested resource ({requested:?})"
                ),
            ),
            (other, None) => {
                let shown = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                problems.add(
                    place,
                    format!(
                        "'{shown}' is an invalid resource limit. It must be 'unlimited' or a number"
                    ),
                );
            }
        }
    }
}

/// What is wrong with `[field, OPERATOR, value?]`.
fn constraint_problem(constraint: &[String]) -> Option<String> {
    let (field, operator, value) = match constraint {
        [field, operator] => (field, operator, None),
        [field, operator, value] => (field, operator, Some(value)),
        _ => return Some("Each constraint must have either 2 or 3 fields".to_owned()),
    };
    if field.is_empty() {
        return Some("Missing field and operator".to_owned());
    }
    let is_integer = |value: &String| value.parse::<i32>().is_ok();
    let problem = match (operator.as_str(), value) {
        ("UNIQUE", Some(_)) => "Value specified but not used",
        ("CLUSTER" | "IS", None) => "Missing value",
        ("GROUP_BY", Some(value)) if !is_integer(value) => {
            "Value was specified but is not a number"
        }
        ("MAX_PER", value) if !value.is_some_and(is_integer) => {
            "Value was not specified or is not a number"
        }
        ("LIKE" | "UNLIKE", None) => "A regular expression value must be provided",
        ("LIKE" | "UNLIKE", Some(value)) if Regex::new(value).is_err() => {
            return Some(format!("'{value}' is not a valid regular expression"));
        }
        ("UNIQUE" | "CLUSTER" | "GROUP_BY" | "LIKE" | "UNLIKE" | "MAX_PER" | "IS", _) => {
            return None;
        }
        _ => {
            "Constraint operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS"
        }
    };
    Some(problem.to_owned())
}

/// Whether `text` has only characters that a URI may have (RFC 3986), beside
/// those that Java's parser lets through: everything outside ASCII.
pub(super) fn is_uri(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
    };
    let forbidden = b" \"<>\\^`{|}";
    !bytes.is_empty()
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'%' => is_escape(at),
            byte => !byte.is_ascii_control() && !forbidden.contains(byte),
        })
}
