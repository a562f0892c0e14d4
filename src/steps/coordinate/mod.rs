//! Steps that workers agree with: events, conditions, barriers, shared values. Each lets the item pass on.

mod deeds;
mod guards;
mod values;

pub use deeds::{Deed, deeds, watched};

pub(super) use guards::{CLEAR_EVENT, NOTIFY, NOTIFY_ALL, SET_EVENT, WAIT_BARRIER, WAIT_EVENT};
pub(super) use values::{ADD, STORE, named_in};
