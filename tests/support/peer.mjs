// Raw peers on the daemon's socket: frames of protocol.md 3 and 5, documents by the
// unmodified npm release named "old" or "new". One process holds many peers and
// takes one JSON command per line; answers may come in another order.
import fs from 'node:fs'
import net from 'node:net'
import readline from 'node:readline'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ensureInstalled, root } from '../oracle/install.mjs'

const SYNC = 0
const REQUEST = 1
const RESPONSE = 2
const BROADCAST = 3
const PRESENCE = 4
const STATE = 5
const POOL = 6

const installed = await ensureInstalled()
const require = createRequire(path.join(root, 'package.json'))
const libraries = { old: require('automerge-old'), new: require('automerge-new') }

const text = (v) => (v === undefined || v === null ? v : String(v))
const byPosition = (a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1)

// Any part of a document as plain JSON.
function plain(v) {
  if (v === null || typeof v !== 'object') return v
  if (Array.isArray(v)) return Array.from(v, plain)
  if (v instanceof Date || v instanceof Uint8Array) return v
  if (Object.getPrototypeOf(v) !== Object.prototype && v.constructor !== Object) return 'value' in v && typeof v.value === 'number' ? v.value : String(v)
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]))
}

// Positions as the clients make them (documents.md 4): bytes in upper-case hex, closed by 0x80.
function after(position) {
  const b = [...Buffer.from(position, 'hex')]
  for (let i = 0; i < b.length; i++) {
    if (b[i] < 0x80) return hex([...b.slice(0, i), 0x80])
    if (b[i] < 0xff) return hex([...b.slice(0, i), b[i] + 1, 0x80])
  }
  return hex([...b, 0x80])
}

function before(position) {
  const b = [...Buffer.from(position, 'hex')]
  for (let i = 0; i < b.length; i++) {
    if (b[i] > 0x80) return hex([...b.slice(0, i), 0x80])
    if (b[i] > 0) return hex([...b.slice(0, i), b[i] - 1, 0x80])
  }
  return hex([...b, 0x80])
}

const hex = (bytes) => Buffer.from(bytes).toString('hex').toUpperCase()

// A document of the connection: its replica and the sync state of this peer.
class Slot {
  constructor(A, actor, skeleton) {
    this.A = A
    this.state = A.initSyncState()
    this.doc = A.init(actor ? { actor } : {})
    if (skeleton) {
      this.doc = A.change(this.doc, { time: 0 }, (d) => {
        d.schema_version = new A.Uint(2)
        d.cells = {}
        d.metadata = {}
      })
    }
  }

  receive(message) {
    ;[this.doc, this.state] = this.A.receiveSyncMessage(this.doc, this.state, message)
  }

  generate() {
    const [state, message] = this.A.generateSyncMessage(this.doc, this.state)
    this.state = state
    return message
  }

  // Our changes that the daemon has not acknowledged: not below the heads both have.
  unacknowledged() {
    const me = this.A.getActorId(this.doc)
    const known = this.state.sharedHeads.filter((h) => this.A.hasHeads(this.doc, [h]))
    return this.A.getChangesMetaSince(this.doc, known).filter((c) => c.actor === me)
  }

  level() {
    const theirs = this.state.theirHeads
    return !!theirs && this.A.getHeads(this.doc).sort().join() === [...theirs].sort().join()
  }
}

class Peer {
  constructor(o) {
    this.A = libraries[o.lib ?? 'new']
    this.slots = {
      [SYNC]: new Slot(this.A, o.actor, o.skeleton),
      [STATE]: new Slot(this.A),
      [POOL]: new Slot(this.A),
    }
    this.answers = o.answers ?? { [SYNC]: true, [STATE]: true, [POOL]: true }
    this.events = []
    this.responses = []
    this.presence = []
    this.pending = []
    this.stray = []
    this.log = []
    this.closed = false
    this.error = null
    this.info = null
    this.last = Date.now()
    this.parts = [] // of the input that makes no frame yet
    this.have = 0
    this.need = 4
    this.watchers = new Set()
  }

