//! One run of the plugin: what it is asked for, and what it prints.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::config::{self, Config, bad};
use crate::environment::Environment;
use crate::{
    Add, Answer, Attachment, Bandwidth, Check, Collect, Del, Failure, Outcome, Request, Status,
    Verb, Version, code, ports, wanted,
};

/// What the environment and the standard input of one run mean.
#[derive(Debug)]
pub struct Invocation {
    /// The version of CNI to answer in.
    pub version: Version,
    /// What the daemon is to be asked for; nothing for VERSION.
    pub request: Option<Request>,
    /// Where the daemon listens.
    pub socket: PathBuf,
    /// What ADD's result goes on from: that of the plugins before, with the resolver
    /// settings that were asked for.
    base: Outcome,
}

/// A failure with the version in which it is printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct Refused {
    /// The version.
    pub version: Version,
    /// What failed.
    pub failure: Failure,
}

impl Invocation {
    /// Reads one run's input.
    ///
    /// # Errors
    /// What is wrong with it, to be printed.
    pub fn read(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        stdin: &[u8],
    ) -> Result<Self, Refused> {
        let environment = Environment::new(environment);
        let mut version = Version::NEWEST;
        Self::read_as(&environment, stdin, &mut version)
            .map_err(|failure| Refused { version, failure })
    }

    fn read_as(
        environment: &Environment,
        stdin: &[u8],
        version: &mut Version,
    ) -> Result<Self, Failure> {
        let verb = environment.verb()?;
        let mut object = match config::object(stdin) {
            // VERSION is asked before anybody knows what could be said.
            Err(_) if verb == Verb::Version => return Ok(Self::about_versions(Version::NEWEST)),
            object => object?,
        };
        match config::version(&mut object) {
            Ok(named) => *version = named,
            Err(_) if verb == Verb::Version => {}
            Err(failure) => return Err(failure),
        }
        if verb == Verb::Version {
            return Ok(Self::about_versions(*version));
        }
        check_version(verb, *version)?;
        let config = Config::read(object)?;
        let request = request(verb, environment, &config)?;
        request.validate()?;
        let mut base = config.previous.unwrap_or_default();
        let asked = config.runtime.dns.as_result();
        if let Some(dns) = [asked, config.dns].into_iter().find(|dns| !dns.is_empty()) {
            base.dns = dns;
        }
        Ok(Self {
            version: *version,
            request: Some(request),
            socket: config.socket,
            base,
        })
    }

    fn about_versions(version: Version) -> Self {
        Self {
            version,
            request: None,
            socket: config::DEFAULT_SOCKET.into(),
            base: Outcome::default(),
        }
    }

    /// What VERSION prints.
    #[must_use]
    pub fn versions(&self) -> Value {
        let known: Vec<String> = Version::RELEASED.iter().map(Version::to_string).collect();
        json!({"cniVersion": self.version.to_string(), "supportedVersions": known})
    }

    /// What is printed for an answer of the daemon; nothing, but for ADD.
    ///
    /// # Errors
    /// The daemon's failure, or that the answer is to some other request.
    pub fn conclude(&self, answer: Answer) -> Result<Option<Value>, Refused> {
        let refused = |failure| Refused {
            version: self.version,
            failure,
        };
        match (answer, &self.request) {
            (Answer::Failed(failure), _) => Err(refused(failure)),
            (Answer::Added(assigned), Some(Request::Add(add))) => {
                let outcome = self.base.clone().with(
                    &assigned,
                    &add.attachment.ifname,
                    &add.netns.to_string_lossy(),
                );
                outcome.to_value(self.version).map(Some).map_err(refused)
            }
            (Answer::Done, Some(request)) if !matches!(request, Request::Add(_)) => Ok(None),
            _ => Err(refused(Failure::new(
                code::INTERNAL,
                "the daemon's answer is not one to what it was asked for; install sealane and \
                 sealane-cni of the same version",
            ))),
        }
    }
}

impl Refused {
    /// What is printed.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let Failure { code, msg, details } = &self.failure;
        json!({
            "cniVersion": self.version.to_string(), "code": code, "msg": msg, "details": details,
        })
    }
}

/// Commands exist since some version.
fn check_version(verb: Verb, version: Version) -> Result<(), Failure> {
    let (name, since) = match verb {
        Verb::Check => ("CHECK", Version::CHECK),
        Verb::Gc => ("GC", Version::NEWEST),
        Verb::Status => ("STATUS", Version::NEWEST),
        Verb::Add | Verb::Del | Verb::Version => return Ok(()),
    };
    if version >= since {
        return Ok(());
    }
    let msg = format!("version {version} has no {name}, which there is since {since}");
    Err(Failure::new(code::INCOMPATIBLE_VERSION, msg))
}

fn request(verb: Verb, environment: &Environment, config: &Config) -> Result<Request, Failure> {
    let network = config.network.clone();
    Ok(match verb {
        Verb::Add => Request::Add(Add {
            attachment: environment.attachment()?,
            network,
            netns: environment.netns()?,
            addresses: wanted::addresses(config, environment)?,
            mac: wanted::mac(config, environment)?,
            mtu: config.mtu,
            port_mappings: ports::mappings(config)?,
            bandwidth: config.runtime.bandwidth.filter(Bandwidth::limits),
        }),
        // The namespace may be gone and is not needed: the host's end takes the other
        // one along.
        Verb::Del => Request::Del(Del {
            attachment: environment.attachment()?,
        }),
        Verb::Check => {
            let attachment = environment.attachment()?;
            environment.netns()?;
            check(attachment, network, config)?
        }
        Verb::Gc => {
            let valid = config.valid.clone().ok_or_else(|| {
                bad(
                    "GC without 'cni.dev/valid-attachments': nothing says what is in use"
                        .to_owned(),
                )
            })?;
            Request::Gc(Collect { network, valid })
        }
        Verb::Status => Request::Status(Status { network }),
        Verb::Version => return Err(bad("VERSION is no request".to_owned())),
    })
}

fn check(attachment: Attachment, network: String, config: &Config) -> Result<Request, Failure> {
    let previous = config.previous.as_ref().ok_or_else(|| {
        bad("CHECK without 'prevResult': nothing says what should be there".to_owned())
    })?;
    Ok(Request::Check(Check {
        addresses: previous.addresses_of(&attachment),
        host_interfaces: previous.host_interfaces(),
        attachment,
        network,
    }))
}

#[cfg(test)]
mod tests;
