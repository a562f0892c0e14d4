//! What goes over the socket between the program and its guard: programs to start, and how they ended.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::raw;

/// What the guard is to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Start a program; its standard input, output and error, and what else it gets.
    Start(Box<Start>, Vec<OwnedFd>),
    /// End its process group: TERM, and KILL after a while.
    End,
    /// KILL its process group.
    Kill,
    /// Nothing more comes: what there is may finish.
    Leave,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    pub argv: Vec<Vec<u8>>,
    /// Empty: where the guard is.
    pub cwd: Vec<u8>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// For each descriptor beyond the standard three: the variable that says its number.
    pub extra: Vec<Vec<u8>>,
}

/// What the guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Started {
        pid: i32,
    },
    /// An error number.
    Failed {
        errno: i32,
    },
    Exited {
        code: i32,
    },
    Killed {
        signal: i32,
    },
}

const START: u32 = 1;
const END: u32 = 2;
const KILL: u32 = 3;
const LEAVE: u32 = 4;
const HEAD: usize = 24;
/// Descriptors of one message, at most.
const FDS: usize = 8;

impl Start {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut list = |texts: Vec<&[u8]>| {
            out.extend_from_slice(&(texts.len() as u32).to_le_bytes());
            for text in texts {
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text);
            }
        };
        list(self.argv.iter().map(Vec::as_slice).collect());
        list(vec![&self.cwd]);
        list(self.env.iter().flat_map(|(k, v)| [&**k, &**v]).collect());
        list(self.extra.iter().map(Vec::as_slice).collect());
        out
    }

    fn of(bytes: &[u8]) -> Option<Start> {
        let mut rest = bytes;
        let number = |rest: &mut &[u8]| -> Option<usize> {
            let (head, tail) = rest.split_first_chunk::<4>()?;
            *rest = tail;
            Some(u32::from_le_bytes(*head) as usize)
        };
        let mut list = || -> Option<Vec<Vec<u8>>> {
            let n = number(&mut rest)?;
            let mut texts = Vec::new();
            for _ in 0..n {
                let len = number(&mut rest)?;
                let (text, tail) = rest.split_at_checked(len)?;
                rest = tail;
                texts.push(text.to_vec());
            }
            Some(texts)
        };
        let argv = list()?;
        let cwd = list()?.pop()?;
        let mut env = Vec::new();
        let mut pairs = list()?.into_iter();
        while let (Some(name), Some(value)) = (pairs.next(), pairs.next()) {
            env.push((name, value));
        }
        Some(Start {
            argv,
            cwd,
            env,
            extra: list()?,
        })
    }
}

fn head(kind: u32, id: u64, third: u64, fourth: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&kind.to_le_bytes());
    head[4..8].copy_from_slice(&fourth.to_le_bytes());
    head[8..16].copy_from_slice(&id.to_le_bytes());
    head[16..].copy_from_slice(&third.to_le_bytes());
    head
}

fn fields(head: &[u8; HEAD]) -> (u32, u64, u64, u32) {
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    (u32_at(0), u64_at(8), u64_at(16), u32_at(4))
}

/// Sends an order. Whoever sends holds a lock around it.
///
/// # Errors
/// As `sendmsg(2)`: the guard is gone.
pub(super) fn order(mut to: &UnixStream, id: u64, order: &Order) -> io::Result<()> {
    let (kind, body, fds): (u32, Vec<u8>, Vec<RawFd>) = match order {
        Order::Start(start, fds) => (
            START,
            start.bytes(),
            fds.iter().map(AsRawFd::as_raw_fd).collect(),
        ),
        Order::End => (END, Vec::new(), Vec::new()),
        Order::Kill => (KILL, Vec::new(), Vec::new()),
        Order::Leave => (LEAVE, Vec::new(), Vec::new()),
    };
    let head = head(kind, id, body.len() as u64, fds.len() as u32);
    let rights = [ControlMessage::ScmRights(&fds)];
    let with = if fds.is_empty() { &[][..] } else { &rights[..] };
    let both = [IoSlice::new(&head), IoSlice::new(&body)];
    let sent = sendmsg::<()>(to.as_raw_fd(), &both, with, MsgFlags::MSG_NOSIGNAL, None)?;
    // A long message goes in parts; what is left needs no descriptors.
    let rest: Vec<u8> = head.iter().chain(&body).skip(sent).copied().collect();
    to.write_all(&rest)
}

