// Positions in every text unit. A document in UTF-16 and its twin in another unit get
// the same edits at the same places: the same operations, so the same hashes.
import { npmDump, plainDump, same } from './docs.mjs'
import { Random } from './random.mjs'

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const UTF16 = 1
const measures = [(s) => [...s].length, (s) => s.length, (s) => Buffer.byteLength(s), (s) => [...segmenter.segment(s)].length]
// In graphemes a cluster is one element, so twins are given single scalar values there.
const plain = ['a', 'hello', 'é', '中', '😀']
const pieces = ['a', 'hello', 'é', '中', '😀', '👩‍👩‍👧', 'e\u0301', '🇩🇪', '\r\n', '𝒳y']

// Units of an element's string; what is no string reads as U+FFFC.
const width = (unit, element) => measures[unit](element)
const total = (unit, elements) => elements.reduce((n, e) => n + width(unit, e), 0)

async function elements(c, doc, obj) {
  const n = await c.call({ op: 'length', doc, obj })
  const all = await Promise.all(Array.from({ length: n }, (_, index) => c.call({ op: 'get', doc, obj, index })))
  const out = []
  for (let i = 0; i < n; i += out.at(-1).length) out.push(all[i][0].t === 'str' ? all[i][0].v : '\ufffc')
  return out
}

// Reads of one file in two units agree, position by position.
async function checkReads(c, obj, list, unit) {
  const [a, b] = [plainDump(await c.call({ op: 'dump', doc: 'x', obj })), plainDump(await c.call({ op: 'dump', doc: 'v', obj }))]
  same(`unit ${unit}: text`, a.text, b.text)
  same(`unit ${unit}: spans`, a.spans, b.spans)
  same(`unit ${unit}: length`, total(unit, list), b.length)
  const at = new Map() // UTF-16 position of an element -> its position in the unit
  let [from, to] = [0, 0]
  for (const e of [...list, '']) {
    at.set(from, to)
    from += e.length
    to += width(unit, e)
  }
  same(`unit ${unit}: marks`, a.marks.map(([name, s, e, v]) => [name, at.get(s), at.get(e), v]), b.marks)
  same(`unit ${unit}: placed`, a.placed.map(([s, vs]) => [at.get(s), vs]), b.placed)
  for (const [p, q] of at) {
    if (p === a.length) continue
    same(`unit ${unit}: cursor`, await c.call({ op: 'cursor', doc: 'x', obj, index: p }), await c.call({ op: 'cursor', doc: 'v', obj, index: q }))
    const cursor = await c.call({ op: 'cursor', doc: 'v', obj, index: q })
    same(`unit ${unit}: its position`, q, await c.call({ op: 'cursor_position', doc: 'v', obj, cursor }))
  }
}

// One edit at element boundaries; [UTF-16 request, request in the unit].
function edit(r, obj, list, unit) {
  const i = r.between(0, list.length)
  const j = r.between(i, Math.min(list.length, i + 4))
  const pos = (u, k) => total(u, list.slice(0, k))
  const both = (f) => [f(UTF16), f(unit)]
  const kind = r.weighted([[5, 'splice'], [2, 'back'], [2, 'mark'], [1, 'block'], [2, 'put'], [1, 'delete']])
  const text = unit === 3 ? r.pick(plain) + r.pick(plain) : r.pick(pieces) + r.pick(pieces)
  if (kind === 'splice') return both((u) => ({ op: 'splice_text', obj, index: pos(u, i), del: pos(u, j) - pos(u, i), text }))
  if (kind === 'back') return both((u) => ({ op: 'splice_text', obj, index: pos(u, j), del: pos(u, i) - pos(u, j), text }))
  if (kind === 'mark' && i < j) return both((u) => ({ op: 'mark', obj, start: pos(u, i), end: pos(u, j), expand: 'both', name: 'bold', value: { t: 'boolean', v: true } }))
  if (kind === 'put' && i < list.length) return both((u) => ({ op: 'put', obj, index: pos(u, i), value: { t: 'str', v: text } }))
  if (kind === 'delete' && i < list.length) return both((u) => ({ op: 'delete', obj, index: pos(u, i) }))
  return both((u) => ({ op: 'split_block', obj, index: pos(u, i) }))
}

async function twins(c, obj, r, unit) {
  for (let round = 0; round < 3; round++) {
    for (let k = 0; k < 3; k++) {
      const [a, b] = edit(r, obj, await elements(c, 'x', obj), unit)
      await c.call({ ...a, doc: 'x' })
      await c.call({ ...b, doc: 'v' })
    }
    const [a, b] = [await c.call({ op: 'commit', doc: 'x', time: 1 }), await c.call({ op: 'commit', doc: 'v', time: 1 })]
    same(`unit ${unit}: hash of the change`, a, b)
  }
  await checkReads(c, obj, await elements(c, 'x', obj), unit)
}

// A text of whole clusters, edited by clusters, against an array of them.
async function graphemes(c, neu, r) {
  await c.call({ op: 'new', doc: 'g', actor: 'aa', unit: 3 })
  const obj = await c.call({ op: 'put_object', doc: 'g', obj: '_root', key: 't', type: 'text' })
  const model = []
  for (let i = 0; i < 8; i++) {
    const text = Array.from({ length: r.between(0, 4) }, () => r.pick(pieces)).join('')
    const index = r.between(0, model.length)
    const del = r.below(4)
    const made = [...segmenter.segment(text)].map((s) => s.segment)
    await c.call({ op: 'splice_text', doc: 'g', obj, index, del, text })
    model.splice(index, del, ...made)
    same('graphemes: text', model.join(''), await c.call({ op: 'text', doc: 'g', obj }))
    same('graphemes: length', model.length, await c.call({ op: 'length', doc: 'g', obj }))
  }
  await c.call({ op: 'commit', doc: 'g', time: 0 })
  neu.call({ op: 'load', doc: 'u', data: await c.call({ op: 'save', doc: 'g', flags: 0 }), actor: 'dd' })
  same('graphemes: npm reads', model.join(''), npmDump(neu.call({ op: 'dump', doc: 'u' })).map[0][1].at(-1).text)
}

export async function checkUnits({ c, neu }, r, w) {
  const data = w.do({ op: 'save', doc: 'd0', flags: 0 })
  await c.call({ op: 'load', doc: 'x', data, actor: 'cc', unit: UTF16 })
  const list = await elements(c, 'x', w.obj)
  for (const unit of [0, 2, 3]) {
    await c.call({ op: 'load', doc: 'x', data, actor: 'cc', unit: UTF16 })
    await c.call({ op: 'load', doc: 'v', data, actor: 'cc', unit })
    await checkReads(c, w.obj, list, unit)
    await twins(c, w.obj, new Random(`${r.next()}`), unit)
  }
  await graphemes(c, neu, r)
}
