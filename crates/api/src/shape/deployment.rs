//! Deployments.

use model::Deployment;
use serde_json::{Value, json};

/// A deployment under way.
///
/// Everything that it changes goes on at once, so there is one step.
pub(crate) fn deployment(deployment: &Deployment) -> Value {
    let apps: Vec<Value> = deployment
        .affected
        .iter()
        .map(|affected| json!(affected.app))
        .collect();
    let action = |readiness: bool| {
        let actions = deployment.affected.iter().map(move |affected| {
            let mut shape = json!({ "action": affected.action, "app": affected.app });
            if readiness {
                shape["readinessCheckResults"] = json!([]);
            }
            shape
        });
        actions.collect::<Vec<Value>>()
    };
    json!({
        "id": deployment.id,
        "version": deployment.version,
        "affectedApps": apps,
        "affectedPods": [],
        "steps": [{ "actions": action(false) }],
        "currentActions": action(true),
        "currentStep": 1,
        "totalSteps": 1,
    })
}
