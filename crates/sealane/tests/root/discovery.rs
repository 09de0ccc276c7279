//! Containers that somebody else started, found by their labels.

use anyhow::{Context, Result};
use serde_json::Value;
use testlab::wait_for;

use crate::lab::{Lab, SOON, With};

/// The containers' VIP by its name.
const WEB: &str = "http://web.docker.l4lb.thisdcos.directory/";

/// What curl ends with when a connection is refused.
const REFUSED: i32 = 7;

/// Options of a server: its only port behind the VIP.
const LABELLED: [&str; 2] = ["--label=VIP_0=web:80", "--expose=8080"];

impl Lab {
    fn cli(&self, args: &[&str]) -> String {
        self.docker.as_ref().unwrap().docker(args).unwrap()
    }

    /// Starts the server by hand, on port 8080. It answers with its name.
    fn serve(&self, name: &str, options: &[&str]) -> String {
        self.serve_at("8080", name, options)
    }

    fn serve_at(&self, port: &str, name: &str, options: &[&str]) -> String {
        let hostname = format!("--hostname={name}");
        let begin = ["run", "--detach", "--name", name, &hostname];
        let entry = ["--entrypoint=/bin/myservice", "chrisrc/myservice", port];
        self.cli(&[&begin[..], options, &entry].concat())
    }

    /// Starts a container by hand that does nothing. It has no labels.
    fn bystander(&self, name: &str, options: &[&str]) {
        let begin = ["run", "--detach", "--name", name, "--dns=198.51.100.1"];
        let entry = ["--entrypoint=/bin/sleep", "chrisrc/myservice", "1000"];
        self.cli(&[&begin[..], options, &entry].concat());
    }

    /// What curl says on the host: the answer's first word, or the code it ended with.
    fn asked(&self, url: &str) -> Result<String, i32> {
        let mut curl = self.host.command("curl");
        let output = curl.args(["-sS", "-m", "5", url]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) => Ok(answer
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()),
            code => Err(code.unwrap_or_default()),
        }
    }

    /// The same inside a container.
    fn asked_in(&self, container: &str, url: &str) -> Result<String, i32> {
        let script = format!("curl -sS -m 5 {url} 2>/dev/null; code=$?; echo; echo $code");
        let said = self.cli(&["exec", container, "sh", "-c", &script]);
        let code = said.lines().last().unwrap().parse().unwrap();
        match code {
            0 => Ok(said
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()),
            code => Err(code),
        }
    }

    /// Waits until asking yields what is expected.
    #[track_caller]
    fn comes_to(&self, expected: Result<&str, i32>, ask: impl Fn() -> Result<String, i32>) {
        let mut last = None;
        let expected = expected.map(str::to_owned);
        wait_for("an answer", SOON, || {
            let said = last.insert(ask());
            (*said == expected).then_some(())
        })
        .with_context(|| format!("{expected:?} and not {last:?}"))
        .unwrap();
    }

    /// Waits until the container is a backend of the VIP `web` in this state.
    #[track_caller]
    fn backend_is(&self, id: &str, state: &str) {
        let task = format!("docker.{}", &id[..12]);
        let mut vips = Value::Null;
        wait_for("a backend's state", SOON, || {
            vips = self.json("/v1/vips").ok()?;
            let backends = vips["vips"].as_array()?.iter();
            let mut backends = backends
                .filter_map(|vip| vip["backends"].as_array())
                .flatten();
            let found = backends.any(|it| it["task"] == task.as_str() && it["state"] == state);
            found.then_some(())
        })
        .with_context(|| format!("{task} is not {state}: {vips}"))
        .unwrap();
    }
}

#[test]
fn it_serves_while_it_runs() {
    let lab = Lab::new("found", With::Docker).unwrap();
    lab.bystander("client", &[]);
    let web = lab.serve("web", &LABELLED);
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    lab.backend_is(&web, "ready");
    lab.comes_to(Ok("web"), || lab.asked(&vip));
    lab.comes_to(Ok("web"), || lab.asked_in("client", WEB));
    // A second one stands beside it, and takes over when it goes.
    lab.serve("next", &LABELLED);
    lab.comes_to(Ok("next"), || lab.asked(&vip));
    lab.cli(&["rm", "--force", "web"]);
    lab.comes_to(Ok("next"), || lab.asked(&vip));
    lab.cli(&["stop", "next"]);
    lab.comes_to(Err(REFUSED), || lab.asked(&vip));
    lab.comes_to(Err(REFUSED), || lab.asked_in("client", &vip));
    lab.cli(&["start", "next"]);
    lab.comes_to(Ok("next"), || lab.asked(&vip));
    lab.cli(&["rm", "--force", "next"]);
    lab.comes_to(Err(REFUSED), || lab.asked(&vip));
}

