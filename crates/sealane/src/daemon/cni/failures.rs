//! Failures of virtual networks as CNI reports them.

use std::error::Error;

use networks::{FabricError, NetworkError};
use sealane_cni::{Failure, code};

/// The failure with the code that tells a runtime what to do.
pub(super) fn failure(error: &FabricError) -> Failure {
    let code = match error {
        FabricError::Unknown { .. } | FabricError::Invalid { .. } => code::CONFIGURATION,
        FabricError::NoBlock { .. } | FabricError::Interrupted(_) => code::TRY_AGAIN,
        FabricError::Full { .. } => code::FULL,
        FabricError::InUse { .. } | FabricError::Outside { .. } | FabricError::Reserved { .. } => {
            code::ADDRESS
        }
        FabricError::Different { .. }
        | FabricError::LinkTaken { .. }
        | FabricError::IfnameTaken { .. } => code::ATTACHED,
        FabricError::Absent(_) => code::UNKNOWN_CONTAINER,
        FabricError::Changed { .. } => code::CHANGED,
        FabricError::NoNamespace { .. } => code::NAMESPACE,
        FabricError::Ports { source, .. } => ports(source),
        FabricError::Kernel { .. } | FabricError::State { .. } => code::IO,
        _ => code::INTERNAL,
    };
    Failure::new(code, error.to_string()).because(causes(error))
}

/// The same for STATUS, which has one code for all reasons.
pub(super) fn unavailable(error: &FabricError) -> Failure {
    Failure::new(code::NOT_AVAILABLE, error.to_string()).because(causes(error))
}

fn ports(error: &NetworkError) -> u32 {
    match error {
        NetworkError::PortInUse { .. } => code::HOST_PORT,
        NetworkError::PortMapping { .. } => code::CONFIGURATION,
        NetworkError::Interrupted(_) => code::TRY_AGAIN,
        _ => code::IO,
    }
}

/// What lies below an error, on one line.
fn causes(error: &dyn Error) -> String {
    let mut causes = Vec::new();
    let mut below = error.source();
    while let Some(cause) = below {
        causes.push(cause.to_string());
        below = cause.source();
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_told_what_to_do() {
        let network = || "dcos".to_owned();
        let taken = NetworkError::PortInUse {
            port: 80,
            protocol: model::Protocol::Tcp,
            holder: "web.1".to_owned(),
        };
        let ports = FabricError::Ports {
            owner: "web.2/eth0".to_owned(),
            source: Box::new(taken),
        };
        let told = failure(&ports);
        assert_eq!(told.code, code::HOST_PORT);
        assert!(told.details.contains("web.1"), "{told:?}");
        for (error, code) in [
            (FabricError::NoBlock { network: network() }, code::TRY_AGAIN),
            (
                FabricError::Unknown {
                    network: network(),
                    known: Vec::new(),
                },
                code::CONFIGURATION,
            ),
            (
                FabricError::NoNamespace {
                    netns: "/gone".into(),
                },
                code::NAMESPACE,
            ),
        ] {
            let told = failure(&error);
            assert_eq!((told.code, told.msg), (code, error.to_string()));
            assert_eq!(unavailable(&error).code, code::NOT_AVAILABLE);
        }
    }
}
