import type { Violation } from './search/search.ts'
import { seats, slots, type World } from './world.ts'

/** What is stored of one execution, in one word or two. */
function executionText(world: World, slot: (typeof slots)[number]): string | null {
  const execution = world[slot]
  if (!execution) return null
  const { state, version, epoch, owner } = execution
  return `${slot} ${state} v${version} e${epoch}${owner ? ` ${owner}` : ''}${execution.cancelRequested ? ' cancel' : ''}`
}

function scheduleText({ schedule }: World): string {
  if (!schedule) return 'no schedule'
  const waiting = schedule.pending.map(({ fireAt, version }) => `${fireAt}@v${version}`).join(' ')
  return `schedule v${schedule.version}${waiting ? ` waits for ${waiting}` : ''}`
}

function admissionText({ admission: { minVersion, floors, places, waiting } }: World): string | null {
  const parts = [
    ...(minVersion > 0 ? [`from v${minVersion}`] : []),
    ...floors.map(({ version, fromAt }) => `v${version} after ${fromAt}`),
    ...(places.length > 0 ? [`${places.length} placed`] : []),
    ...(waiting.length > 0 ? [`${waiting.length} waits`] : []),
  ]
  return parts.length === 0 ? null : `admission: ${parts.join(', ')}`
}

function attemptsText(world: World): string | null {
  const held = seats.flatMap((seat) => {
    const executor = world[seat]
    if (!executor) return []
    return Object.entries(executor.attempts).map(
      ([slot, { phase, epoch }]) => `${executor.name} has ${slot} e${epoch} ${phase}`,
    )
  })
  return held.length === 0 ? null : held.join(', ')
}

/** The job and what became of it: one line for each step, with the clock before it and the stores after it. */
export function timelineOf({ rule, path }: Violation<World>): string[] {
  const lines = path.flatMap(({ step, state }) => {
    const parts = [
      `job v${state.job.version} ${state.job.state}`,
      scheduleText(state),
      ...slots.map((slot) => executionText(state, slot)),
      admissionText(state),
      attemptsText(state),
    ]
    return [`${String(state.now).padStart(5)}  ${step}`, `         ${parts.filter((one) => one !== null).join(' | ')}`]
  })
  return [...lines, `       ${rule}`]
}
