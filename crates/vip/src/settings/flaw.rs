//! What can be wrong with a label that is a setting.

/// Why a label is no setting. Each text ends in what would work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingFlaw {
    /// A key that no setting of a port has.
    #[error("a port has no such setting; it has {known}")]
    Unknown {
        /// All keys that there are.
        known: String,
    },
    /// A key that no setting of an app has.
    #[error(
        "an app has no such setting; it has sealane.translate, sealane.ports and \
         sealane.egress-rate, and its ports have the others"
    )]
    UnknownOfApp,
    /// A setting of a whole app on a port.
    #[error("it is for the whole app; move it from the port to the app's own labels")]
    OfApp,
    /// A setting of a port on an app.
    #[error("it is for a port; move it to the port that has the VIP label")]
    OfPort,
    /// A setting on a port that no VIP is in front of.
    #[error(
        "its port has no VIP, so it has no effect; give the port a VIP label, for example \
         VIP_0=/myservice:80, or take this one away"
    )]
    WithoutVip,
    /// Isolated ports under Docker.
    #[error(
        "Docker makes its containers' namespaces by itself; write enforce, or run the app natively \
         with container.type MESOS"
    )]
    IsolatedInDocker,
    /// Isolated ports of a container with an address of its own.
    #[error(
        "it is for apps in host mode, since isolated tasks have the node's address; take it away, \
         or write networks [{{\"mode\": \"host\"}}]"
    )]
    IsolatedOffHost,
    /// A rate of a task that has no link of its own.
    #[error("only isolated tasks are limited; add sealane.ports=isolate, or take it away")]
    RateAlone,
    /// Not a rate.
    #[error(
        "'{given}' is no rate from 8kbit to 100tbit; write a number with bit, kbit, mbit, gbit or \
         tbit a second, or with bps, kbps, mbps, gbps or tbps for bytes, for example 10mbit"
    )]
    Rate {
        /// The value.
        given: String,
    },
    /// None of a few words.
    #[error("'{given}' is none of {choices}")]
    Choice {
        /// The value.
        given: String,
        /// The words.
        choices: String,
    },
    /// Not a length of time.
    #[error(
        "'{given}' is not a time; write whole seconds, or a whole number with s, m, h or d, for \
         example 10m, or off"
    )]
    Time {
        /// The value.
        given: String,
    },
    /// A length of time that nobody means.
    #[error("{given} is too long; write at most {longest}")]
    TooLong {
        /// The value.
        given: String,
        /// The longest time.
        longest: String,
    },
    /// Not a number of the right size.
    #[error("'{given}' is not a whole number from {first} to {last}{or}")]
    Number {
        /// The value.
        given: String,
        /// Lowest number.
        first: u32,
        /// Highest number.
        last: u32,
        /// What else may be written, with a word before it.
        or: &'static str,
    },
}
