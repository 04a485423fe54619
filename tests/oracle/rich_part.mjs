// Rich text: am_spans_update against updateSpans of both releases, positions in every
// text unit, am_text_update. One text, two writers, several rounds.
import { Difference, OraclePanic, npmDump, plainDump, same, sameFault } from './docs.mjs'
import { isPanic } from './npm_peer.mjs'
import { Random } from './random.mjs'
import { reduceList, reducedLines } from './reduce.mjs'
import { checkUnits } from './units.mjs'
import { plainOfTyped } from './values.mjs'

// Clusters of one scalar value each: npm's updateSpans deletes a single scalar value
// of every longer one (update-spans-clusters).
const words = ['a', 'bc', 'hello', ' ', 'é', 'ß中', '😀', '𝒳y', 'lorem ipsum', '\n', 'x\u0000y']
const wide = [...words, '👩‍👩‍👧', 'e\u0301', '🇩🇪', '\r\n', '\u0301', '\u200d', '🇫']
const names = ['bold', 'link', 'é']
const expands = ['before', 'after', 'both', 'none']

// No numbers: JavaScript's take another type on the way, so npm would not see they are equal.
const value = (r) => r.pick([{ t: 'boolean', v: true }, { t: 'str', v: r.pick(words) }])

class Writer {
  constructor(r, peer, vocabulary) {
    this.r = r
    this.peer = peer
    this.words = vocabulary
    this.obj = null
    this.made = 0
  }
  do(req) {
    return this.peer.call({ obj: this.obj, ...req })
  }
  start() {
    this.peer.reset()
    this.do({ op: 'new', doc: 'd0', actor: 'aa' })
    this.obj = this.do({ op: 'put_object', doc: 'd0', obj: '_root', key: 't', type: 'text' })
    this.do({ op: 'splice_text', doc: 'd0', index: 0, del: 0, text: this.string() })
    this.do({ op: 'commit', doc: 'd0', time: 0 })
    this.do({ op: 'fork', doc: 'd1', from: 'd0', actor: 'bb' })
  }
  string() {
    return Array.from({ length: this.r.between(1, 4) }, () => this.r.pick(this.words)).join('')
  }
  edit(doc) {
    const r = this.r
    const n = this.do({ op: 'length', doc })
    const at = r.between(0, n)
    r.weighted([
      [5, () => this.do({ op: 'splice_text', doc, index: at, del: r.chance(0.4) ? r.between(1, 4) : 0, text: r.chance(0.8) ? this.string() : '' })],
      [3, () => n && this.mark(doc, n)],
      [2, () => this.block(doc, at)],
    ])()
  }
  mark(doc, n) {
    const r = this.r
    const start = r.below(n)
    this.do({ op: 'mark', doc, start, end: r.between(start + 1, n), expand: r.pick(expands), name: r.pick(names), value: r.chance(0.2) ? { t: 'null' } : value(r) })
  }
  block(doc, index) {
    const r = this.r
    const obj = this.do({ op: 'split_block', doc, index })
    this.do({ op: 'put', doc, obj, key: 'type', value: { t: 'str', v: r.pick(['p', 'h1']) } })
    if (!r.chance(0.5)) return
    const list = this.do({ op: 'put_object', doc, obj, key: 'parents', type: 'list' })
    for (let i = 0; i < 2; i++) this.do({ op: 'insert', doc, obj: list, index: 0, value: { t: 'int', v: String(r.below(9)) } })
  }
  round() {
    for (const doc of ['d0', 'd1']) {
      for (let i = this.r.between(1, 5); i > 0; i--) this.edit(doc)
      this.do({ op: 'commit', doc, time: 0 })
    }
    this.do({ op: 'merge', doc: 'd0', from: 'd1' })
    if (this.r.chance(0.5)) this.do({ op: 'merge', doc: 'd1', from: 'd0' })
  }
  text(doc) {
    const root = npmDump(this.do({ op: 'dump', doc, obj: '_root' }))
    return root.map[0][1].at(-1)
  }
}

