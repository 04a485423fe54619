// What the library must do with bad changes and bad documents (every one with a
// valid checksum unless that is the point): refused, nothing changed; or taken,
// and then the file it saves must load again.
import { Driver, CError, fromBase64, toBase64 } from './driver.mjs'
import { NpmPeer } from './npm_peer.mjs'
import * as k from './codec.mjs'
import { DEL, HEAD, INC, LIST, MAP, MARK, SET, TEXT, change, changeBody, val } from './craft.mjs'

console.error = () => {}

const AA = 'aa'
const BB = 'bb'
const ZERO = '00'.repeat(32)

// The document everything is tried on, by actor aa (index 1 in bb's changes):
//   1 list l, 2 text t, 3 map m, 4 n=7, 5 c=counter 1, 6 a  7 b in l, 8 x 9 y in t,
//   10 n again=8
const base = {
  deps: [], actor: AA, seq: 1, startOp: 1, time: 0,
  ops: [
    { key: 'l', action: LIST },
    { key: 't', action: TEXT },
    { key: 'm', action: MAP },
    { key: 'n', action: SET, value: val.int(7) },
    { key: 'c', action: SET, value: val.counter(1) },
    { obj: [1, 0], elem: HEAD, insert: true, action: SET, value: val.str('a') },
    { obj: [1, 0], elem: [6, 0], insert: true, action: SET, value: val.str('b') },
    { obj: [2, 0], elem: HEAD, insert: true, action: SET, value: val.str('x') },
    { obj: [2, 0], elem: [8, 0], insert: true, action: SET, value: val.str('y') },
    { key: 'n', action: SET, value: val.int(8), pred: [[4, 0]] },
  ],
}
const baseChunk = change(base)
const baseHash = k.changeHash(k.chunks(baseChunk)[0])

// A change by bb on top of the base; `ops` refer to aa as actor 1.
function by(fields) {
  return { deps: [baseHash], actor: BB, seq: 1, startOp: 11, time: 0, others: [AA], ...fields }
}
const put = (value, more) => ({ key: 'n', action: SET, value, pred: [[10, 1]], ...more })
const one = (op, more) => change(by({ ops: [op], ...more }))
const alone = (op, more) => change(by({ others: [], ops: [op], ...more }))
const free = (value, more) => ({ key: 'z', action: SET, value, ...more })
const columns = (fn, op = put(val.int(1))) => one(op, { columns: fn })
const replace = (spec, data) => (cols) => cols.map((c) => (c.spec === spec ? { spec, data } : c))
const without = (spec) => (cols) => cols.filter((c) => c.spec !== spec)
const withMore = (...more) => (cols) => [...cols, ...more].sort((a, b) => a.spec - b.spec)
const u8 = (...b) => Uint8Array.from(b)
const listOp = (o) => ({ obj: [1, 1], ...o })

