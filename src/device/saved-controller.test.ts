import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { NvmeDriver } from '../../test/driver/driver.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import {
  chunkDisk,
  chunkFlashOf,
  flashOf,
  makeRig,
  openChannel,
  plainDisk,
  type Rig,
} from '../../test/driver/rig.ts';
import type { RigOptions } from '../../test/driver/rig.ts';
import { vectorCommand, vectorWrite } from '../../test/driver/vector.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { type FakeStore, settle } from '../../test/fakes/fake-store.ts';
import { SavedStateError } from '../flash/saved-fields.ts';
import { Feature, LogPage } from '../spec/identify.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import type { SavedController } from './saved-controller.ts';

const SEC = 4096;
const FLUSH = { opcode: IoOpcode.flush, nsid: 1 };
/** Feature 0Bh with the temperature warning on, and a threshold that the drive is above. */
const WANT_TEMPERATURE = 1 << 1;
const COLD_K = 200;

/** One driver whose controller is exchanged under it. */
class Moving {
  rig: Rig;
  readonly driver: NvmeDriver;
  private readonly options: RigOptions;

  private constructor(rig: Rig, options: RigOptions) {
    this.rig = rig;
    this.options = options;
    const moving = () => this.rig;
    const bar = {
      read32: (offset: number) => moving().controller.read32(offset),
      read8: (offset: number) => moving().controller.read8(offset),
      write32: (offset: number, value: number) => moving().controller.write32(offset, value),
      write8: (offset: number, value: number) => moving().controller.write8(offset, value),
    };
    const interrupt = {
      get level() {
        return moving().interrupt.level;
      },
    };
    const idle = async () => {
      moving().clock.run();
      await settle();
    };
    this.driver = new NvmeDriver(bar, rig.memory, interrupt, { idle });
  }

  static async start(options: RigOptions): Promise<Moving> {
    const moving = new Moving(await makeRig(options), options);
    await moving.driver.start(4);
    return moving;
  }

  /** What JSON makes of the state, after everything is stored. */
  save(): SavedController {
    const { controller, namespaces } = this.rig;
    expect(controller.whyBusy()).toBeNull();
    controller.health.touch();
    namespaces[0]?.medium.units.commit('strict', () => {});
    return JSON.parse(JSON.stringify(controller.save())) as SavedController;
  }

  /** A new controller on the disk as it is stored now. */
  async another(): Promise<Rig> {
    const stores = this.rig.stores.map((store: FakeStore) => store.reopened());
    return makeRig({ ...this.options, stores, memory: this.rig.memory });
  }

  async move(): Promise<void> {
    const state = this.save();
    const next = await this.another();
    next.controller.restore(state);
    expect(next.controller.save()).toEqual(state);
    this.rig = next;
  }
}

const kinds: [string, RigOptions][] = [
  ['1.2', { namespaces: [openChannel()] }],
  ['2.0', { namespaces: [chunkDisk()] }],
  ['plain', { namespaces: [plainDisk()] }],
];

