// One npm release behind the same requests the C driver takes.
import { lowLevel } from './install.mjs'
import { fromBase64, toBase64 } from './driver.mjs'
import { fromNpm, plainOfNpm, toNpm } from './values.mjs'

const empty = { map: () => ({}), list: () => [], text: () => '' }
const listValue = (v) => toNpm(v)[0]

// An exception that says the library itself is broken, not that the request was refused.
export function isPanic(e) {
  return e?.name === 'RuntimeError' || e?.name === 'PanicError' || /unreachable|recursive use|PanicError|panicked/.test(String(e?.message ?? e))
}

export class NpmPeer {
  constructor(which) {
    this.which = which
    this.api = lowLevel(which)
    this.reset()
  }

  reset() {
    for (const d of this.docs?.values() ?? []) {
      try {
        d.free()
      } catch {
        // a handle that panicked cannot be freed
      }
    }
    this.docs = new Map()
    this.syncs = new Map()
    this.handles = new Map()
  }

  doc(name) {
    const d = this.docs.get(name)
    if (!d) throw new Error(`no document ${name}`)
    return d
  }

  obj(text) {
    if (text[0] !== '$') return text
    const id = this.handles.get(text.slice(1))
    if (!id) throw new Error(`no object ${text}`)
    return id
  }

  keep(name, doc) {
    this.docs.get(name)?.free()
    this.docs.set(name, doc)
    return null
  }

  made(req, id) {
    if (req.as) this.handles.set(req.as, id)
    return id
  }

  // The value of "ok", or throws.
  call(req) {
    const fn = NpmPeer.ops[req.op]
    if (!fn) throw new Error(`no operation ${req.op}`)
    return fn.call(this, req)
  }

  static ops = {
    new(r) {
      return this.keep(r.doc, this.api.create({ actor: r.actor }))
    },
    load(r) {
      return this.keep(r.doc, this.api.load(fromBase64(r.data), { actor: r.actor }))
    },
    fork(r) {
      return this.keep(r.doc, this.doc(r.from).fork(r.actor, r.heads))
    },
    merge(r) {
      this.doc(r.doc).merge(this.doc(r.from))
      return null
    },
    apply(r) {
      this.doc(r.doc).loadIncremental(fromBase64(r.data))
      return null
    },
    put(r) {
      const [v, t] = toNpm(r.value)
      this.doc(r.doc).put(this.obj(r.obj), r.key ?? r.index, v, t)
      return null
    },
    insert(r) {
      const [v, t] = toNpm(r.value)
      this.doc(r.doc).insert(this.obj(r.obj), r.index, v, t)
      return null
    },
    put_object(r) {
      return this.made(r, this.doc(r.doc).putObject(this.obj(r.obj), r.key ?? r.index, empty[r.type]()))
    },
    insert_object(r) {
      return this.made(r, this.doc(r.doc).insertObject(this.obj(r.obj), r.index, empty[r.type]()))
    },
    delete(r) {
      this.doc(r.doc).delete(this.obj(r.obj), r.key ?? r.index)
      return null
    },
    increment(r) {
      this.doc(r.doc).increment(this.obj(r.obj), r.key ?? r.index, r.by)
      return null
    },
    splice_text(r) {
      this.doc(r.doc).splice(this.obj(r.obj), r.index, r.del, r.text)
      return null
    },
    update_text(r) {
      this.doc(r.doc).updateText(this.obj(r.obj), r.text)
      return null
    },
    splice(r) {
      this.doc(r.doc).splice(this.obj(r.obj), r.index, r.del, r.values.map(listValue))
      return null
    },
    mark(r) {
      const range = { start: r.start, end: r.end, expand: r.expand }
      const [v, t] = toNpm(r.value)
      if (r.value.t === 'null') this.doc(r.doc).unmark(this.obj(r.obj), range, r.name)
      else this.doc(r.doc).mark(this.obj(r.obj), range, r.name, v, t)
      return null
    },
    split_block(r) {
      const d = this.doc(r.doc)
      const o = this.obj(r.obj)
      d.splitBlock(o, r.index, {})
      // Inside a surrogate pair the position is rounded up.
      const at = [r.index, r.index + 1].map((i) => d.getAll(o, i).at(-1))
      return this.made(r, at.find((v) => v?.[0] === 'map')[1])
    },
    join_block(r) {
      this.doc(r.doc).joinBlock(this.obj(r.obj), r.index)
      return null
    },
    replace_block(r) {
      const d = this.doc(r.doc)
      const o = this.obj(r.obj)
      d.updateBlock(o, r.index, {})
      return this.made(r, d.getAll(o, r.index).at(-1)[1])
    },
    update_spans(r) {
      const per = Object.fromEntries((r.per_mark ?? []).map((m) => [m.name, m.expand]))
      this.doc(r.doc).updateSpans(this.obj(r.obj), r.spans.map(spanOf), { defaultExpand: r.expand, perMarkExpand: per })
      return null
    },
    begin(r) {
      if (r.heads) {
        this.doc(r.doc).isolate(r.heads)
        this.isolated = r.doc
      }
      return null
    },
    // An explicit empty message is kept as such in npm's files; hashes are those of none.
    commit(r) {
      const d = this.doc(r.doc)
      const h = d.commit(r.message || undefined, r.time) ?? null
      if (this.isolated === r.doc) {
        d.integrate()
        this.isolated = null
      }
      return h
    },
    empty_change(r) {
      return this.doc(r.doc).emptyChange(r.message || undefined, r.time)
    },
    rollback(r) {
      this.doc(r.doc).rollback()
      return null
    },
    heads(r) {
      return this.doc(r.doc).getHeads()
    },
    save(r) {
      const d = this.doc(r.doc)
      return toBase64(r.flags & 1 ? d.saveNoCompress() : d.save())
    },
    save_after(r) {
      return toBase64(this.doc(r.doc).saveSince(r.heads))
    },
    changes(r) {
      return this.doc(r.doc).getChanges([]).map(toBase64)
    },
    dump(r) {
      return dump(this.doc(r.doc), r.obj ? this.obj(r.obj) : '_root', 'map', r.heads)
    },
    length(r) {
      return lengthOf(this.doc(r.doc), this.obj(r.obj), r.heads)
    },
    text(r) {
      return this.doc(r.doc).text(this.obj(r.obj), r.heads)
    },
    marks_at(r) {
      return this.doc(r.doc).marksAt(this.obj(r.obj), r.index, r.heads)
    },
    get(r) {
      const [t, v] = this.doc(r.doc).getWithType(this.obj(r.obj), r.key ?? r.index, r.heads)
      return ['map', 'list', 'text'].includes(t) ? { t } : fromNpm(t, v)
    },
    cursor(r) {
      return this.doc(r.doc).getCursor(this.obj(r.obj), r.index ?? 'end', r.heads, r.move)
    },
    cursor_position(r) {
      return this.doc(r.doc).getCursorPosition(this.obj(r.obj), r.cursor, r.heads)
    },
    sync_new(r) {
      this.syncs.set(r.sync, this.api.initSyncState())
      return null
    },
    sync_load(r) {
      this.syncs.set(r.sync, this.api.decodeSyncState(fromBase64(r.data)))
      return null
    },
    sync_save(r) {
      return toBase64(this.api.encodeSyncState(this.syncs.get(r.sync)))
    },
    // Since 3.2.6.
    sync_read_only(r) {
      this.syncs.get(r.sync).readOnly = !!r.on
      return null
    },
    generate(r) {
      const m = this.doc(r.doc).generateSyncMessage(this.syncs.get(r.sync))
      return m ? toBase64(m) : null
    },
    receive(r) {
      this.doc(r.doc).receiveSyncMessage(this.syncs.get(r.sync), fromBase64(r.data))
      return null
    },
  }
}

