/** How a caller was identified: by an access token, by an API key, or not at all (a login). */
export type Via = 'token' | 'api-key' | 'none'

/** A request that may change something, as it is stored before its work begins. Times are epoch milliseconds. */
export interface NewAuditRow {
  readonly at: number
  /** The user; null for a caller without a token. */
  readonly actorId: string | null
  readonly actorName: string | null
  readonly via: Via
  /** The operation of the route (`pauseJob`), or its method and address where it has none. */
  readonly action: string
  /** What the request names or made: the id of a job, an execution, a user; null where there is none. */
  readonly target: string | null
  readonly requestId: string
  /** The address of the client, as the gateway saw it; null where it is not known. */
  readonly address: string | null
}

/** What became of a request. It is stored once, after the answer. */
export interface AuditOutcome {
  /** The number of the row. */
  readonly n: number
  /** The user, where only the work has found out who it is; left out, the row keeps its own. */
  readonly actor?: { readonly id: string; readonly name: string } | undefined
  /** The status of the answer. */
  readonly status: number
  readonly target: string | null
  /** Other ids that the request names or made. */
  readonly also: readonly string[]
  /** The version that the change made; null where the answer names none. */
  readonly version: number | null
}

/** A row of the log. `status` null: the outcome was not stored, because the service ended right after the request. */
export interface AuditRow extends NewAuditRow, Omit<AuditOutcome, 'status' | 'actor'> {
  readonly status: number | null
}
