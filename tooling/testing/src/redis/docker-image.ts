const DEFAULT_VERSION = '7'

/**
 * The image of a version: '7.2' is redis:7.2-alpine, 'valkey-8' is valkey/valkey:8-alpine. An
 * override (`CORRAL_TEST_REDIS_IMAGE`) names another one, in which `{version}` is filled in.
 */
export function imageFor(version: string = DEFAULT_VERSION, override?: string): string {
  if (override) return override.replaceAll('{version}', version)
  const valkey = /^valkey-(.+)$/.exec(version)?.[1]
  return valkey === undefined ? `redis:${version}-alpine` : `valkey/valkey:${valkey}-alpine`
}
