// The cases, written once for both releases (old.rs and new.rs include this).
use crate::trace::{self, Trace};
use crate::{Bench, CELLS, CELLS_MANY, CELL_CHANGES, HISTORY_LONG, REPEAT_EDIT, REPEAT_FILE, TEXT_LONG};
use automerge::sync::{State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ObjId, ObjType, ReadDoc, ROOT};
use std::collections::HashMap;

fn actor(which: u8) -> ActorId {
    let mut id = [0u8; 16];
    id[..4].copy_from_slice(&[which, 0x52, 0x75, 0x6e]);
    ActorId::from(&id[..])
}

fn one_char(doc: &mut AutoCommit, text: &ObjId, pos: usize) {
    doc.splice_text(text, pos, 0, "x").unwrap();
    doc.commit();
}

fn make_text(n: usize, each: bool) -> (AutoCommit, ObjId) {
    let mut doc = AutoCommit::new();
    doc.set_actor(actor(1));
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    if !each {
        let fill: String = (0..n).map(|i| (b'a' + (i % 26) as u8) as char).collect();
        doc.splice_text(&text, 0, 0, &fill).unwrap();
    }
    doc.commit();
    if each {
        for i in 0..n {
            one_char(&mut doc, &text, i);
        }
    }
    (doc, text)
}

fn fork(from: &mut AutoCommit, which: u8) -> AutoCommit {
    let mut doc = from.fork();
    doc.set_actor(actor(which));
    doc
}

fn play_sequence(t: &Trace, per_edit: bool) -> (AutoCommit, ObjId) {
    let mut doc = AutoCommit::new();
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    doc.splice_text(&text, 0, 0, &t.start).unwrap();
    for p in t.txns.iter().flat_map(|x| &x.patches) {
        doc.splice_text(&text, p.pos, p.del, &p.text).unwrap();
        if per_edit {
            doc.commit();
        }
    }
    doc.commit();
    (doc, text)
}

// Changes of transaction `i` and its ancestors that `have` lacks, oldest first.
fn bring(t: &Trace, done: &[Vec<Change>], have: &mut HashMap<usize, ()>, i: usize) -> Vec<Change> {
    let mut stack = vec![i];
    let mut found = Vec::new();
    while let Some(k) = stack.pop() {
        if have.insert(k, ()).is_none() {
            found.push(k);
            stack.extend(&t.txns[k].parents);
        }
    }
    found.sort_unstable();
    found.into_iter().flat_map(|k| done[k].clone()).collect()
}

fn play_concurrent(t: &Trace, per_edit: bool) -> (AutoCommit, ObjId) {
    let mut first = AutoCommit::new();
    let text = first.put_object(ROOT, "text", ObjType::Text).unwrap();
    first.commit();
    let mut docs: Vec<AutoCommit> = (0..t.agents).map(|_| first.fork()).collect();
    let mut seen: Vec<HashMap<usize, ()>> = vec![HashMap::new(); t.agents];
    let mut done: Vec<Vec<Change>> = Vec::with_capacity(t.txns.len());
    for (i, x) in t.txns.iter().enumerate() {
        let doc = &mut docs[x.agent];
        for &p in &x.parents {
            let changes = bring(t, &done, &mut seen[x.agent], p);
            if !changes.is_empty() {
                doc.apply_changes(changes).unwrap();
            }
        }
        let mut made = Vec::new();
        for p in &x.patches {
            doc.splice_text(&text, p.pos, p.del, &p.text).unwrap();
            if per_edit && doc.commit().is_some() {
                made.extend(doc.get_last_local_change());
            }
        }
        if !per_edit && doc.commit().is_some() {
            made.extend(doc.get_last_local_change());
        }
        done.push(made);
        seen[x.agent].insert(i, ());
    }
    for d in &mut docs {
        first.merge(d).unwrap();
    }
    (first, text)
}

fn run_trace(file: &str, per_edit: bool) -> Bench {
    let t = trace::read(file);
    let mut b = Bench::new();
    // The long ones take many seconds: one run of those is enough.
    let runs = if t.txns.len() > 20_000 { 1 } else { 3 };
    for _ in 0..runs {
        let (mut doc, text) = b.time(|| if t.concurrent { play_concurrent(&t, per_edit) } else { play_sequence(&t, per_edit) });
        b.mark_live();
        if let Some(end) = &t.end {
            assert_eq!(&doc.text(&text).unwrap(), end, "the text differs from endContent");
        }
        b.bytes = doc.save().len();
    }
    b
}

