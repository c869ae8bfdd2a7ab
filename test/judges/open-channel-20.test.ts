/**
 * The rules of open-channel 2.0 that liblightnvm's suites test_rules_write, test_rules_read and test_rules_reset
 * name, each by scalar and by vector commands as there, over both kinds of store; and rules that belong to them.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { ChunkState } from '../../src/spec/ocssd12.ts';
import { statusName } from '../../src/spec/status.ts';
import { ChunkDiskHost, type Mode } from '../driver/chunk-disk.ts';
import type { Completion } from '../driver/entries.ts';
import { pattern } from '../driver/pattern.ts';
import { chunkDisk, startRig } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import type { StoreMode } from '../fakes/fake-store.ts';

/** Status codes as the suites have them (their test_util.h), and the "do not retry" that Linux needs to see. */
const DNR = 0x4000;
const INVALID_FIELD = 0x2 | DNR;
const WRITE_FAULT = 0x280 | DNR;
const UNWRITTEN = 0x287 | DNR;
const OFFLINE_CHUNK = 0x2c0 | DNR;
const INVALID_RESET = 0x2c1 | DNR;
const OUT_OF_ORDER = 0x2f2 | DNR;

type Options = NonNullable<Parameters<typeof chunkDisk>[1]> & { dulbe?: boolean; mdts?: number };
interface Case {
  readonly suite: 'write' | 'read' | 'reset' | 'own';
  readonly name: string;
  readonly options?: Options;
  readonly only?: Mode;
  readonly run: (disk: ChunkDiskHost, mode: Mode) => Promise<void>;
}
const cases: Case[] = [];
const rule = (suite: Case['suite'], name: string, run: Case['run'], options?: Options, only?: Mode) =>
  cases.push({ suite, name, run, ...(options && { options }), ...(only && { only }) });

function expectStatus({ status }: Completion, wanted: number): void {
  expect(`${statusName(status)} ${status.toString(16)}`).toBe(`${statusName(wanted)} ${wanted.toString(16)}`);
}

const data = (disk: ChunkDiskHost, secs: number, seed = 1) => pattern(secs * disk.secBytes, seed);
const meta = (disk: ChunkDiskHost, secs: number, seed = 2) => pattern(secs * disk.oobBytes, seed);

async function writeOk(disk: ChunkDiskHost, mode: Mode, lba: number, secs: number, seed = 1): Promise<void> {
  expectStatus(await disk.write(mode, lba, data(disk, secs, seed), meta(disk, secs, seed + 1)), 0);
}

async function expectChunk(disk: ChunkDiskHost, slba: number, state: keyof typeof ChunkState, wp: number) {
  const chunk = await disk.chunkAt(slba);
  expect([chunk.state, Number(chunk.wp)]).toEqual([ChunkState[state], wp]);
}

/** A write that has to fail, and to leave all chunks as they were. */
async function writeFails(disk: ChunkDiskHost, mode: Mode, lba: number, secs: number, status: number) {
  const before = await disk.chunks();
  const completion = await disk.write(mode, lba, data(disk, secs));
  expectStatus(completion, status);
  expect(await disk.chunks()).toEqual(before);
  if (mode === 'vector') expect(completion.dw0).toBe(2 ** secs - 1);
}

/** The sectors bring zeros (DLFEAT 1), data and metadata; or with DULBE fail, each of them. */
async function expectUnwritten(disk: ChunkDiskHost, mode: Mode, lba: number, secs: number, dulbe: boolean) {
  const { completion, data: read, oob } = await disk.read(mode, lba, secs);
  expectStatus(completion, dulbe ? UNWRITTEN : 0);
  if (mode === 'vector') expect(completion.dw0).toBe(dulbe ? 2 ** secs - 1 : 0);
  const byte = dulbe ? 0xa5 : 0; // A5h was there before
  expect(read.every((b) => b === byte)).toBe(true);
  expect(oob.every((b) => b === byte)).toBe(true);
}

