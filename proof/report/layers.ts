import type { LayerName } from './result.ts'

/** How large a run is: `usual` is what CI does, `campaign` is what a release does. */
export type Size = 'usual' | 'campaign'

/** How one layer is run: a script of package.json, with arguments and settings. */
export interface Run {
  readonly script: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Layer {
  readonly name: LayerName
  readonly title: string
  /** What it does, what it shows, and what it cannot show. Markdown; whole sentences. */
  readonly does: string
  readonly shows: string
  readonly cannot: string
  readonly usual: Run
  readonly campaign: Run
  /**
   * Without real servers the layer is left out: its last result stays. `own`: it starts a set by the script of BELFRY_PEERS, because
   * it kills them. `given`: those of BELFRY_TEST_KAFKA, BELFRY_TEST_MONGO and BELFRY_TEST_CONSUL.
   */
  readonly needsServers?: 'own' | 'given'
}

/** The layers, in the order in which they run. */
export const layers: readonly Layer[] = [
  {
    name: 'model',
    title: 'Model',
    does: 'Searches every order of steps within small bounds, on the functions that run in production: every message is lost, doubled and reordered, processes die at any step, leases run out at any moment. Mutants leave out one guard each.',
    shows:
      'Within the bounds no order of steps breaks an invariant, and each state leads to the end without a further mishap. A guard that is missing is reported.',
    cannot:
      'Anything beyond the bounds: one job, two fire times, at most three operations. The adapters (SQL, MongoDB, Kafka) stand in it as contracts of one line.',
    usual: { script: 'proof:model' },
    campaign: { script: 'proof:model', args: ['--full'] },
  },
  {
    name: 'edits',
    title: 'Wrong edits',
    does: 'Changes a transition or a guard in a copy of the source, one edit at a time, and runs the model and the tests beside the file.',
    shows: 'A wrong edit of a transition does not pass unseen.',
    cannot: 'Edits that are not in the list. A test that fails for one wrong edit may pass with another.',
    usual: { script: 'proof:edits' },
    campaign: { script: 'proof:edits' },
  },
  {
    name: 'simulation',
    title: 'Simulation',
    does: 'Runs the real services over a simulated bus, store, clock and network in one process. A seed decides everything, so that a history repeats.',
    shows:
      'The services as they are, with their loops, caches and retries, keep the invariants over many histories of several minutes of simulated time.',
    cannot:
      'What only a real server, a real disk or several threads do. A seed is a sample, and no search of all histories.',
    usual: { script: 'proof:simulation', args: ['--seeds', '2000'] },
    campaign: { script: 'proof:simulation', args: ['--seeds', '100000'] },
  },
  {
    name: 'crash',
    title: 'Crash points',
    does: 'Kills a process with SIGKILL before and after each durable step of SQLite, starts it again, and checks what became of everything.',
    shows:
      'No step leaves something behind that the next start cannot finish: what was answered is there, and what had ended does not run again.',
    cannot:
      'A disk that loses what it has confirmed, and two deaths at a time, but for those while work is taken over.',
    usual: { script: 'proof:crash' },
    campaign: { script: 'proof:crash' },
  },
  {
    name: 'crash-fleet',
    title: 'Crash points on MongoDB',
    does: 'Does the same to one service of a fleet, before and after each durable step of its store in MongoDB, while the others go on.',
    shows: 'No step of this store leaves something behind that the next start, or another service, cannot finish.',
    cannot:
      'A server of a replica set that fails over. CI does not run it: four fleets at a time take 10 to 15 minutes.',
    usual: { script: 'proof:crash-fleet' },
    campaign: { script: 'proof:crash-fleet' },
    needsServers: 'given',
  },
  {
    name: 'operations',
    title: 'Operations around fire times',
    does: 'Updates, pauses, resumes, deletes and cancels jobs at random offsets around their fire times, standalone and, where servers are there, on two executors over Kafka.',
    shows:
      'After a firm answer nothing starts that is not listed; no fire time is lost or doubled; a thousand dead letters are redriven in one call, each once.',
    cannot: 'Processes that die meanwhile: that is left to the simulation and to chaos.',
    usual: { script: 'proof:operations' },
    campaign: {
      script: 'proof:operations',
      env: { BELFRY_OPERATIONS_JOBS: '10000', BELFRY_OPERATIONS_JOBS_PER_SECOND: '100' },
    },
  },
  {
    name: 'security',
    title: 'Security',
    does: 'Takes the routes from the running services and calls each with every kind of caller, in every dialect; crosses ids of owners; tries doctored tokens, spoofed headers, outbound addresses and hostile bodies; opens 500 slow sockets.',
    shows: 'No caller gets what is for another one, and a route that is added later is covered too.',
    cannot:
      'Errors in what the proof expects of a route. Host names that need a resolver are tried on the library and not through the API.',
    usual: { script: 'proof:security' },
    campaign: { script: 'proof:security' },
  },
  {
    name: 'fuzz',
    title: 'Fuzzing',
    does: 'Draws valid, nearly valid and hostile inputs from the schemas: HTTP, raw sockets, messages, tokens, stored JSON, cron expressions.',
    shows:
      'No input of them ends a process, is answered 500, holds up the loop for over 200 ms or makes the heap grow.',
    cannot: 'Inputs that the schemas do not describe. Many valid requests are refused by a rule over several fields.',
    usual: { script: 'proof:fuzz' },
    campaign: { script: 'proof:fuzz', env: { BELFRY_FUZZ_INPUTS: '1000000' } },
  },
  {
    name: 'scenarios',
    title: 'Scenarios on real servers',
    does: 'Plays the named cases of the acceptance list on one process per service: executors that die or hang, servers that are away or come back without data, rolling restarts, a burst.',
    shows: 'Each named case ends as the protocol says, on real servers.',
    cannot: 'Cases without a name; those are left to chaos.',
    usual: { script: 'proof:scenarios' },
    campaign: {
      script: 'proof:scenarios',
      env: { BELFRY_CHAOS_CONSUL_AWAY_MS: '300000', BELFRY_CHAOS_BURST: '10000' },
    },
    needsServers: 'own',
  },
  {
    name: 'chaos',
    title: 'Chaos on real servers',
    does: 'Runs one process per service, two of three services, on Kafka, MongoDB and Consul of its own, under load. A seed decides what is killed, stopped and wiped, and when. The target of the jobs is a process of its own, which stores each call before it answers.',
    shows:
      'The whole system keeps the invariants on real servers; every extra call is explained by a failure that was injected.',
    cannot:
      'Each interleaving again: a repeated seed repeats the plan, and not the timing of processes. Cut and slow links are stood in for by stopped processes. Where FerretDB serves in the place of MongoDB, what only MongoDB does is not shown.',
    usual: { script: 'proof:chaos' },
    campaign: { script: 'proof:chaos', args: ['--faults', '1000', '--executions', '100000'] },
    needsServers: 'own',
  },
]

export const layerOf = (name: LayerName): Layer => layers.find((one) => one.name === name) as Layer
