//! Which ids of an array are free. Id 0 is none and never given out.

/// The free ids of an array.
#[derive(Debug)]
pub(crate) struct Ids {
    end: u32,
    unused_from: u32,
    free: Vec<u32>,
    retired: Vec<u32>,
}

impl Ids {
    /// Ids below `end`, of which those that `used` holds for are taken.
    pub(crate) fn new(end: u32, used: impl Fn(u32) -> bool) -> Self {
        let last = (1..end).rev().find(|&id| used(id)).unwrap_or(0);
        Self {
            end,
            unused_from: last + 1,
            free: (1..last).rev().filter(|&id| !used(id)).collect(),
            retired: Vec::new(),
        }
    }

    /// A free id.
    pub(crate) fn allocate(&mut self) -> Option<u32> {
        if let Some(id) = self.free.pop() {
            return Some(id);
        }
        let id = self.unused_from;
        (id < self.end).then(|| {
            self.unused_from += 1;
            id
        })
    }

    /// Gives back an id that no program can hold any more.
    pub(crate) fn free(&mut self, id: u32) {
        self.free.push(id);
    }

    /// Gives back an id that programs may still hold.
    pub(crate) fn retire(&mut self, id: u32) {
        self.retired.push(id);
    }

    /// Whether anything is retired.
    pub(crate) fn any_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees what is retired; its readers must have been waited for.
    pub(crate) fn reclaim(&mut self) {
        self.free.append(&mut self.retired);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_come_first_and_zero_never() {
        let mut ids = Ids::new(6, |id| id == 1 || id == 3);
        let given: Vec<_> = std::iter::from_fn(|| ids.allocate()).collect();
        assert_eq!(given, [2, 4, 5]);
        ids.free(4);
        assert_eq!(ids.allocate(), Some(4));
    }

    #[test]
    fn retired_ids_wait() {
        let mut ids = Ids::new(2, |_| false);
        assert_eq!(ids.allocate(), Some(1));
        ids.retire(1);
        assert_eq!(ids.allocate(), None);
        ids.reclaim();
        assert_eq!(ids.allocate(), Some(1));
    }
}
