//! What the first half of a sink hands to the second, where rows go to different files: frames of a path, how many
//! rows there are, and their bytes.

const HEAD: usize = 12;

/// Gathers frames; rows that follow each other into one file share one.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    out: &'a mut Vec<u8>,
    /// The place of the last frame.
    last: Option<usize>,
    /// Each row gets a frame of its own.
    apart: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, apart: bool) -> Frames<'a> {
        Frames {
            out,
            last: None,
            apart,
        }
    }

    /// The bytes to which a row of this file is to be appended; end it with [`Frames::end`].
    pub(super) fn begin(&mut self, path: &[u8]) -> &mut Vec<u8> {
        if let Some(last) = self.last.filter(|_| !self.apart) {
            let (same, ..) = read(&self.out[last..]);
            if same == path {
                return self.out;
            }
        }
        self.last = Some(self.out.len());
        self.out
            .extend_from_slice(&(path.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&[0; 8]);
        self.out.extend_from_slice(path);
        self.out
    }

    /// A row has been appended.
    pub(super) fn end(&mut self) {
        let Some(last) = self.last else {
            unreachable!("BUG: a row without a frame")
        };
        let len = self.out.len() - last - HEAD - number(&self.out[last..]);
        let rows = number(&self.out[last + 8..]) + 1;
        self.out[last + 4..last + 8].copy_from_slice(&(len as u32).to_le_bytes());
        self.out[last + 8..last + 12].copy_from_slice(&(rows as u32).to_le_bytes());
    }
}

fn number(bytes: &[u8]) -> usize {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

/// The first frame: path, number of rows, bytes.
fn read(frames: &[u8]) -> (&[u8], usize, &[u8]) {
    let (path, len, rows) = (number(frames), number(&frames[4..]), number(&frames[8..]));
    let path_end = HEAD + path;
    (
        &frames[HEAD..path_end],
        rows,
        &frames[path_end..path_end + len],
    )
}

/// The frames, in order.
pub(super) fn each(mut frames: &[u8]) -> impl Iterator<Item = (&[u8], usize, &[u8])> {
    std::iter::from_fn(move || {
        if frames.is_empty() {
            return None;
        }
        let frame = read(frames);
        frames = &frames[HEAD + frame.0.len() + frame.2.len()..];
        Some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_back_as_they_were_made(rows in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 0..4)), 0..20), apart: bool) {
            let mut out = Vec::new();
            let mut frames = Frames::new(&mut out, apart);
            for (path, bytes) in &rows {
                frames.begin(&vec![b'p'; usize::from(*path)]).extend_from_slice(bytes);
                frames.end();
            }
            let got: Vec<_> = each(&out).collect();
            prop_assert_eq!(got.iter().map(|f| f.1).sum::<usize>(), rows.len());
            if apart { prop_assert_eq!(got.len(), rows.len()); }
            let mut rest = &rows[..];
            for (path, n, bytes) in got {
                let (these, others) = rest.split_at(n);
                prop_assert!(these.iter().all(|r| usize::from(r.0) == path.len()));
                prop_assert_eq!(these.iter().flat_map(|r| r.1.clone()).collect::<Vec<_>>(), bytes);
                rest = others;
            }
        }
    }
}
