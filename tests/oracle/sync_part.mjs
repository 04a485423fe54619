// Lock-step: the same scripted conversation between npm and npm, and with C on
// one side or both. Every message must say the same.
import { fromBase64 } from './driver.mjs'
import { changesHiddenFrom } from './bloom.mjs'
import { Difference, OraclePanic, same, sameFault } from './docs.mjs'
import { isPanic } from './npm_peer.mjs'
import { comparable, filterOf, tailIsGood, withoutTail } from './messages.mjs'
import { Random } from './random.mjs'
import { reduceList, reducedLines } from './reduce.mjs'

const QUIET_MAX = 40 // exchanges until both are silent; more is a loop

function edit(r, peer, n) {
  const doc = `p${peer}`
  const out = []
  for (let i = 0; i < n; i++) {
    out.push(r.chance(0.5)
      ? { op: 'put', doc, obj: '_root', key: r.pick(['a', 'b', 'c']), value: { t: 'int', v: String(r.below(1e6)) } }
      : { op: 'splice_text', doc, obj: '$t', index: 0, del: 0, text: r.pick(['x', 'yz', '\u{1f600}']) })
    out.push({ op: 'commit', doc, time: 0, message: `${r.below(1e9)}` })
  }
  return { do: 'requests', requests: out }
}

// Scenario kinds by turn, so that each gets its share of any number of seeds.
const kinds = ['plain', 'empty', 'reconnect', 'lost', 'v1', 'orphan', 'rounds', 'late', 'bloom', 'readonly', 'twice']

export function script(seed) {
  const r = new Random(seed)
  const kind = kinds[Number(seed.split('-').at(-1)) % kinds.length]
  const steps = []
  const base = { do: 'requests', requests: [{ op: 'new', doc: 'p0', actor: '0a' + r.hex(2) }, { op: 'put_object', doc: 'p0', obj: '_root', key: 't', type: 'text', as: 't' }, { op: 'commit', doc: 'p0', time: 0 }] }
  steps.push(base, edit(r, 0, r.between(0, 12)))
  if (kind === 'empty') steps.push({ do: 'requests', requests: [{ op: 'new', doc: 'p1', actor: '0b' + r.hex(2) }] })
  else steps.push({ do: 'requests', requests: [{ op: 'fork', doc: 'p1', from: 'p0', actor: '0b' + r.hex(2) }] })
  if (kind === 'orphan') steps.push({ do: 'requests', requests: [{ op: 'fork', doc: 'p2', from: 'p0', actor: '0c' + r.hex(2) }] }, edit(r, 2, 3))
  const fresh = (v1) => ({ do: 'connect', v1 })
  const edits = (always) => {
    if (always || r.chance(0.8)) steps.push(edit(r, 0, r.between(1, r.pick([1, 3, 20]))))
    if (kind !== 'empty' && r.chance(0.7)) steps.push(edit(r, 1, r.between(1, r.pick([1, 3, 20]))))
  }
  edits(false)
  const v1 = kind === 'v1' ? [r.chance(0.6), r.chance(0.6)] : [false, false]
  steps.push(fresh(v1))
  if (kind === 'orphan') steps.push({ do: 'orphan', to: r.below(2), of: 'p2', skip: r.between(1, 2) })
  if (kind === 'late') steps.push({ do: 'some', n: r.between(1, 5) })
  if (kind === 'late') edits(true)
  if (kind === 'twice') steps.push({ do: 'twice' })
  steps.push({ do: 'quiet' })
  for (let i = kind === 'rounds' ? r.between(2, 6) : 1; i > 0; i--) {
    edits(true)
    steps.push({ do: 'quiet' })
  }
  if (kind === 'reconnect') {
    edits(true)
    steps.push({ do: 'some', n: r.between(0, 4) }, { do: 'reconnect' })
    edits(false)
    steps.push({ do: 'quiet' })
  }
  if (kind === 'twice') {
    edits(true)
    steps.push({ do: 'twice' }, { do: 'quiet' })
  }
  if (kind === 'bloom') {
    const i = r.below(2)
    steps.push(edit(r, 1 - i, r.between(1, r.pick([1, 4, 20]))))
    if (r.chance(0.4)) steps.push(edit(r, i, r.between(1, 3)))
    steps.push({ do: 'hide', from: i, n: r.between(1, 4), actor: '0f' + r.hex(2), again: r.chance(0.3) })
    if (r.chance(0.4)) edits(true)
    steps.push({ do: 'quiet' })
  }
  if (kind === 'readonly') {
    const peer = r.below(2)
    const switched = (on) => steps.push({ do: 'readonly', peer, on })
    switched(true)
    if (r.chance(0.5)) steps.push({ do: 'quiet' })
    steps.push(edit(r, 1 - peer, r.between(1, 4)), { do: 'quiet' })
    if (r.chance(0.6)) steps.push(edit(r, peer, r.between(1, 4)), { do: 'quiet' })
    if (r.chance(0.3)) steps.push({ do: 'reconnect' }, { do: 'readonly', peer, on: true }, edit(r, 1 - peer, 1), { do: 'quiet' })
    switched(false)
    if (r.chance(0.5)) edits(true)
    steps.push({ do: 'quiet' }, edit(r, 1 - peer, 1), edit(r, peer, 1), { do: 'quiet' })
  }
  if (kind === 'lost') steps.push({ do: 'lose', peer: r.below(2), actor: '0d' + r.hex(2), keep: r.chance(0.5) }, { do: 'quiet' })
  return { kind, steps }
}