#[test]
fn from_its_own_network_and_from_others() {
    let lab = Lab::new("nets", With::Docker).unwrap();
    for network in ["shop", "street"] {
        lab.cli(&["network", "create", network]);
    }
    lab.bystander("neighbour", &["--network=shop"]);
    lab.bystander("stranger", &["--network=street"]);
    lab.bystander("hosted", &["--network=host"]);
    let on_shop = [&LABELLED[..], &["--network=shop"]].concat();
    lab.serve("web", &on_shop);
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    lab.comes_to(Ok("web"), || lab.asked_in("neighbour", WEB));
    lab.comes_to(Ok("web"), || lab.asked_in("hosted", &vip));
    lab.comes_to(Err(REFUSED), || lab.asked_in("stranger", &vip));
    // Joining its network is enough, and so is a port that is published.
    lab.cli(&["network", "connect", "shop", "stranger"]);
    lab.comes_to(Ok("web"), || lab.asked_in("stranger", &vip));
    lab.cli(&["network", "disconnect", "shop", "stranger"]);
    lab.comes_to(Err(REFUSED), || lab.asked_in("stranger", &vip));
    lab.cli(&["rm", "--force", "web"]);
    lab.serve("web", &[&on_shop[..], &["--publish=8080"]].concat());
    for client in ["neighbour", "hosted", "stranger"] {
        lab.comes_to(Ok("web"), || lab.asked_in(client, &vip));
    }
    lab.cli(&["rm", "--force", "web"]);
    // Port 8080 of the host is the API's.
    let on_host = ["--label=VIP_0=web:80", "--expose=8090", "--network=host"];
    lab.serve_at("8090", "web", &on_host);
    for client in ["neighbour", "hosted", "stranger"] {
        lab.comes_to(Ok("web"), || lab.asked_in(client, &vip));
    }
}

#[test]
fn its_health_check_counts() {
    let lab = Lab::new("healthy", With::Docker).unwrap();
    let checked = [
        "--health-cmd=test -e /tmp/healthy",
        "--health-interval=1s",
        "--health-retries=1",
        "--health-start-period=1h",
    ];
    let web = lab.serve("web", &[&LABELLED[..], &checked].concat());
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    assert_eq!(lab.asked(&vip), Err(REFUSED), "not yet");
    lab.cli(&["exec", "web", "busybox", "touch", "/tmp/healthy"]);
    lab.comes_to(Ok("web"), || lab.asked(&vip));
    lab.backend_is(&web, "ready");
    lab.cli(&["exec", "web", "busybox", "rm", "/tmp/healthy"]);
    lab.backend_is(&web, "draining");
    assert_eq!(lab.asked(&vip).as_deref(), Ok("web"), "better than nobody");
    let spare = lab.serve("spare", &LABELLED);
    lab.backend_is(&spare, "ready");
    lab.comes_to(Ok("spare"), || lab.asked(&vip));
    assert_eq!(lab.answers(&vip, 30).unwrap(), ["spare"]);
}

#[test]
fn one_that_is_about_to_end_or_paused_is_spared() {
    let lab = Lab::new("spared", With::Docker).unwrap();
    // It does not heed the signal, so that there is time to look.
    let stubborn = "trap '' TERM; /bin/myservice 8080 & wait";
    let options = [
        "run",
        "--detach",
        "--name=web",
        "--hostname=web",
        "--entrypoint=/bin/sh",
    ];
    let command = ["chrisrc/myservice", "-c", stubborn];
    let web = lab.cli(&[&options[..], &LABELLED, &command].concat());
    let spare = lab.serve("spare", &LABELLED);
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    for id in [&web, &spare] {
        lab.backend_is(id, "ready");
    }
    lab.comes_to(Ok("web"), || lab.asked(&vip));
    lab.cli(&["kill", "--signal=TERM", "web"]);
    lab.backend_is(&web, "draining");
    assert_eq!(lab.answers(&vip, 30).unwrap(), ["spare"]);
    lab.cli(&["restart", "--time=0", "web"]);
    lab.backend_is(&web, "ready");
    lab.comes_to(Ok("web"), || lab.asked(&vip));
    lab.cli(&["pause", "spare"]);
    lab.backend_is(&spare, "draining");
    assert_eq!(lab.answers(&vip, 30).unwrap(), ["web"]);
    lab.cli(&["unpause", "spare"]);
    lab.backend_is(&spare, "ready");
}

