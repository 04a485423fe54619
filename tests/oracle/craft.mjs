// Changes written op by op, right or wrong, with a valid checksum.
import { CHANGE, booleans, chunk, concat, deltas, prefixed, sleb, strings, uints, uleb, unhex } from './codec.mjs'

export const MAP = 0, SET = 1, LIST = 2, DEL = 3, TEXT = 4, INC = 5, TABLE = 6, MARK = 7
export const HEAD = [0, null]

const utf8 = (s) => new TextEncoder().encode(s)
const sized = (code, raw) => ({ meta: raw.length * 16 + code, raw })
export const val = {
  null: { meta: 0, raw: new Uint8Array() },
  true: { meta: 2, raw: new Uint8Array() },
  uint: (n) => sized(3, uleb(n)),
  int: (n) => sized(4, sleb(n)),
  f64: (raw) => sized(5, raw),
  str: (s) => sized(6, typeof s === 'string' ? utf8(s) : s),
  bytes: (raw) => sized(7, raw),
  counter: (n) => sized(8, sleb(n)),
  raw: sized,
}

// Operations: {obj: [ctr, actor] | null, key: string, elem: [ctr, actor], insert,
// action, value, pred: [[ctr, actor]], expand, mark}; actors are table indices.
export function opColumns(ops) {
  const preds = ops.flatMap((o) => o.pred ?? [])
  return [
    [0x01, uints(ops.map((o) => o.obj?.[1] ?? null))],
    [0x02, uints(ops.map((o) => o.obj?.[0] ?? null))],
    [0x11, uints(ops.map((o) => o.elem?.[1] ?? null))],
    [0x13, deltas(ops.map((o) => o.elem?.[0] ?? null))],
    [0x15, strings(ops.map((o) => o.key ?? null))],
    [0x34, booleans(ops.map((o) => !!o.insert))],
    [0x42, uints(ops.map((o) => o.action))],
    [0x56, uints(ops.map((o) => (o.value ?? val.null).meta))],
    [0x57, concat(...ops.map((o) => (o.value ?? val.null).raw))],
    [0x70, uints(ops.map((o) => o.pred?.length ?? 0))],
    [0x71, uints(preds.map((p) => p[1]))],
    [0x73, deltas(preds.map((p) => p[0]))],
    [0x94, ops.some((o) => o.expand) ? booleans(ops.map((o) => !!o.expand)) : new Uint8Array()],
    [0xa5, strings(ops.map((o) => o.mark ?? null))],
  ]
    .filter(([, data]) => data.length)
    .map(([spec, data]) => ({ spec, data }))
}

// {deps, actor, seq, startOp, time, message, others, ops, columns(cols), extra}
export function changeBody(c) {
  const cols = (c.columns ?? ((x) => x))(c.ops.length ? opColumns(c.ops) : [])
  return concat(
    uleb(c.deps.length), ...c.deps.map(unhex),
    prefixed(unhex(c.actor)), uleb(c.seq), uleb(c.startOp), sleb(c.time ?? 0),
    prefixed(typeof c.message === 'string' || c.message === undefined ? utf8(c.message ?? '') : c.message),
    uleb(c.others?.length ?? 0), ...(c.others ?? []).map((a) => prefixed(unhex(a))),
    uleb(cols.length), ...cols.map((k) => concat(uleb(k.spec), uleb(k.size ?? k.data.length))), ...cols.map((k) => k.data),
    c.extra ?? [],
  )
}

export const change = (c) => chunk(CHANGE, changeBody(c))
