//! What may stand beside a step's key: each modifier is a step around steps, so that the worker loop need
//! not know of it. `timeout`, `retry` and `on_error` are not here: they are the worker loop's.

mod cast;
mod pack;
mod part;
mod with;

pub use cast::Cast;
pub use pack::Pack;
pub use part::Part;
pub use with::With;
