import { afterEach, describe, expect, it } from 'vitest';
import type { ControllerConfig, NamespaceConfig } from '../../src/device/config.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { statusName } from '../../src/spec/status.ts';
import type { Completion, Sqe } from '../driver/entries.ts';
import { chunkDisk, makeRig, openChannel, plainDisk, type Rig, type RigOptions } from '../driver/rig.ts';
import { settle, type StoreMode } from '../fakes/fake-store.ts';
import type { CaseName } from './cases.ts';

/** What a case runs on. */
export interface Setup {
  readonly name: string;
  readonly namespaces: readonly NamespaceConfig[];
  readonly store: StoreMode;
}

const kinds: readonly [string, readonly NamespaceConfig[]][] = [
  ['a plain disk', [plainDisk()]],
  ['open-channel 1.2', [openChannel()]],
  ['open-channel 2.0', [chunkDisk()]],
];
const setups = kinds.flatMap(([name, namespaces]) =>
  (['sync', 'soon'] as const).map((store): Setup => ({ name: `${name}, ${store}`, namespaces, store })),
);

/** Each kind of namespace over a store that answers at once and one that answers soon: for cases of the controller. */
export const everyDisk: readonly Setup[] = setups;
/** For cases that read and write logical blocks. */
export const plainDisks: readonly Setup[] = setups.slice(0, 2);
/** For cases with metadata. */
export const chunkDisks: readonly Setup[] = setups.slice(4);
/** Two namespaces, the second with smaller blocks. */
export const twoNamespaces: readonly Setup[] = plainDisks.map((setup) => ({
  ...setup,
  name: `two namespaces, ${setup.store}`,
  namespaces: [plainDisk(), plainDisk(2048, 512)],
}));

/** Makes the rigs of one case, and looks afterwards for what no case may leave behind. */
export class Bench {
  readonly setup: Setup;
  private readonly rigs: Rig[] = [];

  constructor(setup: Setup) {
    this.setup = setup;
  }

  /** As after power-on. */
  async powered(options: RigOptions = {}): Promise<Rig> {
    const { namespaces, store } = this.setup;
    const rig = await makeRig({ namespaces, store, ...options });
    this.rigs.push(rig);
    return rig;
  }

  /** The admin queues work. */
  async enabled(options: RigOptions = {}): Promise<Rig> {
    const rig = await this.powered(options);
    rig.driver.disable();
    rig.driver.enable();
    return rig;
  }

  /** Queue pair 1 works too; the number of queues was not negotiated, so all are there. */
  async started(options: RigOptions = {}, queueSize = 64): Promise<Rig> {
    const rig = await this.enabled(options);
    await rig.driver.createQueuePair(1, queueSize);
    return rig;
  }

  /** Every completion was asked for, and the store was used as its contract says. */
  check(): void {
    for (const rig of this.rigs) {
      expect(rig.driver.unexpected, 'completions that nobody asked for').toEqual([]);
      for (const store of rig.stores) expect(store.overlaps).toBe(0);
      const internal = rig.log.events().filter((event) => event.rule === 'internal');
      expect(internal, 'defects of the device').toEqual([]);
    }
  }
}

/** One case of a suite, on each of the set-ups. */
export function judge(
  name: CaseName,
  on: readonly Setup[],
  run: (bench: Bench) => Promise<void> | void,
): void {
  describe(name, () => {
    let bench: Bench | undefined;
    afterEach(() => {
      bench?.check();
      bench = undefined;
    });
    it.each(on)('on $name', async (setup) => {
      bench = new Bench(setup);
      await run(bench);
    });
  });
}

// What most cases say ------------------------------------------------------------------------------------

export const FLUSH: Sqe = { opcode: IoOpcode.flush, nsid: 1 };

/** The status of a completion, in words where it differs. */
export function expectStatus(completion: Completion, status: number, about = ''): void {
  const said = (code: number) => `${statusName(code)} (${code.toString(16)}h)`;
  expect(said(completion.status), about).toBe(said(status));
}

/** An admin command that has to end with `status`. */
export async function adminEnds(rig: Rig, sqe: Sqe, status: number, about = ''): Promise<Completion> {
  const completion = await rig.driver.admin(sqe);
  expectStatus(completion, status, about);
  return completion;
}

/** An I/O command of queue `queueId` that has to end with `status`. */
export async function ioEnds(
  rig: Rig,
  queueId: number,
  sqe: Sqe,
  status: number,
  about = '',
): Promise<Completion> {
  const completion = await rig.driver.command(queueId, sqe);
  expectStatus(completion, status, about);
  return completion;
}

/** The namespace's commands go on, whatever happened before. */
export async function expectAlive(rig: Rig, queueId = 1): Promise<void> {
  await ioEnds(rig, queueId, FLUSH, 0, 'a flush afterwards');
}

/** Lets everything that is deferred or stored go on for a while. */
export async function idle(rig: Rig): Promise<void> {
  for (let i = 0; i < 12; i++) {
    rig.clock.run();
    await settle();
  }
}

/** Configuration of a controller whose queues need not be contiguous. */
export const discontiguous: { config: Partial<ControllerConfig> } = {
  config: { contiguousQueuesRequired: false },
};
