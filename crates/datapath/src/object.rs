//! Loading the object: capacities, adoption of pinned maps, handles.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;

use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{
    MapCore, MapFlags, MapHandle, OpenMapMut, OpenObject, PrintLevel, ProgramHandle, set_print,
};

use crate::hooks::{HOOKS, Hook};
use crate::layout::{
    BackendEntry, FILTER_WORDS, LoadEntry, ServiceEntry, Shared, SlotEntry, VERSION,
};
use crate::pins::Pins;
use crate::shared::SharedArray;
use crate::skeleton::{DatapathSkelBuilder, OpenDatapathSkel};
use crate::{Capacities, DatapathError, netns_cookie_of_self};

/// The maps that outlive the daemon. `meta` is pinned last and says that all are.
pub(crate) const MAPS: [&str; 12] = [
    "filter", "vips", "services", "slots", "backends", "load", "places", "berths", "sockets",
    "flows", "strays", "meta",
];

/// The maps that the loader reads and writes.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) filter: SharedArray<AtomicU64>,
    pub(crate) vips: MapHandle,
    pub(crate) places: MapHandle,
    pub(crate) services: SharedArray<ServiceEntry>,
    pub(crate) slots: SharedArray<SlotEntry>,
    pub(crate) backends: SharedArray<BackendEntry>,
    pub(crate) load: SharedArray<LoadEntry>,
}

/// A loaded object, attached to nothing.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) maps: Maps,
    /// Every map of [`MAPS`], to be pinned.
    pub(crate) handles: Vec<(&'static str, MapHandle)>,
    pub(crate) programs: Vec<(Hook, ProgramHandle)>,
    /// Whether the maps are the pinned ones.
    pub(crate) adopted: bool,
}

/// Loads the object, over the pinned maps if they have this layout and these capacities.
pub(crate) fn load(capacities: &Capacities, pins: Option<&Pins>) -> Result<Loaded, DatapathError> {
    set_print(Some((PrintLevel::Info, log)));
    let failed = |step| move |source| DatapathError::Load { step, source };
    let mut storage = MaybeUninit::<OpenObject>::uninit();
    let mut open = DatapathSkelBuilder::default()
        .open(&mut storage)
        .map_err(failed("object"))?;
    prepare(&mut open, capacities)?;
    let pinned = pins.and_then(|pins| pinned_maps(&mut open, pins));
    let adopted = pinned.is_some();
    for (name, handle) in pinned.into_iter().flatten() {
        for mut map in open
            .open_object_mut()
            .maps_mut()
            .filter(|map| map.name() == name)
        {
            map.reuse_fd(handle.as_fd()).map_err(failed("maps"))?;
        }
    }
    let skeleton = open.load().map_err(failed("programs"))?;
    let object = skeleton.object();

    let mut handles = Vec::new();
    for name in MAPS {
        for map in object.maps().filter(|map| map.name() == name) {
            handles.push((name, MapHandle::try_from(&map).map_err(failed("maps"))?));
        }
    }
    let mut programs = Vec::new();
    for hook in HOOKS {
        for program in object
            .progs_mut()
            .filter(|program| program.name() == hook.program)
        {
            programs.push((
                hook,
                ProgramHandle::try_from(&program).map_err(failed("programs"))?,
            ));
        }
    }
    let maps = Maps::new(&handles, capacities)?;
    if !adopted {
        write_version(&handles)?;
    }
    Ok(Loaded {
        maps,
        handles,
        programs,
        adopted,
    })
}

