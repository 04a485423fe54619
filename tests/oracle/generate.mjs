// Seeded programs: requests of the driver's language, chosen while the newest
// release executes them, so that positions and objects make sense.
import fs from 'node:fs'
import { Random } from './random.mjs'
import { f64ToHex } from './values.mjs'

const faults = JSON.parse(fs.readFileSync(new URL('./known-faults.json', import.meta.url))).faults
const avoids = (fault, flavour) => faults[fault].avoid === 'all' || (faults[fault].avoid === 'old' && flavour.forOld)

const words = ['a', 'b', 'hello', ' ', '\n', 'é', 'ß中', '😀', '👩‍👩‍👧', 'e\u0301', '🇩🇪', '\r\n', 'x\u0000y', '\ufffc', '\uffff', 'lorem ipsum', 'def f(x):\n\treturn x\n', '𝒳y', '']
const keys = ['a', 'b', 'c', 'k1', 'é', '\uffff', '😀', '', 'longer key', 'z']
const marks = ['bold', 'link', 'é', 'comment', '']
const expands = ['before', 'after', 'both', 'none']
const messages = [undefined, undefined, '', 'fix', 'wörk\u0000', 'a longer message about the change']

// What a program may contain. `parity`: every operation is promised to be the
// same in all implementations (no marks, blocks or update_text).
export function flavourOf(r) {
  const name = r.weighted([[6, 'parity'], [6, 'rich'], [2, 'counters'], [2, 'isolate']])
  return {
    name,
    parity: name !== 'rich',
    forOld: name !== 'counters' && name !== 'isolate',
    isolate: name === 'isolate',
    marks: name === 'rich',
    blocks: name === 'rich' && r.chance(0.5),
    update: name === 'rich' && r.chance(0.5),
    textPuts: name === 'rich' && r.chance(0.3),
    zeroMarks: name === 'rich' && r.chance(0.15), // made by C alone: npm's own do not load (zero-width-mark)
  }
}

const f64s = [0.5, -0.0, 0, 1e300, NaN, Infinity, -Infinity, Math.PI, 5e-324]
const ints = ['0', '1', '-1', '63', '64', '-64', '-65', '9007199254740993', '9223372036854775807', '-9223372036854775808']
const uints = ['0', '1', '127', '128', '18446744073709551615']

function scalar(r) {
  const t = r.weighted([[6, 'str'], [6, 'int'], [2, 'uint'], [3, 'f64'], [2, 'boolean'], [2, 'null'], [2, 'bytes'], [2, 'timestamp']])
  switch (t) {
    case 'null': return { t }
    case 'boolean': return { t, v: r.chance(0.5) }
    case 'str': return { t, v: r.pick(words) + (r.chance(0.2) ? r.pick(words) : '') }
    case 'int': return { t, v: r.chance(0.7) ? String(r.between(-5, 300)) : r.pick(ints) }
    case 'uint': return { t, v: r.pick(uints) }
    case 'f64': return { t, v: f64ToHex(r.chance(0.5) ? r.pick(f64s) : r.next() / 7) }
    case 'bytes': return { t, v: Buffer.from(r.hex(r.below(9)), 'hex').toString('base64') }
    default: return { t, v: String(r.between(-1_000_000_000, 2_000_000_000) * 1000) }
  }
}

// Values JavaScript carries into a list splice without naming their type.
function plainScalar(r) {
  for (;;) {
    const v = scalar(r)
    if (v.t === 'uint' || v.t === 'str') continue
    if (v.t === 'int' && (v.v.length > 15 || Number(v.v) <= 0)) continue // those become floats in there
    if (v.t === 'f64' && Number.isInteger(Buffer.from(v.v, 'hex').readDoubleBE())) continue
    return v
  }
}

class Generator {
  constructor(seed, peer) {
    this.r = new Random(seed)
    this.peer = peer
    this.flavour = flavourOf(this.r)
    this.program = []
    this.results = []
    this.objects = new Map([['_root', 'map']]) // handle -> type
    this.guarded = new Set() // lists that hold counters: last element stays
    this.inDoc = new Map() // document -> Set of handles
    this.commits = []
    this.history = new Map() // document -> hashes of its own changes
    this.n = 0
  }