describe.each(kinds)('a saved controller with a disk of %s', (_kind, options) => {
  it('goes on in the middle of its life, again and again', async () => {
    const moving = await Moving.start({ ...options, config: { contiguousQueuesRequired: false } });
    const { driver } = moving;
    await driver.createQueuePair(3, 70, { contiguous: false });
    await driver.adminOk(admin.setFeatures(Feature.arbitration, 2));
    await driver.adminOk(admin.setFeatures(Feature.errorRecovery, 7, 1));
    await driver.adminOk(admin.setFeatures(Feature.asyncEventConfig, WANT_TEMPERATURE));
    const held = [0, 1].map(() => driver.submit(0, admin.asyncEvent()));
    const errors = () => driver.adminRead(256, (prps) => admin.getLogPage(LogPage.error, 256, prps));
    for (let round = 0; round < 6; round++) {
      for (const queue of [1, 3]) {
        // Not a multiple of any queue's size: positions and phases are all different.
        for (let i = 0; i < 3; i++) expect((await driver.command(queue, FLUSH)).status).toBe(0);
        expect((await driver.command(queue, { opcode: 0x77, nsid: round })).status).not.toBe(0);
      }
      const before = await errors();
      await moving.move();
      expectBytes(await errors(), before);
      expect(await driver.adminOk(admin.getFeatures(Feature.arbitration))).toBe(2);
      expect(await driver.adminOk(admin.getFeatures(Feature.errorRecovery, { nsid: 1 }))).toBe(7);
    }
    expect(held.map(({ completion }) => completion)).toEqual([undefined, undefined]);
    await driver.adminOk(admin.setFeatures(Feature.temperatureThreshold, COLD_K));
    expect((await driver.wait(held[0] as never)).status).toBe(0);
    // Its log page was not read: the mask is kept too.
    await moving.move();
    await driver.adminOk(admin.setFeatures(Feature.temperatureThreshold, COLD_K));
    expect(held[1]?.completion).toBeUndefined();
    await driver.adminRead(512, (prps) => admin.getLogPage(LogPage.smart, 512, prps));
    expect((await driver.wait(held[1] as never)).status).toBe(0);
    const smart = await driver.adminRead(512, (prps) => admin.getLogPage(LogPage.smart, 512, prps));
    expect([smart[112], smart[144]]).toEqual([1, 0]); // power cycles, unsafe shutdowns
    expect(driver.unexpected).toEqual([]);
    driver.reset();
  });

  it('holds the line as it was, and has completions that nobody has taken', async () => {
    const moving = await Moving.start(options);
    const pending = moving.driver.submit(1, FLUSH);
    await settle();
    expect(moving.rig.interrupt.level).toBe(true);
    await moving.move();
    expect(moving.rig.interrupt.level).toBe(true);
    expect((await moving.driver.wait(pending)).status).toBe(0);
    expect(moving.rig.interrupt.level).toBe(false);
  });

  it('is not saved while a command waits for the disk', async () => {
    const { rig, driver } = await Moving.start({ ...options, store: 'held' });
    const [store] = rig.stores;
    driver.submit(1, FLUSH);
    await settle();
    expect(rig.controller.whyBusy()).toBe('the disk is at work');
    // A reset forgets the command, and the disk is still at work.
    driver.disable();
    expect(rig.controller.whyBusy()).toBe('the disk is at work');
    await store?.releaseAll();
    expect(rig.controller.whyBusy()).toBeNull();
  });

  it('may be one that is not enabled, or was shut down', async () => {
    const moving = await Moving.start(options);
    moving.driver.registers.cc |= 1 << 14;
    await settle();
    await moving.move();
    expect(moving.driver.registers.csts & 0xc).toBe(8);
    moving.driver.disable();
    await moving.move();
    await moving.driver.start();
    expect((await moving.driver.command(1, FLUSH)).status).toBe(0);
  });

  it('refuses what is impossible and is then as it was; what it takes does not break it', async () => {
    const moving = await Moving.start(options);
    const { driver } = moving;
    driver.submit(0, admin.asyncEvent());
    await driver.command(1, { opcode: 0x77, nsid: 1 });
    const state = moving.save();
    const paths = pathsOf(state);
    let refused = 0;
    const values = fc.oneof(
      fc.constantFrom<unknown>(undefined, null, true, '', 'x', -1, 0.5, 2 ** 31, 2 ** 53, 2 ** 70, NaN),
      fc.constantFrom<unknown>([], {}, [[]], [[1, 2]], [-1]),
      fc.integer({ min: 0, max: 5000 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), values, async (path, value) => {
        const { controller } = await moving.another();
        const fresh = JSON.stringify(controller.save());
        try {
          controller.restore(changed(state, path, value));
        } catch (error) {
          expect(error).toBeInstanceOf(SavedStateError);
          expect((error as Error).message).toMatch(/^[\w ]+ (is|are) [\w ]+$/);
          expect(JSON.stringify(controller.save())).toBe(fresh);
          refused++;
          return;
        }
        for (const offset of [0x1000, 0x1004, 0x1008, 0x100c]) controller.write32(offset, 3);
        controller.powerCycle();
      }),
      { numRuns: 120 },
    );
    expect(refused).toBeGreaterThan(20);
  }, 30_000);
});

