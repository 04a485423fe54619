// Runs seeds one after the other and reports each; started by run.mjs, which
// starts another one for what is left when this one stops early.
import { Driver } from './driver.mjs'
import { Difference, OraclePanic } from './docs.mjs'
import { NpmPeer } from './npm_peer.mjs'
import { shortened } from './reduce.mjs'

const parts = { docs: './docs_part.mjs', sync: './sync_part.mjs', network: './network_part.mjs', bundles: './bundles_part.mjs', rich: './rich_part.mjs' }

// The wasm panic hook prints a stack for every panic; they are expected here.
console.error = () => {}

class Context {
  constructor() {
    this.neu = new NpmPeer('new')
    this.old = new NpmPeer('old')
    this.c = new Driver()
  }

  // An empty driver; a dead one is replaced. Leaks show when the driver ends.
  async fresh() {
    if (this.c.dead) this.c = new Driver()
    else await this.c.call({ op: 'reset' })
    this.c.log = []
  }
}

async function runSeed(part, ctx, seed) {
  try {
    const answer = await part.run(ctx, seed)
    return { seed, status: 'ok', ...(Array.isArray(answer) ? { notes: answer } : answer) }
  } catch (e) {
    if (e instanceof OraclePanic) return { seed, status: 'skip', notes: [e.message.split('\n')[0]] }
    const report = [e instanceof Difference ? `${e.message}\n  expected ${shortened(e.want)}\n  got      ${shortened(e.got)}` : `${e.stack}`]
    if (part.explain) report.push(...(await part.explain(ctx, seed, e).catch((x) => [`reducing failed: ${x.stack}`])))
    return { seed, status: 'fail', report }
  }
}

process.on('message', async ({ name, seeds }) => {
  const part = await import(parts[name])
  const ctx = new Context()
  for (const seed of seeds) {
    const result = await runSeed(part, ctx, seed)
    await new Promise((r) => process.send(result, r))
    const panicked = result.status === 'skip' || result.notes?.some((n) => n.includes('panics'))
    if (panicked) break
    await ctx.fresh().catch((e) => process.send({ seed: `${seed} (end)`, status: 'fail', report: [e.message] }))
  }
  await ctx.c.close().catch((e) => new Promise((r) => process.send({ seed: `${seeds[0]} and after (end)`, status: 'fail', report: [e.message] }, r)))
  process.disconnect()
})
