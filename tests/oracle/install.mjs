// The two npm releases under one roof, outside the source tree. The newest one
// is looked up when it is missing; what was installed once is used from then on.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache')
export const root = path.join(cache, 'runtimed-build', 'oracle')

function npm(...args) {
  return execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', timeout: 180_000 })
}

function installed(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')).version
  } catch {
    return null
  }
}

function install() {
  fs.mkdirSync(root, { recursive: true })
  fs.copyFileSync(path.join(here, 'package.json'), path.join(root, 'package.json'))
  npm('install', '--no-audit', '--no-fund', '--no-package-lock')
  try {
    npm('install', '--no-audit', '--no-fund', '--no-package-lock', 'automerge-new@npm:@automerge/automerge@latest')
  } catch {
    // The pinned one stays.
  }
}

// Two tests of one suite may start together: the first installs, the others wait.
export async function ensureInstalled() {
  const lock = path.join(root, '.installing')
  for (let i = 0; i < 600; i++) {
    if (installed('automerge-old') && installed('automerge-new') && !fs.existsSync(lock)) break
    fs.mkdirSync(root, { recursive: true })
    let mine = false
    try {
      fs.closeSync(fs.openSync(lock, 'wx'))
      mine = true
    } catch {
      const age = Date.now() - (fs.statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
      if (age > 300_000) fs.rmSync(lock, { force: true })
      await new Promise((r) => setTimeout(r, 500))
    }
    if (mine) {
      try {
        install()
      } finally {
        fs.rmSync(lock, { force: true })
      }
    }
  }
  return { old: installed('automerge-old'), new: installed('automerge-new') }
}

// The wasm bindings under the JavaScript wrapper: no views, no proxies, just documents.
export function lowLevel(which) {
  const require = createRequire(import.meta.url)
  const dist = path.join(root, 'node_modules', `automerge-${which}`, 'dist', 'mjs', 'wasm_bindgen_output', 'nodejs')
  return require(path.join(dist, fs.readdirSync(dist).find((f) => f.endsWith('.cjs'))))
}