describe('a saved controller', () => {
  it('knows which commands were aborted before they were fetched', async () => {
    const moving = await Moving.start({ namespaces: [plainDisk()] });
    const { driver } = moving;
    await driver.createCq(2, 2);
    await driver.createSq(2, 8, 2);
    // There is room for one completion; the others wait.
    const all = [0, 1, 2].map(() => driver.enqueue(2, FLUSH));
    driver.queue(2).ring();
    await settle();
    const [, , last] = all;
    if (!last) throw new Error('none');
    const abort = driver.enqueue(0, admin.abort(2, last.cid));
    driver.queue(0).ring();
    await moving.move();
    expect((await driver.wait(abort)).dw0).toBe(0);
    const ends = await driver.waitAll(all);
    expect(ends.map(({ status }) => status)).toEqual([0, 0, Status.abortedByRequest]);
  });

  it('has the data of its disk, and sectors in the cache of 2.0 are there as well', async () => {
    const moving = await Moving.start({ namespaces: [chunkDisk()] });
    const { driver } = moving;
    const data = driver.arena.buffer(24 * SEC).fill(pattern(24 * SEC, 7));
    const write = { opcode: IoOpcode.write, nsid: 1, cdw12: 23, ...prpsFor(driver.arena, data) };
    expect((await driver.command(1, write)).status).toBe(0);
    expect(chunkFlashOf(moving.rig).readableSecs(0)).toBe(8);
    await moving.move();
    // Opened from the disk alone it would be 24, as after a power cycle.
    expect(chunkFlashOf(moving.rig).readableSecs(0)).toBe(8);
    const target = driver.arena.buffer(8 * SEC);
    const read = { opcode: IoOpcode.read, nsid: 1, cdw12: 7, ...prpsFor(driver.arena, target) };
    expect((await driver.command(1, read)).status).toBe(0);
    expectBytes(target.read(), pattern(24 * SEC, 7).subarray(0, 8 * SEC));
  });

  it('fails the same writes of 1.2 as it would have', async () => {
    /** How writes end that each begin a chunk of their own. */
    const ends = async (moves: boolean) => {
      const faults = { failWriteEverySecs: 5, failWriteSecs: 2 };
      const moving = await Moving.start({ namespaces: [openChannel({}, faults)] });
      const { driver } = moving;
      const { address } = flashOf(moving.rig);
      const statuses: number[] = [];
      for (let chk = 0; chk < 8; chk++) {
        const data = driver.arena.buffer(3 * SEC).fill(pattern(3 * SEC, chk));
        const addresses = [0, 1, 2].map((sec) => address.encode({ ch: 0, lun: 0, pln: 0, chk, pg: 0, sec }));
        const { sqe } = vectorCommand(driver.arena, { opcode: vectorWrite, addresses, data });
        statuses.push((await driver.command(1, sqe)).status);
        if (moves) await moving.move();
      }
      return statuses;
    };
    const expected = await ends(false);
    expect(new Set(expected).size).toBe(2);
    expect(await ends(true)).toEqual(expected);
  });
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, at: Path = []): Path[] {
  const here = at.length > 0 ? [at] : [];
  if (typeof value !== 'object' || value === null) return here;
  const keys = Array.isArray(value) ? value.map((_, i) => i) : Object.keys(value);
  const inner = keys.flatMap((key) =>
    pathsOf((value as Record<string | number, unknown>)[key], [...at, key]),
  );
  return [...here, ...inner];
}

function changed(value: unknown, path: Path, to: unknown): unknown {
  const copy = structuredClone(value);
  let parent = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
  parent[path.at(-1) as string | number] = to;
  return copy;
}
