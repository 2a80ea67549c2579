import { Eta } from 'eta/core'
import { readView } from '../pages/read-view.ts'
import type { ConsoleModel, EnterpriseModel } from './console-model.ts'
import type { Visitor } from './visitor.ts'

/** What each template of `views/simulator` reads as `it`. */
interface ViewModels {
  head: { readonly title: string }
  ribbon: Record<string, never>
  console: ConsoleModel
  enterprise: EnterpriseModel
  members: EnterpriseModel
  instances: EnterpriseModel
  departments: EnterpriseModel
  faults: ConsoleModel
  pushes: ConsoleModel
  'unified-login': { readonly title: string }
  'sign-on': { readonly title: string, readonly enterpriseName: string, readonly enterpriseCode: string, readonly message: string }
  fault: { readonly title: string, readonly message: string }
  'sample-head': { readonly title: string }
  'sample-visitor': SampleModel
  'sample-bypassed': { readonly title: string, readonly reason: string }
}

interface SampleModel {
  readonly title: string
  readonly visitor: Visitor
  readonly headers: ReadonlyArray<{ readonly name: string, readonly value: string }>
  readonly prefix: string
  readonly url: string
}

export type Views = <Name extends keyof ViewModels> (name: Name, model: ViewModels[Name]) => string

const names: ReadonlyArray<keyof ViewModels> = [
  'head', 'ribbon', 'console', 'enterprise', 'members', 'instances', 'departments', 'faults', 'pushes', 'unified-login', 'sign-on', 'fault',
  'sample-head', 'sample-visitor', 'sample-bypassed',
]

/** Compiled at start, as the gateway's own pages are. */
export function createViews (): Views {
  const eta = new Eta({ autoEscape: true })
  for (const name of names) eta.loadTemplate(`@${name}`, readView(`simulator/${name}.eta`))
  return (name, model) => eta.render(`@${name}`, model)
}