  // Executes and records; refused requests are part of the program too.
  do(req) {
    let result
    try {
      result = { ok: this.peer.call(req) }
    } catch (e) {
      if (e.name === 'RuntimeError' || e.name === 'PanicError') throw e
      result = { error: String(e.message) }
    }
    this.program.push(req)
    this.results.push(result)
    return result
  }

  actor() {
    const r = this.r
    return r.weighted([[3, () => r.hex(16)], [2, () => r.hex(1)], [2, () => 'aa' + r.hex(r.below(3))], [1, () => r.hex(r.between(2, 40))]])()
  }

  newActor() {
    let a
    do a = this.actor()
    while (this.actors.has(a))
    this.actors.add(a)
    return a
  }

  start() {
    const r = this.r
    this.actors = new Set()
    this.docs = []
    const n = r.between(3, 6)
    this.do({ op: 'new', doc: 'd0', actor: this.newActor() })
    this.inDoc.set('d0', new Set(['_root']))
    this.docs.push('d0')
    for (let i = r.between(1, 4); i > 0; i--) this.createIn('d0', '_root')
    if (this.flavour.marks) this.essay()
    this.commit('d0')
    for (let i = 1; i < n; i++) this.fork('d0')
  }

  // A text worth marking.
  essay() {
    const as = `o${this.n}`
    if (!this.do({ op: 'put_object', doc: 'd0', obj: '_root', key: 'text', type: 'text', as }).ok) return
    const obj = this.handle('text', 'd0')
    this.do({ op: 'splice_text', doc: 'd0', obj, index: 0, del: 0, text: this.string() + this.string() })
    for (let i = this.r.below(3); i > 0; i--) this.editText('d0', obj)
  }

  // A document as it was at one of its own changes (the old release panics: F3).
  forkBack(from) {
    const own = this.history.get(from)
    if (!own) return
    const name = `d${this.docs.length}`
    this.do({ op: 'fork', doc: name, from, heads: [this.r.pick(own)], actor: this.newActor() })
    const d = this.peer.doc(name)
    const known = (h) => {
      try {
        return h === '_root' || d.objInfo(this.peer.obj(h)) !== undefined
      } catch {
        return false
      }
    }
    this.inDoc.set(name, new Set([...this.inDoc.get(from)].filter(known)))
    this.docs.push(name)
  }

  fork(from) {
    const name = `d${this.docs.length}`
    this.do({ op: 'fork', doc: name, from, actor: this.newActor() })
    this.inDoc.set(name, new Set(this.inDoc.get(from)))
    this.docs.push(name)
  }

  commit(doc) {
    const r = this.r
    const req = { op: 'commit', doc, time: r.chance(0.8) ? r.between(0, 1_800_000_000) : r.between(-100, 100) }
    const m = r.pick(messages)
    if (m !== undefined) req.message = m
    const res = this.do(req)
    if (!res.ok) return
    this.commits.push(res.ok)
    if (!this.history.has(doc)) this.history.set(doc, [])
    this.history.get(doc).push(res.ok)
  }

  // Edits as of one of the document's own earlier changes. Objects newer than
  // that are refused by the newest release and corrupt the old one (13.1).
  isolated(doc) {
    const own = this.history.get(doc)
    if (!own) return
    this.do({ op: 'begin', doc, heads: [this.r.pick(own)] })
    for (let i = this.r.between(1, 4); i > 0; i--) this.edit(doc)
    this.commit(doc)
  }

  merge(doc, from) {
    this.do({ op: 'merge', doc, from })
    for (const h of this.inDoc.get(from)) this.inDoc.get(doc).add(h)
  }

  pickObject(doc) {
    const all = [...this.inDoc.get(doc)]
    const texts = this.flavour.marks && this.r.chance(0.6) ? all.filter((h) => this.objects.get(h) === 'text') : []
    return this.r.pick(texts.length ? texts : all)
  }

  handle(type, doc) {
    const h = `$o${this.n++}`
    this.objects.set(h, type)
    this.inDoc.get(doc).add(h)
    return h
  }

  length(doc, obj) {
    return this.peer.doc(doc).length(this.peer.obj(obj))
  }

