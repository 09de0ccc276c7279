//! How much one image may take from a node.

/// Bounds on an image; one that is beyond any of them is refused before it does harm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of an archive as it is fetched.
    pub(crate) fetched: u64,
    /// Bytes of an unpacked archive.
    pub(crate) unpacked: u64,
    /// How many times its size an archive may grow once it has grown beyond
    /// [`Limits::harmless`]. Program text grows fivefold; gzip's most is a thousandfold.
    pub(crate) ratio: u64,
    /// Bytes that an archive of any size may grow to.
    pub(crate) harmless: u64,
    /// Entries of an archive, and of a root file system.
    pub(crate) entries: usize,
    /// Bytes of all names in an archive.
    pub(crate) names: usize,
    /// How deep dependencies may lead.
    pub(crate) depth: usize,
    /// Images that one is put together from.
    pub(crate) images: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fetched: 8 << 30,
            unpacked: 16 << 30,
            ratio: 200,
            harmless: 256 << 20,
            entries: 500_000,
            names: 64 << 20,
            depth: 16,
            images: 64,
        }
    }
}
