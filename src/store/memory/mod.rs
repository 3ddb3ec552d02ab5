//! Counters in this process's memory.

mod acted;
mod bytes;
mod cell;
mod table;

pub use bytes::MemoryCells;
pub use table::{Known, MemoryTable};