async function expectWritten(
  disk: ChunkDiskHost,
  mode: Mode,
  lba: number,
  secs: number,
  of: number,
  seed = 1,
) {
  const { completion, data: read, oob } = await disk.read(mode, lba, secs);
  expectStatus(completion, 0);
  expectBytes(read, data(disk, of, seed).subarray(0, secs * disk.secBytes));
  expectBytes(oob, meta(disk, of, seed + 1).subarray(0, secs * disk.oobBytes));
}

// Writes -------------------------------------------------------------------------------------------------

rule('write', 'free: a write at the start opens the chunk', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.wsMin);
  await expectChunk(disk, slba, 'open', disk.wsMin);
});

rule('write', 'open: a write at the write pointer moves it', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.wsMin);
  await writeOk(disk, mode, slba + disk.wsMin, disk.wsMin);
  await expectChunk(disk, slba, 'open', 2 * disk.wsMin);
});

rule('write', 'open: a write ahead of the write pointer is out of order', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, 2 * disk.wsMin);
  await writeFails(disk, mode, slba + 3 * disk.wsMin, disk.wsMin, OUT_OF_ORDER);
});

rule('write', 'open: a write behind the write pointer is out of order', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, 2 * disk.wsMin);
  await writeFails(disk, mode, slba + disk.wsMin, disk.wsMin, OUT_OF_ORDER);
});

rule('write', 'open: a write that fills the chunk closes it', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.wsMin);
  await writeOk(disk, mode, slba + disk.wsMin, disk.clba - disk.wsMin);
  await expectChunk(disk, slba, 'closed', disk.clba);
});

rule('write', 'closed: nothing is written', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.clba);
  await writeFails(disk, mode, slba, disk.wsMin, WRITE_FAULT);
});

rule('write', 'offline: nothing is written', async (disk, mode) => {
  await writeFails(disk, mode, await disk.anyChunk('offline'), disk.wsMin, WRITE_FAULT);
});

rule('write', 'no such chunk: nothing is written', async (disk, mode) => {
  await writeFails(disk, mode, disk.lba({ chk: disk.numChk }), disk.wsMin, WRITE_FAULT);
});

// Reads --------------------------------------------------------------------------------------------------

for (const dulbe of [false, true]) {
  const what = dulbe ? 'with DULBE fails' : 'brings the predefined pattern';
  const read = (name: string, run: Case['run']) => rule('read', `${name} ${what}`, run, { dulbe });

  read('free: a read', async (disk, mode) => {
    await expectUnwritten(disk, mode, await disk.anyChunk('free'), disk.wsMin, dulbe);
  });

  read('offline: a read', async (disk, mode) => {
    await expectUnwritten(disk, mode, await disk.anyChunk('offline'), 1, dulbe);
  });

  read('no such chunk: a read', async (disk, mode) => {
    await expectUnwritten(disk, mode, disk.lba({ chk: disk.numChk }), 1, dulbe);
  });

  read('open: a read at the write pointer', async (disk, mode) => {
    const slba = await disk.anyChunk('free');
    const written = disk.mwCunits + disk.wsMin;
    await writeOk(disk, mode, slba, written);
    await expectChunk(disk, slba, 'open', written);
    await expectUnwritten(disk, mode, slba + written, disk.wsMin, dulbe);
  });

  read('open: a read within mw_cunits', async (disk, mode) => {
    const slba = await disk.anyChunk('free');
    const { mwCunits, wsMin } = disk;
    await writeOk(disk, mode, slba, mwCunits);
    await expectUnwritten(disk, mode, slba, mwCunits, dulbe);
    await writeOk(disk, mode, slba + mwCunits, wsMin, 7);
    await expectWritten(disk, mode, slba, wsMin, mwCunits);
    await expectUnwritten(disk, mode, slba + wsMin, mwCunits, dulbe);
  });

  rule(
    'own',
    `closed: everything is read, DULBE ${dulbe ? 'on' : 'off'}`,
    async (disk, mode) => {
      const slba = await disk.anyChunk('free');
      await writeOk(disk, mode, slba, disk.clba);
      await expectWritten(disk, mode, slba, disk.clba, disk.clba);
    },
    { dulbe },
  );
}

