//! Loading the object: capacities, adoption of pinned maps, handles.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{
    MapCore, MapFlags, MapHandle, Object, OpenMapMut, OpenObject, PrintLevel, ProgramHandle,
    set_print,
};

use crate::builds::chosen;
use crate::faults::{Point, pass};
use crate::features::Features;
use crate::hooks::{HOOKS, Hook};
use crate::identity::hash_seed;
use crate::layout::{
    BERTHS, BackendEntry, BerthEntry, ControlEntry, FILTER_WORDS, LoadEntry, ServiceEntry, Shared,
    SlotEntry, TimesEntry,
};
use crate::pins::Pins;
use crate::sentries::Sentries;
use crate::shared::SharedArray;
use crate::skeleton::{DatapathSkelBuilder, OpenDatapathSkel};
use crate::{Capacities, DatapathError, netns_cookie_of_self};

/// The maps that outlive the daemon. `meta` is pinned last and says that all are.
pub(crate) const MAPS: [&str; 23] = [
    "filter", "vips", "services", "slots", "backends", "load", "times", "places", "berths",
    "sockets", "flows", "strays", "affinity", "exempt", "tenants", "realms", "detours", "drops",
    "dropped", "owners", "control", "events", "meta",
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
    pub(crate) times: SharedArray<TimesEntry>,
    pub(crate) control: SharedArray<ControlEntry>,
    pub(crate) berths: SharedArray<BerthEntry>,
    pub(crate) exempt: MapHandle,
    pub(crate) tenants: MapHandle,
    pub(crate) realms: MapHandle,
    pub(crate) detours: MapHandle,
    pub(crate) drops: MapHandle,
    pub(crate) dropped: MapHandle,
    pub(crate) owners: MapHandle,
    pub(crate) events: MapHandle,
}

/// A loaded object, attached to nothing.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) maps: Maps,
    /// Every map of [`MAPS`], to be pinned.
    pub(crate) handles: Vec<(&'static str, MapHandle)>,
    pub(crate) programs: Vec<(Hook, ProgramHandle)>,
    /// Those that end sockets, called when they are needed; none on older kernels.
    pub(crate) sweeps: Vec<ProgramHandle>,
    /// Those of containers' links.
    pub(crate) sentries: Sentries,
    /// Whether the maps are the pinned ones.
    pub(crate) adopted: bool,
}

/// Loads the object, over the pinned maps if they have this layout and these capacities.
pub(crate) fn load(capacities: &Capacities, pins: Option<&Pins>) -> Result<Loaded, DatapathError> {
    set_print(Some((PrintLevel::Info, log)));
    let mut storage = MaybeUninit::<OpenObject>::uninit();
    #[cfg(feature = "builds")]
    if chosen() != crate::builds::Build::This {
        let other = crate::skeleton::other::DatapathSkelBuilder::default();
        return load_build(other, &mut storage, capacities, pins);
    }
    load_build(
        DatapathSkelBuilder::default(),
        &mut storage,
        capacities,
        pins,
    )
}

/// As [`load`], whatever the build.
fn load_build<'o, B>(
    builder: B,
    storage: &'o mut MaybeUninit<OpenObject>,
    capacities: &Capacities,
    pins: Option<&Pins>,
) -> Result<Loaded, DatapathError>
where
    B: SkelBuilder<'o>,
    B::Output: Prepare,
{
    let failed = |step| move |source| DatapathError::Load { step, source };
    let mut open = builder.open(storage).map_err(failed("object"))?;
    let features = Features::of_kernel();
    open.prepare(capacities, features)?;
    let pinned = pins.and_then(|pins| pinned_maps(open.open_object_mut(), pins));
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
    pass(Point::Load).map_err(|source| failed("programs")(source.into()))?;
    let skeleton = open.load().map_err(failed("programs"))?;
    let object = skeleton.object();

    let handles = handles(object).map_err(failed("maps"))?;
    let programs = programs(object).map_err(failed("programs"))?;
    let sweeps = sweeps(object, features).map_err(failed("programs"))?;
    let sentries = Sentries::of(object).map_err(failed("programs"))?;
    let maps = Maps::new(&handles, capacities)?;
    if !adopted {
        write_version(&handles)?;
    }
    Ok(Loaded {
        maps,
        handles,
        programs,
        sweeps,
        sentries,
        adopted,
    })
}

fn handles(object: &Object) -> libbpf_rs::Result<Vec<(&'static str, MapHandle)>> {
    let mut handles = Vec::new();
    for name in MAPS {
        for map in object.maps().filter(|map| map.name() == name) {
            handles.push((name, MapHandle::try_from(&map)?));
        }
    }
    Ok(handles)
}

fn programs(object: &Object) -> libbpf_rs::Result<Vec<(Hook, ProgramHandle)>> {
    let mut programs = Vec::new();
    for hook in HOOKS {
        for program in object
            .progs_mut()
            .filter(|program| program.name() == hook.program && program.autoload())
        {
            programs.push((hook, ProgramHandle::try_from(&program)?));
        }
    }
    Ok(programs)
}

