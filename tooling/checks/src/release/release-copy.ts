import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { demand, packAll, pnpm, type Packed } from '../packaging/pack.ts'
import { readManifest, root, workspaceMembers } from '../repository.ts'
import { run } from '../run.ts'

/**
 * Clones what is committed into `folder` and does there what a release does, short of publishing:
 * takes up the changesets, builds and packs.
 */
export async function releaseInto(folder: string): Promise<readonly Packed[]> {
  await demand(run('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, folder], HERE))
  const onlyPackages = ['--filter', '.', '--filter', './packages/*']
  const quietly = ['--frozen-lockfile', '--prefer-offline', '--ignore-scripts']
  await demand(pnpm([...onlyPackages, 'install', ...quietly], folder))
  const pending = pendingChangesets(folder)
  await demand(pnpm(['exec', 'changeset', 'version'], folder))
  if (pending > 0) requireNewVersions(folder)
  await demand(pnpm(['--filter', './packages/*', 'run', 'build'], folder))
  const packed = await packAll(join(folder, 'tarballs'), folder)
  for (const { member, folder: unpacked } of packed) requirePublishable(member.name, unpacked)
  return packed
}

const HERE = { cwd: root }

function pendingChangesets(folder: string): number {
  return readdirSync(join(folder, '.changeset')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md',
  ).length
}

/** All published packages have one version, so a changeset moves each of them. */
function requireNewVersions(folder: string): void {
  for (const { name, manifest, folder: at } of workspaceMembers(folder)) {
    if (manifest.private === true) continue
    const before = readManifest(join(root, at.slice(folder.length), 'package.json')).version
    if (manifest.version === before)
      throw new Error(`${name}: no changeset moves it from ${before}`)
    const changes = join(at, 'CHANGELOG.md')
    const heading = `## ${manifest.version}\n`
    if (!existsSync(changes) || !readFileSync(changes, 'utf8').includes(heading))
      throw new Error(`${name}: CHANGELOG.md has no entry of ${manifest.version}`)
  }
}

/** What only the workspace understands would break the first install of a stranger. */
function requirePublishable(name: string, unpacked: string): void {
  const text = readFileSync(join(unpacked, 'package.json'), 'utf8')
  const foreign = /"(?:workspace|catalog|link|file):[^"]*"/.exec(text)
  if (foreign) throw new Error(`${name}: its packed manifest holds ${foreign[0]}`)
}
