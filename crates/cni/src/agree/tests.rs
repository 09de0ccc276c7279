use serde_json::json;

use super::*;

fn offering(versions: &[&str], plugins: usize) -> NetworkConfig {
    let kinds = ["a", "b", "c"].iter().take(plugins);
    let plugins: Vec<_> = kinds.map(|kind| json!({"type": kind})).collect();
    let list = json!({"name": "x", "cniVersions": versions, "plugins": plugins});
    NetworkConfig::parse(list.to_string().as_bytes(), "x").unwrap()
}

/// The network's version and each plugin's.
fn agreed(offered: &[&str], spoken: &[Option<&[&str]>]) -> Result<String, String> {
    let config = offering(offered, spoken.len());
    let parse = |text: &&str| Version::parse(text).unwrap();
    let spoken: Vec<Spoken> = spoken
        .iter()
        .map(|one| one.map(|all| all.iter().map(parse).collect()))
        .collect();
    let agreed = agree(&config, &spoken).map_err(|error| error.to_string())?;
    let all = agreed
        .plugins
        .iter()
        .map(|plugin| plugin.version.to_string());
    Ok(all.collect::<Vec<_>>().join(" "))
}

#[test]
fn the_table_of_agreements() {
    let (old, new): (&[&str], &[&str]) = (&["0.3.1", "0.4.0"], &["0.4.0", "1.0.0", "1.1.0"]);
    for (offered, spoken, expected) in [
        // All speak everything, or do not say.
        (vec!["1.1.0"], vec![None], "1.1.0"),
        (vec!["0.4.0", "1.1.0"], vec![Some(new), None], "1.1.0 1.1.0"),
        // The newest that all speak.
        (
            vec!["0.4.0", "1.1.0"],
            vec![Some(new), Some(old)],
            "0.4.0 0.4.0",
        ),
        (vec!["0.4.0", "1.1.0"], vec![Some(old), None], "0.4.0 0.4.0"),
        // None that all speak: each its own.
        (
            vec!["0.3.1", "1.1.0"],
            vec![Some(new), Some(old)],
            "1.1.0 0.3.1",
        ),
        (
            vec!["0.3.1", "1.0.0"],
            vec![Some(old), Some(new), None],
            "0.3.1 1.0.0 1.0.0",
        ),
    ] {
        assert_eq!(agreed(&offered, &spoken).unwrap(), expected, "{offered:?}");
    }
    let problem = agreed(&["1.0.0", "1.1.0"], &[Some(new), Some(old)]).unwrap_err();
    assert!(
        problem.contains("'b' speaks versions 0.3.1, 0.4.0"),
        "{problem}"
    );
}
