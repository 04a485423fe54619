// Documents, both directions: what npm makes C must read, what C makes npm must
// read, and where operations are promised to be the same the hashes must be too.
import { inflated } from './codec.mjs'
import { CError, fromBase64, toBase64 } from './driver.mjs'
import { generate } from './generate.mjs'
import { isPanic } from './npm_peer.mjs'
import { applyPatches, readTable, tableOf } from './patches.mjs'
import { askC, askNpm, cursorQuestions, derived, plainMarksAt, questions } from './reads.mjs'
import { Random } from './random.mjs'
import { hexToF64, plainOfTyped } from './values.mjs'

export class Difference extends Error {
  constructor(what, want, got) {
    super(what)
    this.want = want
    this.got = got
  }
}

// Costs the seed, not the test.
export class OraclePanic extends Error {}

const byName = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])

function sortedPlain(marks) {
  return Object.fromEntries(Object.keys(marks).sort().map((k) => [k, plainOfTyped(marks[k])]))
}

// C's dump with values npm gives untyped made plain.
export function plainDump(d) {
  if (Array.isArray(d)) return d
  if ('map' in d) return { id: d.id, map: d.map.map(([k, vs]) => [k, vs.map(plainDump)]) }
  if ('list' in d) return { id: d.id, list: d.list.map((vs) => vs.map(plainDump)) }
  return {
    id: d.id,
    text: d.text,
    length: d.length,
    marks: d.marks.map(([n, s, e, v]) => [n, s, e, plainOfTyped(v)]).sort(byName),
    spans: d.spans.map((s) => (s[0] === 'text' ? ['text', s[1], sortedPlain(s[2])] : ['block', sorted(s[1])])),
    placed: d.placed.map(([at, vs]) => [at, vs.map(plainDump)]),
  }
}

const sortKeys = (o) => Object.fromEntries(Object.keys(o).sort().map((k) => [k, o[k]]))
export function npmDump(d) {
  if (Array.isArray(d)) return d
  if ('map' in d) return { id: d.id, map: d.map.map(([k, vs]) => [k, vs.map(npmDump)]) }
  if ('list' in d) return { id: d.id, list: d.list.map((vs) => vs.map(npmDump)) }
  return {
    ...d,
    spans: d.spans.map((s) => (s[0] === 'text' ? ['text', s[1], sortKeys(s[2])] : ['block', sorted(s[1])])),
    placed: d.placed.map(([at, vs]) => [at, vs.map(npmDump)]),
  }
}

// Keys sorted by code unit all the way down, to compare block maps.
function sorted(v) {
  if (Array.isArray(v)) return v.map(sorted)
  if (v && typeof v === 'object') return Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])]))
  return v
}

function jsonScalar(v) {
  switch (v.t) {
    case 'null': return null
    case 'boolean':
    case 'str': return v.v
    case 'bytes': return [...fromBase64(v.v)]
    case 'f64': return Number.isFinite(hexToF64(v.v)) ? hexToF64(v.v) + 0 : null
    default: return Number(v.v)
  }
}

// The JSON the library should write for a dump: {keys in byte order}.
export function jsonOf(d, conflicts) {
  if (Array.isArray(d)) return jsonScalar(d[0])
  if ('text' in d) return d.text
  const register = (vs) => {
    const winner = jsonOf(vs.at(-1), conflicts)
    if (!conflicts || vs.length < 2) return winner
    return { winner, conflicts: Object.fromEntries(vs.map((v) => [idOf(v), jsonOf(v, conflicts)])) }
  }
  if ('list' in d) return d.list.map(register)
  return Object.fromEntries(d.map.map(([k, vs]) => [k, register(vs)]))
}

const idOf = (v) => (Array.isArray(v) ? v[1] : v.id)

function firstDifference(a, b, path = '') {
  if (JSON.stringify(a) === JSON.stringify(b)) return null
  if (a && b && typeof a === 'object' && typeof b === 'object' && Array.isArray(a) === Array.isArray(b)) {
    for (const k of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const d = firstDifference(a[k], b[k], `${path}/${k}`)
      if (d) return d
    }
  }
  return { path, want: a, got: b }
}

export function same(what, want, got) {
  const d = firstDifference(want, got)
  if (d) throw new Difference(`${what} at ${d.path || '/'}`, d.want, d.got)
}

const minusZero = (k, v) => (Object.is(v, -0) ? 0 : v)

// Runs a program on an npm release; panics end it.
export function playNpm(peer, program) {
  peer.reset()
  return program.map((req) => {
    try {
      return { ok: peer.call(req) }
    } catch (e) {
      if (isPanic(e)) throw new OraclePanic(`${peer.which}: ${e.message}`)
      return { error: String(e.message) }
    }
  })
}

