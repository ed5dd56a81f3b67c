import { z } from 'zod'
import type { EventStreamsOptions } from './event-stream.ts'

const count = (usual: number, least = 1) => z.coerce.number().int().min(least).default(usual)

/** The settings of event streams, for every service that has some. */
export const streamConfig = {
  /** Event streams that one user may have open at one instance of a service. */
  streamsPerUser: count(10),
  /** Event streams that may be open at one instance of a service. */
  streamsTotal: count(500),
  /** How often an event stream sends a comment, milliseconds; below the time for which a gateway waits for the next byte. */
  streamHeartbeatMs: count(15_000, 100),
  /** Bytes of one event stream that may wait for its reader. */
  streamBufferBytes: count(256 * 1024, 1024),
  /** How long an event stream waits for its reader before it is cut off, milliseconds. */
  streamStallMs: count(10_000, 100),
}
export type StreamConfig = z.output<z.ZodObject<typeof streamConfig>>

/** The bounds of the streams of one service. */
export function streamBoundsOf(config: StreamConfig): Omit<EventStreamsOptions, 'clock' | 'metrics'> {
  return {
    perUser: config.streamsPerUser,
    total: config.streamsTotal,
    heartbeatMs: config.streamHeartbeatMs,
    bufferBytes: config.streamBufferBytes,
    stallMs: config.streamStallMs,
  }
}
