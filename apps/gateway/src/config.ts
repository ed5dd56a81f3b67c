import { breakerConfig, isOrigin, publicAddress } from '@belfry/bootstrap'
import { z } from 'zod'

const count = (usual: number) => z.coerce.number().int().min(1).default(usual)

/** The entries of a text with commas between them. */
function listOf(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
}

/** What the gateway reads from the environment, each with the prefix `BELFRY_` (docs/configuration.md). */
export const gatewayConfig = z.object({
  /** Standalone: all services are in this process, and the gateway is ready when each of them is. */
  mode: z.enum(['standalone', 'distributed']).default('standalone'),
  /** The address it listens on; anything but loopback opens Belfry to the network. */
  host: z.string().min(1).default('127.0.0.1'),
  /** The port that users call; 0 takes any free one. */
  port: z.coerce.number().int().min(0).max(65_535).default(8080),
  /**
   * Where browsers and programs reach Belfry when it is not at HOST and PORT, such as https://belfry.example behind a
   * reverse proxy. Its host is accepted as Host and its origin as Origin; the start shows it.
   */
  publicUrl: publicAddress,
  /**
   * Origins of pages elsewhere that may call the API, such as "https://console.example,http://localhost:5173": with commas between. They send
   * their token themselves; cookies are never let through. Default: none.
   */
  gatewayCorsOrigins: z
    .string()
    .transform(listOf)
    .refine(
      (origins) => origins.every((one) => isOrigin(one) && !one.includes('*')),
      'is not a list such as "https://console.example": http or https, no path, and no "*"',
    )
    .transform((origins) => origins.map((one) => new URL(one).origin))
    .optional(),
  /** How long a browser keeps what a preflight allows, seconds. */
  gatewayCorsMaxAgeS: z.coerce.number().int().min(0).max(86_400).default(600),
  /** Connections of clients that are open at once; further ones are closed. */
  gatewayConnections: count(10_000),
  /** Those of one address. It does not count where BELFRY_GATEWAY_TRUST_PROXY is set: every connection is the proxy's. */
  gatewayConnectionsPerAddress: count(2_000),
  /** Requests of one connection that wait for their answers; a client that sends more without reading is cut off. */
  gatewayPipelinedRequests: count(16),
  /** Within which time the headers of a request must have come in, milliseconds. */
  gatewayHeadersTimeoutMs: count(10_000),
  /** Within which time a whole request must have come in, milliseconds. */
  gatewayRequestTimeoutMs: count(15_000),
  /** How long nothing may move on a connection, milliseconds: above all when a client does not read its answer. Streams of events send every 15 s. */
  gatewayIdleTimeoutMs: count(30_000),
  /** From which length on answers are compressed for clients that take it, bytes. */
  gatewayCompressMinBytes: count(1_024),
  /** Answers that are compressed at once, each in about 300 KiB of memory; further ones go as they are. */
  gatewayCompressionsAtWork: count(64),
  ...breakerConfig,
  /** How long the merged API description is served before the services are asked again, milliseconds. */
  gatewayOpenapiCacheMs: z.coerce.number().int().min(0).default(60_000),
  /**
   * Where `/metrics` is shown to the network, a port on the same address that must not be published.
   * Without it the gateway shows them to callers on its machine only.
   */
  gatewayMetricsPort: z.coerce.number().int().min(1).max(65_535).optional(),
  /** How long a service may take to answer whether it is ready, milliseconds. */
  gatewayReadyTimeoutMs: z.coerce.number().int().min(1).default(800),
  /** Calls of the API that one user may make in 60 s. */
  gatewayUserCallsPerMinute: count(12_000),
  /** Triggers that one user may make in 60 s; each is a call too. */
  gatewayTriggersPerMinute: count(6_000),
  /** Calls without a user that a service answers, such as OPTIONS, from one address in 60 s. */
  gatewayAnonymousCallsPerMinute: count(6_000),
  /** Logins from one address in 60 s. An IPv6 address counts with its /64 network. */
  gatewayLoginsPerMinute: count(60),
  /** Refreshes of logins and logouts from one address in 60 s. */
  gatewayRefreshesPerMinute: count(600),
  /** Sign-ups from one address in 60 s. */
  gatewaySignupsPerMinute: count(20),
  /** Sign-ups from one address in an hour. */
  gatewaySignupsPerHour: count(100),
  /** API keys that are not taken, from one address in 60 s; beyond it every key from there that this gateway has not just seen waits. */
  gatewayUnknownApiKeysPerMinute: count(60),
  /** How long the access token of an API key is used before auth-service is asked again, milliseconds: so long a deleted key works. */
  gatewayApiKeyCacheMs: z.coerce.number().int().min(0).max(50_000).default(30_000),
  /** The same of a key that was not taken, milliseconds. */
  gatewayApiKeyRefusedMs: z.coerce.number().int().min(0).max(60_000).default(5_000),
  /** API keys that are remembered; beyond it the one that was used least recently is forgotten. */
  gatewayApiKeys: count(10_000),
  /** Users and addresses that each limit remembers; beyond it the one that called least recently is forgotten. */
  gatewayRateKeys: count(100_000),
  /**
   * Whether the address of a client is the last entry of `X-Forwarded-For`. Set it only where every connection comes
   * through one reverse proxy that adds this entry; otherwise clients choose the address under which they are counted.
   */
  gatewayTrustProxy: z.stringbool().default(false),
})
export type GatewayConfig = z.output<typeof gatewayConfig>
