import type { Secret } from '../../base/secret.ts'
import type { AppId } from '../../directory/model.ts'
import type { PushMessage } from '../../directory/push-message.ts'

/** What an interface needs to know of the gateway to read a message. */
export interface KitContext {
  /** The applications we stand in front of; a production message about any other is refused. */
  readonly appIds: ReadonlySet<AppId>
  /** The base address of the authorization server that a `domainName` names, `undefined` if it may name none such. */
  parseDomainName (domainName: string): string | undefined
  /** Opens a pushed secret; `undefined` if it can't be opened. */
  openSecret (sealed: string): Secret | undefined
}

export type KitReading =
  | { readonly kind: 'message', readonly push: PushMessage }
  /** A member that is missing or not what the tables say, as a path such as `userList[3].enable`. */
  | { readonly kind: 'illegal', readonly member: string }
  | { readonly kind: 'secret-unreadable' }

/** One interface of the Kit: its name on the wire and its wire schema ↔ push message. */
export interface KitInterface {
  readonly name: string
  /**
   * Lets other requests have their turn while it reads a long list.
   *
   * @param body the verified text, parsed
   */
  read (body: unknown, context: KitContext): Promise<KitReading>
}
