//! Services as iptables rules with connection tracking.
//!
//! The shape is that of kube-proxy in its iptables mode: a list of rules that is
//! walked until one names the service, whose chain draws among endpoints one after the
//! other, the last one without a draw. Marking for masquerade is left out here too.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use testlab::Host;

use crate::forward::Forward;
use crate::process::output;

/// Loads rules for services into a host; they go with the host.
pub(crate) fn load(host: &Host, forwards: &[Forward]) -> Result<()> {
    let path = host.directory().join("services.iptables");
    fs::write(&path, ruleset(forwards)).with_context(|| format!("writing {}", path.display()))?;
    output(host.command("iptables-restore").arg(&path)).map(drop)
}

fn ruleset(forwards: &[Forward]) -> String {
    let mut chains = "*nat\n:SERVICES - [0:0]\n".to_owned();
    let mut rules = "-A OUTPUT -j SERVICES\n-A PREROUTING -j SERVICES\n".to_owned();
    for (index, forward) in forwards.iter().enumerate() {
        let (address, port) = (forward.from.ip(), forward.from.port());
        let protocol = forward.protocol;
        // Writing to a string does not fail.
        let _ = writeln!(chains, ":SVC-{index} - [0:0]");
        let _ = writeln!(
            rules,
            "-A SERVICES -d {address}/32 -p {protocol} -m {protocol} --dport {port} -j SVC-{index}"
        );
        for (number, backend) in forward.to.iter().enumerate() {
            let draw = match forward.to.len() - number {
                1 => String::new(),
                left => format!(
                    "-m statistic --mode random --probability {} ",
                    1.0 / left as f64
                ),
            };
            let _ = writeln!(chains, ":SEP-{index}-{number} - [0:0]");
            let _ = writeln!(rules, "-A SVC-{index} {draw}-j SEP-{index}-{number}");
            let _ = writeln!(
                rules,
                "-A SEP-{index}-{number} -p {protocol} -m {protocol} -j DNAT --to-destination {backend}"
            );
        }
    }
    format!("{chains}{rules}COMMIT\n")
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;

    #[test]
    fn the_last_endpoint_is_not_drawn() {
        let to = ["10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()];
        let rules = ruleset(&[Forward::new(0, Protocol::Tcp, &to)]);
        for part in [
            "-A SERVICES -d 11.1.0.1/32 -p tcp -m tcp --dport 80 -j SVC-0\n",
            "-A SVC-0 -m statistic --mode random --probability 0.5 -j SEP-0-0\n",
            "-A SVC-0 -j SEP-0-1\n",
            "-A SEP-0-1 -p tcp -m tcp -j DNAT --to-destination 10.0.0.2:2\n",
        ] {
            assert!(rules.contains(part), "{part} in {rules}");
        }
    }
}
