/**
 * How far a copy to another store has gone. It is kept in the store itself, for every gateway on it.
 *
 * - `closing`: no renewal of tokens begins. A refresh token is good for one use: whoever gets its successor must be able to store it.
 * - `moved`: nothing is written, or nothing yet: another store is the one that counts.
 */
export type MoveState = 'closing' | 'moved' | undefined

export function parseMoveState (text: string | undefined): MoveState {
  // What a newer version may have written there was no invitation to write.
  return text === undefined || text === 'closing' ? text : 'moved'
}

/** How old a gateway's knowledge of the state may be. */
export const moveLookMs = 500