export async function playC(driver, program) {
  const answers = await Promise.all(program.map((req) => driver.send(req)))
  return answers.map((a) => ('error' in a ? { error: a.error } : { ok: a.ok }))
}

// Loading and reading in npm; must never throw.
function npmRead(peer, data, heads) {
  try {
    peer.call({ op: 'load', doc: 'reload', data, actor: 'ee' })
    const d = npmDump(peer.call({ op: 'dump', doc: 'reload', heads }))
    return { heads: peer.call({ op: 'heads', doc: 'reload' }), dump: d, again: peer.call({ op: 'save', doc: 'reload', flags: 0 }) }
  } catch (e) {
    return { error: `${peer.which}: ${e.message ?? e}` }
  }
}

async function cRead(c, doc, heads) {
  return plainDump(await c.call({ op: 'dump', doc, heads }))
}

// C reads a file npm wrote, and says the same about it.
async function checkFile(c, neu, ref, r) {
  await c.call({ op: 'load', doc: 'x', data: ref.save })
  same('heads of the loaded file', ref.heads, await c.call({ op: 'heads', doc: 'x' }))
  same('values of the loaded file', ref.dump, await cRead(c, 'x'))
  const json = await c.call({ op: 'json', doc: 'x' })
  same('JSON', JSON.parse(JSON.stringify(jsonOf(ref.dump, false), minusZero)), JSON.parse(JSON.stringify(json, minusZero)))
  const withConflicts = await c.call({ op: 'json', doc: 'x', conflicts: true })
  same('JSON with conflicts', JSON.parse(JSON.stringify(jsonOf(ref.dump, true), minusZero)), JSON.parse(JSON.stringify(withConflicts, minusZero)))
  same('changes', ref.changes, await c.call({ op: 'changes', doc: 'x' }))
  same('saved again, plain', ref.plain, await c.call({ op: 'save', doc: 'x', flags: 1 }))
  same('saved again, columns inflated', ref.plain, toBase64(inflated(fromBase64(await c.call({ op: 'save', doc: 'x', flags: 0 })))))
  await c.call({ op: 'load', doc: 'y', data: ref.plain })
  same('heads of the plain file', ref.heads, await c.call({ op: 'heads', doc: 'y' }))
  for (const h of ref.views) await checkView(c, h)
  await checkPatches(c, [{ heads: [], dump: { id: '_root', map: [] } }, ...ref.views, ref], r)
  await checkReads(c, 'x', neu, 'reload', [{ dump: ref.dump }, ...ref.views], r)
  await checkChanges(c, neu, ref, r)
}

// An older state: seen, forked from, and what came after it.
async function checkView(c, h) {
  same(`values as of ${h.heads}`, h.dump, await cRead(c, 'x', h.heads))
  same(`changes after ${h.heads}`, h.after, await c.call({ op: 'save_after', doc: 'x', heads: h.heads }))
  await c.call({ op: 'fork', doc: 'y', from: 'x', heads: h.heads })
  same(`heads of a fork at ${h.heads}`, h.fork.heads, await c.call({ op: 'heads', doc: 'y' }))
  same(`changes of a fork at ${h.heads}`, h.fork.changes, (await c.call({ op: 'changes', doc: 'y' })).sort())
  same(`values of a fork at ${h.heads}`, h.dump, await cRead(c, 'y'))
}

// Patches from one state to another, either way, applied.
async function checkPatches(c, states, r) {
  for (let i = 0; i < 6; i++) {
    const [a, b] = [r.pick(states), r.pick(states)]
    await checkDiff(c, a, b)
    const both = [...tableOf(a.dump).keys()].filter((id) => tableOf(b.dump).has(id))
    await checkDiff(c, a, b, r.pick(both))
  }
}

// Of everything, or of one object that both states show.
async function checkDiff(c, a, b, obj) {
  const patches = await c.call({ op: 'diff', doc: 'x', before: a.heads, after: b.heads, obj })
  const table = tableOf(a.dump)
  try {
    applyPatches(table, patches)
  } catch (e) {
    throw new Difference(`patches that do not apply: ${e.message}`, 'good patches', { obj, from: a.heads, to: b.heads, patches })
  }
  same(`state of ${obj ?? 'all'} after patches from ${a.heads} to ${b.heads}`, readTable(tableOf(b.dump), obj), readTable(table, obj))
}

