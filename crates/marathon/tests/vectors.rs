//! Every case of the recorded Marathon behaviour, and every accepted app sent back.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use marathon::{App, Config, Details, Rejection, Update, parse_app, parse_update};
use model::Timestamp;
use serde_json::{Map, Value, json};

const VECTORS: &str = include_str!("vectors/marathon-apps.jsonl");

/// Accepted by Marathon, refused here: labels that cannot become a VIP.
const VIP_LABEL_REFUSED: &str = "B36";

struct Case {
    id: String,
    data: Value,
    config: Config,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = VECTORS
        .lines()
        .map(|line| {
            let data: Value = serde_json::from_str(line).unwrap();
            let name = data["default_network_name"].as_str().map(str::to_owned);
            Case {
                id: data["id"].as_str().unwrap().to_owned(),
                config: Config {
                    default_network_name: name,
                    ..Config::default()
                },
                data,
            }
        })
        .collect();
    assert_eq!(cases.len(), 119);
    cases
}

impl Case {
    fn parse(&self) -> Result<App, Rejection> {
        parse_app(self.data["in"].to_string().as_bytes(), &self.config)
    }

    fn has(&self, field: &str) -> bool {
        self.data[field] == json!(true)
    }

    fn is_accepted(&self) -> bool {
        self.data["status"] == json!(201)
            && !self.has("normalizer_only")
            && self.id != VIP_LABEL_REFUSED
    }
}

fn accepted() -> impl Iterator<Item = (Case, App)> {
    cases().into_iter().filter(Case::is_accepted).map(|case| {
        let app = case
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", case.id));
        (case, app)
    })
}

/// The part of `object` that the vectors speak of.
fn only(object: &Value, fields: &[&str]) -> Value {
    let fields = fields.iter().filter_map(|field| {
        let value = object.get(*field)?;
        Some(((*field).to_owned(), value.clone()))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn networking(key: &str, app: &Value) -> Value {
    match key {
        "container" => {
            let mut container = only(&app[key], &["type", "docker", "portMappings"]);
            if let Some(docker) = container.get_mut("docker") {
                *docker = only(docker, &["image"]);
            }
            container
        }
        "healthChecks" => app[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| only(check, &["protocol", "port", "portIndex"]))
            .collect(),
        _ => app[key].clone(),
    }
}

fn errors(rejection: &Rejection) -> Vec<(String, String)> {
    let Some(Details::Paths(places)) = &rejection.details else {
        return Vec::new();
    };
    let each = places.iter().flat_map(|place| {
        place
            .errors
            .iter()
            .map(|error| (place.path.clone(), error.clone()))
    });
    let mut errors: Vec<_> = each.collect();
    errors.sort();
    errors
}

#[test]
fn accepted_apps_have_the_recorded_form() {
    let mut seen = 0;
    for (case, app) in accepted() {
        let app = serde_json::to_value(&app).unwrap();
        for (key, expected) in case.data["norm"].as_object().unwrap() {
            assert_eq!(&networking(key, &app), expected, "{} {key}", case.id);
        }
        let on_host = app["networks"][0]["mode"] == json!("host");
        assert_eq!(app.get("portDefinitions").is_some(), on_host, "{}", case.id);
        let is_mapped = app
            .get("container")
            .is_some_and(|it| it.get("portMappings").is_some());
        assert_eq!(is_mapped, !on_host, "{}", case.id);
        seen += 1;
    }
    assert_eq!(seen, 67);
}

#[test]
fn refused_apps_have_the_recorded_errors() {
    for case in cases()
        .iter()
        .filter(|case| case.data["status"] == json!(422))
    {
        let rejection = case.parse().expect_err(&case.id);
        assert_eq!(rejection.status, 422, "{}", case.id);
        assert_eq!(
            rejection.message,
            case.data["message"].as_str().unwrap(),
            "{}",
            case.id
        );
        if case.has("errors_not_asserted") {
            continue;
        }
        let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
        let recorded = case.data["errors"].as_array().unwrap();
        let mut expected: Vec<_> = recorded
            .iter()
            .map(|it| (text(it, "path"), text(it, "error")))
            .collect();
        expected.sort();
        assert_eq!(errors(&rejection), expected, "{}", case.id);
    }
}

/// Marathon answers 500 to these; the request is at fault, so 422 with its text.
#[test]
fn unmapped_exceptions_are_refusals() {
    for case in cases()
        .iter()
        .filter(|case| case.data["status"] == json!(500))
    {
        let rejection = case.parse().expect_err(&case.id);
        assert_eq!(rejection.status, 422, "{}", case.id);
        assert_eq!(
            rejection.message,
            case.data["exception"].as_str().unwrap(),
            "{}",
            case.id
        );
        assert_eq!(rejection.details, None, "{}", case.id);
    }
}

#[test]
fn cases_for_the_normalizer_alone_are_refused_as_a_whole() {
    let all = cases();
    let alone: Vec<&Case> = all
        .iter()
        .filter(|case| case.has("normalizer_only"))
        .collect();
    assert_eq!(alone.len(), 1);
    let rejection = alone[0]
        .parse()
        .expect_err("has ipAddress and portDefinitions");
    let expected = "cannot specify both an IP address and port";
    assert_eq!(errors(&rejection), [("/".to_owned(), expected.to_owned())]);
}

#[test]
fn a_label_that_cannot_become_a_vip_is_refused_unlike_in_marathon() {
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.id == VIP_LABEL_REFUSED)
        .unwrap();
    let rejection = case.parse().expect_err("label without a port");
    assert_eq!(
        (rejection.status, rejection.message.as_str()),
        (422, "Object is not valid")
    );
    let errors = errors(&rejection);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].0, "/portDefinitions(0)/labels/VIP_0");
    assert!(errors[0].1.contains("myservice:6666"), "{}", errors[0].1);
}