  connect(o) {
    return new Promise((resolve, reject) => {
      this.answered = resolve
      this.socket = net.connect(o.socket)
      this.socket.on('connect', () => {
        this.socket.write(Buffer.from([0xc0, 0xde, 0x01, 0xac, o.version ?? 2]))
        this.write(Buffer.from(JSON.stringify(o.handshake)))
        if (o.drop) this.socket.destroy()
        if (o.drop || o.silent) resolve(null)
      })
      this.socket.on('data', (data) => this.data(data))
      this.socket.on('error', (e) => {
        this.error = e.message
      })
      this.socket.on('close', () => {
        this.closed = true
        for (const p of this.pending) p.reject(new Error('the daemon closed the connection before its response'))
        this.pending = []
        if (!this.info) reject(new Error(`closed before the info: ${this.error ?? 'no error'}`))
        this.look()
      })
    })
  }

  write(body) {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(body.length)
    this.socket.write(Buffer.concat([head, body]))
  }

  send(type, body) {
    this.log.push([Date.now(), '>', type, body.length])
    this.write(Buffer.concat([Buffer.from([type]), body]))
  }

  data(data) {
    this.parts.push(data)
    this.have += data.length
    if (this.have < this.need) return
    let input = this.parts.length > 1 ? Buffer.concat(this.parts) : data
    while (input.length >= 4) {
      const n = input.readUInt32BE()
      this.need = 4 + n
      if (input.length < this.need) break
      const body = input.subarray(4, 4 + n)
      input = input.subarray(4 + n)
      this.need = 4
      if (!this.info) {
        this.info = JSON.parse(body.toString())
        this.answered(this.info)
      } else {
        this.frame(body[0], body.subarray(1))
      }
    }
    this.parts = input.length ? [input] : []
    this.have = input.length
    this.look()
  }

  frame(type, body) {
    this.last = Date.now()
    this.log.push([this.last, '<', type, body.length])
    if (type in this.slots) {
      try {
        this.slots[type].receive(new Uint8Array(body))
        if (this.answers[type] && !(this.deaf && this.pending.length)) this.pump(type)
      } catch (e) {
        this.error = `frame ${type}: ${e.stack}`
      }
    } else if (type === RESPONSE) {
      const response = JSON.parse(body.toString())
      this.responses.push(response)
      const p = this.pending.shift()
      if (p) p.resolve(response)
      else this.stray.push(response)
    } else if (type === BROADCAST) {
      this.events.push({ ...JSON.parse(body.toString()), at: this.last })
    } else if (type === PRESENCE) {
      this.presence.push(body.toString('base64'))
    } else {
      this.error = `a frame of type ${type}`
    }
  }

  // All there is to say about a document now.
  pump(type) {
    for (;;) {
      const message = this.slots[type].generate()
      if (!message || this.closed) return
      this.send(type, Buffer.from(message))
    }
  }

  get doc() {
    return this.slots[SYNC].doc
  }

  get state() {
    return this.slots[STATE].doc
  }

  change(fn) {
    const slot = this.slots[SYNC]
    slot.doc = this.A.change(slot.doc, { time: 0 }, fn)
    this.pump(SYNC)
  }

  // Read from the replica itself: the view that npm's wrapper keeps up from patches doubles a text
  // when another cell of the same id takes its place (3.2.5 and 3.5.0 alike).
  cells() {
    if (this.cellsOf === this.doc) return this.cellsKept
    const list = Object.entries(this.A.getBackend(this.doc).materialize('/').cells ?? {}).map(([id, c]) => ({
      id,
      type: text(c.cell_type),
      source: text(c.source),
      count: text(c.execution_count),
      position: text(c.position) ?? '80',
      outputs: Array.from(c.outputs ?? [], text),
      metadata: plain(c.metadata ?? {}),
      execution_id: text(c.execution_id),
    }))
    this.cellsOf = this.doc
    this.cellsKept = list.sort(byPosition)
    return this.cellsKept
  }

