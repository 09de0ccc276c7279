//! What must be refused, and how it is told.

use proptest::prelude::*;
use tar::EntryType;

use super::archive::{Archive, compressed, gzip, header};
use super::*;

fn refused(archive: Archive, said: &str) {
    let site = Site::new();
    for bytes in [archive.tar()]
        .into_iter()
        .flat_map(|tar| [gzip(&tar), tar])
    {
        let error = site.refusal(&bytes);
        assert!(error.contains(said), "'{said}' is not in: {error}");
    }
}

#[test]
fn paths_that_lead_out() {
    let a = || Archive::named("a");
    refused(
        a().file("rootfs/../../etc/cron.d/x", b"x"),
        "entry 'rootfs/../../etc/cron.d/x' leads out of the image with '..'",
    );
    refused(a().file("/etc/passwd", b"x"), "has an absolute path");
    refused(
        a().file("etc/passwd", b"x"),
        "is neither 'manifest' nor below 'rootfs'",
    );
    refused(
        a().hard_link("rootfs/x", "/etc/shadow"),
        "has an absolute path",
    );
    refused(
        a().hard_link("rootfs/x", "rootfs/../../etc/shadow"),
        "leads out",
    );
    refused(a().hard_link("rootfs/x", "manifest"), "outside of rootfs");
    refused(
        a().hard_link("rootfs/x", "rootfs/none"),
        "hard link to what is not in the archive",
    );
    refused(
        a().symlink("rootfs/x", "/etc")
            .file("rootfs/x/passwd", b"x"),
        "entry 'rootfs/x/passwd' leads through a symbolic link",
    );
    refused(
        a().symlink("rootfs/x", "..")
            .hard_link("rootfs/y", "rootfs/x/z"),
        "hard link to what is not in the archive",
    );
    refused(
        a().symlink("rootfs", "/").file("rootfs/etc/passwd", b"x"),
        "is no directory",
    );
}

#[test]
fn entries_that_images_do_not_have() {
    let a = || Archive::named("a");
    refused(
        a().entry(b"rootfs/x", EntryType::GNUSparse, b"", b""),
        "is a sparse file",
    );
    refused(
        a().entry(b"rootfs/x", EntryType::new(b'V'), b"", b""),
        "is of kind 'V'",
    );
    refused(
        a().file("rootfs/x", b"1").file("rootfs/x", b"2"),
        "entry 'rootfs/x' is there twice",
    );
    refused(
        a().file("rootfs/x", b"1").file("./rootfs//x", b"2"),
        "is there twice",
    );
    refused(
        a().file("manifest", b"{}"),
        "entry 'manifest' is there twice",
    );
    refused(
        a().file("rootfs/x", b"1").file("rootfs/x/y", b"2"),
        "leads through a file",
    );
    refused(
        Archive::empty().file("rootfs/x", b"1"),
        "it has no manifest",
    );
    refused(
        Archive::empty().symlink("manifest", "/etc/passwd"),
        "entry 'manifest' is no file",
    );
    refused(
        Archive::empty().file("manifest", &[b' '; 2 << 20]),
        "longer than 1 MiB",
    );
    refused(
        Archive::empty().file("manifest", b"{"),
        "its manifest is not valid",
    );
    let control = Archive::named("a").file("rootfs/\u{1b}[2J/..", b"");
    refused(control, "entry 'rootfs/\\u{1b}[2J/..'");
}

#[test]
fn extended_headers_that_images_do_not_have() {
    let a = || Archive::named("a");
    let pax = b"22 GNU.sparse.major=1\n";
    refused(
        a().entry(b"x", EntryType::XHeader, b"", pax)
            .file("rootfs/x", b""),
        "sparse file",
    );
    refused(
        a().entry(b"x", EntryType::XHeader, b"", b"9 uid=-1\n")
            .file("rootfs/x", b""),
        "has a uid that is no number",
    );
    refused(
        a().entry(b"x", EntryType::XHeader, b"", b"18 gid=4294967296\n")
            .file("rootfs/x", b""),
        "belongs to 4294967296",
    );
    let pax = b"10 size=9\n";
    refused(
        a().entry(b"x", EntryType::XHeader, b"", pax)
            .file("rootfs/x", b""),
        "has two sizes",
    );
    refused(
        a().entry(b"x", EntryType::XHeader, b"", b"no record"),
        "an extended header is broken",
    );
}

#[test]
fn long_names_are_read_and_judged() {
    let long = |name: &[u8]| {
        let a = Archive::named("a").entry(b"././@LongLink", EntryType::GNULongName, b"", name);
        a.file("rootfs/short", b"x")
    };
    refused(long(b"rootfs/../../x\0"), "leads out");
    refused(long(&[b'a'; 4000]), "more than 3000 bytes");
    refused(
        long(&[b'a'; 100_000]),
        "a header of 100000 bytes tells of one entry",
    );
    let pax = |record: &[u8]| {
        Archive::named("a")
            .entry(b"x", EntryType::XHeader, b"", record)
            .file("rootfs/x", b"")
    };
    refused(pax(b"17 path=/etc/abc\n"), "absolute");
    refused(pax(&[b'1'; 70_000]), "a header of 70000 bytes");
}