// Resets -------------------------------------------------------------------------------------------------

rule('reset', 'free: a reset needs the multi-reset capability', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  expectStatus(await disk.reset(mode, slba), INVALID_RESET);
  await expectChunk(disk, slba, 'free', 0);
});

rule(
  'reset',
  'free: with the multi-reset capability it is reset again',
  async (disk, mode) => {
    const slba = await disk.anyChunk('free');
    expectStatus(await disk.reset(mode, slba), 0);
    await expectChunk(disk, slba, 'free', 0);
  },
  { mccap: 2 },
);

rule(
  'reset',
  'open: not to be reset',
  async (disk, mode) => {
    const slba = await disk.anyChunk('free');
    await writeOk(disk, mode, slba, disk.wsMin);
    expectStatus(await disk.reset(mode, slba), INVALID_RESET);
    await expectChunk(disk, slba, 'open', disk.wsMin);
  },
  { earlyReset: false },
);

rule('reset', 'open: with early reset it is', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.wsMin);
  expectStatus(await disk.reset(mode, slba), 0);
  await expectChunk(disk, slba, 'free', 0);
  await writeOk(disk, mode, slba, disk.wsMin);
});

rule('reset', 'closed: it is free again, and its data is gone', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.clba);
  expectStatus(await disk.reset(mode, slba), 0);
  await expectChunk(disk, slba, 'free', 0);
  await expectUnwritten(disk, mode, slba, 4, false);
});

rule('reset', 'offline: for ever', async (disk, mode) => {
  const slba = await disk.anyChunk('offline');
  expectStatus(await disk.reset(mode, slba), OFFLINE_CHUNK);
  expect((await disk.chunkAt(slba)).state).toBe(ChunkState.offline);
});

rule('reset', 'no such chunk', async (disk, mode) => {
  expectStatus(await disk.reset(mode, disk.lba({ chk: disk.numChk })), INVALID_RESET);
});

// What belongs to them -------------------------------------------------------------------------------------

rule('own', 'a write of less than ws_min, or of no multiple of it', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeFails(disk, mode, slba, disk.wsMin - 1, INVALID_FIELD);
  await writeFails(disk, mode, slba, disk.wsMin + 1, INVALID_FIELD);
});

rule('own', 'a write past the end of its chunk', async (disk, mode) => {
  const slba = await disk.anyChunk('free');
  await writeOk(disk, mode, slba, disk.clba - disk.wsMin);
  // By address the next sector is the next chunk's.
  const before = await disk.chunks();
  const completion = await disk.write(mode, slba + disk.clba - disk.wsMin, data(disk, 2 * disk.wsMin));
  // A list of addresses may go on in the next chunk; one run of blocks may not.
  expectStatus(completion, mode === 'vector' ? 0 : WRITE_FAULT);
  if (mode === 'scalar') expect(await disk.chunks()).toEqual(before);
});

rule('own', 'a read over the border of two chunks', async (disk, mode) => {
  const slba = disk.lba({ chk: 0 });
  await writeOk(disk, mode, slba, disk.clba, 11);
  await writeOk(disk, mode, disk.lba({ chk: 1 }), disk.clba, 13);
  const { completion, data: read } = await disk.read(mode, slba + disk.clba - 2, 4);
  expectStatus(completion, 0);
  expect(read.subarray(0, 2 * disk.secBytes)).toEqual(data(disk, disk.clba, 11).subarray(-2 * disk.secBytes));
  expect(read.subarray(2 * disk.secBytes)).toEqual(data(disk, disk.clba, 13).subarray(0, 2 * disk.secBytes));
});