  cell(id) {
    return this.cells().find((c) => c.id === id)
  }

  event(name, more = {}) {
    return this.events.find((e) => e.event === name && Object.entries(more).every(([k, v]) => JSON.stringify(e[k]) === JSON.stringify(v)))
  }

  eventCount(name) {
    return this.events.filter((e) => e.event === name).length
  }

  acked() {
    return this.slots[SYNC].unacknowledged().length === 0
  }

  level() {
    return this.slots[SYNC].level()
  }

  heads() {
    return this.A.getHeads(this.doc).sort()
  }

  // Conditions are JavaScript over `p`, asked again whenever something arrived.
  wait(expression, timeout) {
    const ask = new Function('p', `return (${expression})`)
    return new Promise((resolve, reject) => {
      const watcher = () => {
        let value
        try {
          value = ask(this)
        } catch (e) {
          value = undefined
        }
        if (!value) return
        this.watchers.delete(watcher)
        clearTimeout(timer)
        resolve(value === true ? true : JSON.parse(JSON.stringify(value)))
      }
      const timer = setTimeout(() => {
        this.watchers.delete(watcher)
        reject(new Error(`not within ${timeout} ms: ${expression}\n${this.summary()}`))
      }, timeout)
      this.watchers.add(watcher)
      watcher()
    })
  }

  look() {
    if (this.looking || !this.watchers.size) return
    this.looking = true
    setImmediate(() => {
      this.looking = false
      for (const w of [...this.watchers]) w()
    })
  }

  summary() {
    const cells = this.cells().slice(0, 12).map((c) => `${c.id}=${JSON.stringify(c.source.slice(0, 40))}(${c.outputs.length})`)
    return [
      `closed ${this.closed}, error ${this.error}, pending ${this.pending.length}, cells ${this.cells().length}: ${cells.join(' ')}`,
      `events ${this.events.slice(-12).map((e) => JSON.stringify(e)).join('\n       ')}`,
      `frames ${this.log.slice(-20).map((f) => `${f[1]}${f[2]}:${f[3]}`).join(' ')}`,
    ].join('\n')
  }

  request(body) {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error('the connection is closed'))
      this.pending.push({ resolve, reject })
      this.send(REQUEST, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))
    })
  }

  newCell(c) {
    const { ImmutableString: S } = this.A
    return {
      id: new S(c.id),
      cell_type: new S(c.type ?? 'code'),
      position: new S(c.position ?? this.endPosition(c.front)),
      source: c.source ?? '',
      execution_count: new S('null'),
      outputs: [],
      metadata: c.metadata ?? {},
      resolved_assets: {},
    }
  }

  endPosition(front) {
    const all = this.cells()
    if (!all.length) return '80'
    return front ? before(all[0].position) : after(all[all.length - 1].position)
  }
}

const peers = new Map()

function peer(name) {
  const p = peers.get(name)
  if (!p) throw new Error(`no peer ${name}`)
  return p
}

async function settle(names, quiet, timeout) {
  const end = Date.now() + timeout
  const all = names.map(peer)
  for (;;) {
    const since = Date.now() - Math.max(0, ...all.filter((p) => !p.closed).map((p) => p.last))
    if (since >= quiet) return
    if (Date.now() > end) throw new Error(`no quiet within ${timeout} ms\n${all.map((p) => p.summary()).join('\n')}`)
    await new Promise((r) => setTimeout(r, Math.min(quiet - since + 1, 50)))
  }
}

function legacy(c) {
  const A = libraries.new
  const S = A.ImmutableString
  let doc = A.init({ actor: Buffer.from('runtimed').toString('hex') })
  doc = A.change(doc, { time: 0 }, (d) => {
    d.schema_version = new A.Uint(2)
    d.notebook_id = new S(c.notebook)
    d.cells = {}
    d.metadata = {}
    d.metadata.runtime = new S('python')
  })
  let position = '80'
  for (const cell of c.cells) {
    doc = A.change(doc, { time: 0 }, (d) => {
      d.cells[cell.id] = {
        id: new S(cell.id),
        cell_type: new S('code'),
        position: new S(position),
        source: cell.source,
        execution_count: new S('null'),
        outputs: [],
        metadata: {},
        resolved_assets: {},
      }
    })
    position = after(position)
  }
  return Buffer.from(A.save(doc)).toString('base64')
}

