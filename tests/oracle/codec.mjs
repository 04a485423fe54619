// Chunks and columns by hand, so that tests can also write what no encoder writes.
import crypto from 'node:crypto'
import zlib from 'node:zlib'

const MAGIC = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83)
export const DOCUMENT = 0
export const CHANGE = 1
export const DEFLATED = 2

export const concat = (...parts) => new Uint8Array(Buffer.concat(parts.map((p) => Buffer.from(p))))
export const hex = (u8) => Buffer.from(u8).toString('hex')
export const unhex = (s) => new Uint8Array(Buffer.from(s, 'hex'))
const sha256 = (u8) => crypto.createHash('sha256').update(u8).digest()

export function uleb(n) {
  let v = BigInt(n)
  const out = []
  do {
    let b = Number(v & 0x7fn)
    v >>= 7n
    if (v) b |= 0x80
    out.push(b)
  } while (v)
  return Uint8Array.from(out)
}

export function sleb(n) {
  let v = BigInt(n)
  const out = []
  for (;;) {
    const b = Number(v & 0x7fn)
    v >>= 7n
    if ((v === 0n && !(b & 0x40)) || (v === -1n && b & 0x40)) {
      out.push(b)
      return Uint8Array.from(out)
    }
    out.push(b | 0x80)
  }
}

export class Reader {
  constructor(u8, at = 0) {
    this.b = u8
    this.at = at
  }
  get left() {
    return this.b.length - this.at
  }
  bytes(n) {
    if (n > this.left) throw new Error('bytes end early')
    this.at += n
    return this.b.subarray(this.at - n, this.at)
  }
  byte() {
    return this.bytes(1)[0]
  }
  uleb() {
    let v = 0n
    for (let shift = 0n; ; shift += 7n) {
      const b = this.byte()
      v |= BigInt(b & 0x7f) << shift
      if (!(b & 0x80)) return Number(v)
    }
  }
  prefixed() {
    return this.bytes(this.uleb())
  }
  hashes() {
    return Array.from({ length: this.uleb() }, () => hex(this.bytes(32)))
  }
}

export const prefixed = (u8) => concat(uleb(u8.length), u8)
export const text = (s) => prefixed(new TextEncoder().encode(s))

export function chunkHash(type, body) {
  return sha256(concat([type], uleb(body.length), body))
}

// A whole chunk with a right checksum, or the given one.
export function chunk(type, body, checksum) {
  return concat(MAGIC, checksum ?? chunkHash(type, body).subarray(0, 4), [type], uleb(body.length), body)
}

// [{type, body, bytes}] of any concatenation.
export function chunks(u8) {
  const r = new Reader(u8)
  const out = []
  while (r.left) {
    const start = r.at
    r.bytes(8)
    const type = r.byte()
    const body = r.prefixed()
    out.push({ type, body, bytes: u8.subarray(start, r.at) })
  }
  return out
}

// Hash of a change chunk, plain or deflated.
export function changeHash(c) {
  const body = c.type === DEFLATED ? new Uint8Array(zlib.inflateRawSync(c.body)) : c.body
  return hex(chunkHash(CHANGE, body))
}

function columnTable(r) {
  return Array.from({ length: r.uleb() }, () => ({ spec: r.uleb(), n: r.uleb() }))
}

// {actors, heads, changeColumns, opColumns, tail}; columns are {spec, data} as stored.
export function parseDocument(body) {
  const r = new Reader(body)
  const actors = Array.from({ length: r.uleb() }, () => r.prefixed())
  const heads = r.hashes()
  const tables = [columnTable(r), columnTable(r)]
  const [changeColumns, opColumns] = tables.map((t) => t.map((c) => ({ spec: c.spec, data: r.bytes(c.n) })))
  return { actors, heads, changeColumns, opColumns, tail: r.bytes(r.left) }
}

const table = (cols) => concat(uleb(cols.length), ...cols.map((c) => concat(uleb(c.spec), uleb(c.data.length))))

export function buildDocument(d) {
  return concat(
    uleb(d.actors.length), ...d.actors.map(prefixed),
    uleb(d.heads.length), ...d.heads.map(unhex),
    table(d.changeColumns), table(d.opColumns),
    ...d.changeColumns.map((c) => c.data), ...d.opColumns.map((c) => c.data),
    d.tail,
  )
}

const inflateColumn = (c) => (c.spec & 8 ? { spec: c.spec & ~8, data: new Uint8Array(zlib.inflateRawSync(c.data)) } : c)

// The same file with every column of its documents inflated.
export function inflated(u8) {
  return concat(...chunks(u8).map((c) => {
    if (c.type !== DOCUMENT) return c.bytes
    const d = parseDocument(c.body)
    d.changeColumns = d.changeColumns.map(inflateColumn)
    d.opColumns = d.opColumns.map(inflateColumn)
    return chunk(DOCUMENT, buildDocument(d))
  }))
}

// Columns. `runs` encoders take values (null allowed) and write the canonical form.
function runsOf(values, same) {
  const runs = []
  for (const v of values) {
    const last = runs.at(-1)
    if (last && same(last.v, v)) last.n++
    else runs.push({ v, n: 1 })
  }
  return runs
}

export function rle(values, encode, same = (a, b) => a === b) {
  if (values.every((v) => v === null)) return new Uint8Array()
  const out = []
  let literal = []
  const flush = () => {
    if (literal.length) out.push(sleb(-literal.length), ...literal.map(encode))
    literal = []
  }
  for (const { v, n } of runsOf(values, same)) {
    if (v !== null && n === 1) {
      literal.push(v)
      continue
    }
    flush()
    if (v === null) out.push(sleb(0), uleb(n))
    else out.push(sleb(n), encode(v))
  }
  flush()
  return concat(...out)
}

export const uints = (values) => rle(values, uleb)
export const strings = (values) => rle(values, text)
export function deltas(values) {
  let last = 0
  return rle(values.map((v) => {
    if (v === null) return null
    const d = v - last
    last = v
    return d
  }), sleb)
}
export function booleans(values) {
  const out = []
  let now = false
  let n = 0
  for (const v of values) {
    if (v !== now) {
      out.push(uleb(n))
      n = 0
      now = v
    }
    n++
  }
  if (n) out.push(uleb(n))
  return concat(...out)
}

// Reads back a whole column; count = rows wanted (trailing rows are null).
export function unrle(data, decode, count = Infinity) {
  const r = new Reader(data)
  const out = []
  const signed = () => {
    let v = 0n
    let shift = 0n
    for (;;) {
      const b = r.byte()
      v |= BigInt(b & 0x7f) << shift
      shift += 7n
      if (!(b & 0x80)) return Number(b & 0x40 ? v - (1n << shift) : v)
    }
  }
  while (r.left && out.length < count) {
    const n = signed()
    if (n > 0) {
      const v = decode(r, signed)
      for (let i = 0; i < n; i++) out.push(v)
    } else if (n < 0) {
      for (let i = 0; i < -n; i++) out.push(decode(r, signed))
    } else {
      for (let i = r.uleb(); i > 0; i--) out.push(null)
    }
  }
  while (out.length < count && count !== Infinity) out.push(null)
  return out
}