/// Sets what is fixed once the object is loaded.
fn prepare(open: &mut OpenDatapathSkel<'_>, capacities: &Capacities) -> Result<(), DatapathError> {
    let cookie = netns_cookie_of_self()?;
    if let Some(constants) = open.maps.rodata_data.as_deref_mut() {
        constants.host_netns = cookie;
    }
    let maps = &mut open.maps;
    let sizes: [(&mut OpenMapMut<'_>, u32); 7] = [
        // Each VIP port needs an entry, and so does each address.
        (&mut maps.vips, capacities.services.saturating_mul(2)),
        // Id 0 is none, so that both have one element more.
        (&mut maps.services, capacities.services + 1),
        (&mut maps.backends, capacities.backends + 1),
        (&mut maps.load, capacities.backends + 1),
        (&mut maps.slots, capacities.slots),
        (&mut maps.places, capacities.places),
        (&mut maps.strays, capacities.strays),
    ];
    for (map, size) in sizes {
        map.set_max_entries(size)
            .map_err(|source| DatapathError::Load {
                step: "maps",
                source,
            })?;
    }
    Ok(())
}

/// The pinned maps, if all are there and none differs from what the object declares.
fn pinned_maps(
    open: &mut OpenDatapathSkel<'_>,
    pins: &Pins,
) -> Option<Vec<(&'static str, MapHandle)>> {
    let mut found = Vec::new();
    for name in MAPS {
        let handle = MapHandle::from_pinned_path(pins.map(name)).ok()?;
        let flags = handle.info().ok()?.info.map_flags;
        let same = open.open_object_mut().maps_mut().any(|map| {
            map.name() == name
                && map.map_type() == handle.map_type()
                && map.key_size() == handle.key_size()
                && map.value_size() == handle.value_size()
                && map.max_entries() == handle.max_entries()
                && map.map_flags() == flags
        });
        if !same {
            return None;
        }
        found.push((name, handle));
    }
    let version = found
        .last()?
        .1
        .lookup(&0_u32.to_ne_bytes(), MapFlags::ANY)
        .ok()??;
    (version.first_chunk() == Some(&VERSION.to_ne_bytes())).then_some(found)
}

fn write_version(handles: &[(&'static str, MapHandle)]) -> Result<(), DatapathError> {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&VERSION.to_ne_bytes());
    handle(handles, "meta")?
        .update(&0_u32.to_ne_bytes(), &value, MapFlags::ANY)
        .map_err(|source| DatapathError::Map {
            map: "meta",
            action: "written",
            source,
        })
}

impl Maps {
    fn new(
        handles: &[(&'static str, MapHandle)],
        capacities: &Capacities,
    ) -> Result<Self, DatapathError> {
        let unreadable = |map| {
            move |source| DatapathError::Map {
                map,
                action: "opened",
                source,
            }
        };
        Ok(Self {
            filter: array(handles, "filter", FILTER_WORDS)?,
            vips: MapHandle::try_from(handle(handles, "vips")?).map_err(unreadable("vips"))?,
            places: MapHandle::try_from(handle(handles, "places")?)
                .map_err(unreadable("places"))?,
            services: array(handles, "services", capacities.services + 1)?,
            slots: array(handles, "slots", capacities.slots)?,
            backends: array(handles, "backends", capacities.backends + 1)?,
            load: array(handles, "load", capacities.backends + 1)?,
        })
    }
}

fn array<T: Shared>(
    handles: &[(&'static str, MapHandle)],
    name: &'static str,
    length: u32,
) -> Result<SharedArray<T>, DatapathError> {
    SharedArray::map(handle(handles, name)?.as_fd(), length).map_err(|source| DatapathError::Map {
        map: name,
        action: "mapped into memory",
        source: source.into(),
    })
}

fn handle<'h>(
    handles: &'h [(&'static str, MapHandle)],
    name: &'static str,
) -> Result<&'h MapHandle, DatapathError> {
    let found = handles.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, handle)| handle)
        .ok_or_else(|| DatapathError::Map {
            map: name,
            action: "found in the object",
            source: std::io::Error::from(std::io::ErrorKind::NotFound).into(),
        })
}

/// libbpf's own messages, the verifier's log among them.
fn log(level: PrintLevel, message: String) {
    let message = message.trim_end();
    match level {
        PrintLevel::Warn => tracing::warn!(target: "libbpf", "{message}"),
        _ => tracing::debug!(target: "libbpf", "{message}"),
    }
}
