//! Addresses that were asked for, by whichever way.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Config, bad};
use crate::environment::Environment;
use crate::{Failure, code};

/// All addresses that were asked for, each once: `runtimeConfig.ips`, `args.cni.ips`,
/// `IP=` of `CNI_ARGS` and Mesos' `ip_addresses`. Runtimes that know several ways send
/// an address by each, so these are no contradictions. Prefix lengths are not looked
/// at: they are the network's.
pub(crate) fn addresses(
    config: &Config,
    environment: &Environment,
) -> Result<Vec<IpAddr>, Failure> {
    let mut all = Vec::new();
    let mut add = |text: &str, from: &str| -> Result<(), Failure> {
        let address = address(text).ok_or_else(|| {
            let text = text.escape_debug();
            bad(format!("'{text}', asked for by {from}, is no address"))
        })?;
        if !all.contains(&address) {
            all.push(address);
        }
        Ok(())
    };
    for text in &config.runtime.ips {
        add(text, "runtimeConfig.ips")?;
    }
    for text in &config.args.cni.ips {
        add(text, "args.cni.ips")?;
    }
    for (_, value) in pairs(environment, "IP")? {
        let some = value.split(',').filter(|text| !text.trim().is_empty());
        for text in some {
            add(text, "CNI_ARGS IP")?;
        }
    }
    for entry in &config.args.mesos.network_info.ip_addresses {
        if let Some(text) = entry.ip_address.as_deref().filter(|text| !text.is_empty()) {
            add(text, "ip_addresses of Mesos' network_info")?;
        }
    }
    Ok(all)
}

/// The hardware address that was asked for, in small letters with colons: the
/// capability `mac`, or `MAC=` of `CNI_ARGS`.
pub(crate) fn mac(config: &Config, environment: &Environment) -> Result<Option<String>, Failure> {
    let capability = config.runtime.mac.as_deref();
    let argument = pairs(environment, "MAC")?.last().map(|(_, value)| *value);
    let text = capability.filter(|text| !text.is_empty()).or(argument);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    normal_mac(text).map(Some).ok_or_else(|| {
        Failure::new(
            code::CONFIGURATION,
            format!(
                "'{}' is no hardware address of an interface, such as 02:42:09:00:00:05",
                text.escape_debug()
            ),
        )
    })
}

fn pairs<'a>(environment: &'a Environment, key: &str) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    let mut pairs = environment.args()?;
    pairs.retain(|(name, _)| *name == key);
    Ok(pairs)
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let prefixed = |text: &str| text.parse().ok().map(|net: IpNet| net.addr());
    text.parse().ok().or_else(|| prefixed(text))
}

/// Six bytes; neither none nor a group's.
fn normal_mac(text: &str) -> Option<String> {
    let bytes: Vec<u8> = text
        .split([':', '-'])
        .map(|part| {
            let hex = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        })
        .collect::<Option<_>>()?;
    let first = *bytes.first()?;
    let usable = bytes.len() == 6 && first & 1 == 0 && bytes.iter().any(|byte| *byte != 0);
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    usable.then(|| parts.join(":"))
}