// ---- what is wanted ----

// Strings become texts, as JavaScript has it.
function treeOf(d) {
  if (Array.isArray(d)) return d[0].t === 'str' ? { text: d[0].v } : d[0]
  if ('map' in d) return { map: d.map.map(([k, vs]) => [k, treeOf(vs.at(-1))]) }
  return 'list' in d ? { list: d.list.map((vs) => treeOf(vs.at(-1))) } : { text: d.text }
}

const leaf = (r) => r.pick([{ text: r.pick(words) }, { t: 'int', v: String(r.below(9)) }, { t: 'f64', v: '3ff8000000000000' }, { t: 'boolean', v: false }, { t: 'null' }])

// Lists are at least as long as those the blocks had: npm shortens them at the wrong
// end (update-list-shorter).
function tree(r, depth = 2) {
  if (!depth || r.chance(0.5)) return leaf(r)
  if (r.chance(0.4)) return { list: Array.from({ length: r.between(2, 3) }, () => tree(r, depth - 1)) }
  return { map: r.shuffle(['a', 'b', 'é']).slice(0, r.below(4)).map((k) => [k, tree(r, depth - 1)]) }
}

function changedBlock(r, t) {
  const map = t.map.filter(() => r.chance(0.8)).map(([k, v]) => [k, r.chance(0.3) ? tree(r) : v])
  if (r.chance(0.4) && !map.some(([k]) => k === 'attrs')) map.push(['attrs', tree(r)])
  return { map }
}

const typedMarks = (marks) => Object.entries(marks).map(([name, v]) => [name, typeof v === 'string' ? { t: 'str', v } : { t: 'boolean', v }])

// The spans as they are, each changed, dropped, split or doubled by chance.
function wanted(r, text, vocabulary) {
  const blocks = text.placed.filter(([, vs]) => 'map' in vs.at(-1)).map(([, vs]) => treeOf(vs.at(-1)))
  const out = []
  const some = () => ({ text: r.pick(vocabulary), marks: r.chance(0.5) ? [[r.pick(names), value(r)]] : [] })
  const put = (s) => out.push(s)
  for (const [type, v, marks] of text.spans) {
    if (r.chance(0.15)) put(r.chance(0.5) ? some() : { block: { map: [['type', leaf(r)]] } })
    if (r.chance(0.1)) {
      if (type === 'block') blocks.shift()
      continue
    }
    if (type === 'block') put({ block: r.chance(0.5) ? changedBlock(r, blocks.shift()) : blocks.shift() })
    else put(changedText(r, v, typedMarks(marks), some))
  }
  if (!out.length || r.chance(0.2)) put(some())
  return out
}

function changedText(r, s, marks, some) {
  const points = [...s]
  if (r.chance(0.5)) points.splice(r.between(0, points.length), r.below(4), r.chance(0.5) ? some().text : '')
  const names = new Map(marks.map(([name, v]) => [name, v]))
  if (r.chance(0.3)) for (const [name, v] of some().marks) names.set(name, v)
  if (r.chance(0.2)) names.delete(r.pick([...names.keys()]))
  return { text: points.join(''), marks: [...names] }
}

function plainTree(t) {
  if ('map' in t) return Object.fromEntries(t.map.map(([k, v]) => [k, plainTree(v)]).sort(([a], [b]) => (a < b ? -1 : 1)))
  return 'list' in t ? t.list.map(plainTree) : (t.text ?? plainOfTyped(t))
}

const sortedMarks = (marks) => Object.fromEntries(marks.map(([k, v]) => [k, plainOfTyped(v)]).sort(([a], [b]) => (a < b ? -1 : 1)))