// Single changes of spec section 7.4, and what becomes of them.
const changes = [
  ['a good change', 'accept', one(put(val.int(9)))],
  ['a good change without other actors', 'accept', alone(free(val.int(9)))],
  ['hash already known', 'ignore', baseChunk],
  ['deps unknown', 'queue', one(put(val.int(1)), { deps: [ZERO] })],
  ['same actor and seq, other hash', 'reject', change({ ...base, message: 'other' })],
  ['seq gap', 'reject', one(put(val.int(1)), { seq: 3 })],
  ['seq 0', 'reject', one(put(val.int(1)), { seq: 0 })],
  ['first seq not 1', 'reject', one(put(val.int(1)), { seq: 2 })],
  ['startOp jump', 'accept', one(put(val.int(1)), { startOp: 50_000_000 }), 'heavy'],
  ['startOp not above its deps', 'reject', one(put(val.int(1)), { startOp: 10 })],
  ['startOp not above its own actor\'s last, which is no dependency', 'reject', change({ deps: [], actor: AA, seq: 2, startOp: 1, time: 0, ops: [] })],
  ['startOp 0', 'reject', one(put(val.int(1)), { startOp: 0 })],
  ['startOp 2^32', 'reject', one(put(val.int(1)), { startOp: 2 ** 32 })],
  ['startOp 2^42', 'reject', one(put(val.int(1)), { startOp: 2 ** 42 })],
  ['last op at 2^32-1', 'reject', one(put(val.int(1)), { startOp: 2 ** 32 - 1 })],
  ['last op at 2^32-1, two ops', 'reject', change(by({ others: [], startOp: 2 ** 32 - 2, ops: [free(val.int(1)), free(val.int(2), { key: 'y' })] }))],
  ['action 8', 'reject', one(put(val.int(1), { action: 8 }))],
  ['action 48', 'reject', one(put(val.int(1), { action: 48 }))],
  ['inc of a string', 'reject', one({ key: 'c', action: INC, value: val.str('1'), pred: [[5, 1]] })],
  ['inc of null', 'reject', one({ key: 'c', action: INC, value: val.null, pred: [[5, 1]] })],
  ['inc by a uint', 'accept', one({ key: 'c', action: INC, value: val.uint(2), pred: [[5, 1]] })],
  ['inc on a number', 'accept', one({ key: 'n', action: INC, value: val.int(2), pred: [[10, 1]] }), 'odd'],
  ['string value not UTF-8', 'reject', one(put(val.str(u8(0xff))))],
  ['surrogate in UTF-8', 'reject', one(put(val.str(u8(0xed, 0xa0, 0x80))))],
  ['key not UTF-8', 'reject', columns(replace(0x15, u8(0x7f, 1, 0xc3)))],
  ['message not UTF-8', 'reject', one(put(val.int(1)), { message: u8(0xc3, 0x28) })],
  ['message with NUL', 'accept', one(put(val.int(1)), { message: 'a\0b' })],
  ['float of 4 bytes', 'reject', one(put(val.f64(u8(0, 0, 0, 0))))],
  ['value with bytes behind its LEB', 'reject', one(put(val.raw(4, u8(1, 1))))],
  ['value with an overlong LEB', 'reject', one(put(val.raw(3, u8(0x81, 0))))],
  ['value LEB that does not end', 'reject', one(put(val.raw(3, u8(0x81))))],
  ['counter value overlong', 'reject', one(put(val.raw(8, u8(0xd0, 0x7f, 0x00))))],
  ['unknown value type', 'accept', one(put(val.raw(11, u8(1, 2, 3))))],
  ['object that is not there', 'reject', one({ obj: [77, 1], key: 'a', action: SET, value: val.int(1) })],
  ['object of an actor that is not there', 'reject', one({ obj: [3, 1], key: 'a', action: SET, value: val.int(1) }, { others: ['cc'] })],
  ['object that is a scalar', 'reject', one({ obj: [4, 1], key: 'a', action: SET, value: val.int(1) })],
  ['object made later in the change', 'reject', change(by({ others: [], ops: [{ obj: [12, 0], key: 'a', action: SET, value: val.int(1) }, { key: 'o', action: MAP }] }))],
  ['object made earlier in the change', 'accept', change(by({ others: [], ops: [{ key: 'o', action: MAP }, { obj: [11, 0], key: 'a', action: SET, value: val.int(1) }] }))],
  ['insert behind an element that is not there', 'reject', one(listOp({ elem: [77, 1], insert: true, action: SET, value: val.int(1) }))],
  ['insert behind an element of another list', 'reject', one(listOp({ elem: [8, 1], insert: true, action: SET, value: val.int(1) }))],
  ['set of an element that is not there', 'reject', one(listOp({ elem: [77, 1], action: SET, value: val.int(1) }))],
  ['set of an element of another list', 'reject', one(listOp({ elem: [8, 1], action: SET, value: val.int(1) }))],
  ['a good insert', 'accept', one(listOp({ elem: [6, 1], insert: true, action: SET, value: val.int(1) }))],
  ['a good update', 'accept', one(listOp({ elem: [6, 1], action: SET, value: val.int(1), pred: [[6, 1]] }))],
  ['string key in a list', 'reject', one(listOp({ key: 'a', action: SET, value: val.int(1) }))],
  ['set at HEAD', 'reject', one(listOp({ elem: HEAD, action: SET, value: val.int(1) }))],
  ['element key in a map', 'reject', one({ elem: [6, 1], action: SET, value: val.int(1) })],
  ['insert into a map', 'reject', alone(free(val.int(1), { insert: true }))],
  ['insert at HEAD of a map', 'reject', one({ obj: [3, 1], elem: HEAD, insert: true, action: SET, value: val.int(1) })],
  ['pred that is not there', 'reject', one(put(val.int(1), { pred: [[77, 1]] }))],
  ['pred of an actor that is not there', 'reject', one(put(val.int(1), { pred: [[10, 1]] }), { others: ['cc'] })],
  ['pred that is of another key', 'reject', one(put(val.int(1), { pred: [[5, 1]] }))],
  ['pred that is of another element', 'reject', one(listOp({ elem: [6, 1], action: SET, value: val.int(1), pred: [[7, 1]] }))],
  ['pred that is of another object', 'reject', one({ obj: [3, 1], key: 'n', action: SET, value: val.int(1), pred: [[10, 1]] })],
  ['pred that is itself', 'reject', alone(free(val.int(1), { pred: [[11, 0]] }))],
  ['pred not ascending', 'reject', one(put(val.int(1), { pred: [[10, 1], [4, 1]] }))],
  ['pred twice', 'reject', one(put(val.int(1), { pred: [[10, 1], [10, 1]] }))],
  ['pred already overwritten', 'accept', one(put(val.int(1), { pred: [[4, 1], [10, 1]] }))],
  ['delete without pred', 'reject', alone({ key: 'n', action: DEL })],
  ['a good delete', 'accept', one({ key: 'n', action: DEL, pred: [[10, 1]] })],
  ['inserted delete', 'reject', one(listOp({ elem: [6, 1], insert: true, action: DEL, pred: [[6, 1]] }))],
  ['delete with a value', 'reject', one({ key: 'n', action: DEL, value: val.int(1), pred: [[10, 1]] })],
  ['delete with the expand flag', 'reject', one({ key: 'n', action: DEL, expand: true, pred: [[10, 1]] })],
  ['delete with a mark name', 'reject', one({ key: 'n', action: DEL, mark: 'b', pred: [[10, 1]] })],
  ['null of one byte', 'reject', one(put(val.raw(0, u8(1))))],
  ['true of one byte', 'reject', one(put(val.raw(2, u8(1))))],
  ['false of one byte', 'reject', one(put(val.raw(1, u8(1))))],
  ['unknown column', 'reject', columns(withMore({ spec: 0xb0 | 2, data: u8(0x7f, 1) }))],
  ['column twice', 'reject', columns((c) => c.flatMap((x) => (x.spec === 0x42 ? [x, x] : [x])))],
  ['run of one', 'reject', columns(replace(0x42, u8(1, SET)))],
  ['two literal runs', 'reject', change(by({ others: [], ops: [free(val.int(1)), free(val.int(2), { key: 'y' })], columns: replace(0x15, k.concat(u8(0x7f), k.text('z'), u8(0x7f), k.text('y'))) }))],
  ['overlong LEB in a column', 'reject', columns(replace(0x42, u8(0x7f, 0x81, 0)))],
  ['LEB over 64 bits in a column', 'reject', columns(replace(0x42, u8(0x7f, ...Array(10).fill(0xff), 1)))],
  ['run of 2^62', 'reject', columns(replace(0x42, k.concat(k.sleb(2n ** 62n), u8(SET))))],
  ['column longer than the ops', 'reject', columns(replace(0x56, u8(0x02, 0x14)))],
  ['raw values left over', 'reject', columns(replace(0x57, u8(1, 1)))],
  ['raw values missing', 'reject', columns(without(0x57))],
  ['unused other actor', 'reject', alone(free(val.int(1)), { others: ['cc'] })],
  ['author among the others', 'reject', one(put(val.int(1)), { others: [AA, BB] })],
  ['other actors not sorted', 'reject', change(by({ others: ['cc', AA], ops: [put(val.int(1), { pred: [[10, 2]] })] }))],
  ['actor index past the table', 'reject', one(put(val.int(1), { pred: [[10, 2]] }))],
  ['insert column absent', 'reject', columns(without(0x34))],
  ['action column absent', 'reject', columns(without(0x42))],
  ['value metadata absent', 'reject', columns(without(0x56))],
  ['pred count absent', 'reject', alone(free(val.int(1)), { columns: without(0x70) })],
  ['both kinds of key', 'reject', one({ key: 'n', elem: [6, 1], action: SET, value: val.int(1), pred: [[10, 1]] })],
  ['no key', 'reject', alone({ action: SET, value: val.int(1) })],
  ['deflated column', 'reject', columns((c) => c.map((x) => (x.spec === 0x42 ? { spec: 0x4a, data: u8(0x63, 0x04, 0x00) } : x)))],
  ['columns not sorted', 'reject', columns((c) => [c[1], c[0], ...c.slice(2)])],
  ['empty column listed', 'reject', columns(withMore({ spec: 0x94, data: u8() }))],
  ['column length past the end', 'reject', columns((c) => c.map((x, i) => (i === c.length - 1 ? { ...x, size: 1000 } : x)))],
  ['make with a scalar value', 'accept', alone({ key: 'o', action: MAP, value: val.int(1) })],
  ['expand on a set', 'accept', one(put(val.int(1), { expand: true }))],
  ['mark name on a set', 'accept', one(put(val.int(1), { mark: 'bold' }))],
  ['mark in a list', 'accept', change(by({ ops: [listOp({ elem: [6, 1], insert: true, action: MARK, value: val.true, mark: 'b' }), listOp({ elem: [11, 0], insert: true, action: MARK })] })), 'odd'],
  ['mark end alone', 'accept', one({ obj: [2, 1], elem: [8, 1], insert: true, action: MARK }), 'odd'],
  ['a good mark', 'accept', change(by({ ops: [{ obj: [2, 1], elem: HEAD, insert: true, action: MARK, value: val.true, mark: 'b' }, { obj: [2, 1], elem: [8, 1], insert: true, action: MARK, expand: true }] }))],
  ['deps twice', 'accept', one(put(val.int(1)), { deps: [baseHash, baseHash] })],
  ['earliest time', 'accept', one(put(val.int(1)), { time: -(2n ** 63n) }), 'odd'],
  ['latest time', 'accept', one(put(val.int(1)), { time: 2n ** 63n - 1n }), 'odd'],
  ['extra bytes', 'accept', one(put(val.int(1)), { extra: u8(9, 1, 2, 3) })],
  ['author footer', 'accept', one(put(val.int(1)), { extra: u8(1, 1, 7) })],
  ['empty change', 'accept', change(by({ others: [], ops: [] }))],
  ['empty actor', 'accept', one(put(val.int(1)), { actor: '' })],
  ['empty key', 'accept', alone(free(val.int(1), { key: '' }))],
  ['bad checksum', 'reject', k.chunk(k.CHANGE, changeBody(by({ ops: [put(val.int(1))] })), u8(1, 2, 3, 4))],
  ['cut short', 'reject', one(put(val.int(1))).subarray(0, 60)],
  ['bytes in front', 'reject', k.concat(u8(0), one(put(val.int(1))))],
]

