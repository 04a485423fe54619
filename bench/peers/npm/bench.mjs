// The newest npm release on the cases of `automerge bench`: node bench.mjs CASE
// [FILE], one JSON line. MODULES is the folder whose node_modules has the package.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { createRequire } from 'node:module'

const modules = process.env.MODULES ?? path.dirname(new URL(import.meta.url).pathname)
const dist = path.join(modules, 'node_modules/@automerge/automerge/dist/mjs/wasm_bindgen_output/nodejs')
const A = createRequire(import.meta.url)(path.join(dist, 'automerge_wasm.cjs'))

const TEXT_LONG = 65536
const HISTORY_LONG = 50000
const CELLS = 2000
const CELLS_MANY = 10000
const CELL_CHANGES = 5000

let samples = []
let bytes = 0

// Seconds that passed, or with BENCH_CPU in the environment the processor time of this process.
function now() {
  if (!process.env.BENCH_CPU) return Number(process.hrtime.bigint()) / 1e9
  const used = process.cpuUsage()
  return (used.user + used.system) / 1e6
}

function time(fn) {
  const start = now()
  const r = fn()
  samples.push(now() - start)
  return r
}

const actor = (n) => Buffer.from([n, 0x52, 0x75, 0x6e, ...Array(12).fill(0)]).toString('hex')

function oneChar(doc, text, pos) {
  doc.splice(text, pos, 0, 'x')
  doc.commit(null, 0)
}

function makeText(n, each) {
  const doc = A.create({ actor: actor(1) })
  const text = doc.putObject('_root', 'text', '')
  if (!each) doc.splice(text, 0, 0, 'abcdefghijklmnopqrstuvwxyz'.repeat(n / 26 + 1).slice(0, n))
  doc.commit(null, 0)
  for (let i = 0; each && i < n; i++) oneChar(doc, text, i)
  return { doc, text }
}

function converse(a, sa, c, sc) {
  for (let i = 0; i < 64; i++) {
    const toC = a.generateSyncMessage(sa)
    if (toC) c.receiveSyncMessage(sc, toC)
    const toA = c.generateSyncMessage(sc)
    if (toA) a.receiveSyncMessage(sa, toA)
    if (!toC && !toA) break
  }
}

function syncRounds(doc, text, repeat) {
  const other = doc.fork(actor(2))
  const sd = A.initSyncState()
  const so = A.initSyncState()
  converse(doc, sd, other, so)
  for (let i = 0; i < repeat; i++) {
    time(() => {
      oneChar(doc, text, 0)
      converse(doc, sd, other, so)
    })
  }
}

function readTrace(file) {
  const raw = fs.readFileSync(file)
  return JSON.parse(raw[0] === 0x1f ? zlib.gunzipSync(raw) : raw)
}

function playSequence(t, perEdit) {
  const doc = A.create({ actor: actor(1) })
  const text = doc.putObject('_root', 'text', '')
  doc.splice(text, 0, 0, t.startContent)
  for (const x of t.txns) {
    for (const [pos, del, ins] of x.patches) {
      doc.splice(text, pos, del, ins)
      if (perEdit) doc.commit(null, 0)
    }
  }
  doc.commit(null, 0)
  return { doc, text }
}

function bring(t, done, seen, i) {
  const stack = [i]
  const found = []
  while (stack.length) {
    const k = stack.pop()
    if (seen.has(k)) continue
    seen.add(k)
    found.push(k)
    stack.push(...t.txns[k].parents)
  }
  return found.sort((a, b) => a - b).flatMap((k) => done[k])
}

function playConcurrent(t, perEdit) {
  const first = A.create({ actor: actor(1) })
  const text = first.putObject('_root', 'text', '')
  first.commit(null, 0)
  const docs = Array.from({ length: t.numAgents }, (_, i) => first.fork(actor(i + 2)))
  const seen = docs.map(() => new Set())
  const done = []
  for (const [i, x] of t.txns.entries()) {
    const doc = docs[x.agent]
    for (const p of x.parents) {
      const changes = bring(t, done, seen[x.agent], p)
      if (changes.length) doc.applyChanges(changes)
    }
    const made = []
    const keep = () => doc.commit(null, 0) && made.push(doc.getLastLocalChange())
    for (const [pos, del, ins] of x.patches) {
      doc.splice(text, pos, del, ins)
      if (perEdit) keep()
    }
    if (!perEdit) keep()
    done.push(made)
    seen[x.agent].add(i)
  }
  for (const d of docs) first.merge(d)
  return { doc: first, text }
}

function trace(file, perEdit) {
  const t = readTrace(file)
  const runs = t.txns.length > 20_000 ? 1 : 3
  for (let i = 0; i < runs; i++) {
    const { doc, text } = time(() => (t.kind === 'concurrent' ? playConcurrent(t, perEdit) : playSequence(t, perEdit)))
    if (t.endContent !== undefined && doc.text(text) !== t.endContent) throw new Error('the text differs from endContent')
    bytes = doc.save().length
    doc.free()
  }
}