rule(
  'own',
  'one command moves at most MDTS',
  async (disk, mode) => {
    const slba = await disk.anyChunk('free');
    await writeFails(disk, mode, slba, 8, INVALID_FIELD);
    await writeOk(disk, mode, slba, 4);
    expectStatus((await disk.read(mode, slba, 8)).completion, INVALID_FIELD);
  },
  { mdts: 2 },
  'scalar',
);

rule(
  'own',
  'a write fault closes the chunk early, and the next reset takes it offline',
  async (disk, mode) => {
    const slba = disk.lba({ chk: 1 });
    await writeOk(disk, mode, slba, disk.wsMin);
    const completion = await disk.write(mode, slba + disk.wsMin, data(disk, disk.wsMin));
    expectStatus(completion, 0x2f1 | DNR);
    await expectChunk(disk, slba, 'closed', disk.wsMin);
    await expectWritten(disk, mode, slba, disk.wsMin, disk.wsMin);
    expectStatus(await disk.reset(mode, slba), OFFLINE_CHUNK);
    expect((await disk.chunkAt(slba)).state).toBe(ChunkState.offline);
  },
  { faults: { writes: [{ chk: 1, sec: 5, percent: 100 }], resets: [] } },
);

rule(
  'own',
  'the limits of open chunks',
  async (disk, mode) => {
    await writeOk(disk, mode, disk.lba({ chk: 0 }), disk.wsMin);
    await writeFails(disk, mode, disk.lba({ chk: 1 }), disk.wsMin, WRITE_FAULT);
    await writeOk(disk, mode, disk.lba({ pu: 1 }), disk.wsMin);
    await writeFails(disk, mode, disk.lba({ grp: 1 }), disk.wsMin, WRITE_FAULT);
    await writeOk(disk, mode, disk.lba({ sec: disk.wsMin }), disk.clba - disk.wsMin);
    await writeOk(disk, mode, disk.lba({ grp: 1 }), disk.wsMin);
  },
  { maxOpenChunks: 2, maxOpenChunksPerPu: 1 },
);

rule(
  'own',
  'the wear index counts resets, and is kept',
  async (disk, mode) => {
    const slba = disk.lba({ chk: 2 });
    for (const wear of [25, 51, 76]) {
      expectStatus(await disk.reset(mode, slba), 0);
      expect((await disk.chunkAt(slba)).wearIndex).toBe(wear);
    }
  },
  { peCycles: 10, mccap: 2 },
);

async function diskFor(store: StoreMode, options: Options = {}): Promise<ChunkDiskHost> {
  const { dulbe = false, mdts = 10, ...more } = options;
  // Six chunks need three bits of address: two of eight chunk numbers lead nowhere.
  const offlineAt = { grp: 1, pu: 1, chk: 5, state: 'offline' } as const;
  const namespace = chunkDisk({ numChk: 6 }, { initialChunks: [offlineAt], ...more });
  const rig = await startRig({ namespaces: [namespace], store, config: { mdts } });
  const disk = await ChunkDiskHost.attach(rig);
  if (dulbe) await disk.setDulbe(true);
  return disk;
}

let ran = 0;
describe.each(['sync', 'soon'] as const)('open-channel 2.0, a store that answers %s', (store) => {
  for (const { suite, name, run, options, only } of cases) {
    for (const mode of only ? [only] : (['scalar', 'vector'] as const)) {
      it(`${suite} rules: ${name} (${mode})`, async () => {
        const disk = await diskFor(store, options);
        await run(disk, mode);
        expect(disk.rig.driver.unexpected).toEqual([]);
        expect(disk.rig.log.events().filter((event) => event.rule === 'internal')).toEqual([]);
        for (const fake of disk.rig.stores) expect(fake.overlaps).toBe(0);
        ran++;
      });
    }
  }
});

afterAll(() => {
  const named = cases.filter(({ suite }) => suite !== 'own').length;
  console.log(
    `open-channel 2.0: ${ran} cases (${named} rules of liblightnvm's suites and ${cases.length - named} more, by scalar and by vector commands, on two kinds of store)`,
  );
});