// Trees and spans as the driver takes them, in JavaScript's terms.
function plainTree(t) {
  if ('map' in t) return Object.fromEntries(t.map.map(([k, v]) => [k, plainTree(v)]))
  return 'list' in t ? t.list.map(plainTree) : (t.text ?? toNpm(t)[0])
}

function spanOf(s) {
  if (s.block) return { type: 'block', value: plainTree(s.block) }
  return { type: 'text', value: s.text, marks: Object.fromEntries((s.marks ?? []).map(([name, v]) => [name, toNpm(v)[0]])) }
}

function dumpValue(d, [t, v, id], heads) {
  if (t === 'map' || t === 'list' || t === 'text') return dump(d, v, t, heads)
  return [fromNpm(t, v), id]
}

const byName = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])

// As the library's JSON has it: bytes are arrays.
function jsonOfNpm(v) {
  if (v instanceof Uint8Array) return [...v]
  if (Array.isArray(v)) return v.map(jsonOfNpm)
  const p = plainOfNpm(v)
  return p && typeof p === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, jsonOfNpm(x)])) : p
}

function dumpSpan(s) {
  if (s.type === 'block') return ['block', jsonOfNpm(s.value)]
  return ['text', s.value, plainOfNpm(s.marks ?? {})]
}

// A text at older heads is as long as its string (conflicts-at-heads).
function lengthOf(d, id, heads) {
  return heads && d.objInfo(id).type === 'text' ? d.text(id, heads).length : d.length(id, heads)
}

// At these heads length(), and with it cursors near the end, may be wrong.
export function isMiscounted(d, id, heads) {
  return !!heads && d.length(id, heads) !== lengthOf(d, id, heads)
}

function dumpText(d, id, heads) {
  return {
    id,
    text: d.text(id, heads),
    length: lengthOf(d, id, heads),
    marks: d.marks(id, heads).map((m) => [m.name, m.start, m.end, plainOfNpm(m.value)]).sort(byName),
    spans: d.spans(id, heads).map(dumpSpan),
    placed: dumpPlaced(d, id, heads),
  }
}

// What a text shows but its string does not: objects in it, and conflicts.
function dumpPlaced(d, id, heads) {
  const out = []
  const n = lengthOf(d, id, heads)
  for (let i = 0; i < n; ) {
    const vs = d.getAll(id, i, heads)
    const [t, v] = vs.at(-1)
    if (t !== 'str' || vs.length > 1) out.push([i, vs.map((x) => dumpValue(d, x, heads))])
    i += t === 'str' ? v.length : 1
  }
  return out
}

// All that is visible, with every conflicting value and its id.
export function dump(d, id, type, heads) {
  if (type === 'text') return dumpText(d, id, heads)
  if (type === 'map') {
    const keys = d.keys(id, heads).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    return { id, map: keys.map((k) => [k, d.getAll(id, k, heads).map((x) => dumpValue(d, x, heads))]) }
  }
  const list = []
  const n = d.length(id, heads)
  for (let i = 0; i < n; i++) list.push(d.getAll(id, i, heads).map((x) => dumpValue(d, x, heads)))
  return { id, list }
}
