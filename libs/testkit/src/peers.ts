/** The servers of the distributed mode that tests can use, each with the variable that holds its address. */
export const peerVariables = {
  /** `host:port`. */
  kafka: 'BELFRY_TEST_KAFKA',
  /** `mongodb://…` without a database. */
  mongo: 'BELFRY_TEST_MONGO',
  /** `http://host:port`. */
  consul: 'BELFRY_TEST_CONSUL',
} as const
export type Peer = keyof typeof peerVariables

/**
 * The address of a real server, or undefined where there is none: its tests are skipped. Throws when
 * `BELFRY_REQUIRE_PEERS` (names, separated by commas) says that it must be there. Other tests use the same server at the
 * same time, so each makes names of its own (`uniqueName`) and stops no server.
 */
export function peerUrl(peer: Peer): string | undefined {
  const url = process.env[peerVariables[peer]]
  if (url) return url
  const required = (process.env.BELFRY_REQUIRE_PEERS ?? '').split(',').map((name) => name.trim())
  if (required.includes(peer))
    throw new Error(`BELFRY_REQUIRE_PEERS names ${peer}, but ${peerVariables[peer]} is not set`)
  return undefined
}

/** A name that no other test uses, for a database, a topic or a service of a real server: lower case and digits. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`
}
