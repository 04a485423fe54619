// Bundles (some changes of a history packed together), in both directions: what
// one side packs, the other unpacks to the same changes, byte for byte.
import { Difference, OraclePanic, makeProgram } from './docs.mjs'
import { fromBase64, toBase64 } from './driver.mjs'
import { isPanic } from './npm_peer.mjs'
import * as k from './codec.mjs'
import { Random } from './random.mjs'

const PLAIN = 1
const OLD_FORM = 4
const ROUNDS = 3

function guarded(what, fn) {
  try {
    return fn()
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(`${what}: ${e.message}`)
    throw new Difference(`${what}: ${e.message ?? e}`)
  }
}

function same(what, want, got) {
  if (JSON.stringify(want) !== JSON.stringify(got)) throw new Difference(what, want, got)
}

const hashOf = (chunk) => k.changeHash(k.chunks(chunk)[0])

// known-faults.json, bundle-column-order: nobody reads these.
function isUnsorted(peer, bundle) {
  try {
    peer.api.readBundle(bundle)
    return false
  } catch (e) {
    return /normalized order/.test(String(e.message ?? e))
  }
}

// What npm packs, read by us.
async function theirs(ctx, which, peer, chunks, wanted) {
  const bundle = guarded(`${which} saveBundle`, () => peer.doc('whole').saveBundle(wanted))
  if (which === 'old' && isUnsorted(peer, bundle)) return ['bundle-column-order']
  const data = fromBase64(await ctx.c.call({ op: 'bundle_changes', data: toBase64(bundle) }))
  const got = new Map(k.chunks(data).map((c) => [k.changeHash(c), toBase64(c.bytes)]))
  same(`hashes of a bundle of the ${which} release`, [...wanted].sort(), [...got.keys()].sort())
  for (const h of wanted) same(`change ${h} of a bundle of the ${which} release`, chunks.get(h), got.get(h))
  return []
}

// Decoding for JavaScript gives up on integers beyond 2^53; loading does not.
function decoded(peer, bundle) {
  try {
    return peer.api.readBundle(bundle)
  } catch (e) {
    if (/represented as a JavaScript number/.test(String(e.message ?? e))) return null
    throw e
  }
}

// What we pack, read by npm: alone, and into a document that has the other changes.
async function ours(ctx, which, peer, chunks, wanted, flags) {
  const bundle = fromBase64(await ctx.c.call({ op: 'save_bundle', doc: 'whole', hashes: wanted, flags }))
  const what = `our bundle (flags ${flags}) in the ${which} release`
  const read = guarded(what, () => decoded(peer, bundle))
  if (read) same(`${what}: hashes`, [...wanted].sort(), read.changes.map((c) => c.hash).sort())
  const inside = new Set(wanted)
  const rest = [...chunks].filter(([h]) => !inside.has(h)).map(([, c]) => fromBase64(c))
  guarded(what, () => {
    peer.call({ op: 'new', doc: 'parts', actor: 'fe' })
    peer.doc('parts').loadIncremental(bundle)
    if (rest.length) peer.doc('parts').loadIncremental(k.concat(...rest))
  })
  same(`${what}: heads`, guarded(what, () => peer.doc('whole').getHeads()).sort(), guarded(what, () => peer.doc('parts').getHeads()).sort())
}

export async function run(ctx, seed) {
  const g = makeProgram(seed, ctx.neu)
  const r = new Random(`${seed} bundles`)
  const name = r.pick([...ctx.neu.docs.keys()])
  const save = guarded('save', () => ctx.neu.doc(name).save())
  const peers = g.flavour.forOld ? [['new', ctx.neu], ['old', ctx.old]] : [['new', ctx.neu]]
  for (const [which, peer] of peers) guarded(`${which} load`, () => peer.call({ op: 'load', doc: 'whole', data: toBase64(save), actor: 'ff' }))
  await ctx.c.call({ op: 'load', doc: 'whole', data: toBase64(save) })
  const chunks = new Map((await ctx.c.call({ op: 'changes', doc: 'whole' })).map((c) => [hashOf(fromBase64(c)), c]))
  const notes = []
  if (!chunks.size) return notes
  for (let i = 0; i < ROUNDS; i++) {
    const wanted = [...chunks.keys()].filter(() => i === 0 || r.chance(0.5))
    if (!wanted.length) continue
    for (const [which, peer] of peers) {
      notes.push(...(await theirs(ctx, which, peer, chunks, wanted)))
      const forms = which === 'new' ? [0, PLAIN, OLD_FORM] : [OLD_FORM]
      for (const flags of forms) await ours(ctx, which, peer, chunks, wanted, flags)
    }
  }
  return notes
}