const second = (fields) => change({ deps: [k.changeHash(k.chunks(fields.after)[0])], actor: BB, seq: 2, startOp: 12, time: 0, ops: [free(val.int(1))], ...fields })
const first = alone(free(val.int(1)))
const authored = alone(free(val.int(1)), { extra: u8(1, 1, 7) })
const sameSeq = alone(free(val.int(2)))
const third = change({ deps: [baseHash], actor: 'cc', seq: 1, startOp: 11, time: 0, ops: [free(val.int(3), { key: 'cc' })] })
const unsorted = (a, b) => [k.changeHash(k.chunks(a)[0]), k.changeHash(k.chunks(b)[0])].sort().reverse()

// Batches: all in one call; 'reject' means none of it is applied.
const batches = [
  ['duplicate seq beside a good change', 'reject', [first, third, sameSeq]],
  ['author footer on seq 2 without one before', 'reject', [first, second({ after: first, extra: u8(1, 1, 7) })]],
  ['second author footer of one actor', 'reject', [authored, second({ after: authored, extra: u8(1, 1, 7) })]],
  ['author footer on seq 2 that waits for seq 1', 'reject', [second({ after: authored, extra: u8(1, 1, 7) }), authored]],
  ['bad change behind good ones', 'reject', [third, one(put(val.int(1), { pred: [[77, 1]] }))]],
  ['change with a later seq than its deps give', 'reject', [first, second({ after: first, seq: 3 })]],
  ['good chain, backwards', 'accept', [second({ after: first }), first, third]],
  ['deps not sorted', 'accept', [first, third, change({ deps: unsorted(first, third), actor: 'dd', seq: 1, startOp: 12, time: 0, ops: [free(val.int(4), { key: 'dd' })] })]],
]