/// The next order; `None`: whoever gave them is gone.
///
/// # Errors
/// As `recvmsg(2)`.
pub(super) fn next_order(mut from: &UnixStream) -> io::Result<Option<(u64, Order)>> {
    let mut head = [0; HEAD];
    let mut space = nix::cmsg_space!([RawFd; FDS]);
    let (got, fds) = {
        let mut into = [IoSliceMut::new(&mut head)];
        let message = recvmsg::<()>(
            from.as_raw_fd(),
            &mut into,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for with in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(list) = with {
                fds.extend(raw::brought(&list));
            }
        }
        (message.bytes, fds)
    };
    if got == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[got..])?;
    let (kind, id, len, _) = fields(&head);
    let mut body = vec![0; usize::try_from(len).unwrap_or(0)];
    from.read_exact(&mut body)?;
    let order = match kind {
        START => Order::Start(Box::new(Start::of(&body).unwrap_or_default()), fds),
        END => Order::End,
        LEAVE => Order::Leave,
        _ => Order::Kill,
    };
    Ok(Some((id, order)))
}

/// Says what became of a program.
///
/// # Errors
/// Whoever listened is gone.
pub(super) fn tell(mut to: &UnixStream, id: u64, told: Told) -> io::Result<()> {
    let (kind, value) = match told {
        Told::Started { pid } => (1, pid),
        Told::Failed { errno } => (2, errno),
        Told::Exited { code } => (3, code),
        Told::Killed { signal } => (4, signal),
    };
    to.write_all(&head(kind, id, 0, value.cast_unsigned()))
}

/// What the guard has said by now, without waiting; `false`: it is gone.
pub(super) fn heard(
    from: BorrowedFd<'_>,
    kept: &mut Vec<u8>,
    mut each: impl FnMut(u64, Told),
) -> bool {
    let mut buffer = [0; 100 * HEAD];
    let alive = loop {
        let flags = MsgFlags::MSG_DONTWAIT;
        match nix::sys::socket::recv(from.as_raw_fd(), &mut buffer, flags) {
            Ok(0) => break false,
            Ok(n) => kept.extend_from_slice(&buffer[..n]),
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => break true,
            Err(_) => break false,
        }
    };
    let (records, _) = kept.as_chunks::<HEAD>();
    let mut done = 0;
    for record in records {
        let (kind, id, _, value) = fields(record);
        let value = value.cast_signed();
        each(
            id,
            match kind {
                1 => Told::Started { pid: value },
                2 => Told::Failed { errno: value },
                3 => Told::Exited { code: value },
                _ => Told::Killed { signal: value },
            },
        );
        done += HEAD;
    }
    kept.drain(..done);
    alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_given_with_its_descriptors() {
        let (a, b) = UnixStream::pair().unwrap();
        let (read, mut write) = io::pipe().unwrap();
        let start = Start {
            argv: vec![b"ls".to_vec(), b"a b\xff".to_vec(), vec![b'x'; 500_000]],
            cwd: b"/tmp".to_vec(),
            env: vec![(b"A".to_vec(), b"".to_vec())],
            extra: vec![b"FD".to_vec()],
        };
        let bytes = start.bytes();
        let sender = std::thread::spawn(move || {
            order(&a, 7, &Order::Start(Box::new(start), vec![read.into()])).unwrap();
            order(&a, 8, &Order::End).unwrap();
        });
        let Some((7, Order::Start(got, fds))) = next_order(&b).unwrap() else {
            panic!("no start")
        };
        assert_eq!(got.bytes(), bytes);
        write.write_all(b"hi").unwrap();
        drop(write);
        let mut text = String::new();
        std::fs::File::from(fds.into_iter().next().unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hi");
        assert!(matches!(next_order(&b).unwrap(), Some((8, Order::End))));
        sender.join().unwrap();
        assert!(next_order(&b).unwrap().is_none());
    }

    #[test]
    fn what_the_guard_says_is_heard_also_in_pieces() {
        use std::os::fd::AsFd;
        let (a, b) = UnixStream::pair().unwrap();
        let all = [
            Told::Started { pid: 12 },
            Told::Failed { errno: 2 },
            Told::Exited { code: 3 },
            Told::Killed { signal: 9 },
        ];
        for (told, id) in all.into_iter().zip(0..) {
            tell(&a, id, told).unwrap();
        }
        let mut kept = Vec::new();
        let mut heard_all = Vec::new();
        assert!(heard(b.as_fd(), &mut kept, |id, told| heard_all.push((id, told))));
        drop(a);
        assert!(!heard(b.as_fd(), &mut kept, |_, _| ()));
        let expected: Vec<(u64, Told)> = (0..).zip(all).collect();
        assert_eq!(heard_all, expected);
    }
}
