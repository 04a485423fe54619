// node run.mjs PART [TOOL]: differential tests of the automerge tool (AUTOMERGE_BIN
// goes before TOOL) against the npm releases. SEED=text repeats a run, SEEDS=n sets how many; the last line
// is `oracle: N passed, N failed`.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureInstalled } from './install.mjs'

const long = !!process.env.RUNTIMED_TEST_LONG
// Together 1,420 seeds, and 100,000 in a long run.
const counts = long
  ? { docs: 80_000, sync: 6000, network: 2000, bundles: 2000, rich: 10_000 }
  : { docs: 1000, sync: 248, network: 52, bundles: 60, rich: 60 }
const lanes = { docs: 2, sync: 1, network: 1, bundles: 1, rich: 1 }
const BATCH = 50
const FAILURES_SHOWN = 5
const SKIPS_MAX = 0.2

const name = process.argv[2]
process.env.AUTOMERGE_BIN ??= process.argv[3]
const base = process.env.SEED ?? String(Date.now())
const wanted = Number(process.env.SEEDS ?? counts[name])
const tally = { ok: 0, fail: 0, skip: 0 }
const notes = new Map()
const figures = new Map() // added up over all seeds

function take(result) {
  tally[result.status]++
  for (const n of result.notes ?? []) notes.set(n, (notes.get(n) ?? 0) + 1)
  for (const [k, v] of Object.entries(result.figures ?? {})) figures.set(k, (figures.get(k) ?? 0) + v)
  if (result.status === 'fail' && tally.fail <= FAILURES_SHOWN) console.log(`FAIL ${name} seed ${result.seed}: ${result.report.join('\n')}\n`)
}

// One worker over these seeds; resolves to how many it reported.
function work(seeds) {
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(new URL('./worker.mjs', import.meta.url)), { execArgv: ['--max-old-space-size=2048'] })
    let done = 0
    child.on('message', (m) => {
      if (m.seed === seeds[done]) done++
      take(m)
      if (tally.fail > FAILURES_SHOWN) child.kill('SIGKILL')
    })
    child.on('close', () => resolve(done))
    child.send({ name, seeds })
  })
}

// One worker after the other, until enough seeds have an answer.
let next = 0
async function lane() {
  let left = []
  let dead = 0
  while (tally.fail <= FAILURES_SHOWN && next < 2 * wanted + 50) {
    while (left.length < BATCH && next < wanted + tally.skip) left.push(`${base}-${next++}`)
    if (!left.length) return
    const done = await work(left)
    if (!done) take({ seed: left[0], status: 'skip', notes: ['the worker died'] })
    dead = done ? 0 : dead + 1
    if (dead === 3) throw new Error('three workers died without an answer')
    left = left.slice(Math.max(done, 1))
  }
}

async function main() {
  if (!process.env.AUTOMERGE_BIN || process.env.AUTOMERGE_BIN === 'undefined') throw new Error('AUTOMERGE_BIN must name the automerge tool')
  const versions = await ensureInstalled()
  if (!versions.old || !versions.new) throw new Error('the npm releases could not be installed')
  console.log(`${name}: seeds from ${base}; npm ${versions.old} and ${versions.new}; ${process.env.AUTOMERGE_BIN}`)
  if (name === 'matrix') {
    const { matrix } = await import('./matrix.mjs')
    await matrix(take)
  } else if (name === 'small') {
    const { small } = await import('./small.mjs')
    await small(take, base, long)
  } else {
    await Promise.all(Array.from({ length: lanes[name] }, lane))
    if (tally.skip > SKIPS_MAX * wanted + 3) take({ seed: base, status: 'fail', report: [`too many seeds lost to oracle panics: ${tally.skip}`] })
    if (tally.ok + tally.fail < wanted && tally.fail <= FAILURES_SHOWN) take({ seed: base, status: 'fail', report: ['too few seeds ran'] })
  }
  for (const [n, times] of notes) console.log(`note (${times} x): ${n}`)
  if (figures.size) console.log(`same scripts: ${[...figures].map(([k, v]) => `${k} ${v}`).join('; ')}`)
  if (tally.skip) console.log(`${tally.skip} seeds lost to oracle panics`)
  console.log(`oracle: ${tally.ok} passed, ${tally.fail} failed`)
  process.exit(tally.fail || !tally.ok ? 1 : 0)
}

main().catch((e) => {
  console.log(e.stack)
  console.log('oracle: 0 passed, 1 failed')
  process.exit(1)
})
