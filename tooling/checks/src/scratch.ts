import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './repository.ts'

export interface Scratch extends Disposable {
  readonly folder: string
  write(path: string, text: string): string
  /** Copies a file or folder of the repository to the same place here. */
  copy(path: string): void
  link(path: string, target: string): void
}

/** A throw-away folder outside the workspace, to plant faults in. */
export function createScratch(name: string): Scratch {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `corral-${name}-`)))
  const place = (path: string): string => {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    return target
  }
  return {
    folder,
    write(path, text) {
      const target = place(path)
      writeFileSync(target, text)
      return target
    },
    copy(path) {
      cpSync(join(root, path), place(path), { recursive: true })
    },
    link(path, target) {
      symlinkSync(target, place(path))
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
