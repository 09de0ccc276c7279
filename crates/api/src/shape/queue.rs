//! The launch queue.

use model::{Launch, Timestamp};
use serde_json::{Value, json};

/// Instances of an app that wait; `app` is the app's shape.
///
/// There are no offers here, so their summary counts none. Why instances wait is
/// under `/v1/apps/{id}`: a client of Marathon's would stop at another field.
pub(crate) fn queue_item(launch: &Launch, app: Value, now: Timestamp, offers: bool) -> Value {
    let left = launch
        .not_before
        .map_or(0, |at| at.millis_since(now).max(0));
    let mut item = json!({
        "count": launch.waiting,
        "delay": {
            // Rounded up: 0 means that it is over.
            "timeLeftSeconds": left.saturating_add(999) / 1000,
            "overdue": left == 0,
        },
        "since": launch.since,
        "processedOffersSummary": {
            "processedOffersCount": 0,
            "unusedOffersCount": 0,
            "rejectSummaryLastOffers": [],
            "rejectSummaryLaunchAttempt": [],
        },
        "app": app,
    });
    if offers {
        item["lastUnusedOffers"] = json!([]);
    }
    item
}