/// Containers with wrong labels: name, options, and what is said of them.
const WRONG: [(&str, &[&str], &str); 6] = [
    (
        "w1",
        &["--label=VIP_0=web", "--expose=8080"],
        "no port; write it as name:port",
    ),
    (
        "w2",
        &["--label=VIP_0=web:80"],
        "exposes no TCP or UDP port",
    ),
    (
        "w3",
        &["--label=VIP_0=web:80", "--expose=81", "--expose=82"],
        "exposes ports 81 and 82, and 80 is none of them",
    ),
    (
        "w4",
        &[
            "--label=VIP_0=web:80",
            "--label=VIP_0.prot=8080",
            "--expose=8080",
        ],
        "its port is given by 'VIP_0.port'",
    ),
    (
        "w5",
        &[
            "--label=VIP_0=web:80",
            "--label=sealane.balance=fair",
            "--expose=8080",
        ],
        "'sealane.balance' has value 'fair'",
    ),
    (
        "w6",
        &["--label=VIP_0=web:80", "--expose=8080", "--network=none"],
        "the container is on no network",
    ),
];

#[test]
fn wrong_labels_are_shown() {
    let lab = Lab::new("wrong", With::Docker).unwrap();
    let mut expected = Vec::new();
    for (name, options, problem) in WRONG {
        let id = lab.serve(name, options);
        expected.push((format!("docker.{}", &id[..12]), problem));
    }
    for command in [&["status"][..], &["vip", "list"]] {
        let mut last = String::new();
        wait_for("all problems", SOON, || {
            last = lab.sealane(command).ok()?;
            let shown = |(about, problem): &(String, &str)| {
                let mut lines = last.lines();
                lines.any(|line| line.contains(about.as_str()) && line.contains(problem))
            };
            expected.iter().all(shown).then_some(())
        })
        .with_context(|| format!("{expected:?} in `sealane {command:?}`:\n{last}"))
        .unwrap();
    }
    // What is right about them counts all the same.
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    wait_for("both that can be reached", SOON, || {
        (lab.answers(&vip, 10).ok()? == ["w4", "w5"]).then_some(())
    })
    .unwrap();
    for name in ["w1", "w2", "w3", "w4", "w5", "w6"] {
        lab.cli(&["rm", "--force", name]);
    }
    let mut last = String::new();
    wait_for("no problems", SOON, || {
        last = lab.sealane(&["status"]).ok()?;
        (!last.contains("docker.")).then_some(())
    })
    .with_context(|| last.clone())
    .unwrap();
}

#[test]
fn what_happened_while_the_daemon_was_away_is_seen() {
    let mut lab = Lab::new("away", With::Docker).unwrap();
    let web = lab.serve("web", &LABELLED);
    let vip = format!("http://{}/", lab.vip("web.docker").unwrap());
    lab.backend_is(&web, "ready");
    lab.kill().unwrap();
    assert_eq!(lab.asked(&vip).as_deref(), Ok("web"), "the kernel goes on");
    lab.cli(&["rm", "--force", "web"]);
    let next = lab.serve("next", &LABELLED);
    lab.start().unwrap();
    lab.backend_is(&next, "ready");
    wait_for("the end of what is gone", SOON, || {
        (lab.answers(&vip, 20).ok()? == ["next"]).then_some(())
    })
    .unwrap();
    // A daemon that comes back to the same containers changes nothing.
    lab.stop().unwrap();
    lab.start().unwrap();
    lab.backend_is(&next, "ready");
    assert_eq!(lab.answers(&vip, 20).unwrap(), ["next"]);
}
