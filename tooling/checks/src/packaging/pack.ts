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

/** Builds the workspace and packs every package that is published, as the release does. */
export async function packAll(target: string): Promise<readonly Packed[]> {
  await demand(pnpm(['run', 'build']))
  const packed: Packed[] = []
  for (const member of workspaceMembers().filter(({ manifest }) => manifest.private !== true))
    packed.push(await packOne(member, join(target, member.name.replace('/', '-'))))
  return packed
}

async function packOne(member: Member, target: string): Promise<Packed> {
  mkdirSync(target, { recursive: true })
  await demand(pnpm(['--filter', member.name, 'pack', '--pack-destination', target]))
  const file = readdirSync(target).find((name) => name.endsWith('.tgz'))
  if (file === undefined) throw new Error(`pnpm packed no tarball of ${member.name}`)
  await demand(run('tar', ['-xzf', file], { cwd: target }))
  return { member, tarball: join(target, file), folder: join(target, 'package') }
}

/** The pnpm that runs this test, be it a script or a program; else the one that the README names. */
function pnpm(args: readonly string[]): Promise<RunResult> {
  const running = process.env['npm_execpath']
  if (running?.includes('pnpm') !== true)
    return run('npx', ['-y', 'pnpm@12', ...args], { cwd: root })
  return /\.[cm]?js$/.test(running)
    ? run(process.execPath, [running, ...args], { cwd: root })
    : run(running, args, { cwd: root })
}

export async function demand(running: Promise<RunResult>): Promise<RunResult> {
  const result = await running
  if (result.status !== 0) throw new Error(result.output)
  return result
}