#[test]
fn owners_are_those_of_extended_headers() {
    let archive = Archive::named("a")
        .entry(
            b"x",
            EntryType::XHeader,
            b"",
            b"15 uid=3000000\n15 gid=3000001\n",
        )
        .file("rootfs/x", b"")
        .file("rootfs/y", b"");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.tar()).unwrap();
    let listing = listing::list(file.as_file(), &Limits::default()).unwrap();
    let owners: Vec<_> = listing
        .entries
        .iter()
        .map(|it| (it.meta.uid, it.meta.gid))
        .collect();
    let own = (
        nix::unistd::getuid().as_raw(),
        nix::unistd::getgid().as_raw(),
    );
    assert_eq!(owners, [(3_000_000, 3_000_001), own]);
}

#[test]
fn devices_and_pipes_are_left_out() {
    let archive = Archive::named("a")
        .entry(b"rootfs/dev/sda", EntryType::Block, b"", b"")
        .entry(b"rootfs/dev/mem", EntryType::Char, b"", b"")
        .entry(b"rootfs/pipe", EntryType::Fifo, b"", b"")
        .file("rootfs/file", b"x");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.tar()).unwrap();
    let listing = listing::list(file.as_file(), &Limits::default()).unwrap();
    assert_eq!((listing.entries.len(), listing.left_out), (1, 3));
}

#[test]
fn bombs_are_defused() {
    let mut site = Site::new();
    site.limits = Limits {
        harmless: 1 << 20,
        unpacked: 16 << 20,
        entries: 50,
        names: 2000,
        fetched: 4 << 20,
        ..Limits::default()
    };
    let zeros = vec![0; 8 << 20];
    let bomb = Archive::named("a").file("rootfs/zeros", &zeros).gzip();
    assert!(
        site.refusal(&bomb)
            .contains("as only a decompression bomb does")
    );
    // Each of several members is small.
    let members = gzip(&zeros).repeat(3);
    assert!(site.refusal(&members).contains("decompression bomb"));
    let noise: Vec<u8> = (0..5_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let large = Archive::named("a").file("rootfs/noise", &noise).tar();
    assert!(site.refusal(&large).contains("4194304 are allowed"));
    let many = (0..60).fold(Archive::named("a"), |a, n| {
        a.file(&format!("rootfs/{n}"), b"")
    });
    assert!(site.refusal(&many.gzip()).contains("more than 50 entries"));
    let named = (0..40).fold(Archive::named("a"), |a, n| {
        a.file(&format!("rootfs/{n:080}"), b"")
    });
    assert!(
        site.refusal(&named.gzip())
            .contains("its names take more than 2000 bytes")
    );
    site.limits.unpacked = 1 << 20;
    let more = Archive::named("a")
        .file("rootfs/noise", &noise[..2 << 20])
        .gzip();
    assert!(site.refusal(&more).contains("1048576 are allowed"));
    // A size in a header is no size of a file.
    let mut lie = header(b"rootfs/huge", EntryType::Regular, b"", 0);
    lie.set_size(1 << 50);
    let lie = Archive::named("a").header(lie, b"").tar();
    assert!(site.refusal(&lie).contains("it is cut off"));
}

#[test]
fn bombs_in_other_forms() {
    let mut site = Site::new();
    site.limits.harmless = 1 << 20;
    let bomb = Archive::named("a")
        .file("rootfs/zeros", &vec![0; 32 << 20])
        .tar();
    for tool in ["xz", "bzip2"] {
        let error = site.refusal(&compressed(tool, &bomb));
        assert!(error.contains("decompression bomb"), "{tool}: {error}");
    }
}

#[test]
fn what_is_cut_off() {
    let site = Site::new();
    let tar = Archive::named("a")
        .file("rootfs/x", &[7; 3000])
        .file("rootfs/y", b"y")
        .tar();
    // Without its end a tar file is whole all the same to most readers.
    for length in (512..tar.len() - 1024).step_by(256) {
        let error = site.refusal(&tar[..length]);
        assert!(error.contains("it is cut off"), "{length}: {error}");
    }
    let gzip = gzip(&tar);
    for length in (18..gzip.len()).step_by(7) {
        let error = site.refusal(&gzip[..length]);
        assert!(
            error.contains("it is cut off or broken"),
            "{length}: {error}"
        );
    }
    for tool in ["xz", "bzip2"] {
        let whole = compressed(tool, &tar);
        let error = site.refusal(&whole[..whole.len() / 2]);
        assert!(
            error.contains("it is cut off or broken") && error.contains(tool),
            "{error}"
        );
    }
    for nothing in [
        b"".as_slice(),
        b"PK\x03\x04",
        &[0; 10_240],
        b"<html>not found</html>",
    ] {
        assert!(site.refusal(nothing).contains("neither a tar file nor"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_damaged_archive_is_an_image_or_refused(at in 0_usize..5000, value: u8, cut in 0_usize..6000) {
        let site = Site::new();
        let mut tar = Archive::named("a")
            .directory("rootfs")
            .symlink("rootfs/l", "/etc")
            .file("rootfs/d/x", &[7; 700])
            .hard_link("rootfs/h", "rootfs/d/x")
            .tar();
        let at = at % tar.len();
        tar[at] = value;
        tar.truncate(tar.len().max(512) - cut % 2000);
        let path = site.dir.path().join("fetched");
        fs::write(&path, &tar).unwrap();
        let store = store::Store::open(site.kept(), site.limits).unwrap();
        let kept = store.admit(File::open(&path).unwrap(), &wanted("a"));
        prop_assert_eq!(site.endings().len(), if kept.is_ok() { 3 } else { 0 });
    }
}