// Documents. The file to damage holds the base and three more changes.
const two = change(by({ time: 55, message: 'two', ops: [put(val.int(9)), listOp({ elem: [6, 1], action: SET, value: val.str('A'), pred: [[6, 1]] }), { obj: [2, 1], elem: [9, 1], action: DEL, pred: [[9, 1]] }, { key: 'c', action: INC, value: val.int(4), pred: [[5, 1]] }, { key: 'c', action: INC, value: val.int(8), pred: [[5, 1]] }] }))
// The rows of that file, in which the counter has two successors.
const ROWS = 16
const twoHash = k.changeHash(k.chunks(two)[0])
const three = change({ deps: [twoHash], actor: AA, seq: 2, startOp: 16, time: 0, others: [], ops: [free(val.str('long enough to see')), { key: 'q', action: SET, value: val.int(3) }] })

const op = (d, spec) => d.opColumns.find((c) => c.spec === spec)
const chg = (d, spec) => d.changeColumns.find((c) => c.spec === spec)
const values = (c) => k.unrle(c.data, (r) => r.uleb())
const signedValues = (c) => k.unrle(c.data, (r, s) => s())
const set = (c, data) => (c.data = data)
const sort = (cols) => cols.sort((a, b) => a.spec - b.spec)
const drop = (list, spec) => list.splice(list.findIndex((c) => c.spec === spec), 1)

