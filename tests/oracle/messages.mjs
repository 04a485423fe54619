// Sync messages taken apart, and the same without their capability tail.
import { CHANGE, DEFLATED, DOCUMENT, Reader, changeHash, chunks, concat, hex, parseDocument, prefixed, uleb, unhex } from './codec.mjs'
import { fromBase64, toBase64 } from './driver.mjs'

export function decodeMessage(u8) {
  const r = new Reader(u8)
  const version = r.byte() - 0x41
  const heads = r.hashes()
  const need = r.hashes()
  const have = Array.from({ length: r.uleb() }, () => ({ lastSync: r.hashes(), bloom: hex(r.prefixed()) }))
  const changes = Array.from({ length: r.uleb() }, () => r.prefixed())
  const tail = r.left ? hex(r.bytes(r.left)) : null
  return { version, heads, need, have, changes, tail }
}

function encodeMessage(m) {
  const hashes = (l) => concat(uleb(l.length), ...l.map(unhex))
  return concat(
    [m.version + 0x41], hashes(m.heads), hashes(m.need),
    uleb(m.have.length), ...m.have.map((h) => concat(hashes(h.lastSync), prefixed(unhex(h.bloom)))),
    uleb(m.changes.length), ...m.changes.map(prefixed),
    m.tail ? unhex(m.tail) : [],
  )
}

// Hashes of the changes that travel one by one, not in or behind a document.
export function singles(m) {
  const all = chunks(concat(...m.changes))
  return all.some((c) => c.type === DOCUMENT) ? [] : all.map(changeHash)
}

// As a release before the capability tail would have written it.
export function withoutTail(base64) {
  return toBase64(encodeMessage({ ...decodeMessage(fromBase64(base64)), tail: null }))
}

// The filter a message carries; null when it has none.
export function filterOf(base64) {
  const [have] = decodeMessage(fromBase64(base64)).have
  return have?.bloom ? unhex(have.bloom) : null
}

// Read-only and reset of the capability bits (crate 0.9); older tails have none.
export function bitsOf(tail) {
  return [...unhex(tail ?? '').subarray(1)].filter((b) => b & 0x80).reduce((all, b) => all | (b & 3), 0)
}

// What must be equal between implementations: everything but the order of
// changes, their compression, and what else the tail says.
export function comparable(base64) {
  if (base64 === null) return null
  const m = decodeMessage(fromBase64(base64))
  const all = chunks(concat(...m.changes))
  const documents = all.filter((c) => c.type === DOCUMENT)
  const hashes = all.filter((c) => c.type === CHANGE || c.type === DEFLATED).map(changeHash).sort()
  const kind = documents.length ? 'document' : hashes.length ? 'changes' : 'nothing'
  return {
    version: m.version,
    heads: m.heads,
    need: m.need,
    have: m.have,
    kind,
    entries: m.version === 1 ? m.changes.length : Math.min(m.changes.length, 1),
    documentHeads: documents.flatMap((c) => parseDocument(c.body).heads),
    hashes,
    bits: bitsOf(m.tail),
  }
}

// A tail any release reads: a count and that many bytes, v2 announced.
export function tailIsGood(base64) {
  const { tail } = decodeMessage(fromBase64(base64))
  const bytes = unhex(tail ?? '00')
  return bytes[0] === bytes.length - 1 && [...bytes.subarray(1)].includes(2)
}
