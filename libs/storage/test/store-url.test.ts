import { describe, expect, it } from 'vitest'
import { storeUrlOf } from '../src/index.ts'
import { hostsOf, parseMongoUrl } from '../src/mongo/url.ts'

describe('the URL of one service', () => {
  it.each([
    ['mongodb://db:27017', 'mongodb://db:27017'],
    ['mongodb://db:27017/', 'mongodb://db:27017/'],
    ['mongodb://db:27017/?replicaSet=rs0', 'mongodb://db:27017/?replicaSet=rs0'],
    ['mongodb://db:27017/test1', 'mongodb://db:27017/test1-job'],
    ['mongodb://ada:pw@a:1,b:2/test1?replicaSet=rs0', 'mongodb://ada:pw@a:1,b:2/test1-job?replicaSet=rs0'],
    ['mongodb+srv://db/test1', 'mongodb+srv://db/test1-job'],
    ['sqlite:/data/x.db', 'sqlite:/data/x.db'],
  ])('is made of %s', (shared, own) => expect(storeUrlOf(shared, 'job')).toBe(own))
})

describe('a MongoDB URL', () => {
  it('is cut where its database stands', () => {
    expect(parseMongoUrl('mongodb://ada:p%2Fw@a:1,b:2/x?tls=true')).toEqual({
      origin: 'mongodb://ada:p%2Fw@a:1,b:2',
      database: 'x',
      options: '?tls=true',
    })
    expect(parseMongoUrl('mongodb://db')).toEqual({ origin: 'mongodb://db', database: null, options: '' })
    expect(hostsOf('mongodb://ada:pw@a:1,b:2/x')).toBe('a:1,b:2')
    expect(hostsOf('mongodb+srv://cluster.example')).toBe('cluster.example')
  })

  it.each(['mongodb://', 'http://db', 'mongodb://ada:secret@', 'mongodb://a/b/c?secret'])(
    'is refused without being shown: %s',
    (url) => {
      expect(() => parseMongoUrl(url)).toThrow('the URL of the store is not')
      expect(() => parseMongoUrl(url)).not.toThrow('secret')
    },
  )
})
