use super::*;

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

#[test]
fn lists_come_first_and_the_first_of_a_name_wins() {
    let first = directory(&[
        ("10-a.conf", r#"{"name": "one", "type": "single"}"#),
        (
            "90-b.conflist",
            r#"{"name": "one", "plugins": [{"type": "list"}]}"#,
        ),
        ("mesos", r#"{"name": "two", "type": "mockPlugin"}"#),
        ("three.json", r#"{"name": "three", "type": "c"}"#),
        ("readme.txt", "not looked at"),
        (".hidden.conf", "not looked at"),
    ]);
    let second = directory(&[("a.conf", r#"{"name": "two", "type": "late"}"#)]);
    let missing = first.path().join("missing");
    let dirs = [first.path().to_owned(), missing, second.path().to_owned()];
    let kind = |name| find(&dirs, name).unwrap().plugins[0].kind.clone();
    assert_eq!(kind("one"), "list");
    assert_eq!(kind("two"), "mockPlugin");
    assert_eq!(kind("three"), "c");
    assert_eq!(configurations(&dirs).len(), 5);
    let unknown = find(&dirs, "four").unwrap_err().to_string();
    assert!(
        unknown.contains("'four'") && unknown.contains("one, three, two"),
        "{unknown}"
    );
}

#[test]
fn a_change_counts_at_once() {
    let dir = directory(&[]);
    let dirs = [dir.path().to_owned()];
    find(&dirs, "x").unwrap_err();
    fs::write(dir.path().join("x.conf"), r#"{"name": "x", "type": "a"}"#).unwrap();
    find(&dirs, "x").unwrap();
    fs::remove_file(dir.path().join("x.conf")).unwrap();
    find(&dirs, "x").unwrap_err();
}

#[test]
fn a_broken_file_is_reported_and_hides_no_other() {
    let dir = directory(&[
        ("1.conf", "{ half"),
        ("2.conflist", r#"{"name": "bad", "type": "x"}"#),
        ("3.conf", r#"{"name": "good", "type": "x"}"#),
        ("4.conf", r#"{"name": "bad", "type": "x"}"#),
    ]);
    let dirs = [dir.path().to_owned()];
    find(&dirs, "good").unwrap();
    let problem = find(&dirs, "bad").unwrap_err().to_string();
    assert!(
        problem.contains("2.conflist") && problem.contains("'plugins'"),
        "{problem}"
    );
    let broken: Vec<_> = configurations(&dirs)
        .into_iter()
        .filter(|file| file.config.is_err())
        .collect();
    assert_eq!(broken.len(), 2);
}

#[test]
fn plugins_beside_a_list_are_appended() {
    let dir = directory(&[
        ("x.conflist", r#"{"name": "x", "plugins": [{"type": "a"}]}"#),
        ("x/20.conf", r#"{"type": "c"}"#),
        ("x/10.conf", r#"{"type": "b"}"#),
        (
            "y.conflist",
            r#"{"name": "y", "loadOnlyInlinedPlugins": true,
            "plugins": [{"type": "a"}]}"#,
        ),
        ("y/10.conf", r#"{"type": "b"}"#),
    ]);
    let kinds = |name| {
        let plugins = find(&[dir.path().to_owned()], name).unwrap().plugins;
        plugins
            .into_iter()
            .map(|plugin| plugin.kind)
            .collect::<String>()
    };
    assert_eq!(kinds("x"), "abc");
    assert_eq!(kinds("y"), "a");
}

#[test]
fn links_that_lead_to_themselves_or_nowhere_are_reported_and_hide_nothing() {
    let dir = directory(&[("good.conf", r#"{"name": "good", "type": "a"}"#)]);
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, dir.path().join(at)).unwrap();
    link("loop.conf", "loop.conf");
    link("nowhere", "gone.conf");
    link(".", "again");
    link("good.conf", "zlinked.conf");
    let dirs = [dir.path().to_owned()];
    assert_eq!(find(&dirs, "good").unwrap().plugins.len(), 1);
    let files = configurations(&dirs);
    let broken: Vec<String> = files
        .iter()
        .filter_map(|file| Some(file.config.as_ref().err()?.to_string()))
        .collect();
    assert_eq!((files.len(), broken.len()), (4, 2), "{broken:?}");
    assert!(broken[0].contains("gone.conf") && broken[0].contains("No such file"));
    assert!(broken[1].contains("loop.conf") && broken[1].contains("symbolic links"));
}

#[test]
fn what_is_no_file_is_not_looked_at() {
    let dir = directory(&[("x.conf", r#"{"name": "x", "type": "a"}"#)]);
    for name in ["dir.conf", "x"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    // Opening a pipe would wait for a writer for ever.
    let pipe = dir.path().join("pipe.conf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s.conf")).unwrap();
    assert_eq!(configurations(&[dir.path().to_owned()]).len(), 1);
}

#[test]
fn a_plugin_beside_a_list_that_cannot_be_used_stops_the_network_alone() {
    for (name, text, expected) in [
        ("x/1.conf", "{ half", "it is not JSON"),
        ("x/1.conf", "{}", "no 'type'"),
        (
            "x/1.conf",
            r#"{"type": "../sh"}"#,
            "not a plugin's file name",
        ),
        ("x/1.conf", "[]", "not a JSON object"),
    ] {
        let dir = directory(&[
            ("x.conflist", r#"{"name": "x", "plugins": [{"type": "a"}]}"#),
            ("y.conflist", r#"{"name": "y", "plugins": [{"type": "a"}]}"#),
            (name, text),
        ]);
        let dirs = [dir.path().to_owned()];
        let problem = find(&dirs, "x").unwrap_err().to_string();
        assert!(
            problem.contains(name) && problem.contains(expected),
            "{problem}"
        );
        find(&dirs, "y").unwrap();
    }
    let dir = directory(&[("x.conflist", r#"{"name": "x", "plugins": [{"type": "a"}]}"#)]);
    fs::create_dir(dir.path().join("x")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("x/1.conf")).unwrap();
    find(&[dir.path().to_owned()], "x").unwrap_err();
}

#[test]
fn only_plugins_of_the_list_itself_where_it_says_so_and_only_lists_have_others() {
    let beside = ("x/1.conf", r#"{"type": "b"}"#);
    for (file, text, plugins) in [
        (
            "x.conflist",
            r#"{"name": "x", "plugins": [{"type": "a"}]}"#,
            2,
        ),
        ("x.conflist", r#"{"name": "x"}"#, 1),
        ("x.conflist", r#"{"name": "x", "plugins": []}"#, 1),
        (
            "x.conflist",
            r#"{"name": "x", "loadOnlyInlinedPlugins": "true", "plugins": [{"type": "a"}]}"#,
            1,
        ),
        ("x.conf", r#"{"name": "x", "type": "a"}"#, 1),
    ] {
        // The directory of the directory is not looked into.
        let dir = directory(&[(file, text), beside, ("x/x/2.conf", "{ half")]);
        let config = find(&[dir.path().to_owned()], "x").unwrap();
        assert_eq!(config.plugins.len(), plugins, "{text}");
    }
    let dir = directory(&[
        (
            "x.conflist",
            r#"{"name": "x", "loadOnlyInlinedPlugins": true}"#,
        ),
        beside,
    ]);
    find(&[dir.path().to_owned()], "x").unwrap_err();
    let dir = directory(&[("x.conflist", r#"{"name": "x"}"#)]);
    find(&[dir.path().to_owned()], "x").unwrap_err();
}

#[test]
fn files_of_mesos_may_be_called_as_their_network() {
    let dir = directory(&[
        ("x", r#"{"name": "x", "type": "a"}"#),
        ("y", r#"{"name": "other", "type": "a"}"#),
        ("y.conflist", r#"{"name": "y", "plugins": [{"type": "a"}]}"#),
    ]);
    for name in ["x", "y", "other"] {
        find(&[dir.path().to_owned()], name).unwrap();
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let dir = directory(&[]);
    let file = fs::File::create(dir.path().join("x.conf")).unwrap();
    file.set_len(1 << 40).unwrap();
    let files = configurations(&[dir.path().to_owned()]);
    let problem = files[0].config.as_ref().unwrap_err().to_string();
    assert!(problem.contains("larger than"), "{problem}");
}
