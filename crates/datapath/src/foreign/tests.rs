//! Needs root: programs are loaded and attached to cgroups made for that.

mod root {
    use std::ffi::CString;
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::path::PathBuf;
    use std::{fs, io};

    use libbpf_rs::libbpf_sys as sys;

    use crate::foreign::{Foreign, foreign_programs, name_of};
    use crate::hooks::{self, HOOKS};
    use crate::mounts::find_cgroup2;
    use crate::pins::Cgroup;

    /// A cgroup of this test alone.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("sealane-foreign-{name}-{}", std::process::id());
            let path = find_cgroup2().unwrap().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(fs::remove_dir(&self.0));
        }
    }

    /// A program for connect4 that allows everything.
    fn program(name: &str) -> OwnedFd {
        // r0 = 1; exit
        let code = [0x0000_0001_0000_00b7_u64, 0x95];
        let (name, license) = (CString::new(name).unwrap(), c"GPL");
        let mut options = sys::bpf_prog_load_opts {
            sz: size_of::<sys::bpf_prog_load_opts>() as u64,
            expected_attach_type: sys::BPF_CGROUP_INET4_CONNECT,
            ..Default::default()
        };
        // SAFETY: names end in NUL, and the code is as many instructions as it says.
        let fd = unsafe {
            sys::bpf_prog_load(
                sys::BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                name.as_ptr(),
                license.as_ptr(),
                code.as_ptr().cast(),
                code.len() as u64,
                &raw mut options,
            )
        };
        assert!(fd >= 0, "{}", io::Error::from_raw_os_error(-fd));
        // SAFETY: a new descriptor that nobody else knows.
        unsafe { OwnedFd::from_raw_fd(fd) }
    }

    fn attach(place: &Place, program: &OwnedFd) -> OwnedFd {
        let cgroup = Cgroup::open(&place.0).unwrap();
        let connect4 = HOOKS.iter().find(|hook| hook.name == "connect4").unwrap();
        hooks::attach(program.as_fd(), cgroup.fd.as_fd(), *connect4).unwrap()
    }

    /// What is there of this test's own: others may have attached to the root.
    fn found(place: &Place) -> Vec<Foreign> {
        let mut found = foreign_programs(&place.0).unwrap();
        found.retain(|it| it.name.starts_with("stranger"));
        found
    }

    #[test]
    fn strangers_are_told_by_name_and_order() {
        let place = Place::new("order");
        assert_eq!(found(&place), []);
        let (first, ours, second) = (
            program("stranger_1"),
            program("sl_connect4"),
            program("stranger_2"),
        );
        let links = [&first, &ours, &second].map(|program| attach(&place, program));
        let told = found(&place);
        let names: Vec<_> = told
            .iter()
            .map(|it| (it.hook, it.name.as_str(), it.before))
            .collect();
        assert_eq!(
            names,
            [
                ("connect4", "stranger_1", true),
                ("connect4", "stranger_2", false)
            ]
        );
        let called: Vec<_> = told.iter().map(|it| name_of(it.program)).collect();
        assert_eq!(called, ["stranger_1", "stranger_2"], "the ids are theirs");
        drop(links);
        assert_eq!(found(&place), [], "nothing of it is left");
    }

    #[test]
    fn what_is_no_cgroup_is_refused() {
        let error = foreign_programs("/proc".as_ref()).unwrap_err();
        assert!(error.to_string().contains("cgroup v2"), "{error}");
    }
}
