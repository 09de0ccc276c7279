//! Versions: when an app was accepted, and whether its tasks must be replaced.

use model::Timestamp;

use crate::{App, VersionInfo};

/// Whether `next` differs from `previous` in nothing but `instances`.
///
/// Versions are not compared. Everything else counts as configuration, labels
/// included, as in Marathon.
#[must_use]
pub fn only_scales(previous: &App, next: &App) -> bool {
    previous.instances != next.instances
        && is_same(
            &App {
                instances: next.instances,
                ..previous.clone()
            },
            next,
        )
}

fn is_same(one: &App, other: &App) -> bool {
    let unversioned = |app: &App| App {
        version: None,
        version_info: None,
        ..app.clone()
    };
    unversioned(one) == unversioned(other)
}

/// Writes `version` and `versionInfo` of the definition that follows `previous`.
///
/// A new or changed app gets `now` for all three times. One that only scales
/// keeps its last change of configuration, so its tasks stay; one that is the
/// same keeps everything.
pub fn stamp(previous: Option<&App>, next: &mut App, now: Timestamp) {
    let stamped = previous.and_then(|app| Some((app, app.version?, info(app)?)));
    let (version, info) = match stamped {
        Some((app, version, info)) if is_same(app, next) => (version, info),
        Some((app, _, info)) if only_scales(app, next) => (
            now,
            VersionInfo {
                last_scaling_at: now,
                ..info
            },
        ),
        _ => (
            now,
            VersionInfo {
                last_scaling_at: now,
                last_config_change_at: now,
            },
        ),
    };
    next.version = Some(version);
    next.version_info = Some(info);
}

/// Writes the versions of an app that is restarted: as if its configuration had
/// changed, so all of its tasks are replaced.
pub fn stamp_restart(app: &mut App, now: Timestamp) {
    app.version = Some(now);
    app.version_info = Some(VersionInfo {
        last_scaling_at: now,
        last_config_change_at: now,
    });
}

/// A stored app without `versionInfo` has not changed since its version.
fn info(app: &App) -> Option<VersionInfo> {
    let unchanged = |at| VersionInfo {
        last_scaling_at: at,
        last_config_change_at: at,
    };
    app.version_info.or_else(|| app.version.map(unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, parse_app};

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn stamped(app: &App) -> (Timestamp, Timestamp, Timestamp) {
        let info = app.version_info.unwrap();
        (
            app.version.unwrap(),
            info.last_scaling_at,
            info.last_config_change_at,
        )
    }

    #[test]
    fn scaling_keeps_the_configuration() {
        let mut first = parse_app(br#"{"id": "/a", "cmd": "sleep"}"#, &Config::default()).unwrap();
        stamp(None, &mut first, at(1));
        assert_eq!(stamped(&first), (at(1), at(1), at(1)));

        let mut scaled = App {
            instances: 3,
            version: None,
            ..first.clone()
        };
        assert!(only_scales(&first, &scaled));
        stamp(Some(&first), &mut scaled, at(2));
        assert_eq!(stamped(&scaled), (at(2), at(2), at(1)));

        let mut same = App {
            version: None,
            version_info: None,
            ..scaled.clone()
        };
        assert!(!only_scales(&scaled, &same));
        stamp(Some(&scaled), &mut same, at(3));
        assert_eq!(same, scaled);

        let mut labelled = App {
            instances: 1,
            ..scaled.clone()
        };
        labelled.labels.insert("a".to_owned(), "b".to_owned());
        assert!(!only_scales(&scaled, &labelled));
        stamp(Some(&scaled), &mut labelled, at(4));
        assert_eq!(stamped(&labelled), (at(4), at(4), at(4)));

        stamp_restart(&mut labelled, at(5));
        assert_eq!(stamped(&labelled), (at(5), at(5), at(5)));
    }

    #[test]
    fn stored_without_version_info() {
        let body = br#"{"id": "/a", "cmd": "sleep"}"#;
        let parsed = parse_app(body, &Config::default()).unwrap();
        let stored = App {
            version: Some(at(1)),
            ..parsed.clone()
        };
        let mut scaled = App {
            instances: 3,
            ..parsed
        };
        stamp(Some(&stored), &mut scaled, at(2));
        assert_eq!(stamped(&scaled), (at(2), at(2), at(1)));
    }
}
