// Delta debugging: the smallest list found of which `fails` still says so, by leaving
// out ever smaller stretches. Bounded in time. fails(list) resolves to the difference
// (anything true), or to null.
export async function reduceList(list, fails, ms = 15_000) {
  const until = Date.now() + ms
  let best = list
  let last = null
  let size = Math.ceil(list.length / 2)
  while (size && Date.now() < until) {
    const before = best.length
    for (let at = best.length - size; at > -size && Date.now() < until; at -= size) {
      const less = [...best.slice(0, Math.max(at, 0)), ...best.slice(at + size)]
      const difference = less.length ? await fails(less) : null
      if (!difference) continue
      best = less
      last = difference
    }
    // Single steps again while that helps: leaving one out may free another.
    if (size > 1) size = Math.ceil(size / 2)
    else if (best.length === before) size = 0
  }
  return { list: best, difference: last }
}

export const shortened = (v, n = 1500) => {
  const s = JSON.stringify(v)
  return s === undefined ? 'nothing' : s.length > n ? `${s.slice(0, n)}... (${s.length} characters)` : s
}

// What a report says about the smallest program.
export function reducedLines(what, from, { list, difference }) {
  const lines = [`  ${what}, reduced from ${from} to ${list.length} steps:`, ...list.map((q) => `    ${shortened(q, 4000)}`)]
  if (difference) lines.push(`  which gives: ${difference.message}`, `  expected ${shortened(difference.want)}`, `  got      ${shortened(difference.got)}`)
  return lines
}
