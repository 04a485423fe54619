// Networks of three to five peers, C and both npm releases mixed, with edits and
// reconnects at random: all must end equal within a bounded number of rounds.
import { Difference, OraclePanic, npmDump, plainDump, same, sameFault } from './docs.mjs'
import { isPanic } from './npm_peer.mjs'
import { Random } from './random.mjs'
import { reduceList, reducedLines } from './reduce.mjs'

const ROUNDS_MAX = 60

class Network {
  constructor(ctx, seed) {
    this.ctx = ctx
    this.r = new Random(seed)
    this.peers = []
    this.links = []
  }

  async build() {
    const r = this.r
    const n = r.between(3, 5)
    const kinds = ['c', r.pick(['c', 'neu']), r.pick(['neu', 'old']), r.pick(['c', 'neu', 'old']), 'c'].slice(0, n)
    this.peers = kinds.map((k, i) => ({ kind: k, doc: `n${i}` }))
    const c = (req) => this.ctx.c.call(req)
    await c({ op: 'new', doc: 'seed', actor: '00' + r.hex(3) })
    this.text = await c({ op: 'put_object', doc: 'seed', obj: '_root', key: 't', type: 'text' })
    await c({ op: 'commit', doc: 'seed', time: 0 })
    const data = await c({ op: 'save', doc: 'seed', flags: 0 })
    for (const p of this.peers) {
      const actor = r.hex(r.between(1, 8)) + p.doc.charCodeAt(1).toString(16)
      await this.call(p, r.chance(0.8) ? { op: 'load', doc: p.doc, data, actor } : { op: 'new', doc: p.doc, actor })
    }
    for (let i = 1; i < n; i++) this.link(r.below(i), i)
    for (let i = r.below(n); i > 0; i--) {
      const [a, b] = r.shuffle([...Array(n).keys()])
      if (!this.links.some((l) => l.ends.includes(a) && l.ends.includes(b))) this.link(a, b)
    }
    for (const l of this.links) await this.connect(l)
  }

  link(a, b) {
    this.links.push({ ends: [a, b], queues: [[], []] })
  }

  async call(p, req) {
    if (p.kind === 'c') return this.ctx.c.call(req)
    try {
      return this.ctx[p.kind].call(req)
    } catch (e) {
      if (isPanic(e)) throw new OraclePanic(`${p.kind}: ${e.message}`)
      throw e
    }
  }

  syncName(l, i) {
    return `${l.ends.join('-')}/${i}`
  }

  async connect(l) {
    l.queues = [[], []]
    for (const i of [0, 1]) {
      const p = this.peers[l.ends[i]]
      const sync = this.syncName(l, i)
      const known = l.known && !this.r.chance(0.2)
      if (known) await this.call(p, { op: 'sync_load', sync, data: await this.call(p, { op: 'sync_save', sync }) })
      else await this.call(p, { op: 'sync_new', sync })
    }
    l.known = true
  }

  async generate(l, i) {
    const p = this.peers[l.ends[i]]
    const m = await this.call(p, { op: 'generate', doc: p.doc, sync: this.syncName(l, i) })
    if (m !== null) l.queues[1 - i].push(m)
    return m !== null
  }

  async deliver(l, i) {
    const m = l.queues[i].shift()
    if (m === undefined) return false
    const p = this.peers[l.ends[i]]
    await this.call(p, { op: 'receive', doc: p.doc, sync: this.syncName(l, i), data: m })
    return true
  }

  async edit(p) {
    const r = this.r
    const doc = p.doc
    for (let i = r.between(1, 4); i > 0; i--) {
      await this.call(p, { op: 'put', doc, obj: '_root', key: r.pick(['a', 'b', 'c']), value: { t: 'int', v: String(r.below(1e6)) } })
      const at = await this.call(p, { op: 'splice_text', doc, obj: this.text, index: 0, del: r.below(2), text: r.pick(['x', 'yz', '\u{1f600}']) }).catch((e) => {
        if (e instanceof OraclePanic) throw e
        return null // this peer has no text yet
      })
      void at
      await this.call(p, { op: 'commit', doc, time: 0 })
    }
  }

  // Every step draws from a seed of its own, so that others can be left out.
  async step(seed) {
    const r = (this.r = new Random(seed))
    const l = r.pick(this.links)
    const what = r.weighted([[4, 'edit'], [8, 'generate'], [8, 'deliver'], [1, 'reconnect']])
    if (what === 'edit') await this.edit(r.pick(this.peers))
    else if (what === 'generate') await this.generate(l, r.below(2))
    else if (what === 'deliver') await this.deliver(l, r.below(2))
    else await this.connect(l)
  }

  async round() {
    let busy = false
    for (const l of this.links) {
      for (const i of [0, 1]) while (await this.deliver(l, i)) busy = true
      for (const i of [0, 1]) busy = (await this.generate(l, i)) || busy
    }
    return busy
  }

  async settle() {
    for (let i = 0; i < ROUNDS_MAX; i++) if (!(await this.round())) return i
    throw new Difference('rounds until silence', `at most ${ROUNDS_MAX}`, 'more')
  }

  async heads(p) {
    return this.call(p, { op: 'heads', doc: p.doc })
  }

  async values(p) {
    const data = await this.call(p, { op: 'save', doc: p.doc, flags: 0 })
    const c = this.ctx.c
    await c.call({ op: 'load', doc: 'look', data })
    this.ctx.neu.call({ op: 'load', doc: 'look', data, actor: 'ee' })
    same(`${p.doc} (${p.kind}): C and npm about one file`, npmDump(this.ctx.neu.call({ op: 'dump', doc: 'look' })), plainDump(await c.call({ op: 'dump', doc: 'look' })))
    return plainDump(await c.call({ op: 'dump', doc: 'look' }))
  }

  async check() {
    const want = await this.heads(this.peers[0])
    const values = await this.values(this.peers[0])
    for (const p of this.peers.slice(1)) {
      same(`heads of ${p.doc} (${p.kind})`, want, await this.heads(p))
      same(`values of ${p.doc} (${p.kind})`, values, await this.values(p))
    }
  }
}

function plan(seed) {
  const r = new Random(`${seed}/steps`)
  return Array.from({ length: r.between(30, 150) }, (_, i) => `${seed}/${i}`)
}

async function check(ctx, seed, steps) {
  ctx.neu.reset()
  ctx.old.reset()
  const net = new Network(ctx, seed)
  await net.build()
  for (const s of steps) await net.step(s)
  await net.settle()
  await net.check()
}

export async function run(ctx, seed) {
  await check(ctx, seed, plan(seed))
  return []
}

export async function explain(ctx, seed, error) {
  const steps = plan(seed)
  const reduced = await reduceList(steps, (list) =>
    sameFault(error, async () => {
      await ctx.fresh()
      await check(ctx, seed, list)
    }),
  )
  return reducedLines('network (steps by their seeds)', steps.length, reduced)
}