// As spans() will say it: runs with equal marks are one, empty ones none.
function normal(spans) {
  const out = []
  for (const s of spans) {
    if (s.block) out.push(['block', plainTree(s.block)])
    else if (s.text) {
      const last = out.at(-1)
      const marks = sortedMarks(s.marks)
      if (last?.[0] === 'text' && JSON.stringify(last[2]) === JSON.stringify(marks)) last[1] += s.text
      else out.push(['text', s.text, marks])
    }
  }
  return out
}

// ---- comparisons ----

const cText = async (c, doc, obj) => plainDump(await c.call({ op: 'dump', doc, obj }))

const shown = (t) => ({ text: t.text, spans: t.spans, marks: t.marks })

// The same update by C and by a release on the same file. `typing`: positions at
// which something is typed afterwards.
async function checkUpdate(c, peer, w, file, req, typing = []) {
  const npmText = () => npmDump(peer.call({ op: 'dump', doc: 'u', obj: '_root' })).map[0][1].at(-1)
  await c.call({ op: 'load', doc: 'x', data: file, actor: 'cc' })
  peer.call({ op: 'load', doc: 'u', data: file, actor: 'cc' })
  await c.call({ ...req, doc: 'x', obj: w.obj })
  peer.call({ ...req, doc: 'u', obj: w.obj })
  same('spans after update_spans', normal(req.spans), (await cText(c, 'x', w.obj)).spans)
  for (const index of typing) {
    const type = { op: 'splice_text', obj: w.obj, index, del: 0, text: 'Q' }
    await c.call({ ...type, doc: 'x' })
    peer.call({ ...type, doc: 'u' })
  }
  same(`${peer.which}: text, spans and marks after update_spans`, shown(npmText()), shown(await cText(c, 'x', w.obj)))
  peer.call({ op: 'load', doc: 'u', data: await c.call({ op: 'save', doc: 'x', flags: 0 }), actor: 'dd' })
  same(`${peer.which}: C's file after update_spans`, npmText(), await cText(c, 'x', w.obj))
}

// How a mark made by an update grows: typed at both of its edges. (Where equal marks
// of several spans meet, ours are one mark and npm's are not.)
async function expandsAlike(ctx, r, w, file) {
  const part = () => r.pick(words)
  const [before, marked, after] = [part(), part(), part()]
  const name = r.pick(names)
  const req = {
    op: 'update_spans',
    spans: [{ text: before, marks: [] }, { text: marked, marks: [[name, value(r)]] }, { text: after, marks: [] }],
    expand: r.pick(expands),
    per_mark: r.chance(0.5) ? [{ name, expand: r.pick(expands) }] : [],
  }
  const edges = [before.length + marked.length, before.length]
  for (const peer of [ctx.neu, ctx.old]) await checkUpdate(ctx.c, peer, w, file, req, edges)
}

async function spansRounds(ctx, r) {
  const w = new Writer(r, ctx.neu, words)
  w.start()
  await expandsAlike(ctx, r, w, w.do({ op: 'save', doc: 'd0', flags: 0 }))
  for (let i = 0; i < 2; i++) {
    w.round()
    // An empty run with marks makes npm write marks without width (zero-width-mark).
    const spans = wanted(r, w.text('d0'), words).filter((s) => s.block || s.text)
    const per_mark = names.filter(() => r.chance(0.4)).map((name) => ({ name, expand: r.pick(expands) }))
    const req = { op: 'update_spans', spans, expand: r.pick(expands), per_mark }
    const file = w.do({ op: 'save', doc: 'd0', flags: 0 })
    try {
      for (const peer of [ctx.neu, ctx.old]) await checkUpdate(ctx.c, peer, w, file, req)
    } catch (e) {
      e.repro = { file, obj: w.obj, req }
      throw e
    }
  }
}