/// What `GET` answers: the app with all that the server adds to it.
fn answer(app: &App) -> Vec<u8> {
    let stamped = App {
        version: Some(Timestamp::from_millis(1)),
        ..app.clone()
    };
    let mut answer = serde_json::to_value(&stamped).unwrap();
    let object = answer.as_object_mut().unwrap();
    object.insert("tasksRunning".to_owned(), json!(1));
    object.insert("deployments".to_owned(), json!([]));
    object.insert(
        "tasks".to_owned(),
        json!([{ "id": "a.instance-1._app.1", "ports": [31000] }]),
    );
    object.insert(
        "versionInfo".to_owned(),
        json!({
            "lastScalingAt": "2015-02-03T12:30:00.000Z",
            "lastConfigChangeAt": "2015-02-03T12:30:00.000Z",
        }),
    );
    answer.to_string().into_bytes()
}

#[test]
fn an_answer_can_be_put_back_and_changes_nothing() {
    for (case, app) in accepted() {
        for partial in [false, true] {
            let update = parse_update(&answer(&app), &app, &case.config, partial);
            assert_eq!(
                update,
                Ok(Update::Replace(app.clone())),
                "{} {partial}",
                case.id
            );
        }
    }
}

#[test]
fn an_answer_can_be_posted_again() {
    let mut refused = Vec::new();
    for (case, app) in accepted() {
        match parse_app(&answer(&app), &case.config) {
            Ok(again) => assert_eq!(again, app, "{}", case.id),
            // Names from `ipAddress` follow no pattern, those of `networks` do (E21).
            Err(rejection) => {
                let expected = ("/networks(0)/name".to_owned(), "error.pattern".to_owned());
                assert_eq!(errors(&rejection), [expected], "{}", case.id);
                refused.push(case.id);
            }
        }
    }
    assert_eq!(refused, ["A02", "B05"]);
}

#[test]
fn what_is_stored_is_read_back() {
    for (case, app) in accepted() {
        let stored = serde_json::to_string(&app).unwrap();
        assert_eq!(
            serde_json::from_str::<App>(&stored).unwrap(),
            app,
            "{}",
            case.id
        );
    }
}
