import { z } from 'zod'
import { createConfigSchema, type SettingNote } from './schema.ts'

export interface Setting extends SettingNote {
  /** `['session', 'idleTimeoutSeconds']`; one member for a key outside all areas. */
  readonly path: readonly string[]
}

/** Every setting of the schema in its order, for the loader, the manual and `check`. */
export function listSettings (): Setting[] {
  return settingsOf(createConfigSchema({ allowHttp: false }), [])
}

function settingsOf (area: z.ZodObject, path: readonly string[]): Setting[] {
  return Object.entries(area.shape as Record<string, z.ZodType>).flatMap(([key, form]) => {
    if (form instanceof z.ZodObject) return settingsOf(form, [...path, key])
    return [{ ...form.meta() as unknown as SettingNote, path: [...path, key] }]
  })
}
