//! Random histories: tables come one after the other, the kernel refuses now and then,
//! daemons die in the middle, connections stay open. Once that is over, one table is
//! enough.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;
use vip::{Changes, ServiceKey, ServiceTable};

use super::bed::Bed;
use super::tables::{BACKENDS, Next, full, keys, nexts};
use super::view::{View, assert_sound};
use crate::datapath::Datapath;
use crate::faults::{Point, during};
use crate::{ApplyError, Capacities, Failure, Subject};

/// Room for all of the tables' services and backends, once and a half.
pub(super) const ROOM: Capacities = Capacities {
    services: 6,
    slots: 64,
    backends: 48,
    places: 4,
    strays: 4,
    affinity: 4,
    exempt: 4,
    tenants: 4,
    owners: 4,
};

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A table, while the kernel refuses what these numbers say: one bit a call.
    Table(Next, Vec<u64>),
    /// As above, but only what changed in the table is looked at.
    Changes(Next, Vec<u64>),
    /// A table, and after so many steps of it the daemon is no more.
    Crash(Next, usize),
    /// The daemon ends in order and begins again.
    Restart,
    /// Connections to every so many-th backend.
    Open(u32),
    /// All connections end.
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Refusals are rare enough for a part of each table to arrive.
    let refusals = prop::collection::vec(any::<u64>(), 3).prop_map(|words| {
        let few = words.iter().fold(!0, |all, word| all & word);
        vec![few; 4]
    });
    let step = prop_oneof![
        4 => (nexts(), refusals.clone()).prop_map(|(next, refused)| Step::Table(next, refused)),
        4 => (nexts(), refusals).prop_map(|(next, refused)| Step::Changes(next, refused)),
        3 => nexts().prop_map(|next| Step::Table(next, Vec::new())),
        4 => (nexts(), 0_usize..60).prop_map(|(next, at)| Step::Crash(next, at)),
        1 => Just(Step::Restart),
        2 => (1_u32..4).prop_map(Step::Open),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..10)
}

/// Refuses the calls whose bits are set; mapped memory never refuses.
fn refuse(bits: Vec<u64>) -> impl FnMut(Point) -> Option<i32> + 'static {
    let mut calls = 0;
    move |point| {
        if point == Point::Store {
            return None;
        }
        let word = bits.get(calls / 64).copied().unwrap_or(0);
        let refused = word >> (calls % 64) & 1 == 1;
        calls += 1;
        refused.then_some(libc::ENOMEM)
    }
}

/// Panics after so many points, refusable or not, as if the process had been killed.
fn die_at(last: usize) -> impl FnMut(Point) -> Option<i32> + 'static {
    let mut points = 0;
    move |_| {
        points += 1;
        // Quietly: this is what is wanted.
        if points > last {
            std::panic::resume_unwind(Box::new("killed"));
        }
        None
    }
}

/// A kernel that never refuses anything.
pub(super) struct Peace {
    datapath: Datapath,
    _bed: Bed,
}

impl Peace {
    pub(super) fn new() -> Self {
        let bed = Bed::new(ROOM);
        Self {
            datapath: bed.open().unwrap(),
            _bed: bed,
        }
    }

    /// What should become of a table.
    pub(super) fn view(&mut self, table: &ServiceTable) -> View {
        assert!(self.datapath.apply(table).unwrap().failures.is_empty());
        View::of(&self.datapath)
    }
}

/// What differs between two tables.
fn changes(before: &ServiceTable, after: &ServiceTable) -> Changes {
    let differs = |key: &ServiceKey| before.services.get(key) != after.services.get(key);
    Changes {
        services: keys().into_iter().filter(differs).collect(),
        addresses: (&before.addresses ^ &after.addresses).into_iter().collect(),
        ..Changes::default()
    }
}