  createIn(doc, obj) {
    const type = this.r.weighted([[4, 'text'], [3, 'list'], [3, 'map']])
    const kind = this.objects.get(obj)
    if (kind === 'text') return
    const as = `o${this.n}`
    let req
    if (kind === 'map') req = { op: 'put_object', doc, obj, key: this.r.pick(keys), type, as }
    else {
      const len = this.length(doc, obj)
      if (this.guarded.has(obj) && !len) return
      const put = len > 1 && this.r.chance(0.3)
      const limit = this.guarded.has(obj) ? len - 1 : len
      req = put ? { op: 'put_object', doc, obj, index: this.r.below(Math.max(limit, 1)), type, as } : { op: 'insert_object', doc, obj, index: this.r.between(0, limit), type, as }
      if (put && this.guarded.has(obj) && limit < 1) return
    }
    if (this.do(req).ok) {
      const h = this.handle(type, doc)
      if (type === 'list' && this.r.chance(0.4)) this.guard(doc, h)
    }
  }

  // A list for counters: its last element is never touched (F1, F4).
  guard(doc, list) {
    this.do({ op: 'insert', doc, obj: list, index: 0, value: { t: 'str', v: 'end' } })
    this.guarded.add(list)
  }

  editMap(doc, obj) {
    const r = this.r
    const key = r.pick(keys)
    r.weighted([
      [10, () => this.do({ op: 'put', doc, obj, key, value: scalar(r) })],
      [3, () => this.do({ op: 'put', doc, obj, key, value: { t: 'counter', v: String(r.between(-3, 10)) } })],
      [3, () => this.do({ op: 'delete', doc, obj, key })],
      [3, () => this.incrementKey(doc, obj)],
      [3, () => this.createIn(doc, obj)],
    ])()
  }

  incrementKey(doc, obj) {
    const d = this.peer.doc(doc)
    const id = this.peer.obj(obj)
    const counters = d.keys(id).filter((k) => d.getAll(id, k).some((v) => v[0] === 'counter'))
    if (counters.length) this.do({ op: 'increment', doc, obj, key: this.r.pick(counters), by: this.r.between(-4, 9) })
  }

  editList(doc, obj) {
    const r = this.r
    const len = this.length(doc, obj)
    const guarded = this.guarded.has(obj)
    if (guarded && !len) return
    const limit = guarded ? len - 1 : len
    const free = !avoids('F1', this.flavour)
    r.weighted([
      [6, () => this.do({ op: 'insert', doc, obj, index: r.between(0, limit), value: scalar(r) })],
      [4, () => this.do({ op: 'splice', doc, obj, index: r.between(0, limit), del: r.chance(0.3) && !guarded ? r.between(1, 3) : 0, values: Array.from({ length: r.below(4) }, () => plainScalar(r)) })],
      [3, () => limit && this.do({ op: 'put', doc, obj, index: r.below(limit), value: scalar(r) })],
      [3, () => limit && this.do({ op: 'delete', doc, obj, index: r.below(limit) })],
      [3, () => (guarded || free) && this.do({ op: 'insert', doc, obj, index: r.between(0, limit), value: { t: 'counter', v: String(r.between(0, 9)) } })],
      [4, () => (guarded || free) && this.incrementElement(doc, obj, limit)],
      [3, () => this.createIn(doc, obj)],
    ])()
  }

  incrementElement(doc, obj, limit) {
    const d = this.peer.doc(doc)
    const id = this.peer.obj(obj)
    const at = []
    for (let i = 0; i < limit; i++) if (d.getAll(id, i).some((v) => v[0] === 'counter')) at.push(i)
    if (at.length) this.do({ op: 'increment', doc, obj, index: this.r.pick(at), by: this.r.between(-4, 9) })
  }

  string() {
    let s = ''
    for (let i = this.r.between(1, 4); i > 0; i--) s += this.r.pick(words)
    return s
  }

  editText(doc, obj) {
    const r = this.r
    const len = this.length(doc, obj)
    const at = r.chance(0.4) ? len : r.between(0, len)
    const f = this.flavour
    r.weighted([
      [10, () => this.do({ op: 'splice_text', doc, obj, index: at, del: 0, text: this.string() })],
      [4, () => this.do({ op: 'splice_text', doc, obj, index: r.between(0, len), del: r.between(1, 5), text: r.chance(0.4) ? this.string() : '' })],
      [1, () => this.do({ op: 'splice_text', doc, obj, index: r.between(0, len), del: -r.between(1, 3), text: '' })],
      [f.marks ? 9 : 0, () => this.mark(doc, obj, len)],
      [f.blocks ? 3 : 0, () => this.block(doc, obj, at)],
      [f.update ? 2 : 0, () => this.updateText(doc, obj)],
      [f.textPuts && len ? 1 : 0, () => this.do({ op: 'put', doc, obj, index: r.below(len), value: { t: 'str', v: r.pick(words) } })],
    ])()
  }

