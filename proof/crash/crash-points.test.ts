import { describe, it } from 'vitest'
import { crashAt, fireLogSteps, handOverSteps, phases, recoverySteps, type Step, workSteps } from './points.ts'
import { dieAtWork, dieTakingOver, dieWithoutTheType, dieWritingTheFireLog } from './run.ts'

const pointsOf = (steps: readonly Step[]) => steps.flatMap((step) => phases.map((phase) => crashAt(step, phase)))

describe.concurrent('a process that is killed while it works loses nothing and repeats nothing that had finished', () => {
  it.each(pointsOf(workSteps))('at %s', (point) => dieAtWork(point))
})

describe.concurrent('and neither does the next one that is killed while it takes over', () => {
  it.each(pointsOf(recoverySteps))('at %s', (point) => dieTakingOver(point))
})

describe.concurrent('fire times that were missed are accounted for once, also when the process is killed', () => {
  it.each(pointsOf(fireLogSteps))('at %s', (point) => dieWritingTheFireLog(point))
})

describe.concurrent('runs of a job type that a process does not have are run by the next one that has it', () => {
  it.each(pointsOf(handOverSteps))('at %s', (point) => dieWithoutTheType(point))
})