/// Applies a table, or some of it, while the kernel refuses: each service is wholly what
/// it was or wholly what it should be, and what was not refused is what it should be.
fn apply_refused(
    datapath: &mut Datapath,
    table: &ServiceTable,
    changes: Option<&Changes>,
    refused: Vec<u64>,
    peace: &mut Peace,
) {
    let (before, wanted) = (View::of(datapath), peace.view(table));
    let applied = during(refuse(refused), || match changes {
        Some(changes) => datapath.apply_changes(table, changes),
        None => datapath.apply(table),
    });
    let (failures, after) = (applied.unwrap().failures, View::of(datapath));
    for key in keys() {
        let found = after.services.get(&key);
        let is_it = |failure: &Failure| failure.subject == Subject::Service(key);
        let failed = failures.iter().any(is_it);
        let named = changes.is_none_or(|changes| changes.services.contains(&key));
        let then = match failed || !named {
            true => before.services.get(&key),
            false => wanted.services.get(&key),
        };
        assert_eq!(found, then, "{key:?}, failed: {failed}, named: {named}");
    }
    for failure in &failures {
        // Refusing to wait for programs leaves no room, which is no error of a map.
        let (ApplyError::Map { .. } | ApplyError::Full { .. }) = failure.error else {
            panic!("{failure:?}");
        };
    }
    assert_sound(datapath);
}

/// Applies a table, is killed after so many steps, if there are so many, and starts again.
pub(super) fn crash(
    bed: &Bed,
    mut datapath: Datapath,
    table: &ServiceTable,
    at: usize,
) -> (Datapath, bool) {
    let killed = catch_unwind(AssertUnwindSafe(|| {
        during(die_at(at), || datapath.apply(table).map(drop))
    }));
    drop(datapath);
    let datapath = bed.open().unwrap();
    assert_sound(&datapath);
    (datapath, killed.is_err())
}

pub(super) fn set_open(datapath: &Datapath, every: u32) {
    let book = &datapath.kernel.book;
    let members = book.services.values().flat_map(|service| &service.members);
    for member in members.filter(|member| member.id % every == 0) {
        let load = datapath.kernel.maps.load.get(member.id).unwrap();
        load.begun.fetch_add(1, Relaxed);
    }
}

fn close_all(datapath: &Datapath) {
    let load = &datapath.kernel.maps.load;
    for entry in (0..load.len()).filter_map(|id| load.get(id)) {
        entry.ended.store(entry.begun.load(Relaxed), Relaxed);
    }
}

fn open_connections(datapath: &Datapath) -> u32 {
    let load = &datapath.kernel.maps.load;
    let entries = (0..load.len()).filter_map(|id| load.get(id));
    entries.map(|entry| entry.open()).sum()
}

/// Lets all steps happen; the table that came last is left in `table`.
fn play(bed: &Bed, steps: Vec<Step>, table: &mut ServiceTable) -> Datapath {
    let mut datapath = bed.open().unwrap();
    let mut peace = Peace::new();
    for step in steps {
        let open = open_connections(&datapath);
        match step {
            Step::Table(next, refused) => {
                next.after(table);
                apply_refused(&mut datapath, table, None, refused, &mut peace);
            }
            Step::Changes(next, refused) => {
                let before = table.clone();
                next.after(table);
                let changes = changes(&before, table);
                apply_refused(&mut datapath, table, Some(&changes), refused, &mut peace);
            }
            Step::Crash(next, at) => {
                next.after(table);
                (datapath, _) = crash(bed, datapath, table, at);
            }
            Step::Restart => {
                let before = View::of(&datapath);
                drop(datapath);
                datapath = bed.open().unwrap();
                assert_sound(&datapath);
                assert_eq!(View::of(&datapath), before);
            }
            Step::Open(every) => {
                set_open(&datapath, every);
                continue;
            }
            Step::Close => {
                close_all(&datapath);
                continue;
            }
        }
        // Whatever becomes of a backend, the count of its connections is kept.
        assert_eq!(open_connections(&datapath), open);
    }
    datapath
}

pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(100))]

    // H6, H7, H8: whatever came before, and in whichever order.
    #[test]
    fn one_table_is_enough_whatever_happened(steps in steps(), last in nexts()) {
        let bed = Bed::new(ROOM);
        let mut table = ServiceTable::default();
        let mut datapath = play(&bed, steps, &mut table);
        last.after(&mut table);
        let last = table;
        let applied = datapath.apply(&last).unwrap();
        prop_assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        prop_assert_eq!(View::of(&datapath), Peace::new().view(&last));
        assert_sound(&datapath);
        let again = datapath.apply(&last).unwrap();
        prop_assert_eq!(again.unchanged, last.services.len());

        // All that was taken is there again: the whole room can be filled.
        close_all(&datapath);
        prop_assert!(datapath.apply(&ServiceTable::default()).unwrap().failures.is_empty());
        let applied = datapath.apply(&full(6, BACKENDS)).unwrap();
        prop_assert!(applied.failures.is_empty(), "{:?}", applied.failures);
        prop_assert_eq!(applied.added, 6);
    }
}
