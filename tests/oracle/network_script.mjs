// What happens in a random network, decided before anything runs: the same script
// can be played by any mix of implementations.
import { Random } from './random.mjs'

// By turn, so that each gets its share of any number of seeds.
export const flavours = ['plain', 'lost', 'v1', 'readonly', 'bloom', 'orphans', 'one-sided', 'all']
const HIDDEN_OPS = 10_000 // operation numbers kept apart for each batch of hidden changes

function peersOf(r, flavour) {
  const n = r.between(2, 7)
  // Old releases wait for dependencies of orphans in a way of their own, and cannot be read-only.
  const npm = flavour === 'orphans' || flavour === 'all' ? ['neu'] : ['neu', 'old']
  const peers = Array.from({ length: n }, (_, i) => ({ kind: i === 0 ? 'c' : i === 1 ? r.pick(npm) : r.pick(['c', 'c', ...npm]), role: 'plain' }))
  if (flavour === 'v1' || flavour === 'all') for (const p of peers) if (r.chance(0.4)) p.role = 'v1'
  // Read-only peers hang at the others: nothing goes through them.
  if ((flavour === 'readonly' || flavour === 'all') && n > 2) {
    for (const p of peers.slice(2)) if (r.chance(0.5)) Object.assign(p, { role: 'readonly', kind: r.pick(['c', 'neu']) })
  }
  for (const p of peers) p.full = r.chance(0.8)
  return peers
}

function linksOf(r, peers) {
  const links = []
  const add = (a, b) => {
    if (a !== b && !links.some((l) => l.includes(a) && l.includes(b))) links.push([a, b])
  }
  const through = [...peers.keys()].filter((i) => peers[i].role !== 'readonly')
  for (let i = 1; i < through.length; i++) add(through[r.below(i)], through[i])
  for (let i = r.below(through.length); i > 0; i--) add(r.pick(through), r.pick(through))
  for (const i of peers.keys()) {
    if (peers[i].role === 'readonly') for (let k = r.between(1, 2); k > 0; k--) add(i, r.pick(through))
  }
  return links
}

function edit(r, p) {
  const commits = Array.from({ length: r.between(1, r.pick([2, 4, 12])) }, () => ({
    key: r.pick(['a', 'b', 'c']), value: String(r.below(1e6)), del: r.below(2), text: r.pick(['x', 'yz', '\u{1f600}']),
  }))
  return { do: 'edit', p, commits }
}

export function makeScript(seed) {
  const r = new Random(seed)
  const flavour = flavours[Number(seed.split('-').at(-1)) % flavours.length]
  const has = (...names) => flavour === 'all' || names.includes(flavour)
  const peers = peersOf(r, flavour)
  peers.forEach((p, i) => (p.actor = r.hex(r.between(1, 8)) + `0${i}`))
  const links = linksOf(r, peers)
  const writers = [...peers.keys()].filter((i) => peers[i].role !== 'readonly')
  const steps = []
  let hidden = 0
  const step = () => {
    const l = r.below(links.length)
    const what = r.weighted([
      [6, 'edit'], [16, 'say'], [16, 'hear'], [2, 'reconnect'], [1, 'twice'],
      [has('lost') ? 1 : 0, 'lose'], [has('bloom') ? 2 : 0, 'hide'], [has('orphans') ? 2 : 0, 'orphan'],
    ])
    if (what === 'edit') return edit(r, r.below(peers.length))
    if (what === 'say') return { do: 'say', l, i: r.below(2) }
    if (what === 'hear') return { do: 'hear', l, i: r.below(2), times: 1 }
    if (what === 'twice') return { do: 'hear', l, i: r.below(2), times: 2 }
    if (what === 'lose') return { do: 'lose', p: r.pick(writers), actor: r.hex(3) + 'dd' }
    if (what === 'hide' && hidden < 3) return { do: 'hide', l, i: r.below(2), n: r.between(1, 4), actor: r.hex(3) + 'ff', firstOp: ++hidden * HIDDEN_OPS }
    if (what === 'orphan') return { do: 'orphan', from: r.below(peers.length), to: r.pick(writers), last: r.between(2, 5), skip: r.between(1, 2) }
    const sides = [0, 1].map(() => (r.chance(0.2) ? 'fresh' : 'kept'))
    const live = has('one-sided') && r.chance(0.6) ? r.below(2) : null
    return { do: 'reconnect', l, sides, live }
  }
  for (let i = r.between(30, 150); i > 0; i--) steps.push(step())
  return { flavour, peers, links, steps, text: { actor: '00' + r.hex(3) } }
}
