//! Names of VIPs: the record's name, the DNS name, and the zones that answer it.

use crate::fragment::fragment;
use crate::label::LabelFlaw;

/// The zone of VIP names, without dots at its ends.
pub const ZONE: &str = "l4lb.thisdcos.directory";

/// Zones that answer the same names as [`ZONE`], from older releases of DC/OS.
pub const ALIAS_ZONES: [&str; 3] = [
    "l4lb.thisdcos.global",
    "dclb.thisdcos.directory",
    "dclb.thisdcos.global",
];

/// Framework name of apps.
pub const APP_FRAMEWORK: &str = "marathon";

/// Framework name of containers that others started and labelled.
pub const EXTERNAL_FRAMEWORK: &str = "docker";

/// Longest domain name without the trailing dot (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 253;

/// The name that a VIP's record has: `<fragment>.<framework>`, normalised.
///
/// ```
/// assert_eq!(vip::record_name("myservice", "Marathon").unwrap(), "myservice.marathon");
/// ```
///
/// # Errors
/// When `fragment` is empty, when nothing of `framework` is left, or when the name
/// would be longer than a domain name can be in [`ZONE`].
pub fn record_name(label: &str, framework: &str) -> Result<String, LabelFlaw> {
    join(&fragment(label), &owner(framework)?)
}

/// The part of a record's name that stands for the framework.
pub(crate) fn owner(framework: &str) -> Result<String, LabelFlaw> {
    let owner = fragment(framework);
    if owner.is_empty() {
        return Err(LabelFlaw::Framework {
            framework: framework.to_owned(),
        });
    }
    Ok(owner)
}

/// [`record_name`] of parts that are normalised already.
pub(crate) fn join(label: &str, owner: &str) -> Result<String, LabelFlaw> {
    check(label, owner)?;
    Ok(format!("{label}.{owner}"))
}

/// Whether normalised parts make a domain name.
pub(crate) fn check(label: &str, owner: &str) -> Result<(), LabelFlaw> {
    if label.is_empty() {
        return Err(LabelFlaw::EmptyName);
    }
    let length = label.len() + 1 + owner.len() + 1 + ZONE.len();
    if length > MAX_NAME {
        Err(LabelFlaw::TooLong { length })
    } else {
        Ok(())
    }
}

/// The DNS name of a VIP in its main zone, without the trailing dot.
///
/// ```
/// assert_eq!(
///     vip::fqdn("/group/app", "marathon").unwrap(),
///     "groupapp.marathon.l4lb.thisdcos.directory",
/// );
/// ```
///
/// # Errors
/// As [`record_name`].
pub fn fqdn(label: &str, framework: &str) -> Result<String, LabelFlaw> {
    record_name(label, framework).map(|name| in_zone(&name, ZONE))
}

/// A record's name within a zone.
#[must_use]
pub fn in_zone(record_name: &str, zone: &str) -> String {
    format!("{record_name}.{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_frameworks_are_normalised() {
        for (label, framework, expected) in [
            ("myservice", "marathon", "myservice.marathon"),
            ("/api.hello-world", "marathon", "api.hello-world.marathon"),
            ("broker", "/kafka", "broker.kafka"),
            ("overlay-vip", "Hello World", "overlay-vip.helloworld"),
            ("x", "a.b", "x.a.b"),
            ("1234", "marathon", "1234.marathon"),
        ] {
            assert_eq!(record_name(label, framework).unwrap(), expected);
            assert_eq!(
                fqdn(label, framework).unwrap(),
                format!("{expected}.{ZONE}")
            );
        }
    }

    #[test]
    fn refuses_what_is_no_domain_name() {
        assert_eq!(record_name("/", "marathon"), Err(LabelFlaw::EmptyName));
        assert!(matches!(
            record_name("x", "$"),
            Err(LabelFlaw::Framework { .. })
        ));
        // 229 characters are left beside the dot and the zone.
        let longest = format!("{}.{}", vec!["a".repeat(53); 4].join("."), "b".repeat(4));
        assert_eq!(fqdn(&longest, "marathon").unwrap().len(), MAX_NAME);
        assert_eq!(
            record_name(&format!("{longest}b"), "marathon"),
            Err(LabelFlaw::TooLong { length: 254 })
        );
    }
}
