//! The Rust crate, at the release most installed clients carry and at the newest
//! one, doing the work that `automerge bench CASE [FILE]` does in C. One JSON
//! line each: `peers old|new CASE [FILE]`.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

mod new;
mod old;
mod trace;

pub const TEXT_LONG: usize = 65536;
pub const HISTORY_LONG: usize = 50000;
pub const CELLS: usize = 2000;
pub const CELLS_MANY: usize = 10000;
pub const CELL_CHANGES: usize = 5000;
pub const REPEAT_FILE: usize = 5;
pub const REPEAT_EDIT: usize = 301;

struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(grown: usize) {
    let live = LIVE.fetch_add(grown, Relaxed) + grown;
    PEAK.fetch_max(live, Relaxed);
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        count(l.size());
        System.alloc(l)
    }
    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        LIVE.fetch_sub(l.size(), Relaxed);
        System.dealloc(p, l)
    }
    unsafe fn realloc(&self, p: *mut u8, l: Layout, n: usize) -> *mut u8 {
        LIVE.fetch_sub(l.size(), Relaxed);
        count(n);
        System.realloc(p, l, n)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}
extern "C" {
    fn clock_gettime(clock: i32, to: *mut Timespec) -> i32;
}
const MONOTONIC: i32 = 1;
const PROCESS_CPU: i32 = 2;

/// Seconds that passed, or with BENCH_CPU in the environment the processor time of this process.
fn now() -> f64 {
    static CLOCK: std::sync::OnceLock<i32> = std::sync::OnceLock::new();
    let clock = *CLOCK.get_or_init(|| if std::env::var_os("BENCH_CPU").is_some() { PROCESS_CPU } else { MONOTONIC });
    let mut t = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(clock, &mut t) };
    t.seconds as f64 + t.nanoseconds as f64 * 1e-9
}

/// Samples of one case, and the memory its documents hold. What was allocated
/// before `start` (input files, traces) does not count.
pub struct Bench {
    samples: Vec<f64>,
    base: usize,
    pub bytes: usize,
    pub live: usize,
}

impl Bench {
    pub fn new() -> Self {
        let samples = Vec::with_capacity(4096);
        let base = LIVE.load(Relaxed);
        PEAK.store(base, Relaxed);
        Bench { samples, base, bytes: 0, live: 0 }
    }
    pub fn time<T>(&mut self, f: impl FnOnce() -> T) -> T {
        let start = now();
        let r = f();
        self.samples.push(now() - start);
        r
    }
    pub fn held(&self) -> usize {
        LIVE.load(Relaxed).saturating_sub(self.base)
    }
    pub fn mark_live(&mut self) {
        self.live = self.held();
    }
    /// One line about the samples so far, which are then forgotten.
    pub fn print_line(&mut self, which: &str, case: &str) {
        if self.samples.is_empty() {
            return;
        }
        let peak = PEAK.load(Relaxed).saturating_sub(self.base);
        self.samples.sort_by(f64::total_cmp);
        let median = self.samples.get(self.samples.len() / 2).copied().unwrap_or(0.0);
        println!(
            "{{\"impl\":\"crate {which}\",\"case\":\"{case}\",\"seconds\":{median:.9},\"samples\":{},\"bytes\":{},\"live\":{},\"peak\":{peak}}}",
            self.samples.len(), self.bytes, self.live
        );
        self.samples.clear();
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() < 3 {
        eprintln!("usage: peers old|new CASE [FILE]");
        std::process::exit(2);
    }
    let file = args.get(3).map(String::as_str);
    let bench = match args[1].as_str() {
        "old" => old::run("old", &args[2], file),
        "new" => new::run("new", &args[2], file),
        _ => None,
    };
    match bench {
        Some(mut b) => b.print_line(&args[1], &args[2]),
        None => {
            eprintln!("peers: no such case: {} {}", args[1], args[2]);
            std::process::exit(2);
        }
    }
}
