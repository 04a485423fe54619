//! Recorded editing sessions (josephg/editing-traces), sequential or concurrent.
use std::io::Read;

pub struct Patch {
    pub pos: usize,
    pub del: isize,
    pub text: String,
}

pub struct Txn {
    pub parents: Vec<usize>,
    pub agent: usize,
    pub patches: Vec<Patch>,
}

pub struct Trace {
    pub concurrent: bool,
    pub agents: usize,
    pub start: String,
    pub end: Option<String>, // none: the beginning of a session, any end is right
    pub txns: Vec<Txn>,
}

pub fn read(path: &str) -> Trace {
    let raw = std::fs::read(path).expect("trace");
    let mut json = Vec::new();
    if raw.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&raw[..]).read_to_end(&mut json).expect("gzip");
    } else {
        json = raw;
    }
    let v: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let string = |k: &str| v[k].as_str().unwrap_or("").to_string();
    let txns = v["txns"].as_array().expect("txns").iter().map(txn).collect();
    Trace {
        concurrent: v["kind"] == "concurrent",
        agents: v["numAgents"].as_u64().unwrap_or(1) as usize,
        start: string("startContent"),
        end: v["endContent"].as_str().map(str::to_string),
        txns,
    }
}

fn txn(t: &serde_json::Value) -> Txn {
    let number = |v: &serde_json::Value| v.as_u64().expect("number") as usize;
    let patches = t["patches"].as_array().expect("patches").iter();
    Txn {
        parents: t["parents"].as_array().map(|p| p.iter().map(number).collect()).unwrap_or_default(),
        agent: t["agent"].as_u64().unwrap_or(0) as usize,
        patches: patches
            .map(|p| Patch { pos: number(&p[0]), del: number(&p[1]) as isize, text: p[2].as_str().expect("text").to_string() })
            .collect(),
    }
}
