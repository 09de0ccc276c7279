//! A map's array as memory.
//!
//! Array maps can be mapped like a file, so that reading and writing an element is
//! a memory access instead of a system call: a table of 100,000 backends would
//! otherwise be 300,000 of them.

use std::io;
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use crate::layout::Shared;

/// The elements of a memory-mapped array map.
#[derive(Debug)]
pub(crate) struct SharedArray<T> {
    base: NonNull<libc::c_void>,
    length: u32,
    element: PhantomData<T>,
}

// SAFETY: the memory is shared with the kernel's programs anyway, and `T: Shared`
// says that every access to it is atomic.
unsafe impl<T: Shared> Send for SharedArray<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for SharedArray<T> {}

impl<T: Shared> SharedArray<T> {
    /// Maps an array map of `length` elements of `T`; the size is the caller's to check.
    pub(crate) fn map(fd: BorrowedFd<'_>, length: u32) -> io::Result<Self> {
        const {
            assert!(
                size_of::<T>().is_multiple_of(8),
                "the kernel pads elements to 8 bytes"
            )
        };
        // SAFETY: a new mapping at an address of the kernel's choice; its length is
        // checked by the kernel against the map's.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<T>() * length as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self {
            base,
            length,
            element: PhantomData,
        })
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        // SAFETY: `index` is inside the mapping, which lives as long as `self`, is
        // page-aligned, and holds valid `T`s whatever its bits, by `T: Shared`.
        (index < self.length)
            .then(|| unsafe { &*self.base.as_ptr().cast::<T>().add(index as usize) })
    }
}

impl<T> Drop for SharedArray<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference outlives `self`.
        unsafe {
            libc::munmap(self.base.as_ptr(), size_of::<T>() * self.length as usize);
        }
    }
}
