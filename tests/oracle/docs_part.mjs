import { checkProgram, isDisagreement, makeProgram, reduce } from './docs.mjs'

export async function run(ctx, seed) {
  const g = makeProgram(seed, ctx.neu)
  return checkProgram(ctx, seed, g.flavour, g.program)
}

// The smallest program found that still shows a difference.
export async function explain(ctx, seed, error) {
  if (!isDisagreement(error) && !ctx.c.dead) return []
  const g = makeProgram(seed, ctx.neu)
  const { program, difference } = await reduce(ctx, seed, g.flavour, g.program, error)
  await ctx.fresh()
  const lines = [`  ${g.flavour.name} program, reduced from ${g.program.length} to ${program.length} requests:`, ...program.map((q) => `    ${JSON.stringify(q)}`)]
  if (difference) lines.push(`  which gives: ${difference.message}`, `  expected ${JSON.stringify(difference.want)?.slice(0, 1500)}`, `  got      ${JSON.stringify(difference.got)?.slice(0, 1500)}`)
  return lines
}
