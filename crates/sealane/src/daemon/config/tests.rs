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
    assert!(wrong(|c| c.marathon.mesos_bridge_name = "not a name".into()).contains("bridge"));
}
