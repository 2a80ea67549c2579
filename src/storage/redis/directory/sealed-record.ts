import { faults } from '../../../base/coded-errors.ts'
import type { SealedBox } from '../../../base/sealed-box.ts'
import type { ArchivedPush, PushRecord } from '../../../directory/push-log.ts'

const lengthBytes = 4

/** Heading and content under one seal, which opens only under the number that it was made for. */
export function sealRecord (box: SealedBox, number: number, { content, ...rest }: PushRecord): Buffer {
  const heading = Buffer.from(JSON.stringify(rest))
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32BE(heading.length)
  return box.seal(Buffer.concat([length, heading, content]), sealContext(number))
}

/** @throws `GW_STORAGE_CORRUPT` if no key opens it under this number */
export function openRecord (box: SealedBox, number: number, sealed: Buffer): ArchivedPush {
  const opened = box.open(sealed, sealContext(number))
  if (opened === undefined) throw new faults.StorageCorrupt()
  const contentAt = lengthBytes + opened.readUInt32BE()
  const heading = JSON.parse(opened.toString('utf8', lengthBytes, contentAt)) as Omit<PushRecord, 'content'>
  return { number, ...heading, content: opened.subarray(contentAt) }
}

function sealContext (number: number): string {
  return `push-log:${number}`
}