function editUints(c, fn) {
  const v = values(c)
  fn(v)
  set(c, k.uints(v))
}

function editDeltas(c, fn) {
  let sum = 0
  const v = signedValues(c).map((d) => (d === null ? null : (sum += d)))
  fn(v)
  set(c, k.deltas(v))
}

const documents = [
  ['untouched', 'loads', () => {}],
  ['op columns not sorted', 'error', (d) => d.opColumns.reverse()],
  ['change columns not sorted', 'error', (d) => d.changeColumns.reverse()],
  ['unknown op column', 'loads', (d) => sort([...d.opColumns.splice(0), { spec: 0xb2, data: k.uints(Array(ROWS).fill(1)) }]).forEach((c) => d.opColumns.push(c)), 'rewritten'],
  ['unknown change column', 'loads', (d) => d.changeColumns.push({ spec: 0xb2, data: k.uints([1, 1, 1]) }), 'rewritten'],
  ['heads differ', 'error', (d) => (d.heads = [ZERO])],
  ['one head too many', 'error', (d) => d.heads.unshift(baseHash)],
  ['heads index absent', 'loads', (d) => (d.tail = u8()), 'rewritten'],
  ['heads index wrong', 'loads', (d) => (d.tail = u8(0)), 'rewritten'],
  ['bytes behind the heads index', 'error', (d) => (d.tail = k.concat(d.tail, u8(0)))],
  ['run of one', 'loads', (d) => set(op(d, 0x42), splitFirst(op(d, 0x42).data)), 'rewritten'],
  ['op column longer than the rows', 'error', (d) => editUints(op(d, 0x42), (v) => v.push(1))],
  ['op column shorter than the rows', 'error', (d) => editUints(op(d, 0x56), (v) => v.pop())],
  ['explicit delete row', 'error', (d) => editUints(op(d, 0x42), (v) => (v[0] = DEL))],
  ['raw values missing', 'error', (d) => set(op(d, 0x57), op(d, 0x57).data.subarray(1))],
  ['raw values left over', 'error', (d) => set(op(d, 0x57), k.concat(op(d, 0x57).data, u8(1)))],
  ['succ that is in no change', 'error', (d) => editDeltas(op(d, 0x83), (v) => (v[v.length - 1] = 900))],
  ['successors not ascending', 'loads', (d) => editSuccs(d, (row) => row.reverse()), 'rewritten'],
  ['successor twice', 'error', (d) => editSuccs(d, (row) => row.length > 1 && row.push(row[1]))],
  ['unused actor', 'loads', (d) => d.actors.push(k.unhex('cc')), 'rewritten'],
  ['actor index past the table', 'error', (d) => editUints(op(d, 0x21), (v) => (v[0] = 7))],
  ['change of an actor past the table', 'error', (d) => editUints(chg(d, 0x01), (v) => (v[0] = 7))],
  ['counter above 2^32-1', 'error', (d) => editDeltas(op(d, 0x23), (v) => (v[0] = 2 ** 33))],
  ['action 8', 'error', (d) => editUints(op(d, 0x42), (v) => (v[0] = 8))],
  ['op id twice', 'error', (d) => editDeltas(op(d, 0x23), (v) => (v[1] = v[0]))],
  ['dep on its own row', 'error', (d) => editDeltas(chg(d, 0x43), (v) => (v[v.length - 1] = 2))],
  ['dep past the rows', 'error', (d) => editDeltas(chg(d, 0x43), (v) => (v[v.length - 1] = 9))],
  ['dep on a later row', 'error', (d) => editDeltas(chg(d, 0x43), (v) => (v[0] = 2))],
  ['seq gap', 'error', (d) => editDeltas(chg(d, 0x03), (v) => (v[2] = 3))],
  ['seq that starts with 2', 'error', (d) => editDeltas(chg(d, 0x03), (v) => (v[0] = 2))],
  ['maxOp too high', 'error', (d) => editDeltas(chg(d, 0x13), (v) => (v[2] = 40))],
  ['maxOp 0', 'error', (d) => editDeltas(chg(d, 0x13), (v) => (v[2] = 0))],
  ['null time', 'loads', (d) => set(chg(d, 0x23), k.deltas(nullAtZero(chg(d, 0x23)))), 'rewritten'],
  ['time column absent', 'error', (d) => drop(d.changeColumns, 0x23)],
  ['message column absent', 'error', (d) => drop(d.changeColumns, 0x35)],
  ['extra bytes column absent', 'error', (d) => drop(d.changeColumns, 0x56)],
  ['insert column absent', 'error', (d) => drop(d.opColumns, 0x34)],
  ['succ count column absent', 'error', (d) => drop(d.opColumns, 0x80)],
  ['actor table not sorted', 'loads', swapActors, 'rewritten'],
  ['map keys in another order', 'loads', (d) => moveRow(d, 'z', 0), 'rewritten'],
  ['checksum wrong', 'error', null, (u) => k.concat(u.subarray(0, 4), u8(0, 0, 0, 0), u.subarray(8))],
  ['magic wrong', 'error', null, (u) => k.concat(u8(0x86), u.subarray(1))],
  ['chunk type 9', 'error', null, (u) => k.chunk(9, k.chunks(u)[0].body)],
  ['length past the end', 'error', null, (u) => u.subarray(0, u.length - 3)],
  ['overlong chunk length', 'error', null, (u) => overlong(u)],
  ['garbage behind the chunk', 'error', null, (u) => k.concat(u, u8(1, 2, 3))],
  ['twice', 'loads', null, (u) => k.concat(u, u)],
  ['with a change again', 'loads', null, (u) => k.concat(u, two)],
  ['no bytes', 'empty', null, () => u8()],
]

