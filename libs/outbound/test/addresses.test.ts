import { describe, expect, it } from 'vitest'
import { isPublicAddress } from '../src/addresses.ts'
import { closedAddresses, noAddresses } from './closed-addresses.ts'

/** The last address before each closed range and the first one after it, where those are public. */
const publicAddresses = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '168.63.129.15',
  '168.63.129.17',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '191.255.255.255',
  '192.0.1.0',
  '192.0.3.0',
  '192.88.98.255',
  '192.88.100.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '198.51.99.255',
  '198.51.101.0',
  '203.0.112.255',
  '203.0.114.0',
  '223.255.255.255',
  '2001:200::',
  '2001:db7:ffff::',
  '2001:db9::',
  '2003::',
  '2606:4700:4700::1111',
  '2a00:1450:4001:800::200e',
  '3ffe:ffff::',
]

describe('public addresses', () => {
  it.each(publicAddresses)('%s is one', (address) => expect(isPublicAddress(address)).toBe(true))
  it.each(closedAddresses)('%s is not one', (address) => expect(isPublicAddress(address)).toBe(false))
  it.each(noAddresses)('"%s" is not plainly an address, so it is not one', (text) => {
    expect(isPublicAddress(text)).toBe(false)
  })
})
