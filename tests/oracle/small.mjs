// Every interleaving of a few operations of two or three writers on one small object.
// A case is a word (one to three operations, a change each) per writer. All begin on
// the same base, or the second has seen the first's first change. C applies all the
// changes in every order there is, out of order too, and must end the same each time;
// npm reads that end as C does, and makes the same changes.
import { Driver } from './driver.mjs'
import { Difference, npmDump, plainDump, same } from './docs.mjs'
import { NpmPeer, isPanic } from './npm_peer.mjs'
import { Random } from './random.mjs'

const str = (v) => ({ t: 'str', v })
const list = (n) => ({ type: 'list', base: Array.from({ length: n }, (_, i) => ({ op: 'insert', index: i, value: str('abc'[i]) })) })
const text = { type: 'text', base: [{ op: 'splice_text', index: 0, del: 0, text: 'abc' }] }
const map = { type: 'map', base: [{ op: 'put', key: 'k', value: str('a') }] }
const counters = { type: 'map', base: [{ op: 'put', key: 'k', value: { t: 'counter', v: '5' } }] }
const counterList = { type: 'list', base: [{ op: 'insert', index: 0, value: { t: 'counter', v: '5' } }, { op: 'insert', index: 1, value: str('end') }] }

// Operations by what they act on; `w` names the writer in what it writes.
const insert = (index) => (w) => ({ op: 'insert', index, value: str(w) })
const put = (index) => (w) => ({ op: 'put', index, value: str(w) })
const del = (index) => () => ({ op: 'delete', index })
const type = (index, n = 0) => (w) => ({ op: 'splice_text', index, del: n, text: w })
const mark = (start, end, expand, v = { t: 'boolean', v: true }) => () => ({ op: 'mark', start, end, expand, name: 'm', value: v })
const key = (k) => (w) => ({ op: 'put', key: k, value: str(w) })
const drop = (k) => () => ({ op: 'delete', key: k })
const inc = (at, by) => () => ({ op: 'increment', ...at, by })
const counter = (k) => () => ({ op: 'put', key: k, value: { t: 'counter', v: '1' } })

const one = (ops) => ops.map((_, i) => [i])
const two = (ops) => ops.flatMap((_, i) => ops.map((__, j) => [i, j]))
const three = (ops) => ops.flatMap((_, i) => two(ops).map((w) => [i, ...w]))

const families = {
  list: { ...list(2), ops: [insert(0), insert(1), del(0), put(0), put(1)] },
  ends: { ...list(3), ops: [insert(3), insert(1), del(1), put(1)] },
  text: { ...text, ops: [type(0), type(1), type(3), type(1, 1), type(0, 3)] },
  map: { ...map, ops: [key('k'), drop('k'), key('l'), counter('k')] },
  counters: { ...counters, ops: [inc({ key: 'k' }, 2), inc({ key: 'k' }, -7), drop('k'), key('k'), counter('k')] },
  counterList: { ...counterList, ops: [inc({ index: 0 }, 3), put(0), del(0), insert(0)] },
  marks: { ...text, ops: [mark(0, 2, 'after'), mark(1, 3, 'both'), mark(0, 3, 'none', { t: 'null' }), mark(1, 2, 'before', str('x')), type(1), type(2, 1)] },
}

// [family, words, whether the second writer has seen the first's first change]. Up to
// three operations all of them; of four, all with `long`, else those that chance picks.
export function cases(r, long) {
  const out = []
  for (const [name, f] of Object.entries(families)) {
    const [a1, a2, a3] = [one(f.ops), two(f.ops), three(f.ops)]
    const pairs = (x, y) => x.flatMap((a) => y.map((b) => [a, b]))
    const rest = [...pairs(a2, a2), ...pairs(a1, a3), ...pairs(a3, a1), ...a2.flatMap((a) => pairs(a1, a1).map(([b, c]) => [a, b, c]))]
    const words = [...pairs(a1, a1), ...pairs(a1, a2), ...pairs(a2, a1), ...a1.flatMap((a) => pairs(a1, a1).map(([b, c]) => [a, b, c]))]
    for (const w of words) out.push([name, w, false], [name, w, true])
    for (const w of rest) if (long || r.chance(SHARE_OF_FOUR)) out.push([name, w, r.chance(0.5)])
  }
  return out
}

const SHARE_OF_FOUR = 0.05
const FAILURES_MAX = 5
const ACTORS = ['02', '03', '01'] // ties are broken by these

