import { waitFor } from '@corral/testing'
import {
  ErrorCode,
  OpenFeature,
  ProviderEvents,
  ProviderStatus,
  StandardResolutionReasons,
  type Client,
} from '@openfeature/server-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFlags, type Duration, type Flags } from '../../src/index.ts'
import { createOpenFeatureProvider } from '../../src/openfeature/index.ts'
import { type Bed, makeBed } from '../sessions/bed.ts'

let bed: Bed
let flags: Flags
let client: Client

beforeAll(async () => {
  bed = await makeBed('standalone')
  flags = createFlags({ connection: bed.connection, namespace: 'app' })
  await flags.set('on', true)
  await flags.set('text', 'blue')
  await flags.set('number', 1.5)
  await flags.set('object', { value: { a: [1, null] } })
  await flags.set('off', { variants: { x: true }, fallthrough: 'x', enabled: false })
  await flags.set('split', { percentage: 100 })
  await flags.set('rules', {
    variants: { yes: true, no: false },
    fallthrough: 'no',
    rules: [{ if: { attribute: 'email', is: 'endsWith', value: '@corral.dev' }, variant: 'yes' }],
  })
  await OpenFeature.setProviderAndWait(createOpenFeatureProvider(flags))
  client = OpenFeature.getClient()
})
afterAll(async () => {
  await OpenFeature.close()
  flags.close()
  await bed.stop()
})

describe('the OpenFeature provider', () => {
  it('is ready and named', () => {
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    expect(OpenFeature.providerMetadata.name).toBe('corral')
  })

  it('resolves the four types with variant and reason', async () => {
    expect(await client.getBooleanDetails('on', false)).toMatchObject({
      value: true,
      variant: 'on',
      reason: StandardResolutionReasons.STATIC,
      flagKey: 'on',
    })
    expect(await client.getStringValue('text', '')).toBe('blue')
    expect(await client.getNumberValue('number', 0)).toBe(1.5)
    expect(await client.getObjectValue('object', {})).toEqual({ a: [1, null] })
    expect((await client.getBooleanDetails('off', true)).reason).toBe(
      StandardResolutionReasons.DISABLED,
    )
    expect(
      await client.getBooleanDetails('rules', false, { email: 'ada@corral.dev' }),
    ).toMatchObject({ value: true, reason: StandardResolutionReasons.TARGETING_MATCH })
    expect(await client.getBooleanDetails('rules', true, { email: 'x' })).toMatchObject({
      value: false,
      reason: StandardResolutionReasons.DEFAULT,
    })
    expect(await client.getBooleanDetails('split', false, { targetingKey: 'u' })).toMatchObject({
      value: true,
      reason: StandardResolutionReasons.SPLIT,
    })
  })

  it('gives the default with an error code where it must', async () => {
    expect(await client.getBooleanDetails('nowhere', true)).toMatchObject({
      value: true,
      reason: StandardResolutionReasons.ERROR,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    })
    for (const details of [
      await client.getStringDetails('on', 'x'),
      await client.getNumberDetails('text', 5),
      await client.getBooleanDetails('object', true),
      await client.getObjectDetails('on', { mine: true }),
    ]) {
      expect(details).toMatchObject({ errorCode: ErrorCode.TYPE_MISMATCH, reason: 'ERROR' })
    }
    expect((await client.getNumberDetails('text', 5)).value).toBe(5)
    expect(await client.getBooleanDetails('split', false)).toMatchObject({
      value: false,
      errorCode: ErrorCode.TARGETING_KEY_MISSING,
    })
  })

  it('tells changes, loss and return', async () => {
    const events: string[] = []
    client.addHandler(ProviderEvents.ConfigurationChanged, (details) => {
      events.push(`changed ${details?.flagsChanged?.join()}`)
    })
    client.addHandler(ProviderEvents.Stale, () => void events.push('stale'))
    await bed.connection.signals.whenOn(5_000)
    // Another process sets it.
    const elsewhere = createFlags({ connection: bed.connection, namespace: 'app' })
    await elsewhere.set('text', 'green')
    await waitFor(() => events.length === 1, { timeout: 5_000 })
    expect(events).toEqual(['changed text'])
    await bed.server.pause()
    await waitFor(() => events.includes('stale'), { timeout: 15_000 })
    expect(client.providerStatus).toBe(ProviderStatus.STALE)
    expect((await client.getStringDetails('text', '')).reason).toBe('STALE')
    client.addHandler(ProviderEvents.Ready, () => void events.push('ready'))
    await bed.server.resume()
    await waitFor(() => events.includes('ready'), { timeout: 15_000 })
    expect(client.providerStatus).toBe(ProviderStatus.READY)
    elsewhere.close()
  })
})

describe('the OpenFeature provider with Redis away', () => {
  it('is not ready within a second, gives defaults, and tells when it is', async () => {
    const away = await makeBed('standalone')
    const domain = 'away'
    try {
      await away.server.command('HSET', 'corral:flag:{app}', 'text', '"there"')
      await away.server.pause()
      const read = createFlags({ connection: away.connection, namespace: 'app' })
      const started = performance.now()
      await expect(
        OpenFeature.setProviderAndWait(domain, createOpenFeatureProvider(read)),
      ).rejects.toMatchObject({ name: 'ProviderNotReadyError', code: 'PROVIDER_NOT_READY' })
      expect(performance.now() - started).toBeGreaterThan(900)
      expect(performance.now() - started).toBeLessThan(1_500)

      const asking = OpenFeature.getClient(domain)
      expect(asking.providerStatus).toBe(ProviderStatus.ERROR)
      expect(await asking.getStringDetails('text', 'mine')).toMatchObject({
        value: 'mine',
        errorCode: ErrorCode.PROVIDER_NOT_READY,
      })
      const events: string[] = []
      asking.addHandler(ProviderEvents.Ready, () => void events.push('ready'))
      asking.addHandler(ProviderEvents.Stale, () => void events.push('stale'))
      await away.server.resume()
      await waitFor(() => events.includes('ready'), { timeout: 15_000 })
      expect(asking.providerStatus).toBe(ProviderStatus.READY)
      expect(await asking.getStringValue('text', 'mine')).toBe('there')

      await away.connection.signals.whenOn(5_000)
      await away.server.pause()
      await waitFor(() => events.at(-1) === 'stale', { timeout: 15_000 })
      await away.server.resume()
      await waitFor(() => events.at(-1) === 'ready', { timeout: 15_000 })
      read.close()
    } finally {
      await away.stop()
    }
  })

  it('waits as long as it is told, and tells once that it is ready', async () => {
    const events: string[] = []
    const fresh = createFlags({ connection: bed.connection, namespace: 'app' })
    const provider = createOpenFeatureProvider(fresh, { initializeTimeout: '250ms' })
    provider.events?.addHandler(ProviderEvents.Ready, () => void events.push('ready'))
    await OpenFeature.setProviderAndWait('present', provider)
    // By the SDK: two would be one too many.
    expect(events).toEqual([])
    fresh.close()
    for (const initializeTimeout of ['0ms', '2m', 500, 'soon'] as Duration[]) {
      expect(() => createOpenFeatureProvider(flags, { initializeTimeout })).toThrow(
        /^initializeTimeout: .* received /,
      )
    }
  })

  it('hands out objects that nobody can change for the others', async () => {
    const value = (await client.getObjectValue('object', {})) as { a: number[] }
    expect(() => value.a.push(2)).toThrow(TypeError)
    expect(await client.getObjectValue('object', {})).toEqual({ a: [1, null] })
  })
})
