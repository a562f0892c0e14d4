//! The table of groups: from a key to the group's number, without an allocation for a key that is known.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Numbers for byte strings, in the order in which they are first seen.
#[derive(Clone, Default)]
pub(in crate::steps) struct ByteKeys {
    table: HashTable<u32>,
    hashes: Vec<u64>,
    /// All keys, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    state: RandomState,
}

impl ByteKeys {
    pub(in crate::steps) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::steps) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 {
            0
        } else {
            self.ends[number - 1]
        };
        &self.bytes[start..self.ends[number]]
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// The number of a key that is known.
    pub(in crate::steps) fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hash(key);
        let is_key = |n: &u32| self.hashes[*n as usize] == hash && self.get(*n) == key;
        self.table.find(hash, is_key).copied()
    }

    /// The key's number; a new key gets the next one.
    #[inline]
    pub(in crate::steps) fn number(&mut self, key: &[u8]) -> u32 {
        let hash = self.hash(key);
        let found = self.table.find(hash, |n| {
            self.hashes[*n as usize] == hash && self.get(*n) == key
        });
        match found {
            Some(number) => *number,
            None => self.insert(hash, key),
        }
    }

    #[cold]
    fn insert(&mut self, hash: u64, key: &[u8]) -> u32 {
        let number =
            u32::try_from(self.ends.len()).expect("BUG: more than four thousand million groups");
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.table
            .insert_unique(hash, number, |n| hashes[*n as usize]);
        number
    }

    /// Bytes held.
    pub(in crate::steps) fn held(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 16 + self.table.capacity() * 5
    }
}

/// Numbers for ints.
#[derive(Clone, Default)]
pub(super) struct IntKeys {
    table: HashTable<u32>,
    keys: Vec<i64>,
    state: RandomState,
}

impl IntKeys {
    pub(super) fn number(&mut self, key: i64) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_i64(key);
        let hash = hasher.finish();
        if let Some(number) = self.table.find(hash, |n| self.keys[*n as usize] == key) {
            return *number;
        }
        let number =
            u32::try_from(self.keys.len()).expect("BUG: more than four thousand million groups");
        self.keys.push(key);
        let (keys, state) = (&self.keys, &self.state);
        self.table.insert_unique(hash, number, |n| {
            let mut hasher = state.build_hasher();
            hasher.write_i64(keys[*n as usize]);
            hasher.finish()
        });
        number
    }
}

/// The groups of one part.
#[derive(Clone)]
pub(super) enum Keys {
    /// Without `by`: one group, there from the first item on.
    One {
        seen: bool,
    },
    Int(IntKeys),
    /// A string as it is, or what `key` encodes.
    Bytes(ByteKeys),
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        match self {
            Keys::One { seen } => usize::from(*seen),
            Keys::Int(keys) => keys.keys.len(),
            Keys::Bytes(keys) => keys.len(),
        }
    }

    /// An empty table of the same kind and with the same seeds.
    pub(super) fn fresh(&self) -> Keys {
        match self {
            Keys::One { .. } => Keys::One { seen: false },
            Keys::Int(keys) => Keys::Int(IntKeys {
                state: keys.state.clone(),
                ..IntKeys::default()
            }),
            Keys::Bytes(keys) => Keys::Bytes(ByteKeys {
                state: keys.state.clone(),
                ..ByteKeys::default()
            }),
        }
    }

    /// For each group of `other` its number here.
    pub(super) fn merge(&mut self, other: &Keys) -> Vec<u32> {
        match (self, other) {
            (Keys::One { seen }, Keys::One { seen: others }) => {
                *seen |= *others;
                vec![0; usize::from(*others)]
            }
            (Keys::Int(keys), Keys::Int(other)) => {
                other.keys.iter().map(|k| keys.number(*k)).collect()
            }
            (Keys::Bytes(keys), Keys::Bytes(other)) => (0..other.len() as u32)
                .map(|n| keys.number(other.get(n)))
                .collect(),
            _ => unreachable!("BUG: parts of two steps"),
        }
    }

    /// The groups' numbers in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        match self {
            Keys::One { .. } => {}
            Keys::Int(keys) => order.sort_unstable_by_key(|n| keys.keys[*n as usize]),
            Keys::Bytes(keys) => order.sort_unstable_by(|a, b| keys.get(*a).cmp(keys.get(*b))),
        }
        order
    }

    pub(super) fn held(&self) -> usize {
        match self {
            Keys::One { .. } => 0,
            Keys::Int(keys) => keys.keys.capacity() * 8 + keys.table.capacity() * 5,
            Keys::Bytes(keys) => keys.held(),
        }
    }
}

impl IntKeys {
    pub(super) fn get(&self, number: u32) -> i64 {
        self.keys[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_number_however_many_come() {
        let mut keys = ByteKeys::default();
        let texts: Vec<String> = (0..5000).map(|i| format!("/{}", i % 1000)).collect();
        let numbers: Vec<u32> = texts.iter().map(|t| keys.number(t.as_bytes())).collect();
        assert_eq!(keys.len(), 1000);
        assert!(
            texts
                .iter()
                .zip(&numbers)
                .all(|(t, n)| keys.get(*n) == t.as_bytes()
                    && *n as usize % 1000 == t[1..].parse::<usize>().unwrap())
        );
        let mut ints = IntKeys::default();
        assert!((0..3000i64).all(|i| ints.number(-(i % 700)) == (i % 700) as u32));
    }

    #[test]
    fn the_empty_key_is_a_key() {
        let mut keys = ByteKeys::default();
        assert_eq!(
            [keys.number(b"a"), keys.number(b""), keys.number(b"")],
            [0, 1, 1]
        );
        assert_eq!(keys.get(1), b"");
    }
}
