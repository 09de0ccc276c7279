//! That `docs/load-balancer-behaviours.md` says what is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Items of each letter.
const ITEMS: [(char, u32); 14] = [
    ('A', 17),
    ('B', 17),
    ('C', 10),
    ('D', 10),
    ('E', 6),
    ('F', 8),
    ('G', 7),
    ('H', 14),
    ('I', 8),
    ('J', 11),
    ('K', 7),
    ('L', 4),
    ('M', 5),
    ('N', 5),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of the tests in a file of this folder; `a::b` is `a/b.rs`.
fn tests_in(module: &str) -> Vec<String> {
    let path = module.replace("::", "/");
    let file = root().join(format!("crates/datapath/tests/root/{path}.rs"));
    let text = fs::read_to_string(&file).unwrap_or_default();
    let marked = text.split("#[test]").skip(1);
    let named = marked.filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
    named.map(|(name, _)| name.to_owned()).collect()
}

/// Whether what stands between backquotes is there.
fn exists(reference: &str) -> bool {
    if reference.contains('/') {
        return root().join(reference).exists();
    }
    let Some((module, test)) = reference.rsplit_once("::") else {
        return false;
    };
    match test.strip_suffix('*') {
        Some(start) => tests_in(module).iter().any(|name| name.starts_with(start)),
        None => tests_in(module).iter().any(|name| name == test),
    }
}

#[test]
fn every_item_has_a_row_and_its_tests_exist() {
    let page = fs::read_to_string(root().join("docs/load-balancer-behaviours.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| item"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let listed: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let items: Vec<String> = ITEMS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")))
        .collect();
    assert_eq!(listed, items);

    let mut wrong = Vec::new();
    for row in &rows {
        let [item, _, shown, by] = row[..] else {
            panic!("{row:?} has not four columns");
        };
        let references: Vec<_> = by.split('`').skip(1).step_by(2).collect();
        wrong.extend(
            references
                .iter()
                .filter(|reference| !exists(reference))
                .map(|reference| format!("{item}: {reference} is not there")),
        );
        let known = ["yes", "partly", "no"].iter().any(|word| {
            let rest = shown.strip_prefix(word);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([';', ':', ',']))
        });
        if !known || (shown.starts_with("yes") && references.is_empty()) {
            wrong.push(format!("{item}: '{shown}' by {references:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
