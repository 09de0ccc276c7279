//! Points in time in containerd's and in our form.

use std::time::SystemTime;

use model::Timestamp;

/// Now.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A protobuf time; `None` for the zero of Go's clock, which means "not yet".
pub(super) fn from_proto(time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    let time = time.filter(|time| time.seconds > 0)?;
    let millis = time
        .seconds
        .saturating_mul(1000)
        .saturating_add(i64::from(time.nanos / 1_000_000));
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_zero_is_no_time() {
        let proto = |seconds, nanos| prost_types::Timestamp { seconds, nanos };
        assert_eq!(from_proto(None), None);
        assert_eq!(from_proto(Some(&proto(-62_135_596_800, 0))), None);
        assert_eq!(
            from_proto(Some(&proto(1, 2_999_999))),
            Some(Timestamp::from_millis(1002))
        );
    }
}
