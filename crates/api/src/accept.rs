//! Which of two forms a client prefers.

use http::{HeaderMap, header};

/// Whether `Accept` names JSON, and nothing else that is better or earlier.
///
/// `*/*` and no header at all are no preference for JSON.
pub(crate) fn prefers_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(f32, &str)> = None;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            if best.is_none_or(|(most, _)| quality > most) {
                best = Some((quality, media));
            }
        }
    }
    best.is_some_and(|(quality, media)| quality > 0.0 && media == "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_and_first_wins() {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, */*", true),
            ("application/json;q=0.5, text/plain", false),
            ("text/plain;q=0.5, application/json; charset=utf-8", true),
            ("text/plain, application/json", false),
            ("*/*", false),
            ("", false),
            (";;q=x,,", false),
            ("application/json;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_json(&headers), json, "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }
}