fn sweeps(object: &Object, features: Features) -> libbpf_rs::Result<Vec<ProgramHandle>> {
    object
        .progs_mut()
        .filter(|program| {
            features.sweeping && program.name().to_string_lossy().starts_with("sl_sweep")
        })
        .map(|program| ProgramHandle::try_from(&program))
        .collect()
}

/// An opened object of any build.
trait Prepare {
    /// Sets what is fixed once the object is loaded.
    fn prepare(&mut self, capacities: &Capacities, features: Features)
    -> Result<(), DatapathError>;
}

/// Skeletons of different builds are different types with the same fields.
macro_rules! prepare {
    ($skeleton:ty) => {
        impl Prepare for $skeleton {
            fn prepare(
                &mut self,
                capacities: &Capacities,
                features: Features,
            ) -> Result<(), DatapathError> {
                let cookie = netns_cookie_of_self()?;
                if let Some(constants) = self.maps.rodata_data.as_deref_mut() {
                    constants.host_netns = cookie;
                    constants.hash_seed = hash_seed();
                    constants.learns = features.learning;
                }
                if !features.learning {
                    self.progs.sl_state.set_autoload(false);
                    self.progs.sl_retransmit.set_autoload(false);
                }
                if !features.sweeping {
                    self.progs.sl_sweep_tcp.set_autoload(false);
                    self.progs.sl_sweep_udp.set_autoload(false);
                }
                let maps = &mut self.maps;
                set_sizes([
                    // Each VIP port needs an entry, and so does each address.
                    (&mut maps.vips, capacities.entries()),
                    // Id 0 is none, so that both have one element more.
                    (&mut maps.services, capacities.services + 1),
                    (&mut maps.backends, capacities.backends + 1),
                    (&mut maps.load, capacities.backends + 1),
                    (&mut maps.times, capacities.backends + 1),
                    (&mut maps.affinity, capacities.affinity),
                    (&mut maps.exempt, capacities.exempt),
                    (&mut maps.slots, capacities.slots),
                    (&mut maps.places, capacities.places),
                    (&mut maps.strays, capacities.strays),
                    (&mut maps.tenants, capacities.tenants),
                    (&mut maps.owners, capacities.owners),
                ])
            }
        }
    };
}

prepare!(OpenDatapathSkel<'_>);
#[cfg(feature = "builds")]
prepare!(crate::skeleton::other::OpenDatapathSkel<'_>);

fn set_sizes<const N: usize>(sizes: [(&mut OpenMapMut<'_>, u32); N]) -> Result<(), DatapathError> {
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
fn pinned_maps(open: &mut OpenObject, pins: &Pins) -> Option<Vec<(&'static str, MapHandle)>> {
    let mut found = Vec::new();
    for name in MAPS {
        pass(Point::Open).ok()?;
        let handle = MapHandle::from_pinned_path(pins.map(name)).ok()?;
        let flags = handle.info().ok()?.info.map_flags;
        let same = open.maps_mut().any(|map| {
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
    (version.first_chunk() == Some(&chosen().layout().to_ne_bytes())).then_some(found)
}

fn write_version(handles: &[(&'static str, MapHandle)]) -> Result<(), DatapathError> {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&chosen().layout().to_ne_bytes());
    handle(handles, "meta")?
        .update(&0_u32.to_ne_bytes(), &value, MapFlags::ANY)
        .map_err(|source| DatapathError::Map {
            map: "meta",
            action: "written",
            source,
        })
}

impl Maps {
    /// Makes what is known of a backend that of a new one.
    pub(crate) fn clear_load(&self, id: u32) {
        if let Some(load) = self.load.get(id) {
            load.clear();
        }
        for bucket in self.times.get(id).iter().flat_map(|times| &times.buckets) {
            bucket.store(0, Relaxed);
        }
    }

    pub(crate) fn new(
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
        let owned = |name| MapHandle::try_from(handle(handles, name)?).map_err(unreadable(name));
        Ok(Self {
            filter: array(handles, "filter", FILTER_WORDS)?,
            vips: owned("vips")?,
            places: owned("places")?,
            services: array(handles, "services", capacities.services + 1)?,
            slots: array(handles, "slots", capacities.slots)?,
            backends: array(handles, "backends", capacities.backends + 1)?,
            load: array(handles, "load", capacities.backends + 1)?,
            times: array(handles, "times", capacities.backends + 1)?,
            control: array(handles, "control", 1)?,
            berths: array(handles, "berths", BERTHS)?,
            exempt: owned("exempt")?,
            tenants: owned("tenants")?,
            realms: owned("realms")?,
            detours: owned("detours")?,
            drops: owned("drops")?,
            dropped: owned("dropped")?,
            owners: owned("owners")?,
            events: owned("events")?,
        })
    }
}

fn array<T: Shared>(
    handles: &[(&'static str, MapHandle)],
    name: &'static str,
    length: u32,
) -> Result<SharedArray<T>, DatapathError> {
    let handle = handle(handles, name)?;
    let mapped = pass(Point::Memory).and_then(|()| SharedArray::map(handle.as_fd(), length));
    mapped.map_err(|source| DatapathError::Map {
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