const verbs = {
  version: () => installed,
  async connect(c) {
    const p = new Peer(c)
    peers.set(c.peer, p)
    return p.connect(c)
  },
  add: (c, p) => p.change((d) => void (d.cells[c.id] = p.newCell(c))),
  // As soon as the document has come: what a client does that types at once.
  async addSoon(c, p) {
    await p.wait('p.info && p.level() && p.doc.cells', 20000)
    p.change((d) => void (d.cells[c.id] = p.newCell(c)))
  },
  addMany: (c, p) =>
    p.change((d) => {
      let position = p.endPosition()
      for (const cell of c.cells) {
        d.cells[cell.id] = p.newCell({ ...cell, position })
        position = after(position)
      }
    }),
  set: (c, p) => p.change((d) => p.A.updateText(d, ['cells', c.id, 'source'], c.source)),
  splice: (c, p) => p.change((d) => p.A.splice(d, ['cells', c.id, 'source'], c.at, c.remove, c.text)),
  del: (c, p) => p.change((d) => void delete d.cells[c.id]),
  meta: (c, p) => p.change((d) => void (d.metadata[c.key] = c.value)),
  cellMeta: (c, p) => p.change((d) => void (d.cells[c.id].metadata = c.value)),
  clearOutputs: (c, p) => p.change((d) => void (d.cells[c.id].outputs = [])),
  request: (c, p) => p.request(c.body),
  wait: (c, p) => p.wait(c.expression, c.timeout),
  ask: (c, p) => JSON.parse(JSON.stringify(new Function('p', `return (${c.expression})`)(p) ?? null)),
  settle: (c) => settle(c.peers, c.quiet, c.timeout),
  state: (c, p) => plain(p.state),
  document: (c, p) => plain(p.A.getBackend(p.doc).materialize('/')),
  // A document of the reference daemon's own layout (documents.md 3.2), as bytes.
  legacy: (c) => legacy(c),
  save: (c, p) => Buffer.from(p.A.save(p.doc)).toString('base64'),
  sendFrame: (c, p) => p.send(c.type, Buffer.from(c.body, 'base64')),
  sendRaw: (c, p) => void p.socket.write(Buffer.from(c.body, 'base64')),
  pauseReading: (c, p) => void p.socket.pause(),
  resumeReading: (c, p) => void p.socket.resume(),
  holdAnswers(c, p) {
    p.answers = { ...p.answers, [SYNC]: false }
  },
  giveAnswers(c, p) {
    p.answers = { ...p.answers, [SYNC]: true }
    p.pump(SYNC)
  },
  forget: (c, p) => void (p.events = []),
  close: (c, p) =>
    new Promise((resolve) => {
      if (p.closed || !p.socket) return resolve()
      p.socket.on('close', () => resolve())
      p.socket.destroy()
    }),
  stats: (c, p) => ({ sent: p.log.filter((f) => f[1] === '>').length, received: p.log.filter((f) => f[1] === '<').length }),
}

const lines = readline.createInterface({ input: process.stdin })
const out = fs.createWriteStream(null, { fd: 1 })
const bigints = (_, v) => (typeof v === 'bigint' ? Number(v) : v)
const reply = (o) => out.write(JSON.stringify(o, bigints) + '\n')
lines.on('line', async (line) => {
  const c = JSON.parse(line)
  try {
    const p = c.peer && c.verb !== 'connect' ? peer(c.peer) : null
    reply({ id: c.id_, ok: (await verbs[c.verb](c, p)) ?? null })
  } catch (e) {
    reply({ id: c.id_, error: e.stack ?? String(e) })
  }
})
lines.on('close', () => process.exit(0))
