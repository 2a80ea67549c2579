import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import { countedAddress, createClientAddress, isNetwork } from '../../src/base/client-address.ts'

const from = (remoteAddress: string, forwarded?: string) =>
  ({ headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }, socket: { remoteAddress } }) as unknown as IncomingMessage

t.test('T-21 C-38: nobody is believed by default', async (t) => {
  const addressOf = createClientAddress([])
  for (const forwarded of ['1.1.1.1', '127.0.0.1', '10.0.0.1, 1.1.1.1', '::1', 'for=1.1.1.1', '']) {
    t.equal(addressOf(from('127.0.0.1', forwarded)), '127.0.0.1', forwarded)
    t.equal(addressOf(from('2001:db8::7', forwarded)), '2001:db8::7', forwarded)
  }
  t.equal(addressOf(from('::ffff:192.0.2.7')), '192.0.2.7', 'an IPv4 client of a socket for both')
  t.equal(addressOf(from('fe80::1%eth0')), 'fe80::1')
})

t.test('T-21: behind trusted proxies the right-most hop that is none of them counts', async (t) => {
  const addressOf = createClientAddress(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'])
  const table: [remote: string, forwarded: string | undefined, expected: string][] = [
    ['10.1.2.3', '203.0.113.7', '203.0.113.7'],
    ['::ffff:10.1.2.3', '203.0.113.7', '203.0.113.7'],
    ['10.1.2.3', '1.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['10.1.2.3', '203.0.113.7, 192.0.2.1, 10.9.9.9', '203.0.113.7'],
    ['10.1.2.3', '8.8.8.8, 10.0.0.1, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['10.1.2.3', ' 203.0.113.7 ', '203.0.113.7'],
    ['10.1.2.3', '203.0.113.7:51234', '203.0.113.7'],
    ['10.1.2.3', '[2001:4860::8888]:51234', '2001:4860::8888'],
    ['10.1.2.3', '2001:4860::8888', '2001:4860::8888'],
    ['10.1.2.3', '::ffff:203.0.113.7', '203.0.113.7'],
    ['10.1.2.3', '::FFFF:cb00:7107', '203.0.113.7'],
    ['10.1.2.3', '0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['10.1.2.3', '203.0.113.7, 0:0:0:0:0:ffff:a01:203', '203.0.113.7'],
    ['10.1.2.3', '2001:db8:ffff::1, 2001:DB9:ffff::1', '2001:db9:ffff::1'],
    ['2001:db8::5', '203.0.113.7', '203.0.113.7'],
    ['192.0.2.1', '203.0.113.7', '203.0.113.7'],
    ['192.0.2.2', '203.0.113.7', '192.0.2.2'],
    ['11.0.0.1', '203.0.113.7', '11.0.0.1'],
    ['10.1.2.3', undefined, '10.1.2.3'],
    ['10.1.2.3', '', '10.1.2.3'],
    ['10.1.2.3', 'unknown', '10.1.2.3'],
    ['10.1.2.3', '1.1.1.1, nonsense', '10.1.2.3'],
    ['10.1.2.3', '1.1.1.1, nonsense, 10.0.0.9', '10.0.0.9'],
    ['10.1.2.3', '203.0.113.7\u0000', '10.1.2.3'],
    ['10.1.2.3', '10.0.0.8, 10.0.0.9', '10.0.0.8'],
  ]
  for (const [remote, forwarded, expected] of table) t.equal(addressOf(from(remote, forwarded)), expected, `${remote} ${forwarded}`)
})

t.test('T-21: whatever a client writes, behind one trusted proxy it is known by what the proxy saw', async () => {
  const addressOf = createClientAddress(['10.0.0.0/8'])
  const text = fc.string({ unit: fc.constantFrom('1', '0', '.', ',', ':', ' ', '[', ']', 'f', '127.0.0.1', '10.0.0.1') })
  fc.assert(fc.property(text, (written) => addressOf(from('10.0.0.1', `${written}, 203.0.113.7`)) === '203.0.113.7'))
})

t.test('a network is an address or a CIDR of one, and never everybody', async (t) => {
  for (const good of ['10.0.0.0/8', '10.0.0.1', '::1', '2001:db8::/32', 'fd00::/8', '192.0.2.1/32', '::1/128']) t.ok(isNetwork(good), good)
  for (const bad of ['', '10.0.0.0/0', '::/0', '0.0.0.0/00', '10.0.0.0/33', '::/129', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8.0', '10.0.0.0/ 8', 'localhost', '*', 'fe80::1%eth0', '010.0.0.1', '1', 'all']) {
    t.notOk(isNetwork(bad), bad)
  }
})

t.test('IPv6 clients are counted by their /64, in every spelling', async (t) => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002:0:0:0:9', '2001:DB8:1:2::']
  t.same([...new Set(same.map(countedAddress))], ['2001:db8:1:2::/64'])
  t.equal(countedAddress('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  t.equal(countedAddress('::1'), '0:0:0:0::/64')
  t.equal(countedAddress('1::'), '1:0:0:0::/64')
  t.equal(countedAddress('203.0.113.7'), '203.0.113.7')
  const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
  fc.assert(fc.property(groups, (all) => {
    const long = all.map((group) => group.toString(16)).join(':')
    const short = new URL(`http://[${long}]`).hostname.slice(1, -1)
    return countedAddress(long) === countedAddress(short) && countedAddress(long) === `${all.slice(0, 4).map((group) => group.toString(16)).join(':')}::/64`
  }))
})
