/**
 * What Corral needs of a Standard Schema (standardschema.dev), which Zod, Valibot, ArkType and
 * others implement. Declared here, as the specification suggests, instead of a dependency.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Whether it is one, told by shape; ArkType's are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const standard = (value as { '~standard'?: { validate?: unknown } })['~standard']
  return typeof standard?.validate === 'function'
}

/** The checked value, or the issues that it has. Synchronous where the schema is. */
export function checkSchema<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
): StandardResult<Output> | Promise<StandardResult<Output>> {
  return schema['~standard'].validate(value)
}

/** Where each issue is and what it says; never the value itself. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  return issues
    .slice(0, 5)
    .map(({ message, path }) => {
      const at = path?.map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
      return at === undefined || at === '' ? message : `${at}: ${message}`
    })
    .join('; ')
}
