// Seeded random numbers (mulberry32 over an FNV-1a hash of the seed's text).
export class Random {
  constructor(seed) {
    let h = 0x811c9dc5
    for (const c of String(seed)) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193)
    this.s = h >>> 0
  }
  next() {
    this.s = (this.s + 0x6d2b79f5) >>> 0
    let t = this.s
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  below(n) {
    return n <= 1 ? 0 : Math.floor((this.next() / 4294967296) * n)
  }
  between(a, b) {
    return a + this.below(b - a + 1)
  }
  chance(p) {
    return this.next() / 4294967296 < p
  }
  pick(list) {
    return list[this.below(list.length)]
  }
  // [[weight, value], ...]
  weighted(list) {
    let n = this.below(list.reduce((s, [w]) => s + w, 0))
    for (const [w, v] of list) {
      if (n < w) return v
      n -= w
    }
    return list[list.length - 1][1]
  }
  shuffle(list) {
    const l = [...list]
    for (let i = l.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[l[i], l[j]] = [l[j], l[i]]
    }
    return l
  }
  hex(bytes) {
    let s = ''
    for (let i = 0; i < bytes; i++) s += this.below(256).toString(16).padStart(2, '0')
    return s
  }
}
