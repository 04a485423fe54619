import { checkProgram, isDisagreement, makeProgram, sameFault } from './docs.mjs'
import { reduceList, reducedLines } from './reduce.mjs'

export async function run(ctx, seed) {
  const g = makeProgram(seed, ctx.neu)
  return checkProgram(ctx, seed, g.flavour, g.program)
}

// The smallest program found that still shows a difference.
export async function explain(ctx, seed, error) {
  if (!isDisagreement(error) && !ctx.c.dead) return []
  const g = makeProgram(seed, ctx.neu)
  const reduced = await reduceList(g.program, (program) =>
    sameFault(error, async () => {
      await ctx.fresh()
      await checkProgram(ctx, seed, g.flavour, program)
    }),
  )
  return reducedLines(`${g.flavour.name} program`, g.program.length, reduced)
}
