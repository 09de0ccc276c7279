//! Labels that ask for a virtual IP, checked when an app is deployed.
//!
//! Marathon keeps labels without looking at them, and a mistyped one shows only
//! as a name that never resolves. Keys that are no VIP keys stay free.

/// What is wrong with the label, and what would work; `None` if it is in order
/// or does not ask for a virtual IP.
pub(crate) fn problem(key: &str, value: &str) -> Option<String> {
    vip::Label::parse(key, value)?
        .err()
        .map(|error| error.to_string())
}