// One implementation making words: the changes of a writer on top of others.
class Maker {
  constructor(call) {
    this.call = call
    this.made = new Map()
    this.bases = new Map()
  }

  async base(name) {
    if (this.bases.has(name)) return this.bases.get(name)
    const f = families[name]
    await this.call({ op: 'new', doc: 'b', actor: '00' })
    const obj = await this.call({ op: 'put_object', doc: 'b', obj: '_root', key: 'o', type: f.type })
    for (const q of f.base) await this.call({ ...q, doc: 'b', obj })
    await this.call({ op: 'commit', doc: 'b', time: 0 })
    const made = { obj, data: await this.call({ op: 'save', doc: 'b', flags: 0 }), changes: 1 }
    this.bases.set(name, made)
    return made
  }

  // Refused operations (nothing is there any more) make no change.
  async word(name, writer, word, seen) {
    const key = `${name}/${writer}/${word}/${seen.join()}`
    if (this.made.has(key)) return this.made.get(key)
    const { obj, data } = await this.base(name)
    await this.call({ op: 'load', doc: 'w', data, actor: ACTORS[writer] })
    for (const data of seen) await this.call({ op: 'apply', doc: 'w', data })
    for (const i of word) {
      await this.call({ ...families[name].ops[i](ACTORS[writer]), doc: 'w', obj }).catch(() => null)
      await this.call({ op: 'commit', doc: 'w', time: 0 })
    }
    const changes = (await this.call({ op: 'changes', doc: 'w' })).slice(1 + seen.length)
    this.made.set(key, changes)
    return changes
  }

  async words(name, words, chained) {
    const out = []
    for (const [i, w] of words.entries()) out.push(await this.word(name, i, w, chained && i === 1 ? out[0].slice(0, 1) : []))
    return out
  }
}

function npmCall(peer) {
  return async (q) => peer.call(q)
}

function npmReads(peer, data) {
  peer.call({ op: 'load', doc: 'r', data, actor: 'ee' })
  return { heads: peer.call({ op: 'heads', doc: 'r' }), values: npmDump(peer.call({ op: 'dump', doc: 'r' })) }
}

async function checkCase(c, makers, peers, [name, words, chained], turn) {
  const mine = await makers.c.words(name, words, chained)
  // A mark's place next to another mark is each implementation's own: both kinds are read.
  if (name === 'marks') await checkEnd(c, peers, await makers.new.base(name), await makers.new.words(name, words, chained), turn)
  else for (const peer of peers) same(`${peer.which} makes the same changes`, await makers[peer.which].words(name, words, chained), mine)
  await checkEnd(c, peers, await makers.c.base(name), mine, turn)
}

// All orders in C; the end as the releases read it.
async function checkEnd(c, peers, { data }, words, turn) {
  const changes = words.flat()
  if (!changes.length) return
  const both = await c.call({ op: 'converge', doc: 'x', data, changes })
  if (both) throw new Difference(`the changes in order ${both.order} end differently`, both.first, both.other)
  const save = await c.call({ op: 'save', doc: 'x', flags: 0 })
  const got = { heads: await c.call({ op: 'heads', doc: 'x' }), values: plainDump(await c.call({ op: 'dump', doc: 'x' })) }
  for (const peer of peers) if (peer.which === 'new' || turn % 4 === 0) same(`${peer.which} reads the end`, npmReads(peer, save), got)
}

const shown = ([name, words, chained]) => JSON.stringify({ base: families[name].base, chained, words: words.map((w, i) => w.map((k) => families[name].ops[k](ACTORS[i]))) })

export async function small(take, seed, long) {
  const c = new Driver()
  const peers = [new NpmPeer('new'), new NpmPeer('old')]
  const makers = { c: new Maker((q) => c.call(q)), new: new Maker(npmCall(peers[0])), old: new Maker(npmCall(peers[1])) }
  let failed = 0
  for (const [turn, one] of cases(new Random(seed), long).entries()) {
    try {
      await checkCase(c, makers, peers, one, turn)
      take({ seed: turn, status: 'ok' })
    } catch (e) {
      take({ seed: `${seed}, case ${turn}`, status: 'fail', report: [`${e.message}\n  expected ${JSON.stringify(e.want)}\n  got      ${JSON.stringify(e.got)}\n  ${shown(one)}`] })
      if (++failed > FAILURES_MAX || c.dead || isPanic(e)) break
    }
  }
  await c.close()
}
