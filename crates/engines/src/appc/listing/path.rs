//! Paths in archives.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Bytes of a path; the kernel takes 4095 for all of one.
pub(super) const LONGEST: usize = 3000;
/// Directories in each other.
pub(in crate::appc) const DEEPEST: usize = 200;

/// Where in an image a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The archive's own top directory.
    Above,
    /// The manifest.
    Manifest,
    /// Below `rootfs`; empty for that itself.
    Root(PathBuf),
}

/// Reads an entry's path.
///
/// # Errors
/// Says why no image may have it; completes "entry … ".
pub(super) fn place(name: &[u8]) -> Result<Place, String> {
    if name.contains(&0) {
        return Err("has a zero byte in its name".to_owned());
    }
    if name.starts_with(b"/") {
        return Err("has an absolute path".to_owned());
    }
    if name.len() > LONGEST {
        return Err(format!("has a path of more than {LONGEST} bytes"));
    }
    let mut parts = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("leads out of the image with '..'".to_owned()),
            part if part.len() > 255 => return Err("has a name of more than 255 bytes".to_owned()),
            part => parts.push(part),
        }
    }
    if parts.len() > DEEPEST {
        return Err(format!("is more than {DEEPEST} directories deep"));
    }
    match parts.split_first() {
        None => Ok(Place::Above),
        Some((&b"manifest", [])) => Ok(Place::Manifest),
        Some((&b"rootfs", rest)) => Ok(Place::Root(
            rest.iter().map(|part| os(part.to_vec())).collect(),
        )),
        Some(_) => Err("is neither 'manifest' nor below 'rootfs'".to_owned()),
    }
}

/// Bytes as the system's names are.
pub(super) fn os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths() {
        assert_eq!(place(b"./").unwrap(), Place::Above);
        assert_eq!(place(b"./manifest").unwrap(), Place::Manifest);
        assert_eq!(place(b"rootfs/").unwrap(), Place::Root(PathBuf::new()));
        assert_eq!(
            place(b"./rootfs//a/./b").unwrap(),
            Place::Root("a/b".into())
        );
        assert_eq!(
            place(b"rootfs/..a/b..").unwrap(),
            Place::Root("..a/b..".into())
        );
    }

    #[test]
    fn paths_that_lead_away() {
        let long = [b"rootfs/".as_slice(), &[b'a'; 256]].concat();
        let deep = b"rootfs/"
            .iter()
            .copied()
            .chain(b"a/".repeat(300))
            .collect::<Vec<_>>();
        for (path, said) in [
            (b"../manifest".as_slice(), "'..'"),
            (b"rootfs/../../etc/passwd", "'..'"),
            (b"rootfs/..", "'..'"),
            (b"/etc/passwd", "absolute"),
            (b"//rootfs/a", "absolute"),
            (b"rootfs/a\0b", "zero byte"),
            (b"etc/passwd", "neither"),
            (b"manifest/a", "neither"),
            (&long, "255"),
            (&deep, "deep"),
            (&[b'a'; 5000], "3000"),
        ] {
            let error = place(path).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_path_climbs(name in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'/'), Just(b'a'), any::<u8>()], 0..40)) {
            let name = [b"rootfs/".as_slice(), &name].concat();
            if let Ok(Place::Root(path)) = place(&name) {
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
            }
        }
    }
}
