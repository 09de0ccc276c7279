//! Maps as the object declares them, and a datapath over them.

use std::mem::size_of;

use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::{MapHandle, MapType};
use tempfile::TempDir;

use crate::datapath::{Datapath, Stage};
use crate::kernel::Kernel;
use crate::layout::{BERTHS, FILTER_WORDS};
use crate::object::Maps;
use crate::pins::{Cgroup, Pins};
use crate::sentries::Sentries;
use crate::tenants::Tenancy;
use crate::{Capacities, DatapathError};

/// The maps of one host: they stay while datapaths come and go.
pub(super) struct Bed {
    handles: Vec<(&'static str, MapHandle)>,
    capacities: Capacities,
    directory: TempDir,
}

impl Bed {
    pub(super) fn new(capacities: Capacities) -> Self {
        let array = |name, value, count| {
            let flags = sys::BPF_F_MMAPABLE;
            (name, create(MapType::Array, 4, value, count, flags))
        };
        let hash = |name, key, value, count| {
            let flags = sys::BPF_F_NO_PREALLOC;
            (name, create(MapType::Hash, key, value, count, flags))
        };
        let Capacities {
            services,
            slots,
            backends,
            places,
            exempt,
            tenants,
            owners,
            ..
        } = capacities;
        let handles = vec![
            array("filter", 8, FILTER_WORDS),
            array("services", 64, services + 1),
            array("slots", 16, slots),
            array("backends", 64, backends + 1),
            array("load", 64, backends + 1),
            array("times", 32, backends + 1),
            array("control", 16, 1),
            array("berths", 64, BERTHS),
            hash("vips", 20, 8, services * 2),
            hash("places", 8, 32, places),
            hash("exempt", 8, 4, exempt),
            hash("tenants", 16, 136, tenants),
            hash("owners", 16, 16, owners),
            (
                "realms",
                create(MapType::LpmTrie, 20, 4, 16, sys::BPF_F_NO_PREALLOC),
            ),
            ("detours", create(MapType::LruHash, 32, 4, 16, 0)),
            ("drops", create(MapType::LruPercpuHash, 40, 16, 16, 0)),
            ("dropped", create(MapType::PercpuArray, 4, 8, 3, 0)),
            ("events", create(MapType::RingBuf, 0, 0, 4096, 0)),
        ];
        Self {
            handles,
            capacities,
            directory: TempDir::new().unwrap(),
        }
    }

    /// What a starting daemon does, but for the programs.
    pub(super) fn open(&self) -> Result<Datapath, DatapathError> {
        let maps = Maps::new(&self.handles, &self.capacities)?;
        let fd = std::fs::File::open(self.directory.path()).unwrap().into();
        Ok(Datapath {
            kernel: Kernel::new(maps)?,
            programs: Vec::new(),
            sweeps: Vec::new(),
            sentries: Sentries::default(),
            tenancy: Tenancy::default(),
            cgroup: Cgroup { fd, id: 0 },
            pins: Pins::lock(self.directory.path(), false)?,
            handles: Vec::new(),
            stage: Stage::Running,
        })
    }
}

fn create(kind: MapType, key: u32, value: u32, count: u32, flags: u32) -> MapHandle {
    let options = sys::bpf_map_create_opts {
        sz: size_of::<sys::bpf_map_create_opts>() as sys::size_t,
        map_flags: flags,
        ..Default::default()
    };
    MapHandle::create(kind, Some("sl_test"), key, value, count, &options).unwrap()
}
