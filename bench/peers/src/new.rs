//! The newest release.
use automerge_new as automerge;
include!("work.rs");
