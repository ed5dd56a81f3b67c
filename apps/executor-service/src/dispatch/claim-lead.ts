/** How long before its time an execution is claimed, so that the claim is stored when its time comes. */
export interface ClaimLead {
  /** Milliseconds. */
  ms(): number
  /** A batch of claims took this long, from the first statement to the last answer, milliseconds. */
  observe(tookMs: number): void
}

/** Weights of the newest measurement in the mean and in the deviation: those of TCP's timer (RFC 6298). */
const meanWeight = 1 / 8
const deviationWeight = 1 / 4
/** Deviations above the mean: what nearly every claim stays under. */
const deviations = 4

/** An estimate that follows what claims take, between the bounds. Too long only costs a claim that is a little early. */
export function createClaimLead({ minMs, maxMs }: { minMs: number; maxMs: number }): ClaimLead {
  let mean = maxMs / 4
  let deviation = 0
  return {
    ms: () => Math.min(maxMs, Math.max(minMs, mean + deviations * deviation)),
    observe(tookMs) {
      const took = Math.min(tookMs, maxMs)
      deviation += deviationWeight * (Math.abs(took - mean) - deviation)
      mean += meanWeight * (took - mean)
    },
  }
}