// The same history, change by change, in order and out of order.
async function checkChanges(c, neu, ref, r) {
  const raw = ref.changes.map((s) => Buffer.from(s, 'base64'))
  await c.call({ op: 'new', doc: 'z' })
  // One call each: the order inside a batch is the implementation's own (8.1).
  for (const one of ref.changes) await c.call({ op: 'apply', doc: 'z', data: one })
  same('saved from changes in order', ref.plain, await c.call({ op: 'save', doc: 'z', flags: 1 }))
  for (let round = 0; round < 2; round++) {
    await c.call({ op: 'new', doc: 'w' })
    let order = r.shuffle(raw)
    while (order.length) {
      const n = round ? 1 : r.between(1, order.length)
      const report = await c.call({ op: r.pick(['apply', 'load_incremental']), doc: 'w', data: Buffer.concat(order.slice(0, n)).toString('base64') })
      if (report.bad) throw new Difference('a good change called bad', 0, report)
      order = order.slice(n)
    }
    same('heads after changes out of order', ref.heads, await c.call({ op: 'heads', doc: 'w' }))
    same('values after changes out of order', ref.dump, await cRead(c, 'w'))
  }
  const save = await c.call({ op: 'save', doc: 'w', flags: 0 })
  const back = npmRead(neu, save)
  if (back.error) throw new Difference('npm refuses a file of changes applied out of order', 'loads', back.error)
  same('npm: values of that file', ref.dump, back.dump)
}

// What C made from the same program: npm must read it as C does.
async function checkMadeByC(c, peers, seed, flavour, program, results) {
  const made = await playC(c, program)
  if (flavour.parity) {
    program.forEach((req, i) => {
      const want = 'error' in results[i] ? 'refused' : results[i].ok
      const got = 'error' in made[i] ? 'refused' : made[i].ok
      if (req.op === 'commit' || req.op === 'empty_change' || (want === 'refused') !== (got === 'refused'))
        same(`request ${i} ${JSON.stringify(req)}${made[i].error ? ` (${made[i].error})` : ''}`, want, got)
    })
  }
  const docs = [...new Set(program.map((q) => q.doc))]
  for (const doc of docs) await checkDocByC(c, peers, doc, flavour)
  if (docs.includes('d0')) await checkReadsByC(c, peers, flavour, commitsOf(program, made), new Random(`${seed}/reads`))
}

const commitsOf = (program, results) => program.flatMap((q, i) => ((q.op === 'commit' || q.op === 'empty_change') && results[i].ok ? [results[i].ok] : []))

// The newest release and the old one read C's merged document as it is and was.
async function checkReadsByC(c, peers, flavour, commits, r) {
  const states = [{ dump: await cRead(c, 'd0') }]
  const data = await c.call({ op: 'save', doc: 'd0', flags: 0 })
  for (let i = 0; i < 2 && commits.length; i++) {
    const heads = pickHeads(r, commits)
    if (await c.call({ op: 'covers', doc: 'd0', of: await c.call({ op: 'heads', doc: 'd0' }), heads })) states.push({ heads, dump: await cRead(c, 'd0', heads) })
  }
  for (const peer of peers) {
    if (peer.which === 'old' && flavour.textPuts) continue // F10
    peer.call({ op: 'load', doc: 'reload', data, actor: 'ee' })
    for (const s of states.slice(1)) same(`${peer.which}: values of C's file as of ${s.heads}`, npmDump(peer.call({ op: 'dump', doc: 'reload', heads: s.heads })), s.dump)
    await checkReads(c, 'd0', peer, 'reload', states, r)
  }
}

async function checkDocByC(c, peers, doc, flavour) {
  if ('error' in (await c.send({ op: 'heads', doc }))) return
  const heads = await c.call({ op: 'heads', doc })
  const dump = await cRead(c, doc)
  const save = await c.call({ op: 'save', doc, flags: 0 })
  await c.call({ op: 'load', doc: 'x', data: save })
  same(`${doc}: C's values after load(save)`, dump, await cRead(c, 'x'))
  const changes = await c.call({ op: 'changes', doc })
  for (const peer of peers) {
    const back = npmRead(peer, save)
    if (back.error) throw new Difference(`${doc}: npm refuses C's file`, 'loads', back.error)
    same(`${doc}: heads of C's file in ${peer.which}`, heads, back.heads)
    // Old renders conflicted text elements wrongly (F10).
    if (peer.which === 'new' || !flavour.textPuts) same(`${doc}: values of C's file in ${peer.which}`, back.dump, dump)
    same(`${doc}: changes of C's file in ${peer.which}`, peer.call({ op: 'changes', doc: 'reload' }), changes)
    peer.call({ op: 'load', doc: 'reload', data: back.again, actor: 'ee' })
    same(`${doc}: heads after ${peer.which}'s save(load(x))`, heads, peer.call({ op: 'heads', doc: 'reload' }))
  }
}

// Some older states, most of them of one commit, some of two at once.
function pickHeads(r, commits) {
  const heads = [r.pick(commits)]
  if (r.chance(0.3)) heads.push(r.pick(commits))
  return [...new Set(heads)]
}