// Anything may be wanted, clusters of many scalar values too; C alone, npm reads.
async function updatesByC(ctx, r) {
  const w = new Writer(r, ctx.neu, wide)
  w.start()
  w.round()
  const { c, neu } = ctx
  const unit = r.below(4)
  await c.call({ op: 'load', doc: 'x', data: w.do({ op: 'save', doc: 'd0', flags: 0 }), actor: 'cc', unit })
  for (let i = 0; i < 3; i++) {
    const now = await cText(c, 'x', w.obj)
    if (r.chance(0.5)) {
      const spans = wanted(r, now, wide)
      await c.call({ op: 'update_spans', doc: 'x', obj: w.obj, spans, expand: r.pick(expands) })
      const mine = await cText(c, 'x', w.obj)
      // A mark cannot begin inside what is one element.
      if (unit !== 3) same('spans after update_spans', normal(spans), mine.spans)
      same('text after update_spans', normal(spans).map(([t, s]) => (t === 'text' ? s : '\ufffc')).join(''), mine.text)
    } else {
      await checkTextUpdate(c, r, w.obj, now.text)
    }
  }
  neu.call({ op: 'load', doc: 'u', data: await c.call({ op: 'save', doc: 'x', flags: 0 }), actor: 'dd' })
  const theirs = npmDump(neu.call({ op: 'dump', doc: 'u', obj: '_root' })).map[0][1].at(-1)
  await c.call({ op: 'load', doc: 'y', data: await c.call({ op: 'save', doc: 'x', flags: 0 }) })
  same('what npm reads after updates', theirs, await cText(c, 'y', w.obj))
}

const clusters = (s) => [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(s)].map((x) => x.segment)

async function elementIds(c, obj, n) {
  return Promise.all(Array.from({ length: n }, (_, index) => c.call({ op: 'cursor', doc: 'x', obj, index })))
}

async function checkTextUpdate(c, r, obj, text) {
  const now = clusters(text)
  const part = (s) => s.splice(r.between(0, s.length), r.below(4), ...(r.chance(0.7) ? [r.pick(wide)] : []))
  const want = [...now]
  for (let i = r.between(1, 3); i > 0; i--) part(want)
  const length = await c.call({ op: 'length', doc: 'x', obj })
  const before = await elementIds(c, obj, length)
  await c.call({ op: 'update_text', doc: 'x', obj, text: want.join('') })
  const mine = await cText(c, 'x', obj)
  same('text after update_text', want.join(''), mine.text)
  const left = new Set(await elementIds(c, obj, mine.length))
  await wholeClusters(c, now, before, left)
}

// No cluster that was there may have lost a part of itself.
async function wholeClusters(c, now, before, left) {
  if (new Set(before).size !== before.length) return // elements of several units: ids repeat
  if (before.length !== [...now.join('')].length) return // one per scalar value is what can be counted
  let at = 0
  for (const cluster of now) {
    const n = [...cluster].length
    const stay = before.slice(at, at + n).filter((id) => left.has(id)).length
    if (stay && stay < n) throw new Difference(`update_text split ${JSON.stringify(cluster)}`, 'all of it or nothing', stay)
    at += n
  }
}

export async function run(ctx, seed) {
  const r = new Random(`${seed}/rich`)
  try {
    await spansRounds(ctx, r)
    await updatesByC(ctx, r)
    const w = new Writer(r, ctx.neu, wide)
    w.start()
    w.round()
    await checkUnits(ctx, r, w)
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(e.message)
    throw e
  }
}

// An update of spans: the fewest spans; else what C was asked.
export async function explain(ctx, seed, error) {
  if (!error.repro) return ['  what C was asked, the last requests:', ...ctx.c.log.slice(-30).map((q) => `    ${JSON.stringify(q).slice(0, 4000)}`)]
  const { file, obj, req } = error.repro
  const reduced = await reduceList(req.spans, (spans) =>
    sameFault(error, async () => {
      await ctx.fresh()
      for (const peer of [ctx.neu, ctx.old]) await checkUpdate(ctx.c, peer, { obj }, file, { ...req, spans })
    }),
  )
  const rest = { ...req, spans: undefined }
  return [`  file ${file}`, `  ${JSON.stringify({ obj, ...rest })}`, ...reducedLines('spans wanted', req.spans.length, reduced)]
}