fn run_load(file: &str) -> Bench {
    let data = std::fs::read(file).expect("file");
    let mut b = Bench::new();
    b.bytes = data.len();
    for _ in 0..REPEAT_FILE {
        let doc = b.time(|| AutoCommit::load(&data).unwrap());
        b.mark_live();
        drop(doc);
    }
    b
}

fn run_save(file: &str) -> Bench {
    let data = std::fs::read(file).expect("file");
    let mut b = Bench::new();
    let mut doc = AutoCommit::load(&data).unwrap();
    for _ in 0..REPEAT_FILE {
        b.bytes = b.time(|| doc.save()).len();
    }
    b.mark_live();
    b
}

fn run_local() -> Bench {
    let mut b = Bench::new();
    let (mut doc, text) = make_text(TEXT_LONG, false);
    for i in 0..REPEAT_EDIT {
        b.time(|| one_char(&mut doc, &text, TEXT_LONG / 2 + i));
    }
    b.mark_live();
    b
}

fn run_remote() -> Bench {
    let mut b = Bench::new();
    let (mut doc, text) = make_text(TEXT_LONG, false);
    let mut other = fork(&mut doc, 2);
    for i in 0..REPEAT_EDIT {
        one_char(&mut other, &text, TEXT_LONG / 2 + i);
        let bytes = other.get_last_local_change().unwrap().raw_bytes().to_vec();
        b.time(|| {
            let change = Change::from_bytes(bytes).unwrap();
            doc.apply_changes([change]).unwrap();
        });
    }
    b.live = b.held() / 2;
    b
}

fn converse(a: &mut AutoCommit, sa: &mut State, c: &mut AutoCommit, sc: &mut State) {
    for _ in 0..64 {
        let to_c = a.sync().generate_sync_message(sa).map(|m| m.encode());
        let silent = to_c.is_none();
        if let Some(m) = to_c {
            c.sync().receive_sync_message(sc, automerge::sync::Message::decode(&m).unwrap()).unwrap();
        }
        let to_a = c.sync().generate_sync_message(sc).map(|m| m.encode());
        if silent && to_a.is_none() {
            break;
        }
        if let Some(m) = to_a {
            a.sync().receive_sync_message(sa, automerge::sync::Message::decode(&m).unwrap()).unwrap();
        }
    }
}

fn sync_rounds(b: &mut Bench, doc: &mut AutoCommit, text: &ObjId, repeat: usize) {
    let mut other = fork(doc, 2);
    let (mut sd, mut so) = (State::new(), State::new());
    converse(doc, &mut sd, &mut other, &mut so);
    for _ in 0..repeat {
        b.time(|| {
            one_char(doc, text, 0);
            converse(doc, &mut sd, &mut other, &mut so);
        });
    }
}

fn run_sync() -> Bench {
    let mut b = Bench::new();
    let (mut doc, text) = make_text(HISTORY_LONG, true);
    b.mark_live();
    sync_rounds(&mut b, &mut doc, &text, 201);
    b
}

fn run_handshake() -> Bench {
    let mut b = Bench::new();
    let (mut doc, _) = make_text(HISTORY_LONG, true);
    let mut other = fork(&mut doc, 2);
    for _ in 0..11 {
        let (mut sd, mut so) = (State::new(), State::new());
        b.time(|| converse(&mut doc, &mut sd, &mut other, &mut so));
    }
    b
}

fn run_first_sync() -> Bench {
    let mut b = Bench::new();
    let (mut doc, _) = make_text(HISTORY_LONG, true);
    for _ in 0..5 {
        let mut other = AutoCommit::new();
        let (mut sd, mut so) = (State::new(), State::new());
        b.time(|| converse(&mut doc, &mut sd, &mut other, &mut so));
        assert_eq!(doc.get_heads(), other.get_heads(), "the peers differ");
    }
    b
}

fn run_save_incremental() -> Bench {
    let mut b = Bench::new();
    let (mut doc, text) = make_text(HISTORY_LONG, true);
    doc.save();
    for _ in 0..201 {
        one_char(&mut doc, &text, 0);
        b.bytes = b.time(|| doc.save_incremental()).len();
    }
    b.mark_live();
    b
}

