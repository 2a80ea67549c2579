/** What one look at one thing showed. */
export interface Observation {
  readonly verdict: 'sound' | 'failure' | 'warning' | 'not-reached' | 'not-checked'
  /** What was looked at: an interface, a host, a setting. */
  readonly subject: string
  /** What was wrong, or why nobody could look. */
  readonly what: string
  /** What was sent, without signatures and secrets; `''` if nothing was. */
  readonly sent: string
  /** `''` if nothing came, or nothing that matters. */
  readonly answered: string
}

type Details = Partial<Pick<Observation, 'sent' | 'answered'>>

export const sound = (subject: string): Observation => observation('sound', subject, '')
export const failure = (subject: string, what: string, details?: Details): Observation => observation('failure', subject, what, details)
export const warning = (subject: string, what: string, details?: Details): Observation => observation('warning', subject, what, details)
export const notReached = (subject: string, what: string): Observation => observation('not-reached', subject, what)
export const notChecked = (subject: string, what: string): Observation => observation('not-checked', subject, what)

function observation (verdict: Observation['verdict'], subject: string, what: string, { sent = '', answered = '' }: Details = {}): Observation {
  return { verdict, subject, what, sent, answered }
}
