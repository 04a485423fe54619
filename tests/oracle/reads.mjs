// Questions about a document, chosen from what it holds and held: the same ones go
// to both sides, and every answer must be the same one.
import { npmDump, plainDump } from './docs.mjs'
import { isMiscounted, isPanic } from './npm_peer.mjs'
import { plainOfTyped } from './values.mjs'

// Every object of a dump.
export function objectsIn(d, out = []) {
  if (Array.isArray(d)) return out
  out.push(d)
  for (const [, vs] of d.map ?? d.placed ?? []) for (const v of vs) objectsIn(v, out)
  for (const vs of d.list ?? []) for (const v of vs) objectsIn(v, out)
  return out
}

const typeOf = (d) => ('map' in d ? 'map' : 'list' in d ? 'list' : 'text')
const lengthOf = (d) => d.length ?? d.list.length

const moves = ['before', 'after']

// npm gives cursors of texts alone, and its marksAt counts elements instead of units.
function ofSequence(r, obj, { type, length }, heads) {
  const list = [{ op: 'length', obj, heads }]
  if (length) list.push({ op: 'get', obj, index: r.below(length), heads })
  if (type === 'list') return list
  list.push(
    { op: 'text', obj, heads },
    { op: 'cursor', obj, index: r.chance(0.1) ? length + r.below(3) : r.below(length + 1), move: r.pick(moves), heads },
    { op: 'cursor', obj, move: r.pick(moves), heads },
  )
  if (length) list.push({ op: 'cursor', obj, index: r.below(length), move: r.pick(moves), heads })
  return list
}

// States: [{heads, dump}], heads undefined = now. With plain questions first, then
// where the cursors of the answers are at other times.
export function questions(r, states) {
  const out = []
  for (const s of states) {
    const known = objectsIn(s.dump).filter((d) => !('map' in d))
    for (let i = 0; i < 3 && known.length; i++) {
      const d = r.pick(known)
      out.push(...ofSequence(r, d.id, { type: typeOf(d), length: lengthOf(d) }, s.heads))
    }
    const m = r.pick(objectsIn(s.dump).filter((d) => 'map' in d))
    if (m?.map.length) out.push({ op: 'get', obj: m.id, key: r.pick(m.map)[0], heads: s.heads })
  }
  return out
}

export function cursorQuestions(r, states, asked, answers) {
  const out = []
  asked.forEach((q, i) => {
    if (q.op !== 'cursor' || !answers[i].ok) return
    const ask = (heads, cursor) => out.push({ op: 'cursor_position', obj: q.obj, cursor, heads })
    const end = answers[i].ok === 'e' // before the text is born it has an end in npm alone
    ask(undefined, answers[i].ok)
    ask(end ? q.heads : r.pick(states).heads, answers[i].ok)
  })
  for (const cursor of ['s', 'e']) {
    const q = r.pick(asked.filter((x) => x.op === 'cursor'))
    if (q) out.push({ op: 'cursor_position', obj: q.obj, cursor, heads: q.heads })
  }
  return out
}

const plainNpm = (q, v) => (q.op === 'dump' ? npmDump(v) : v)
const plainC = (q, v) => (q.op === 'dump' ? plainDump(v) : q.op === 'get' ? v[0] : v)

// At given heads both releases refuse a cursor whose element is gone and has nothing
// visible behind it (cursor-at-heads), miscount a conflict in a text (conflicts-at-heads)
// and do not see the ends of marks (before-cursor-at-heads); a fork at those heads answers.
function inFork(peer, doc, q) {
  if (peer.which === 'old') return { unknown: true } // F3
  try {
    peer.call({ op: 'fork', doc: 'then', from: doc, heads: q.heads, actor: 'ff' })
    return { ok: peer.call({ ...q, doc: 'then', heads: undefined }) }
  } catch (e) {
    return isPanic(e) ? { panic: String(e.message) } : { refused: true }
  }
}

export function askNpm(peer, doc, list) {
  return list.map((q) => {
    try {
      const before = q.op === 'cursor_position' && q.heads && q.cursor[0] === '-'
      if (before || (q.op.startsWith('cursor') && isMiscounted(peer.doc(doc), q.obj, q.heads))) return inFork(peer, doc, q)
      return { ok: plainNpm(q, peer.call({ ...q, doc })) }
    } catch (e) {
      if (isPanic(e)) return { panic: String(e.message) }
      return q.op === 'cursor_position' && q.heads ? inFork(peer, doc, q) : { refused: true }
    }
  })
}

export async function askC(c, doc, list) {
  const answers = await Promise.all(list.map((q) => c.send({ ...q, doc })))
  return answers.map((a, i) => ('error' in a ? { refused: true } : { ok: plainC(list[i], a.ok) }))
}

const idOf = (v) => (Array.isArray(v) ? v[1] : v.id)

// What no release can be asked: [question, answer] pairs that follow from the dumps.
export function derived(r, states) {
  const out = []
  const now = new Map(objectsIn(states[0].dump).map((d) => [d.id, d]))
  for (const s of states) {
    for (const d of objectsIn(s.dump)) {
      if ('list' in d) out.push(...ofList(r, d, now.get(d.id), s.heads))
      if ('text' in d && d.length) out.push(marksAt(r, d, s.heads))
    }
  }
  return out
}

function ofList(r, d, later, heads) {
  if (!d.list.length) return []
  const index = r.below(d.list.length)
  const move = r.pick(moves)
  const id = idOf(d.list[index].at(-1))
  const cursor = move === 'before' ? `-${id}` : id
  const out = [[{ op: 'cursor', obj: d.id, index, move, heads }, cursor]]
  out.push([{ op: 'cursor_position', obj: d.id, cursor, heads }, index])
  const at = later?.list.findIndex((vs) => idOf(vs.at(-1)) === id) ?? -1
  if (at >= 0) out.push([{ op: 'cursor_position', obj: d.id, cursor }, at])
  return out
}

function marksAt(r, d, heads) {
  const index = r.below(d.length)
  const marks = d.marks.filter(([, start, end]) => start <= index && index < end).sort(([a], [b]) => (a < b ? -1 : 1))
  return [{ op: 'marks_at', obj: d.id, index, heads }, Object.fromEntries(marks.map(([name, , , v]) => [name, v]))]
}

export const plainMarksAt = (m) => Object.fromEntries(Object.keys(m).sort().map((k) => [k, plainOfTyped(m[k])]))
