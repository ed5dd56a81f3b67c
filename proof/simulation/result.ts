import { type Figures, recordResult } from '../report/result.ts'
import type { CampaignResult } from './campaign.ts'

/** Counts of these names are of what was made to go wrong. */
const injectedPrefix = 'fault '

function figuresOf(counts: CampaignResult['counts'], isInjected: boolean): Figures {
  return Object.fromEntries(
    [...counts]
      .filter(([name]) => name.startsWith(injectedPrefix) === isInjected)
      .map(([name, count]) => [isInjected ? name.slice(injectedPrefix.length) : name, count] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** The result for `npm run proof`: of each failed seed its first violation, since the others mostly follow from it. */
export function recordCampaign({ seeds, counts, simulatedMs, failed }: CampaignResult, file: string | undefined): void {
  recordResult(
    {
      layer: 'simulation',
      tried: { seeds, 'minutes of simulated time': Math.round(simulatedMs / 60_000) },
      injected: figuresOf(counts, true),
      seen: figuresOf(counts, false),
      found: failed.flatMap(({ seed, violations: [first], timeline }) => {
        const again = `npm run proof:simulation -- --seed ${seed}`
        return first ? [{ ...first, subject: `seed ${seed}, ${first.subject}`, again, timeline }] : []
      }),
    },
    file,
  )
}