// One implementation, npm or C, behind async calls that throw on refusal.
const asNpm = (peer) => ({ name: peer.which, call: async (req) => peer.call(req) })
const asC = (c) => ({ name: 'C', call: (req) => c.call(req) })

class Conversation {
  constructor(sides) {
    this.sides = sides // [implementation, implementation]; p2 lives with side 0
    this.v1 = [false, false]
    this.transcript = []
  }

  side(doc) {
    return doc === 'p1' ? this.sides[1] : this.sides[0]
  }

  // Forking across implementations goes through bytes.
  async request(q) {
    const to = this.side(q.doc)
    if (q.op !== 'fork') return to.call(q)
    const data = await this.side(q.from).call({ op: 'save', doc: q.from, flags: 0 })
    await to.call({ op: 'load', doc: q.doc, data, actor: q.actor })
  }

  // Handles are names inside one implementation: the text is the first object made.
  fix(q) {
    return q.obj === '$t' ? { ...q, obj: this.text } : q
  }

  async requests(list) {
    for (const q of list) {
      const id = await this.request(this.fix(q))
      if (q.op === 'put_object') this.text = id
    }
  }

  async generate(i) {
    const m = await this.sides[i].call({ op: 'generate', doc: `p${i}`, sync: `s${i}` })
    if (m !== null && !tailIsGood(m)) throw new Difference('the tail of a message', 'n, n bytes, 02 among them', m)
    this.transcript.push(comparable(m))
    return m
  }

  async deliver(i, m) {
    const seen = this.v1[1 - i] ? withoutTail(m) : m
    await this.sides[i].call({ op: 'receive', doc: `p${i}`, sync: `s${i}`, data: seen })
  }

  // Both speak, then both listen. True when both were silent.
  async exchange() {
    const a = await this.generate(0)
    const b = await this.generate(1)
    if (a !== null) await this.deliver(1, a)
    if (b !== null) await this.deliver(0, b)
    return a === null && b === null
  }

  async connect(v1) {
    this.v1 = v1 ?? [false, false]
    for (const i of [0, 1]) await this.sides[i].call({ op: 'sync_new', sync: `s${i}` })
  }

  async reconnect(i) {
    const s = this.sides[i]
    const data = await s.call({ op: 'sync_save', sync: `s${i}` })
    this.transcript.push({ state: data })
    await s.call({ op: 'sync_load', sync: `s${i}`, data })
  }

  async step(s) {
    if (s.do === 'requests') await this.requests(s.requests)
    else if (s.do === 'connect') await this.connect(s.v1)
    else if (s.do === 'some') for (let i = 0; i < s.n; i++) await this.one(i % 2)
    else if (s.do === 'quiet') await this.quiet()
    else if (s.do === 'orphan') await this.orphan(s)
    else if (s.do === 'reconnect') for (const i of [0, 1]) await this.reconnect(i)
    else if (s.do === 'lose') await this.lose(s)
    else if (s.do === 'twice') for (let i = 0; i < 4; i++) await this.one(i % 2, 2)
    else if (s.do === 'hide') await this.hide(s)
    else if (s.do === 'readonly') await this.sides[s.peer].call({ op: 'sync_read_only', sync: `s${s.peer}`, on: s.on })
  }

  async one(i, times = 1) {
    const m = await this.generate(i)
    for (let k = 0; m !== null && k < times; k++) await this.deliver(1 - i, m)
  }

