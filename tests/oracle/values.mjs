// Scalars: {t, v} as the driver writes them, JavaScript values as npm wants them,
// and one plain form of both for comparing what npm gives without types.
import { fromBase64, toBase64 } from './driver.mjs'

const bits = new DataView(new ArrayBuffer(8))

export function f64ToHex(d) {
  bits.setFloat64(0, d)
  return bits.getBigUint64(0).toString(16).padStart(16, '0')
}

export function hexToF64(hex) {
  bits.setBigUint64(0, BigInt('0x' + hex))
  return bits.getFloat64(0)
}

function small(text) {
  const n = BigInt(text)
  return n >= -(2n ** 53n) && n <= 2n ** 53n ? Number(n) : n
}

// What goes into put(obj, prop, VALUE, DATATYPE).
export function toNpm(value) {
  switch (value.t) {
    case 'null': return [null, 'null']
    case 'boolean': return [value.v, 'boolean']
    case 'int':
    case 'uint': return [small(value.v), value.t]
    case 'counter': return [Number(value.v), 'counter']
    case 'timestamp': return [new Date(Number(value.v)), 'timestamp']
    case 'f64': return [hexToF64(value.v), 'f64']
    case 'str': return [value.v, 'str']
    case 'bytes': return [fromBase64(value.v), 'bytes']
  }
  throw new Error(`no value type ${value.t}`)
}

// From getAll's [type, value].
export function fromNpm(t, v) {
  switch (t) {
    case 'null': return { t }
    case 'boolean': return { t, v }
    case 'int':
    case 'uint':
    case 'counter': return { t, v: String(v) }
    case 'timestamp': return { t, v: String(v.getTime()) }
    case 'f64': return { t, v: f64ToHex(v) }
    case 'str': return { t, v }
    case 'bytes': return { t, v: toBase64(v) }
  }
  return { t, v: String(v) }
}

export function plainOfTyped(value) {
  switch (value.t) {
    case 'null': return null
    case 'boolean':
    case 'str': return value.v
    case 'bytes': return `b64:${value.v}`
    case 'f64': return plainNumber(hexToF64(value.v))
    default: return Number(value.v)
  }
}

const plainNumber = (n) => (Number.isFinite(n) ? n : null)

export function plainOfNpm(v) {
  if (v === null || v === undefined) return null
  if (typeof v === 'bigint') return Number(v)
  if (typeof v === 'number') return plainNumber(v)
  if (v instanceof Date) return v.getTime()
  if (v instanceof Uint8Array) return `b64:${toBase64(v)}`
  if (Array.isArray(v)) return v.map(plainOfNpm)
  if (typeof v === 'object') {
    if (v.constructor?.name === 'Counter' || v.constructor?.name === 'ImmutableString') return plainOfNpm(v.value ?? v.val)
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plainOfNpm(x)]))
  }
  return v
}
