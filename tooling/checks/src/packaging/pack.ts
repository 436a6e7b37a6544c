import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, workspaceMembers, type Member } from '../repository.ts'
import { run, type RunResult } from '../run.ts'

export interface Packed {
  readonly member: Member
  readonly tarball: string
  /** The tarball unpacked: what a user's node_modules will hold. */
  readonly folder: string
}

/**
 * Packs every package that is published, as the release does, of a workspace that has been built:
 * the repository, or a copy of it.
 */
export async function packAll(target: string, base: string = root): Promise<readonly Packed[]> {
  const packed: Packed[] = []
  for (const member of workspaceMembers(base).filter(({ manifest }) => manifest.private !== true))
    packed.push(await packOne(member, join(target, member.name.replace('/', '-')), base))
  return packed
}

async function packOne(member: Member, target: string, base: string): Promise<Packed> {
  mkdirSync(target, { recursive: true })
  await demand(pnpm(['--filter', member.name, 'pack', '--pack-destination', target], base))
  const file = readdirSync(target).find((name) => name.endsWith('.tgz'))
  if (file === undefined) throw new Error(`pnpm packed no tarball of ${member.name}`)
  await demand(run('tar', ['-xzf', file], { cwd: target }))
  return { member, tarball: join(target, file), folder: join(target, 'package') }
}

/** The pnpm that runs this test, be it a script or a program; else the one that the README names. */
export function pnpm(args: readonly string[], cwd: string = root): Promise<RunResult> {
  const running = process.env['npm_execpath']
  if (running?.includes('pnpm') !== true) return run('npx', ['-y', 'pnpm@12', ...args], { cwd })
  return /\.[cm]?js$/.test(running)
    ? run(process.execPath, [running, ...args], { cwd })
    : run(running, args, { cwd })
}

export async function demand(running: Promise<RunResult>): Promise<RunResult> {
  const result = await running
  if (result.status !== 0) throw new Error(result.output)
  return result
}
