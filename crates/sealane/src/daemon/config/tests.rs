use super::*;

#[test]
fn the_default_file_means_the_defaults() {
    // Lines of values are commented out with `# `; their removal must change nothing.
    let active: String = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix("#: ") {
            Some(value) => format!("{value}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let config: Config = toml::from_str(&active).unwrap();
    assert_eq!(
        config,
        Config {
            cni: config.cni.clone(),
            ..Config::default()
        }
    );
    assert_eq!(
        toml::from_str::<Config>(DEFAULT_FILE).unwrap(),
        Config::default()
    );
}

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        ("stat-dir = '/x'", "unknown field `stat-dir`"),
        ("[api]\nlisten = 'here'", "invalid socket address"),
        ("[docker]\nsockett = '/x'", "unknown field `sockett`"),
        (
            "[datapath.capacities]\nservice = 1",
            "unknown field `service`",
        ),
        ("[metrics]\nvips = -1", "invalid value"),
    ] {
        let error = toml::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let wrong = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert!(wrong(|c| c.state_dir = "here".into()).contains("must be absolute"));
    assert!(wrong(|c| c.cgroup = "sealane".into()).contains("below the cgroup root"));
    assert!(wrong(|c| c.node.ports = vec!["9".into()]).contains("write 31000-32000"));
    assert!(wrong(|c| c.node.ports = vec!["9-8".into()]).contains("write 31000-32000"));
    let range = wrong(|c| c.ports.isolated_range = "9-8".into());
    assert!(range.contains("ports.isolated-range: '9-8'") && range.contains("write 16384-30719"));
    let exempt = |path: &str| {
        let mut config = Config::default();
        config.datapath.exempt = vec!["/fine.slice".to_owned(), path.to_owned()];
        config.validate().map_err(|error| error.to_string())
    };
    assert_eq!(exempt("/system.slice/proxy..service"), Ok(()));
    for path in ["", "/", "//", "proxy.service", "/a/../.."] {
        let error = exempt(path).unwrap_err();
        assert!(error.contains("such as /system.slice"), "{path}: {error}");
    }
    for size in [0, (1 << 24) + 1] {
        let mut config = Config::default();
        config.datapath.capacities.affinity = size;
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("datapath.capacities.affinity") && error.contains("16777216"));
    }
    assert!(wrong(|c| c.marathon.mesos_bridge_name = "not a name".into()).contains("bridge"));
}

#[test]
fn capacities_reach_the_datapath() {
    let text = "[datapath.capacities]\nservices = 1\nslots = 2\nbackends = 3\nplaces = 4\n\
                strays = 5\naffinity = 6\nexempt = 7\ntenants = 8\nowners = 9";
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(
        ::datapath::Capacities::from(config.datapath.capacities),
        ::datapath::Capacities {
            services: 1,
            slots: 2,
            backends: 3,
            places: 4,
            strays: 5,
            affinity: 6,
            exempt: 7,
            tenants: 8,
            owners: 9,
        }
    );
    config.validate().unwrap();
    assert_eq!(
        ::datapath::Capacities::from(Config::default().datapath.capacities),
        ::datapath::Capacities::default()
    );
}
