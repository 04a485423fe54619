// Applying the library's patches to an old state; the outcome must be the new one:
// values, order, conflict flags, text with its marks, and what blocks hold.
import { plainOfTyped } from './values.mjs'

const PLACE = '\ufffc'

// A dump as objects by id: {map: key -> value}, {list: [value]}, {text: [unit]}.
// Values are {is: scalar} or {at: id}, with `conflict`; only winners count. Units are
// UTF-16, {c, marks: name -> value, value (for what is no string)}.
export function tableOf(dump) {
  const table = new Map()
  const value = (vs) => {
    const v = vs.at(-1)
    const conflict = vs.length > 1
    if (Array.isArray(v)) return { ...scalar(v[0]), conflict }
    add(v)
    return { at: v.id, conflict }
  }
  const text = (d) => {
    const units = [...Array(d.text.length).keys()].map((i) => ({ c: d.text[i], marks: new Map() }))
    for (const [name, start, end, v] of d.marks) for (let i = start; i < end; i++) units[i].marks.set(name, JSON.stringify(v))
    for (const [at, vs] of d.placed) {
      const v = value(vs)
      if (typeof v.is !== 'string') units[at].value = v
    }
    return { text: units }
  }
  const add = (d) => {
    if ('text' in d) table.set(d.id, text(d))
    else if ('list' in d) table.set(d.id, { list: d.list.map(value) })
    else table.set(d.id, { map: new Map(d.map.map(([k, vs]) => [k, value(vs)])) })
  }
  add(dump)
  return table
}

const scalar = (v) => ({ is: v.t === 'counter' ? { counter: plainOfTyped(v) } : plainOfTyped(v) })

function valueOf(table, p) {
  const t = p.value.t
  const conflict = !!p.conflict
  if (t === 'map') table.set(p.id, { map: new Map() })
  else if (t === 'list') table.set(p.id, { list: [] })
  else if (t === 'text') table.set(p.id, { text: [] })
  else return { ...scalar(p.value), conflict }
  return { at: p.id, conflict }
}

function inside(o, at, n, what) {
  if (at + n > o.length) throw new Error(`patch at ${at} + ${n} of a ${what} of ${o.length}`)
}

function applyToText(table, o, p) {
  const t = o.text
  inside(t, p.index, p.action === 'del' || p.action === 'mark' ? p.length : 0, 'text')
  if (p.action === 'splice') t.splice(p.index, 0, ...p.text.split('').map((c) => ({ c, marks: new Map() })))
  else if (p.action === 'del') t.splice(p.index, p.length)
  else if (p.action === 'insert') t.splice(p.index, 0, { c: PLACE, marks: new Map(), value: valueOf(table, p) })
  else if (p.action === 'put') t[p.index].value = valueOf(table, p)
  else if (p.action === 'inc') increment(t[p.index].value, p)
  else if (p.action === 'conflict' && t[p.index].value) t[p.index].value.conflict = true
  else if (p.action === 'mark') mark(t, p)
}

function mark(t, p) {
  if (!p.length) throw new Error('a mark patch without width')
  for (let i = p.index; i < p.index + p.length; i++) {
    if (p.value.t === 'null') t[i].marks.delete(p.name)
    else t[i].marks.set(p.name, JSON.stringify(plainOfTyped(p.value)))
  }
}

function applyToList(table, o, p) {
  inside(o.list, p.index, p.action === 'del' ? p.length : p.action === 'insert' ? 0 : 1, 'list')
  if (p.action === 'insert') o.list.splice(p.index, 0, valueOf(table, p))
  else if (p.action === 'put') o.list[p.index] = valueOf(table, p)
  else if (p.action === 'del') o.list.splice(p.index, p.length)
  else if (p.action === 'inc') increment(o.list[p.index], p)
  else if (p.action === 'conflict') o.list[p.index].conflict = true
}

function applyToMap(table, o, p) {
  if (p.action === 'put') o.map.set(p.key, valueOf(table, p))
  else if (!o.map.has(p.key)) throw new Error(`${p.action} of ${p.key}, which is not there`)
  else if (p.action === 'del') o.map.delete(p.key)
  else if (p.action === 'inc') increment(o.map.get(p.key), p)
  else if (p.action === 'conflict') o.map.get(p.key).conflict = true
}

function increment(v, p) {
  if (!v?.is || typeof v.is !== 'object') throw new Error('patch increments what is no counter')
  v.is.counter += Number(p.value.v)
}

export function applyPatches(table, patches) {
  for (const p of patches) {
    const o = table.get(p.obj)
    if (!o) throw new Error(`patch of an object that is not there: ${JSON.stringify(p)}`)
    if ('text' in o) applyToText(table, o, p)
    else if ('list' in o) applyToList(table, o, p)
    else applyToMap(table, o, p)
  }
}

const sortedMarks = (marks) => [...marks].sort(([a], [b]) => (a < b ? -1 : 1))

// What is reachable from the root, as plain values.
export function readTable(table, id = '_root') {
  const o = table.get(id)
  const value = (v) => [v.conflict ? '!' : '', 'at' in v ? readTable(table, v.at) : v.is]
  const unit = (u) => [u.c, sortedMarks(u.marks), ...(u.value ? [value(u.value)] : [])]
  if ('text' in o) return o.text.map(unit)
  if ('list' in o) return o.list.map(value)
  return Object.fromEntries([...o.map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [`.${k}`, value(v)]))
}