function makeCells(n, changes) {
  const doc = A.create({ actor: actor(1) })
  const cells = doc.putObject('_root', 'cells', [])
  const texts = []
  for (let i = 0; i < n; i++) {
    const cell = doc.insertObject(cells, i, {})
    doc.put(cell, 'cell_type', 'code', 'str')
    const text = doc.putObject(cell, 'source', '')
    doc.splice(text, 0, 0, "print('hello')")
    texts.push(text)
  }
  doc.commit(null, 0)
  for (let i = 0; i < changes; i++) oneChar(doc, texts[(i * 7919) % n], 0)
  return { doc, texts }
}

function syncCells(n) {
  const { doc, texts } = makeCells(n, CELL_CHANGES)
  syncRounds(doc, texts[n / 2], 51)
}

function print(name) {
  if (!samples.length) return
  samples.sort((a, b) => a - b)
  const seconds = samples[Math.floor(samples.length / 2)]
  console.log(JSON.stringify({ impl: 'npm', case: name, seconds, samples: samples.length, bytes, live: 0, peak: 0 }))
  samples = []
}

const cases = {
  trace: (f) => trace(f, false),
  'trace-per-edit': (f) => trace(f, true),
  load(f) {
    const data = fs.readFileSync(f)
    bytes = data.length
    for (let i = 0; i < 5; i++) time(() => A.load(data, { actor: actor(1) })).free()
  },
  save(f) {
    const doc = A.load(fs.readFileSync(f), { actor: actor(1) })
    for (let i = 0; i < 5; i++) bytes = time(() => doc.save()).length
  },
  local() {
    const { doc, text } = makeText(TEXT_LONG, false)
    for (let i = 0; i < 301; i++) time(() => oneChar(doc, text, TEXT_LONG / 2 + i))
  },
  remote() {
    const { doc, text } = makeText(TEXT_LONG, false)
    const other = doc.fork(actor(2))
    for (let i = 0; i < 301; i++) {
      oneChar(other, text, TEXT_LONG / 2 + i)
      const change = other.getLastLocalChange()
      time(() => doc.applyChanges([change]))
    }
  },
  sync() {
    const { doc, text } = makeText(HISTORY_LONG, true)
    syncRounds(doc, text, 51)
  },
  handshake() {
    const { doc } = makeText(HISTORY_LONG, true)
    const other = doc.fork(actor(2))
    for (let i = 0; i < 11; i++) {
      const sd = A.initSyncState()
      const so = A.initSyncState()
      time(() => converse(doc, sd, other, so))
    }
  },
  'sync-cells'() {
    syncCells(CELLS)
  },
  'sync-many-cells'() {
    syncCells(CELLS_MANY)
  },
  'first-sync'() {
    const { doc } = makeText(HISTORY_LONG, true)
    for (let i = 0; i < 3; i++) {
      const other = A.create({ actor: actor(2) })
      const sd = A.initSyncState()
      const so = A.initSyncState()
      time(() => converse(doc, sd, other, so))
      other.free()
    }
  },
  'save-incremental'() {
    const { doc, text } = makeText(HISTORY_LONG, true)
    doc.save()
    for (let i = 0; i < 51; i++) {
      oneChar(doc, text, 0)
      bytes = time(() => doc.saveIncremental()).length
    }
  },
  notebooks() {
    const data = makeCells(20, 100).doc.save()
    const open = []
    bytes = data.length
    for (let i = 0; i < 1000; i++) open.push(time(() => A.load(data, { actor: actor(1) })))
  },
  curve(file) {
    const n = Number(file)
    const { doc, text } = makeText(n, true)
    for (let i = 0; i < 101; i++) time(() => oneChar(doc, text, n / 2))
    print('curve-edit')
    syncRounds(doc, text, 21)
    print('curve-sync')
    const other = doc.fork(actor(3))
    for (let i = 0; i < 21; i++) {
      oneChar(other, text, n / 2)
      const change = other.getLastLocalChange()
      time(() => doc.applyChanges([change]))
    }
    print('curve-apply')
  },
  'cells-save'() {
    const { doc } = makeCells(CELLS, CELL_CHANGES)
    for (let i = 0; i < 5; i++) bytes = time(() => doc.save()).length
  },
  diff() {
    const { doc, text } = makeText(TEXT_LONG, false)
    for (let i = 0; i < 101; i++) {
      const before = doc.getHeads()
      oneChar(doc, text, TEXT_LONG / 2)
      const after = doc.getHeads()
      time(() => doc.diff(before, after))
    }
  },
  text() {
    const { doc, text } = makeText(TEXT_LONG, false)
    for (let i = 0; i < 101; i++) time(() => doc.text(text))
  },
}

const [name, file] = process.argv.slice(2)
if (!cases[name]) {
  console.error(`no such case: ${name}`)
  process.exit(2)
}
cases[name](file)
print(name)
process.exit(0)