// What the newest release says about its own file, read back.
function reference(neu, commits, r) {
  const save = neu.call({ op: 'save', doc: 'd0', flags: 0 })
  neu.call({ op: 'load', doc: 'reload', data: save, actor: 'ee' })
  const q = (op, more) => neu.call({ op, doc: 'reload', ...more })
  const ref = { save, plain: q('save', { flags: 1 }), heads: q('heads'), changes: q('changes'), dump: npmDump(q('dump')), views: [] }
  for (let i = 0; i < 3 && commits.length; i++) {
    const heads = pickHeads(r, commits)
    neu.call({ op: 'fork', doc: 'forked', from: 'reload', heads, actor: 'ff' })
    const fork = { heads: neu.call({ op: 'heads', doc: 'forked' }), changes: neu.call({ op: 'changes', doc: 'forked' }).sort() }
    ref.views.push({ heads, dump: npmDump(q('dump', { heads })), after: q('save_after', { heads }), fork })
  }
  return ref
}

async function checkMadeByNpm({ c, neu }, seed, program, results) {
  const commits = commitsOf(program, results)
  const r = new Random(`${seed}/check`)
  let ref
  try {
    ref = reference(neu, commits, r)
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(`new: ${e.message}`)
    throw e
  }
  await checkFile(c, neu, ref, r)
}

// The same questions to both; states: [{heads, dump}], heads undefined = now.
async function checkReads(c, doc, peer, theirs, states, r) {
  const first = questions(r, states)
  const answers = askNpm(peer, theirs, first)
  const more = cursorQuestions(r, states, first, answers)
  const all = [...first, ...more]
  const want = [...answers, ...askNpm(peer, theirs, more)]
  const got = await askC(c, doc, all)
  all.forEach((q, i) => {
    if (!want[i].unknown) same(`${peer.which}: ${JSON.stringify(q)}`, want[i], got[i])
  })
  for (const [q, answer] of derived(r, states)) {
    const mine = await c.call({ ...q, doc })
    same(`as the values have it: ${JSON.stringify(q)}`, answer, q.op === 'marks_at' ? plainMarksAt(mine) : mine)
  }
}

// Everything about one program. Throws Difference or OraclePanic.
export async function checkProgram(ctx, seed, flavour, program) {
  const { c, neu, old } = ctx
  const notes = []
  const results = playNpm(neu, program)
  if (!flavour.zeroMarks) await checkMadeByNpm(ctx, seed, program, results)
  const readers = flavour.forOld ? [neu, old] : [neu]
  await checkMadeByC(c, readers, seed, flavour, program, results)
  if (flavour.forOld && !flavour.zeroMarks) await checkOld(c, old, flavour, program, results, notes)
  return notes
}

// The old release runs the program too; C reads its file.
async function checkOld(c, old, flavour, program, results, notes) {
  let mine, save, heads, plain
  try {
    mine = playNpm(old, program)
    save = old.call({ op: 'save', doc: 'd0', flags: 0 })
    plain = old.call({ op: 'save', doc: 'd0', flags: 1 })
    heads = old.call({ op: 'heads', doc: 'd0' })
  } catch (e) {
    if (!(e instanceof OraclePanic) && !isPanic(e)) throw e
    notes.push(`old panics: ${String(e.message).split('\n')[0]}`)
    return
  }
  if (flavour.parity) {
    program.forEach((req, i) => {
      if (req.op === 'commit' && mine[i].ok !== results[i].ok) notes.push(`old and new disagree at request ${i}`)
    })
  }
  await c.call({ op: 'load', doc: 'x', data: save })
  same("heads of the old release's file", heads, await c.call({ op: 'heads', doc: 'x' }))
  same("the old release's file saved again", plain, await c.call({ op: 'save', doc: 'x', flags: 1 }))
}

export function makeProgram(seed, neu) {
  try {
    return generate(seed, neu)
  } catch (e) {
    if (isPanic(e)) throw new OraclePanic(`new: ${e.message}`)
    throw e
  }
}

// A refusal by C of something it must take is as good a find as a wrong answer.
export const isDisagreement = (e) => e instanceof Difference || e instanceof CError

// The message without what varies between programs.
export const kindOf = (e) => e.message.split('\n')[0].replace(/request \d+ .*| at \/.*|d\d: |\[.*?\]|\{.*\}|[0-9a-f]{64}/gs, '')

// Whether `run` disagrees in the same way as it did first; for reduceList.
export async function sameFault(first, run) {
  try {
    await run()
  } catch (e) {
    if (isDisagreement(e) && kindOf(e) === kindOf(first)) return e
  }
  return null
}