// What no release since 0.12 writes: the strict mode refuses it.
const notStrict = new Set(['run of one', 'successors not ascending', 'map keys in another order', 'null time'])

function nullAtZero(c) {
  let sum = 0
  return signedValues(c).map((d) => (sum += d) || null)
}

// The first run of a column as a run of one and the rest.
function splitFirst(data) {
  const v = k.unrle(data, (r) => r.uleb())
  const rest = k.uints(v.slice(1))
  return k.concat(u8(1, v[0]), rest)
}

function swapActors(d) {
  d.actors.reverse()
  const swap = (v) => v.forEach((x, i) => (v[i] = x === null ? null : 1 - x))
  for (const spec of [0x01, 0x11, 0x21, 0x81]) editUints(op(d, spec), swap)
  editUints(chg(d, 0x01), swap)
}

// Moves the row of root key `key` to position `to`, in every column.
function moveRow(d, key, to) {
  const keys = k.unrle(op(d, 0x15).data, (r) => new TextDecoder().decode(r.prefixed()), ROWS)
  const from = keys.indexOf(key)
  const move = (v) => v.splice(to, 0, v.splice(from, 1)[0])
  const raws = []
  const metas = values(op(d, 0x56))
  const r = new k.Reader(op(d, 0x57).data)
  for (const m of metas) raws.push(r.bytes(m >> 4))
  move(raws)
  set(op(d, 0x57), k.concat(...raws))
  move(keys)
  set(op(d, 0x15), k.strings(keys))
  for (const spec of [0x01, 0x02, 0x11, 0x21, 0x42, 0x56]) {
    const v = k.unrle(op(d, spec).data, (x) => x.uleb(), keys.length)
    move(v)
    set(op(d, spec), k.uints(v))
  }
  for (const spec of [0x13, 0x23]) {
    let sum = 0
    const v = k.unrle(op(d, spec).data, (x, s) => s(), keys.length).map((x) => (x === null ? null : (sum += x)))
    move(v)
    set(op(d, spec), k.deltas(v))
  }
  moveSuccs(d, move)
  const ins = booleansOf(op(d, 0x34).data, keys.length)
  move(ins)
  set(op(d, 0x34), k.booleans(ins))
}