  mark(doc, obj, len) {
    const r = this.r
    const least = this.flavour.zeroMarks ? 0 : 1
    if (len < least) return
    const start = r.between(0, len - least)
    const end = r.between(start + least, len)
    const value = r.chance(0.25) ? { t: 'null' } : r.chance(0.5) ? { t: 'boolean', v: true } : { t: 'str', v: r.pick(words) }
    this.do({ op: 'mark', doc, obj, start, end, expand: r.pick(expands), name: r.pick(marks), value })
  }

  block(doc, obj, at) {
    const r = this.r
    const d = this.peer.doc(doc)
    const id = this.peer.obj(obj)
    const blocks = []
    for (let i = 0; i < this.length(doc, obj); i++) if (d.getAll(id, i).at(-1)?.[0] === 'map') blocks.push(i)
    if (blocks.length && r.chance(0.4)) {
      this.do({ op: 'join_block', doc, obj, index: r.pick(blocks) })
      return
    }
    const as = `o${this.n}`
    const req = blocks.length && r.chance(0.3) ? { op: 'replace_block', doc, obj, index: r.pick(blocks), as } : { op: 'split_block', doc, obj, index: at, as }
    if (!this.do(req).ok) return
    const h = this.handle('map', doc)
    this.do({ op: 'put', doc, obj: h, key: 'type', value: { t: 'str', v: r.pick(['p', 'h1', 'li']) } })
    if (r.chance(0.4)) this.do({ op: 'put', doc, obj: h, key: 'level', value: { t: 'int', v: String(r.below(4)) } })
  }

  updateText(doc, obj) {
    const now = this.peer.doc(doc).text(this.peer.obj(obj))
    const r = this.r
    const at = r.between(0, now.length)
    const cut = r.below(4)
    let text = now.slice(0, at) + this.string() + now.slice(at + cut)
    text = text.toWellFormed ? text.toWellFormed() : text
    this.do({ op: 'update_text', doc, obj, text })
  }

  edit(doc) {
    const obj = this.pickObject(doc)
    const type = this.objects.get(obj)
    if (type === 'map') this.editMap(doc, obj)
    else if (type === 'list') this.editList(doc, obj)
    else this.editText(doc, obj)
  }

  step() {
    const r = this.r
    const doc = r.pick(this.docs)
    const what = r.weighted([[8, 'edit'], [3, 'merge'], [this.flavour.isolate ? 2 : 1, 'fork'], [this.flavour.isolate ? 0 : 1, 'empty'], [1, 'rollback'], [this.flavour.isolate ? 3 : 0, 'isolated']])
    if (what === 'merge') {
      const from = r.pick(this.docs)
      if (from !== doc) this.merge(doc, from)
    } else if (what === 'fork' && this.docs.length < 8) {
      if (this.flavour.isolate && r.chance(0.6)) this.forkBack(doc)
      else this.fork(doc)
    } else if (what === 'empty') {
      const res = this.do({ op: 'empty_change', doc, time: r.between(0, 9), message: r.pick(['merge', undefined]) })
      if (res.ok) this.commits.push(res.ok)
    } else if (what === 'isolated') {
      this.isolated(doc)
    } else if (what === 'rollback') {
      const known = new Set(this.inDoc.get(doc))
      for (let i = r.between(1, 4); i > 0; i--) this.edit(doc)
      this.do({ op: 'rollback', doc })
      this.inDoc.set(doc, known)
    } else {
      for (let i = r.between(1, 8); i > 0; i--) this.edit(doc)
      this.commit(doc)
    }
  }

  finish() {
    for (const d of this.docs.slice(1)) this.merge('d0', d)
  }
}

// {flavour, program, results, docs, commits}; throws when the release panics.
export function generate(seed, peer) {
  peer.reset()
  const g = new Generator(seed, peer)
  g.start()
  for (let i = g.r.between(6, 24); i > 0; i--) g.step()
  g.finish()
  return { seed, flavour: g.flavour, program: g.program, results: g.results, docs: g.docs, commits: g.commits }
}
