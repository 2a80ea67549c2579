import { setImmediate } from 'node:timers/promises'
import { applyPush } from '../directory/apply-push.ts'
import type { PushMessage } from '../directory/push-message.ts'
import type { PushEffect, RowReader } from '../directory/rows.ts'

/** A few milliseconds' work. One push brings up to 5000 accounts or departments. */
const entriesAtOnce = 100

/**
 * What a push changes, some entries at a time, with everybody else's turn in between. The caller keeps other commits away until it has
 * written all of it or, after an effect other than `changed`, nothing.
 */
export async function * applyInSlices (push: PushMessage, rows: RowReader): AsyncGenerator<PushEffect> {
  let isFirst = true
  for (const slice of slicesOf(push)) {
    if (!isFirst) await setImmediate()
    isFirst = false
    yield applyPush(slice, rows)
  }
}

function slicesOf (push: PushMessage): PushMessage[] {
  switch (push.kind) {
    case 'accounts': return cut(lastOf(push.accounts, 'userName')).map((accounts) => ({ ...push, accounts }))
    case 'departments': return cut(lastOf(push.departments, 'code')).map((departments) => ({ ...push, departments }))
    case 'tenant': case 'application': case 'instance': return [push]
  }
}

/** The last entry of a name counts, as if the entries had come one by one: two of them must not end in two slices. */
function lastOf<Entry, Name extends keyof Entry> (entries: readonly Entry[], name: Name): Entry[] {
  return [...new Map(entries.map((entry) => [entry[name], entry])).values()]
}

/** An empty list is one slice: it has an effect too. */
function cut<Entry> (entries: Entry[]): Entry[][] {
  const count = Math.max(1, Math.ceil(entries.length / entriesAtOnce))
  return Array.from({ length: count }, (_, index) => entries.slice(index * entriesAtOnce, (index + 1) * entriesAtOnce))
}
