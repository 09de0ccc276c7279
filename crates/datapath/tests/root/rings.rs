//! io_uring: one request at a time, over the kernel's own interface, since a library
//! for one test would be a dependency of everybody.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

/// A request, and the kernel's number for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Connect = 16,
    SendMessage = 9,
    SendZeroCopy = 47,
}

const SETUP: libc::c_long = 425;
const ENTER: libc::c_long = 426;
const WAIT: u32 = 1;
const ENTRIES_AT: i64 = 0x1000_0000;
/// Leaves the request to a thread of the kernel's.
const ASYNC: u8 = 1 << 4;
/// Of a completion: another one follows.
const MORE: u32 = 1 << 1;

#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    unread: u32,
    /// Where the completions are, in the queue of these.
    completions: u32,
    rest: [u32; 4],
}

#[repr(C)]
#[derive(Default)]
struct Parameters {
    submissions: u32,
    completions: u32,
    unread: [u32; 8],
    submission: Offsets,
    completion: Offsets,
}

#[repr(C)]
struct Submission {
    request: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    address: u64,
    length: u32,
    options: u32,
    mark: u64,
    unused: u32,
    destination: u32,
    rest: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Completion {
    mark: u64,
    result: i32,
    flags: u32,
}

/// Does one request and waits for it; `text` is nothing to a connect.
pub(crate) fn perform(
    request: Request,
    socket: BorrowedFd<'_>,
    to: SocketAddr,
    text: &str,
    threaded: bool,
) -> Result<(), Errno> {
    let to = SockaddrStorage::from(to);
    let mut part = libc::iovec {
        iov_base: text.as_ptr().cast_mut().cast(),
        iov_len: text.len(),
    };
    // SAFETY: it is numbers and pointers, for which zero is nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let name = to.as_ptr() as u64;
    let (address, length, offset, destination) = match request {
        Request::Connect => (name, 0, u64::from(to.len()), 0),
        Request::SendMessage => ((&raw const message) as u64, 1, 0, 0),
        Request::SendZeroCopy => {
            let text_at = text.as_ptr() as u64;
            (text_at, text.len() as u32, name, to.len())
        }
    };
    let submission = Submission {
        request: request as u8,
        flags: if threaded { ASYNC } else { 0 },
        priority: 0,
        fd: socket.as_raw_fd(),
        offset,
        address,
        length,
        options: 0,
        mark: 7,
        unused: 0,
        destination,
        rest: [0; 2],
    };
    Ring::new()?.run(submission)
}

struct Ring {
    fd: OwnedFd,
    parameters: Parameters,
    queues: *mut u8,
    entries: *mut Submission,
}

impl Ring {
    fn new() -> Result<Self, Errno> {
        let mut parameters = Parameters::default();
        // SAFETY: the parameters are as large as the kernel's, and live.
        let fd = Errno::result(unsafe { libc::syscall(SETUP, 4, &raw mut parameters) })?;
        // SAFETY: a new descriptor that nobody else knows.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let map = |at: i64| -> Result<*mut u8, Errno> {
            // SAFETY: a new mapping wherever there is room. It is left to the end of
            // the process, which makes few rings.
            let memory = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    4096,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    fd.as_raw_fd(),
                    at,
                )
            };
            if memory == libc::MAP_FAILED {
                return Err(Errno::last());
            }
            Ok(memory.cast())
        };
        Ok(Self {
            queues: map(0)?,
            entries: map(ENTRIES_AT)?.cast(),
            parameters,
            fd,
        })
    }

    fn word(&self, at: u32) -> &AtomicU32 {
        // SAFETY: the kernel gave the offset; it is inside the page and aligned.
        unsafe { &*self.queues.add(at as usize).cast::<AtomicU32>() }
    }

    fn run(&self, submission: Submission) -> Result<(), Errno> {
        // The first of four entries, and an index of 0 in the queue, as it is made.
        // SAFETY: the entries are mapped, and the kernel reads them only when told.
        unsafe { self.entries.write(submission) };
        self.word(self.parameters.submission.tail)
            .store(1, Ordering::Release);
        let ring = self.fd.as_raw_fd();
        let mut submit = 1;
        for seen in 0.. {
            while self
                .word(self.parameters.completion.tail)
                .load(Ordering::Acquire)
                <= seen
            {
                let none = ptr::null::<libc::sigset_t>();
                // SAFETY: no pointer is passed but a null one.
                let status = unsafe { libc::syscall(ENTER, ring, submit, 1, WAIT, none, 0) };
                match Errno::result(status) {
                    Ok(_) => submit = 0,
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            let at = self.parameters.completion.completions as usize;
            // SAFETY: as above; this completion was announced by the tail.
            let completion = unsafe {
                let all = self.queues.add(at).cast::<Completion>();
                all.add(seen as usize).read()
            };
            assert_eq!(completion.mark, 7);
            if completion.result < 0 {
                return Err(Errno::from_raw(-completion.result));
            }
            if completion.flags & MORE == 0 {
                return Ok(());
            }
        }
        unreachable!("the range has no end")
    }
}