  // Changes of p<from>, each on top of the one before, that the other side's filter
  // claims to hold: they have to be asked for one by one. The message with the filter
  // is delivered behind them.
  async hide(s) {
    const other = 1 - s.from
    const m = await this.generate(other)
    const side = this.sides[s.from]
    const doc = `p${s.from}`
    const hidden = changesHiddenFrom(m && filterOf(m), s.n, s.actor, await side.call({ op: 'heads', doc }))
    if (hidden) await side.call({ op: 'apply', doc, data: hidden.data })
    this.transcript.push({ hidden: hidden?.hashes ?? null })
    if (m !== null) await this.deliver(s.from, m)
    if (m !== null && s.again) await this.deliver(s.from, m)
  }

  async quiet() {
    for (let i = 0; i < QUIET_MAX; i++) if (await this.exchange()) return
    this.transcript.push('never silent')
  }

  async orphan(s) {
    const all = await this.side(s.of).call({ op: 'changes', doc: s.of })
    const data = Buffer.concat(all.slice(-3).slice(s.skip).map((x) => fromBase64(x))).toString('base64')
    await this.sides[s.to].call({ op: 'apply', doc: `p${s.to}`, data })
  }

  // A peer that lost its replica: the other keeps its (persisted) state.
  async lose(s) {
    await this.sides[s.peer].call({ op: 'new', doc: `p${s.peer}`, actor: s.actor })
    if (s.keep) await this.reconnect(s.peer)
    else await this.sides[s.peer].call({ op: 'sync_new', sync: `s${s.peer}` })
    await this.reconnect(1 - s.peer)
  }
}

export async function converse(steps, a, b) {
  const c = new Conversation([a, b])
  for (const s of steps) await c.step(s)
  for (const i of [0, 1]) c.transcript.push({ heads: await c.sides[i].call({ op: 'heads', doc: `p${i}` }) })
  return c.transcript
}

async function oracle(steps, a, b = a) {
  a.reset()
  b.reset()
  try {
    return await converse(steps, asNpm(a), asNpm(b))
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(`${a.which}, ${b.which}: ${e.message}`)
    throw e
  }
}

async function against(what, want, steps, ctx, a, b) {
  ctx.neu.reset()
  ctx.old.reset()
  let got
  try {
    got = await converse(steps, a, b)
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(String(e.message))
    throw new Difference(`${what}: ${e.message}`, 'a conversation', e.stack.split('\n')[1])
  }
  same(what, want, got)
}

async function check(ctx, kind, steps) {
  const want = await oracle(steps, ctx.neu)
  const c = asC(ctx.c)
  await against(`${kind}: C and C`, want, steps, ctx, c, c)
  await ctx.fresh()
  const d = asC(ctx.c)
  await against(`${kind}: C and new`, want, steps, ctx, d, asNpm(ctx.neu))
  await ctx.fresh()
  const e = asC(ctx.c)
  await against(`${kind}: new and C`, want, steps, ctx, asNpm(ctx.neu), e)
  // The old release asks for orphans' dependencies in its own way (13.1) and has no reset of lost peers.
  if (kind === 'orphan' || kind === 'lost') return []
  const notes = want.filter((x) => x?.hidden).map((x) => `${x.hidden.length} changes hidden from a filter`)
  await ctx.fresh()
  const f = asC(ctx.c)
  if (kind === 'readonly') await readOnlyBesideOld(ctx, steps)
  else await against(`${kind}: C and old`, want, steps, ctx, f, asNpm(ctx.old))
  return notes
}

// The old release knows nothing of it: the newest one beside it says what is right.
async function readOnlyBesideOld(ctx, steps) {
  const side = steps.find((s) => s.do === 'readonly')?.peer
  const want = await (side ? oracle(steps, ctx.old, ctx.neu) : oracle(steps, ctx.neu, ctx.old))
  const [a, b] = side ? [asNpm(ctx.old), asC(ctx.c)] : [asC(ctx.c), asNpm(ctx.old)]
  await against('readonly: C and old', want, steps, ctx, a, b)
}

export async function run(ctx, seed) {
  const { kind, steps } = script(seed)
  return check(ctx, kind, steps)
}

// Each edit (with its commit) a step of its own.
function single(steps) {
  return steps.flatMap((s) => {
    if (s.do !== 'requests' || s.requests[0].op === 'new' || s.requests[0].op === 'fork') return [s]
    const out = []
    for (let i = 0; i < s.requests.length; i += 2) out.push({ do: 'requests', requests: s.requests.slice(i, i + 2) })
    return out
  })
}

export async function explain(ctx, seed, error) {
  const { kind, steps } = script(seed)
  const all = single(steps)
  const reduced = await reduceList(all, (list) =>
    sameFault(error, async () => {
      await ctx.fresh()
      await check(ctx, kind, list)
    }),
  )
  return reducedLines(`${kind} scenario`, all.length, reduced)
}
