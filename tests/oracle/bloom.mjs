// Bloom filters of sync messages, and changes found by search that one of them
// claims to hold although nobody has ever seen them.
import { SET, change, val } from './craft.mjs'
import { Reader, changeHash, chunks, concat, unhex } from './codec.mjs'
import { toBase64 } from './driver.mjs'

const TRIES_MAX = 200_000

export function filterHas(filter, hash) {
  const r = new Reader(filter)
  const [, , probes] = [r.uleb(), r.uleb(), r.uleb()]
  const bits = r.bytes(r.left)
  const m = 8 * bits.length
  const h = new DataView(unhex(hash).buffer)
  let [x, y, z] = [0, 4, 8].map((at) => h.getUint32(at, true) % m)
  for (let i = 0; i < probes; i++) {
    if (!(bits[x >> 3] & (1 << (x & 7)))) return false
    x = (x + y) % m
    y = (y + z) % m
  }
  return true
}

// n changes of one new actor, each on top of the one before and the first on top of
// `deps`, every one a false positive of `filter`: {data, hashes}; null without a filter.
// firstOp: above every operation number of the document they are for.
export function changesHiddenFrom(filter, n, actor, deps, firstOp = 5000) {
  if (!filter?.length) return null
  const out = []
  const hashes = []
  for (let i = 0; i < n; i++) {
    const ops = [{ obj: null, key: `hidden ${i}`, action: SET, value: val.int(i) }]
    const found = search((time) => change({ deps, actor, seq: i + 1, startOp: firstOp + i, time, ops }), filter)
    if (!found) return null
    out.push(found.bytes)
    hashes.push(found.hash)
    deps = [found.hash]
  }
  return { data: toBase64(concat(...out)), hashes }
}

function search(make, filter) {
  for (let t = 0; t < TRIES_MAX; t++) {
    const bytes = make(t)
    const hash = changeHash(chunks(bytes)[0])
    if (filterHas(filter, hash)) return { bytes, hash }
  }
  return null // a filter of one entry may have few bits set
}
