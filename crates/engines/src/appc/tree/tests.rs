use proptest::prelude::*;

use super::super::listing::Entry;
use super::*;

const META: Meta = Meta {
    mode: 0o644,
    uid: 1,
    gid: 2,
    mtime: 3,
};

fn span(offset: u64) -> Span {
    Span { offset, size: 1 }
}

/// `d` directory, `f` file, `s` symbolic link, `h=target` hard link.
fn listing(entries: &[(&str, &str)]) -> Listing {
    let entry = |(number, (path, what)): (usize, &(&str, &str))| Entry {
        path: path.into(),
        meta: META,
        what: match *what {
            "d" => What::Directory,
            "f" => What::File(span(number as u64)),
            "s" => What::Symlink("/elsewhere".into()),
            other => What::HardLink(other.trim_start_matches("h=").into()),
        },
    };
    Listing {
        entries: entries.iter().enumerate().map(entry).collect(),
        ..Listing::default()
    }
}

fn sorted(number: usize, entries: &[(&str, &str)]) -> Result<Layer, AppcError> {
    layer(number, &listing(entries), &Limits::default())
}

fn stacked(layers: &[&[(&str, &str)]]) -> Tree {
    let mut tree = Tree::new();
    for (number, entries) in layers.iter().enumerate() {
        overlay(&mut tree, sorted(number, entries).unwrap());
    }
    tree
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.keys()
        .filter_map(|path| path.to_str())
        .filter(|path| !path.is_empty())
        .collect()
}

#[test]
fn upper_images_win() {
    let tree = stacked(&[
        &[
            ("", "d"),
            ("a", "f"),
            ("b", "d"),
            ("b/x", "f"),
            ("c", "s"),
            ("d", "d"),
            ("d/y", "f"),
        ],
        &[
            ("a", "s"),
            ("b", "f"),
            ("c", "d"),
            ("c/z", "f"),
            ("d/new", "f"),
        ],
    ]);
    assert_eq!(paths(&tree), ["a", "b", "c", "c/z", "d", "d/new", "d/y"]);
    assert!(matches!(tree[Path::new("a")], Node::Symlink(..)));
    assert!(matches!(tree[Path::new("b")], Node::File(1, ..)));
    assert_eq!(
        tree[Path::new("d")],
        Node::Directory(Some(META)),
        "an implied one changes nothing"
    );
    assert_eq!(tree[Path::new("")], Node::Directory(Some(META)));
}

#[test]
fn whiteouts_hide_what_is_below() {
    let tree = stacked(&[
        &[
            ("a/x", "f"),
            ("a/y", "f"),
            ("ab", "f"),
            ("b/x", "f"),
            ("b/x.d/y", "f"),
            ("c", "f"),
        ],
        &[
            ("a/.wh.x", "f"),
            ("a/.wh.nothing", "f"),
            ("b/.wh..wh..opq", "f"),
            ("b/new", "f"),
            (".wh.c", "f"),
        ],
    ]);
    assert_eq!(paths(&tree), ["a", "a/y", "ab", "b", "b/new"]);
    let gone = stacked(&[&[("a/x/y", "f"), ("a.b", "f")], &[(".wh.a", "f")]]);
    assert_eq!(paths(&gone), ["a.b"]);
}

#[test]
fn hard_links_keep_the_bytes_of_their_own_archive() {
    let tree = stacked(&[
        &[
            ("a", "f"),
            ("b", "h=a"),
            ("c", "h=b"),
            ("l", "s"),
            ("m", "h=l"),
        ],
        &[("a", "f")],
    ]);
    let bytes = |path: &str| match &tree[Path::new(path)] {
        Node::File(archive, span, _) => (*archive, span.offset),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(
        [bytes("a"), bytes("b"), bytes("c")],
        [(1, 0), (0, 0), (0, 0)]
    );
    assert!(matches!(tree[Path::new("m")], Node::Symlink(..)));
}

#[test]
fn contradictions_are_refused() {
    for (entries, said) in [
        (&[("a", "f"), ("a", "f")] as &[_], "is there twice"),
        (&[("a", "d"), ("a", "d")], "is there twice"),
        (&[("a", "s"), ("a/b", "f")], "leads through a symbolic link"),
        (&[("a", "f"), ("a/b/c", "f")], "leads through a file"),
        (&[("a/b", "f"), ("a", "s")], "has others below it"),
        (&[("b", "h=a"), ("a", "f")], "not in the archive before it"),
        (&[("a", "d"), ("b", "h=a")], "hard link to a directory"),
        (&[("", "s")], "is no directory"),
    ] {
        let error = sorted(0, entries).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    sorted(0, &[("a/b", "f"), ("a", "d")]).unwrap();
}

#[test]
fn implied_directories_change_nothing_of_siblings() {
    let own = stacked(&[&[("d", "d"), ("d/x", "f")]]);
    let implied = stacked(&[&[("d/y", "f")]]);
    for order in [[&own, &implied], [&implied, &own]] {
        let mut all = Tree::new();
        for tree in order {
            merge(&mut all, tree.clone());
        }
        assert_eq!(all[Path::new("d")], Node::Directory(Some(META)));
        assert_eq!(paths(&all), ["d", "d/x", "d/y"]);
    }
}

#[test]
fn directories_that_paths_imply_are_counted() {
    let limits = Limits {
        entries: 50,
        ..Limits::default()
    };
    let deep = "d/".repeat(60) + "x";
    let counted = |limits| layer(0, &listing(&[(&deep, "f")]), &limits);
    let error = counted(limits).unwrap_err().to_string();
    assert!(error.contains("more than 50 entries"), "{error}");
    let limits = Limits {
        names: 1000,
        ..Limits::default()
    };
    let error = counted(limits).unwrap_err().to_string();
    assert!(error.contains("more than 1000 bytes of names"), "{error}");
    assert!(counted(Limits::default()).is_ok());
}

#[test]
fn a_whitelist_leaves_what_it_names() {
    let list = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
    let mut tree = stacked(&[&[
        ("a/b/c", "f"),
        ("a/b/d", "f"),
        ("a/e", "f"),
        ("f/g", "f"),
        ("h", "s"),
    ]]);
    let all = tree.clone();
    keep(&mut tree, &list(&[]));
    assert_eq!(tree, all);
    keep(&mut tree, &list(&["a/b/c", "f", "none", "h/x"]));
    assert_eq!(paths(&tree), ["a", "a/b", "a/b/c", "f"]);
}

#[test]
fn mount_points_appear_where_nothing_is() {
    let mut tree = stacked(&[&[("a", "f"), ("b", "d")]]);
    for path in ["a/x", "b/x/y", "b", "new"] {
        ensure_directory(&mut tree, Path::new(path));
    }
    assert_eq!(paths(&tree), ["a", "b", "b/x", "b/x/y", "new"]);
}

proptest! {
    #[test]
    fn everything_above_a_path_is_a_directory(
        layers in prop::collection::vec(
            prop::collection::vec(("[ab](/(\\.wh\\.)?[ab]){0,3}", "[dfs]"), 0..8), 0..4),
    ) {
        let mut tree = Tree::new();
        for (number, entries) in layers.iter().enumerate() {
            let entries: Vec<_> = entries.iter().map(|(path, what)| (path.as_str(), what.as_str())).collect();
            if let Ok(layer) = sorted(number, &entries) {
                overlay(&mut tree, layer);
            }
        }
        for path in tree.keys() {
            for parent in path.ancestors().skip(1) {
                prop_assert!(matches!(tree.get(parent), Some(Node::Directory(_))), "{path:?}");
            }
        }
    }
}