function booleansOf(data, n) {
  const r = new k.Reader(data)
  const out = []
  for (let now = false; r.left; now = !now) for (let i = r.uleb(); i > 0; i--) out.push(now)
  while (out.length < n) out.push(false)
  return out
}

const editSuccs = (d, fn) => moveSuccs(d, (rows) => rows.forEach(fn))

// Changes the rows' lists of [actor, counter].
function moveSuccs(d, fn) {
  const counts = values(op(d, 0x80))
  const actors = values(op(d, 0x81))
  let sum = 0
  const ctrs = signedValues(op(d, 0x83)).map((x) => (sum += x))
  const rows = counts.map((c) => Array.from({ length: c }, () => [actors.shift(), ctrs.shift()]))
  fn(rows)
  set(op(d, 0x80), k.uints(rows.map((x) => x.length)))
  set(op(d, 0x81), k.uints(rows.flatMap((x) => x.map(([a]) => a))))
  set(op(d, 0x83), k.deltas(rows.flatMap((x) => x.map(([, c]) => c))))
}

function overlong(u) {
  const { type, body } = k.chunks(u)[0]
  const length = k.uleb(body.length)
  length[length.length - 1] |= 0x80
  return k.concat(u.subarray(0, 8), [type], length, u8(0), body)
}

class Tester {
  constructor(take) {
    this.take = take
    this.c = new Driver()
    this.npm = new NpmPeer('new')
  }

  async test(name, fn) {
    try {
      const wrong = await fn()
      this.take(wrong ? { seed: name, status: 'fail', report: [wrong] } : { seed: name, status: 'ok' })
    } catch (e) {
      this.take({ seed: name, status: 'fail', report: [e.stack] })
      if (this.c.dead) this.c = new Driver()
    }
  }

  async fresh() {
    await this.c.call({ op: 'new', doc: 'a' })
    await this.c.call({ op: 'apply', doc: 'a', data: toBase64(baseChunk) })
    return this.c.call({ op: 'save', doc: 'a', flags: 1 })
  }

  async outcome(data, op) {
    try {
      const r = await this.c.call({ op, doc: 'a', data: toBase64(data) })
      return r.bad ? { is: 'reject', why: `bad: ${r.error}` } : { is: r.queued ? 'queue' : r.applied ? 'accept' : 'ignore' }
    } catch (e) {
      if (!(e instanceof CError)) throw e
      return { is: 'reject', why: e.message }
    }
  }

  async change(want, data, remark) {
    for (const op of ['apply', 'load_incremental']) {
      const before = await this.fresh()
      const got = await this.outcome(data, op)
      if (got.is !== want) return `${op}: expected ${want}, got ${got.is} ${got.why ?? ''}`
      const after = await this.c.call({ op: 'save', doc: 'a', flags: 1 })
      if ((want === 'reject' || want === 'ignore') && before !== after) return `${op}: refused, but the document changed`
      const wrong = want === 'accept' ? await this.reload(after, remark) : want === 'reject' ? await this.stillWorks() : null
      if (wrong) return `${op}: ${wrong}`
    }
    return null
  }

  // A refused change leaves a document that takes a good one.
  async stillWorks() {
    const got = await this.outcome(third, 'apply')
    return got.is === 'accept' ? null : `after the refusal a good change gives ${got.is} ${got.why ?? ''}`
  }

