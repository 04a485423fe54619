//! The release most installed clients carry.
use automerge_old as automerge;
include!("work.rs");
