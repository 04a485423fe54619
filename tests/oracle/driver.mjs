// The C library, driven over pipes: one JSON line each way.
import { spawn } from 'node:child_process'

export const toBase64 = (u8) => Buffer.from(u8.buffer, u8.byteOffset, u8.byteLength).toString('base64')
export const fromBase64 = (s) => new Uint8Array(Buffer.from(s, 'base64'))

export class CError extends Error {
  constructor(answer) {
    super(answer.error)
    this.code = answer.code
  }
}

export class Driver {
  constructor(binary = process.env.AUTOMERGE_BIN) {
    if (!binary) throw new Error('AUTOMERGE_BIN is not set')
    this.child = spawn(binary, ['oracle'], { stdio: ['pipe', 'pipe', 'pipe'] })
    this.waiting = []
    this.parts = []
    this.stderr = ''
    this.dead = null
    this.log = [] // the latest requests, for reports
    this.child.stdout.setEncoding('utf8')
    this.child.stdout.on('data', (s) => this.#take(s))
    this.child.stderr.on('data', (s) => (this.stderr = (this.stderr + s).slice(-20_000)))
    this.child.stdin.on('error', () => {})
    this.child.on('close', (code, signal) => this.#end(`the driver ended (${signal ?? code}) ${this.stderr}`))
  }

  #take(s) {
    let at
    while ((at = s.indexOf('\n')) >= 0) {
      const line = this.parts.length ? this.parts.join('') + s.slice(0, at) : s.slice(0, at)
      this.parts = []
      s = s.slice(at + 1)
      this.waiting.shift()?.resolve(line)
    }
    if (s) this.parts.push(s)
  }

  #end(why) {
    this.dead ??= why
    for (const w of this.waiting) w.reject(new Error(this.dead))
    this.waiting = []
  }

  // The raw answer; rejects only when the process is gone.
  send(req) {
    if (this.dead) return Promise.reject(new Error(this.dead))
    const line = JSON.stringify(req) + '\n'
    this.log.push(req)
    if (this.log.length > 400) this.log.splice(0, 200)
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject })
      this.child.stdin.write(line)
    }).then((text) => JSON.parse(text))
  }

  // The value of "ok"; throws CError otherwise.
  async call(req) {
    const a = await this.send(req)
    if ('error' in a) throw new CError(a)
    return a.ok
  }

  async close() {
    if (this.dead) return
    const ended = new Promise((r) => this.child.on('close', r))
    this.child.stdin.end()
    await ended
    if (this.child.exitCode !== 0) throw new Error(`the driver ended badly: ${this.stderr}`)
  }
}