fn make_cells(n: usize, changes: usize) -> (AutoCommit, Vec<ObjId>) {
    let mut doc = AutoCommit::new();
    doc.set_actor(actor(1));
    let cells = doc.put_object(ROOT, "cells", ObjType::List).unwrap();
    let mut texts = Vec::new();
    for i in 0..n {
        let cell = doc.insert_object(&cells, i, ObjType::Map).unwrap();
        doc.put(&cell, "cell_type", "code").unwrap();
        let text = doc.put_object(&cell, "source", ObjType::Text).unwrap();
        doc.splice_text(&text, 0, 0, "print('hello')").unwrap();
        texts.push(text);
    }
    doc.commit();
    for i in 0..changes {
        one_char(&mut doc, &texts[i * 7919 % n], 0);
    }
    (doc, texts)
}

fn run_sync_cells(n: usize) -> Bench {
    let mut b = Bench::new();
    let (mut doc, texts) = make_cells(n, CELL_CHANGES);
    b.mark_live();
    sync_rounds(&mut b, &mut doc, &texts[n / 2], 201);
    b
}

fn run_cells_save() -> Bench {
    let mut b = Bench::new();
    let (mut doc, _) = make_cells(CELLS, CELL_CHANGES);
    for _ in 0..REPEAT_FILE {
        b.bytes = b.time(|| doc.save()).len();
    }
    b.mark_live();
    b
}

fn run_notebooks() -> Bench {
    let mut b = Bench::new();
    let data = make_cells(20, 100).0.save();
    let before = b.held();
    let mut open = Vec::with_capacity(1000);
    b.bytes = data.len();
    for _ in 0..1000 {
        open.push(b.time(|| AutoCommit::load(&data).unwrap()));
    }
    b.live = b.held() - before;
    b
}

// What one more change costs when there are n before it: three results in one run.
fn run_curve(n: &str, which: &str) -> Bench {
    let n: usize = n.parse().expect("a number of operations");
    let mut b = Bench::new();
    let (mut doc, text) = make_text(n, true);
    b.mark_live();
    for _ in 0..101 {
        b.time(|| one_char(&mut doc, &text, n / 2));
    }
    b.print_line(which, "curve-edit");
    sync_rounds(&mut b, &mut doc, &text, 21);
    b.print_line(which, "curve-sync");
    let mut other = fork(&mut doc, 3);
    for _ in 0..21 {
        one_char(&mut other, &text, n / 2);
        let change = other.get_last_local_change().unwrap();
        b.time(|| doc.apply_changes([change]).unwrap());
    }
    b.print_line(which, "curve-apply");
    b
}

fn run_diff() -> Bench {
    let mut b = Bench::new();
    let (mut doc, text) = make_text(TEXT_LONG, false);
    for _ in 0..101 {
        let before: Vec<ChangeHash> = doc.get_heads();
        one_char(&mut doc, &text, TEXT_LONG / 2);
        let after = doc.get_heads();
        b.time(|| doc.diff(&before, &after).len());
    }
    b
}

fn run_text() -> Bench {
    let mut b = Bench::new();
    let (doc, text) = make_text(TEXT_LONG, false);
    for _ in 0..101 {
        b.time(|| doc.text(&text).unwrap().len());
    }
    b
}

pub fn run(which: &str, case: &str, file: Option<&str>) -> Option<Bench> {
    Some(match (case, file) {
        ("trace", Some(f)) => run_trace(f, false),
        ("trace-per-edit", Some(f)) => run_trace(f, true),
        ("load", Some(f)) => run_load(f),
        ("save", Some(f)) => run_save(f),
        ("local", _) => run_local(),
        ("remote", _) => run_remote(),
        ("sync", _) => run_sync(),
        ("handshake", _) => run_handshake(),
        ("first-sync", _) => run_first_sync(),
        ("save-incremental", _) => run_save_incremental(),
        ("sync-cells", _) => run_sync_cells(CELLS),
        ("sync-many-cells", _) => run_sync_cells(CELLS_MANY),
        ("notebooks", _) => run_notebooks(),
        ("curve", Some(n)) => run_curve(n, which),
        ("cells-save", _) => run_cells_save(),
        ("diff", _) => run_diff(),
        ("text", _) => run_text(),
        _ => return None,
    })
}
