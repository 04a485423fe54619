// Applying the library's patches to an old state; the outcome must be the new one.
import { plainOfTyped } from './values.mjs'

const BLOCK = '\ufffc'

// A dump as objects by id: {map: {key: value}}, {list: [value]}, {text: string}.
// Values are {is: scalar} or {at: id}; only winners count.
export function tableOf(dump) {
  const table = new Map()
  const value = (vs) => {
    const v = vs.at(-1)
    if (Array.isArray(v)) return { is: v[0].t === 'counter' ? { counter: plainOfTyped(v[0]) } : plainOfTyped(v[0]) }
    add(v)
    return { at: v.id }
  }
  const add = (d) => {
    if ('text' in d) table.set(d.id, { text: d.text })
    else if ('list' in d) table.set(d.id, { list: d.list.map(value) })
    else table.set(d.id, { map: new Map(d.map.map(([k, vs]) => [k, value(vs)])) })
  }
  add(dump)
  return table
}

function valueOf(table, p) {
  const t = p.value.t
  if (t === 'map') table.set(p.id, { map: new Map() })
  else if (t === 'list') table.set(p.id, { list: [] })
  else if (t === 'text') table.set(p.id, { text: '' })
  else return { is: t === 'counter' ? { counter: plainOfTyped(p.value) } : plainOfTyped(p.value) }
  return { at: p.id }
}

const cut = (s, at, n, put) => {
  if (at > s.length || at + n > s.length) throw new Error(`patch at ${at} + ${n} of a text of ${s.length}`)
  return s.slice(0, at) + put + s.slice(at + n)
}

function applyToText(table, o, p) {
  if (p.action === 'splice') o.text = cut(o.text, p.index, 0, p.text)
  else if (p.action === 'del') o.text = cut(o.text, p.index, p.length, '')
  else if (p.action === 'insert') {
    valueOf(table, p)
    o.text = cut(o.text, p.index, 0, BLOCK)
  } else if (p.action === 'put') valueOf(table, p) // another object behind the same placeholder
}

function applyToList(table, o, p) {
  if (p.index > o.list.length) throw new Error(`patch at ${p.index} of a list of ${o.list.length}`)
  if (p.action === 'insert') o.list.splice(p.index, 0, valueOf(table, p))
  else if (p.action === 'put') o.list[p.index] = valueOf(table, p)
  else if (p.action === 'del') o.list.splice(p.index, p.length)
  else if (p.action === 'inc') increment(o.list[p.index], p)
}

function applyToMap(table, o, p) {
  if (p.action === 'put') o.map.set(p.key, valueOf(table, p))
  else if (p.action === 'del') {
    if (!o.map.delete(p.key)) throw new Error(`patch deletes ${p.key}, which is not there`)
  } else if (p.action === 'inc') increment(o.map.get(p.key), p)
}

function increment(v, p) {
  if (!v?.is || typeof v.is !== 'object') throw new Error('patch increments what is no counter')
  v.is.counter += Number(p.value.v)
}

// Dumps show a text's blocks without their insides, so patches of those have nowhere to go.
function insideBlock(table, p) {
  const hasBlocks = [...table.values()].some((o) => o.text?.includes(BLOCK))
  if (!hasBlocks) throw new Error(`patch of an object that is not there: ${JSON.stringify(p)}`)
  return null
}

export function applyPatches(table, patches) {
  for (const p of patches) {
    const o = table.get(p.obj) ?? insideBlock(table, p)
    if (!o) continue
    if (p.action === 'conflict' || p.action === 'mark') continue
    if ('text' in o) applyToText(table, o, p)
    else if ('list' in o) applyToList(table, o, p)
    else applyToMap(table, o, p)
  }
}

// What is reachable from the root, as plain values.
export function readTable(table, id = '_root') {
  const o = table.get(id)
  const value = (v) => ('at' in v ? readTable(table, v.at) : v.is)
  if ('text' in o) return o.text
  if ('list' in o) return o.list.map(value)
  return Object.fromEntries([...o.map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [`.${k}`, value(v)]))
}
