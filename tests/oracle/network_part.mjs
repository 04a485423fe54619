// Networks of two to seven peers, C and both npm releases mixed: what is on the way
// is lost at reconnects, peers lose their data, lack the capability tail, are
// read-only, get changes out of order from third parties, and changes that the
// other side's filter claims to hold. All must end equal, within bounds that follow
// from the protocol; the same script played by C alone and by npm alone says what
// each spends.
import { changesHiddenFrom } from './bloom.mjs'
import { Difference, OraclePanic, npmDump, plainDump, same, sameFault } from './docs.mjs'
import { fromBase64 } from './driver.mjs'
import { bitsOf, decodeMessage, filterOf, singles, withoutTail } from './messages.mjs'
import { makeScript } from './network_script.mjs'
import { Reader, unhex } from './codec.mjs'
import { isPanic } from './npm_peer.mjs'
import { reduceList, reducedLines } from './reduce.mjs'

// Rounds until silence: four for each hop of the longest way, and one for each time
// somebody has to ask for what a filter hid (two where it was sent and lost unnoticed:
// the first question may have crossed the answer).
const roundsMax = (peers, asked) => 6 + 4 * peers + 2 * asked

class Network {
  constructor(ctx, script, kindOf) {
    this.ctx = ctx
    this.script = script
    this.peers = script.peers.map((p, i) => ({ ...p, kind: kindOf(p), doc: `n${i}`, moves: 0 }))
    this.links = script.links.map((ends) => ({ ends, queues: [[], []], ways: [null, null], known: false }))
    this.figures = { messages: 0, bytes: 0 }
    this.made = 1
    this.asked = 0
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

  async build() {
    const c = (req) => this.ctx.c.call(req)
    await c({ op: 'new', doc: 'seed', actor: this.script.text.actor })
    this.text = await c({ op: 'put_object', doc: 'seed', obj: '_root', key: 't', type: 'text' })
    await c({ op: 'commit', doc: 'seed', time: 0 })
    const data = await c({ op: 'save', doc: 'seed', flags: 0 })
    for (const p of this.peers) await this.call(p, p.full ? { op: 'load', doc: p.doc, data, actor: p.actor } : { op: 'new', doc: p.doc, actor: p.actor })
    for (const l of this.links) await this.connect(l, ['fresh', 'fresh'])
  }

  syncName(l, i) {
    return `${l.ends.join('-')}/${i}`
  }

  at(l, i) {
    return this.peers[l.ends[i]]
  }

  isV1(l) {
    return this.at(l, 0).role === 'v1' || this.at(l, 1).role === 'v1'
  }

  // What is on the way is lost. live: that side does not notice and keeps its state
  // while the other begins anew; npm cannot stand that (known fault F15).
  async connect(l, sides, live = null) {
    l.queues = [[], []]
    const unaware = live !== null && this.at(l, live).kind === 'c'
    for (const i of [0, 1]) {
      const p = this.at(l, i)
      const sync = this.syncName(l, i)
      if (unaware) l.unaware = true
      if (unaware && i === live) continue
      if (!unaware && l.known && sides[i] === 'kept') await this.call(p, { op: 'sync_load', sync, data: await this.call(p, { op: 'sync_save', sync }) })
      else await this.call(p, { op: 'sync_new', sync })
      if (p.role === 'readonly' && !this.allWrite) await this.call(p, { op: 'sync_read_only', sync, on: true })
      l.ways[i] = { said: 0, allowed: 1, moves: p.moves, crossed: new Set(), need: new Set() }
    }
    l.known = true
  }

  async say(l, i) {
    const p = this.at(l, i)
    const m = await this.call(p, { op: 'generate', doc: p.doc, sync: this.syncName(l, i) })
    if (m === null) return false
    const sent = this.isV1(l) ? withoutTail(m) : m
    this.figures.messages++
    this.figures.bytes += fromBase64(sent).length
    const d = decodeMessage(fromBase64(m))
    if (d.need.length) this.asked++
    if (p.kind === 'c') this.bound(l, i, d)
    l.queues[1 - i].push(sent)
    return true
  }

  // A message needs a reason: a connection, new heads, or something heard. A change
  // crosses once, unless it is asked for. The filter has no more entries than there
  // are changes in the world.
  bound(l, i, d) {
    const w = l.ways[i]
    const p = this.at(l, i)
    const where = `${p.doc} to ${this.at(l, 1 - i).doc}`
    if (this.isV1(l)) same(`version of a message ${where}`, 1, d.version)
    w.said++
    const allowed = w.allowed + p.moves - w.moves
    if (w.said > allowed) throw new Difference(`messages ${where} in one connection`, `at most ${allowed}`, w.said)
    if (d.have.length > 1) throw new Difference(`filters in a message ${where}`, 'at most 1', d.have.length)
    for (const h of d.have) {
      const entries = h.bloom ? new Reader(unhex(h.bloom)).uleb() : 0
      if (entries > this.made || h.bloom.length / 2 > (entries * 10 + 7) / 8 + 7) throw new Difference(`filter ${where}`, `at most ${this.made} entries of 10 bits`, h.bloom)
    }
    for (const h of singles(d)) {
      if (w.crossed.has(h) && !w.need.has(h) && !l.unaware) throw new Difference(`change ${h} goes ${where} again`, 'once, or asked for', 'twice')
      w.crossed.add(h)
    }
  }

  async hear(l, i, times) {
    const m = l.queues[i].shift()
    if (m === undefined) return false
    const p = this.at(l, i)
    const d = decodeMessage(fromBase64(m))
    for (let k = 0; k < times; k++) {
      await this.call(p, { op: 'receive', doc: p.doc, sync: this.syncName(l, i), data: m })
      l.ways[i].allowed++
      if (d.changes.length) p.moves++
    }
    l.ways[i].need = new Set(d.need)
    // It has nothing, did not take what came, or does not share what we think: all starts over.
    if (!d.heads.length || bitsOf(d.tail) & 1 || d.have.some((h) => !h.lastSync.length && !h.bloom)) l.ways[i].crossed.clear()
    return true
  }

  async edit({ p: index, commits }) {
    const p = this.peers[index]
    p.moves++
    for (const e of commits) {
      this.made++
      await this.call(p, { op: 'put', doc: p.doc, obj: '_root', key: e.key, value: { t: 'int', v: e.value } })
      await this.call(p, { op: 'splice_text', doc: p.doc, obj: this.text, index: 0, del: e.del, text: e.text }).catch((x) => {
        if (x instanceof OraclePanic) throw x // otherwise this peer has no text yet
      })
      await this.call(p, { op: 'commit', doc: p.doc, time: 0 })
    }
    p.own = await this.heads(p)
  }

  async hide(s) {
    const l = this.links[s.l]
    const p = this.at(l, s.i)
    if (!(await this.say(l, 1 - s.i))) return
    const hidden = changesHiddenFrom(filterOf(l.queues[s.i].at(-1)), s.n, s.actor, await this.heads(p), s.firstOp)
    if (!hidden) return
    await this.call(p, { op: 'apply', doc: p.doc, data: hidden.data })
    p.own = await this.heads(p)
    p.moves++
    this.made += s.n
    this.hidden = (this.hidden ?? 0) + s.n
  }

  async orphan(s) {
    const [from, to] = [this.peers[s.from], this.peers[s.to]]
    const all = await this.call(from, { op: 'changes', doc: from.doc })
    const data = Buffer.concat(all.slice(-s.last).slice(s.skip).map((x) => fromBase64(x))).toString('base64')
    if (!data) return
    await this.call(to, { op: 'apply', doc: to.doc, data })
    to.moves++
  }

  async lose({ p: index, actor }) {
    const p = this.peers[index]
    await this.call(p, { op: 'new', doc: p.doc, actor })
    p.moves++
    for (const l of this.links) if (l.ends.includes(index)) await this.connect(l, l.ends.map((e) => (e === index ? 'fresh' : 'kept')))
  }

  async step(s) {
    if (s.do === 'edit') await this.edit(s)
    else if (s.do === 'say') await this.say(this.links[s.l], s.i)
    else if (s.do === 'hear') await this.hear(this.links[s.l], s.i, s.times)
    else if (s.do === 'reconnect') await this.connect(this.links[s.l], s.sides, s.live)
    else if (s.do === 'lose') await this.lose(s)
    else if (s.do === 'hide') await this.hide(s)
    else if (s.do === 'orphan') await this.orphan(s)
    else throw new Error(`no step ${s.do}`)
  }

  async round() {
    let busy = false
    for (const l of this.links) {
      for (const i of [0, 1]) while (await this.hear(l, i, 1)) busy = true
      for (const i of [0, 1]) busy = (await this.say(l, i)) || busy
    }
    return busy
  }

  async settle() {
    const before = this.asked
    for (let i = 0; await this.round(); i++) {
      const most = roundsMax(this.peers.length, this.asked - before)
      if (i > most) throw new Difference('rounds until silence', `at most ${most}`, 'more')
    }
  }

  async heads(p) {
    return this.call(p, { op: 'heads', doc: p.doc })
  }

  // A read-only peer has what it wrote, the others have everything.
  async checkReadOnly() {
    for (const p of this.peers) {
      if (p.role !== 'readonly') continue
      if (p.own) same(`heads of the read-only ${p.doc} (${p.kind})`, p.own, await this.heads(p))
    }
    await this.checkEqual(this.peers.filter((p) => p.role !== 'readonly'))
    this.allWrite = true
    for (const l of this.links) {
      for (const i of [0, 1]) {
        if (this.at(l, i).role !== 'readonly') continue
        await this.call(this.at(l, i), { op: 'sync_read_only', sync: this.syncName(l, i), on: false })
        l.ways[i].allowed++
        l.ways[i].crossed.clear()
      }
    }
    await this.settle()
  }

  async checkEqual(peers) {
    const want = await this.heads(peers[0])
    for (const p of peers.slice(1)) same(`heads of ${p.doc} (${p.kind})`, want, await this.heads(p))
  }

  // The live documents of C, and one file as npm reads it.
  async checkValues() {
    const p = this.peers[0]
    const c = this.ctx.c
    const data = await this.call(p, { op: 'save', doc: p.doc, flags: 0 })
    await c.call({ op: 'load', doc: 'look', data })
    this.ctx.neu.call({ op: 'load', doc: 'look', data, actor: 'ee' })
    const want = plainDump(await c.call({ op: 'dump', doc: 'look' }))
    same(`${p.doc} (${p.kind}): C and npm about one file`, npmDump(this.ctx.neu.call({ op: 'dump', doc: 'look' })), want)
    for (const q of this.peers) if (q.kind === 'c') same(`values of ${q.doc}`, want, plainDump(await c.call({ op: 'dump', doc: q.doc })))
  }

  async play() {
    await this.build()
    for (const s of this.script.steps) await this.step(s)
    await this.settle()
    await this.checkReadOnly()
    await this.checkEqual(this.peers)
    await this.checkValues()
  }
}

async function play(ctx, script, kindOf) {
  ctx.neu.reset()
  ctx.old.reset()
  const net = new Network(ctx, script, kindOf)
  await net.play()
  return net
}

async function check(ctx, script) {
  const mixed = await play(ctx, script, (p) => p.kind)
  const notes = mixed.hidden ? ['networks with changes hidden from a filter'] : []
  await ctx.fresh()
  const c = await play(ctx, script, () => 'c')
  if (script.flavour === 'one-sided') return notes
  await ctx.fresh()
  const npm = await play(ctx, script, () => 'neu')
  const figures = { 'messages, C': c.figures.messages, 'messages, npm': npm.figures.messages, 'bytes, C': c.figures.bytes, 'bytes, npm': npm.figures.bytes }
  return { notes, figures }
}

export async function run(ctx, seed) {
  return check(ctx, makeScript(seed))
}

export async function explain(ctx, seed, error) {
  const script = makeScript(seed)
  const reduced = await reduceList(script.steps, (steps) =>
    sameFault(error, async () => {
      await ctx.fresh()
      await check(ctx, { ...script, steps })
    }),
  )
  const lines = reducedLines(`network "${script.flavour}"`, script.steps.length, reduced)
  return [lines[0], `  peers ${JSON.stringify(script.peers)}`, `  links ${JSON.stringify(script.links)}`, ...lines.slice(1)]
}
