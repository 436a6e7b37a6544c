export { createOpenFeatureProvider, type OpenFeatureProviderOptions } from './provider.ts'