  async reload(save, remark) {
    const heads = await this.c.call({ op: 'heads', doc: 'a' })
    await this.c.call({ op: 'load', doc: 'b', data: save })
    const again = await this.c.call({ op: 'heads', doc: 'b' })
    if (JSON.stringify(heads) !== JSON.stringify(again)) return 'heads differ after load(save)'
    if ((await this.c.call({ op: 'save', doc: 'b', flags: 1 })) !== save) return 'save(load(save)) differs'
    if (remark) return null // one or both npm releases have their own trouble with these
    try {
      this.npm.call({ op: 'load', doc: 'x', data: save, actor: 'ee' })
    } catch (e) {
      return `npm does not load the file: ${e.message}`
    }
    return null
  }

  async strict(name, data) {
    try {
      await this.c.call({ op: 'load', doc: 'b', data: toBase64(data), flags: 4 })
      return notStrict.has(name) ? 'the strict mode takes it' : null
    } catch (e) {
      if (!(e instanceof CError)) throw e
      return notStrict.has(name) ? null : `the strict mode refuses it: ${e.message}`
    }
  }

  async document(name, want, data, remark) {
    let heads
    try {
      await this.c.call({ op: 'load', doc: 'b', data: toBase64(data) })
      heads = await this.c.call({ op: 'heads', doc: 'b' })
    } catch (e) {
      if (!(e instanceof CError)) throw e
      return want === 'error' ? null : `refused: ${e.message}`
    }
    if (want === 'error') return 'loads'
    if (want === 'empty') return heads.length ? 'is not empty' : null
    const save = await this.c.call({ op: 'save', doc: 'b', flags: 1 })
    if (save !== this.good) return `saved again it is not the good file${remark ? '' : ' it was'}`
    return this.strict(name, data)
  }

  // Authors as the newest release writes and reads them.
  async authors() {
    await this.test('author: ours, read by npm', async () => {
      await this.c.call({ op: 'new', doc: 'a', actor: 'abcd' })
      await this.c.call({ op: 'author', doc: 'a', author: '0102ff' })
      for (const v of ['1', '2']) await this.c.call({ op: 'put', doc: 'a', obj: '_root', key: 'k', value: { t: 'int', v } })
      await this.c.call({ op: 'commit', doc: 'a' })
      const d = this.npm.api.load(fromBase64(await this.c.call({ op: 'save', doc: 'a' })), {})
      return d.getAuthorForActor('abcd') === '0102ff' ? null : `npm sees ${d.getAuthorForActor('abcd')}`
    })
    await this.test('author: npm\'s, read by us', async () => {
      const d = this.npm.api.create({})
      d.setAuthor('07')
      d.put('_root', 'k', 1)
      d.commit()
      d.put('_root', 'k', 2)
      d.commit()
      await this.c.call({ op: 'load', doc: 'a', data: toBase64(d.save()) })
      const got = (await this.c.call({ op: 'history', doc: 'a' })).map((c) => c.author ?? null)
      return JSON.stringify(got) === '["07",null]' ? null : `we see ${JSON.stringify(got)}`
    })
  }

  async documents() {
    await this.c.call({ op: 'new', doc: 'a' })
    const r = await this.c.call({ op: 'apply', doc: 'a', data: toBase64(k.concat(baseChunk, two, three)) })
    if (r.applied !== 3) throw new Error(`the changes of the document are not good: ${JSON.stringify(r)}`)
    this.good = await this.c.call({ op: 'save', doc: 'a', flags: 1 })
    const bytes = fromBase64(this.good)
    for (const [name, want, edit, whole] of documents) {
      let data = bytes
      if (edit) {
        const d = k.parseDocument(k.chunks(bytes)[0].body)
        edit(d)
        data = k.chunk(k.DOCUMENT, k.buildDocument(d))
      }
      if (typeof whole === 'function') data = whole(bytes)
      await this.test(`document: ${name}`, () => this.document(name, want, data, whole === 'rewritten'))
    }
  }
}

export async function matrix(take) {
  const t = new Tester(take)
  for (const [name, want, data, remark] of changes) await t.test(`change: ${name}`, () => t.change(want, data, remark))
  for (const [name, want, list] of batches) await t.test(`batch: ${name}`, () => t.change(want, k.concat(...list)))
  await t.test('documents', async () => {
    await t.documents()
    await t.authors()
  })
  await t.c.close()
}
