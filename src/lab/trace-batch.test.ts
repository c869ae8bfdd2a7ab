import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { CompletedCommand } from '../device/telemetry.ts';
import { SectorVector } from '../flash/transfer.ts';
import { TraceEncoder } from '../trace/encode.ts';
import type { GuestBio, GuestEvent } from '../trace/guest-event.ts';
import { MOST_SECS, pagesOf, runsOf, TraceBatch } from './trace-batch.ts';

const SECS_PER_PG = 4;

/** Who reads a recording is told the time of each record, and counts them by that. */
class CountingEncoder extends TraceEncoder {
  told = 0;

  override at(timeUs: number): void {
    this.told++;
    super.at(timeUs);
  }
}

interface Step {
  readonly timeUs: number;
  readonly write?: { readonly block: number; readonly sec: number; readonly lbas: readonly number[] };
  readonly erase?: number;
  readonly command?: CompletedCommand;
  readonly guest?: GuestEvent;
  readonly latencyUs: number;
}

const bio: GuestBio = {
  ...{ kind: 'bio', atMs: 5, pid: 1, comm: 'fio', dev: { major: 252, minor: 0 } },
  ...{ sector: 8, sectors: 8, rwbs: 'W' },
};

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const block = fc.nat(1 << 20);
const sec = fc.nat(4096);

const command = fc
  .record({
    queueId: fc.nat(8),
    status: fc.nat(0x7fff),
    dw0: u32,
    dw1: u32,
    dataBytes: fc.nat(32 << 20),
    bytes: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    // -1: an address outside the device.
    places: fc.array(fc.tuple(fc.oneof(fc.constant(-1), fc.nat(3)), fc.nat(6)), { maxLength: MOST_SECS }),
    runs: fc.array(fc.tuple(u32, fc.integer({ min: 1, max: 40_000 })), { maxLength: 90 }),
  })
  .map(({ places, runs, ...rest }): CompletedCommand => {
    const vector = new SectorVector(MOST_SECS);
    for (const [b, s] of places) vector.push(b, b < 0 ? -s : s);
    const data = {
      runs: runs.length,
      addressOf: (run: number) => runs[run]?.[0] ?? 0,
      lengthOf: (run: number) => runs[run]?.[1] ?? 0,
    };
    const unused = { cid: 0, opcode: 0, nsid: 1, fetchedMs: 0 };
    const words = new Uint32Array(rest.bytes.slice().buffer);
    return { ...unused, ...rest, words, vector, data, rule: undefined, why: '' };
  });

/** Times up to a month on the clock, which is past 32 bits. */
const step: fc.Arbitrary<Step> = fc
  .record({
    timeUs: fc.nat(2_600_000_000).map((ms) => ms * 1000),
    latencyUs: fc.double({ min: -5, max: 5e6, noNaN: true }),
    what: fc.oneof(
      fc.record({
        write: fc.record({ block, sec, lbas: fc.array(u32, { minLength: 1, maxLength: MOST_SECS }) }),
      }),
      fc.record({ erase: block }),
      fc.record({ command }),
      fc.record({ guest: fc.nat(99).map((pid): GuestEvent => ({ ...bio, pid })) }),
    ),
  })
  .map(({ what, ...rest }) => ({ ...rest, ...what }));

function directly(steps: readonly Step[]): Uint8Array | undefined {
  const encoder = new TraceEncoder();
  for (const { timeUs, latencyUs, write, erase, command: c, guest } of steps) {
    encoder.at(timeUs);
    if (write) {
      // One page after the other; the next one is the next plane's.
      let { block: b, sec: first } = write;
      let lbas: readonly number[] = write.lbas;
      while (lbas.length > 0) {
        const here = lbas.slice(0, SECS_PER_PG - (first % SECS_PER_PG));
        encoder.write(b++, first, here.length, Uint32Array.from(here), new Uint8Array(here.length));
        lbas = lbas.slice(here.length);
        first -= first % SECS_PER_PG;
      }
    }
    if (erase !== undefined) encoder.erase(erase);
    if (guest) encoder.guest(guest);
    if (c) {
      const { queueId, status, dw0, dw1, dataBytes, bytes: sqe, vector } = c;
      const rest = { addresses: runsOf(vector), rule: '', why: '', pages: pagesOf(c) };
      encoder.command({ queueId, sqe, status, dw0, dw1, dataBytes, latencyUs, ...rest });
    }
  }
  return encoder.take()?.bytes;
}

it('hands on what it was told, as if it had been recorded at once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const batch = new TraceBatch(SECS_PER_PG);
      const encoder = new CountingEncoder();
      for (const { timeUs, latencyUs, write, erase, command: c, guest } of steps) {
        if (write)
          batch.write(timeUs, write.block, write.sec, write.lbas.length, Uint32Array.from(write.lbas));
        if (erase !== undefined) batch.erase(timeUs, erase);
        if (c) batch.command(timeUs, latencyUs, c);
        if (guest) batch.guest(timeUs, guest);
      }
      expect(batch.isEmpty).toBe(steps.length === 0);
      batch.replay(encoder);
      expect(batch.isEmpty).toBe(true);
      const segment = encoder.take();
      expect(segment?.bytes).toEqual(directly(steps));
      expect(encoder.told).toBe(segment?.records ?? 0);
    }),
  );
});

it('says when it is full, and has room for the longest record then', () => {
  const batch = new TraceBatch(SECS_PER_PG);
  const vector = new SectorVector(MOST_SECS);
  for (let i = 0; i < MOST_SECS; i++) vector.push(i, 5);
  const longest = {
    ...{ queueId: 1, cid: 0, opcode: 0, nsid: 1, status: 0, dw0: 0, dw1: 0, dataBytes: 1, fetchedMs: 0 },
    ...{
      bytes: new Uint8Array(64).fill(9),
      words: new Uint32Array(16).fill(0x0909_0909),
      rule: undefined,
      why: '',
      vector,
    },
    data: { runs: 1000, addressOf: (run: number) => run * 8192, lengthOf: () => 4096 },
  };
  let told = 0;
  for (; !batch.isFull; told++) batch.command(told, 1, longest);
  // One that was noted just before it was full.
  const encoder = new TraceEncoder();
  batch.replay(encoder);
  expect(encoder.take()?.bytes).toEqual(
    directly(Array.from({ length: told }, (_, timeUs) => ({ timeUs, latencyUs: 1, command: longest }))),
  );
});

it('knows when each of as many of the shortest records was as it has room for', () => {
  const batch = new TraceBatch(SECS_PER_PG);
  const steps: Step[] = [];
  while (!batch.isFull) {
    const timeUs = 1000 + steps.length;
    steps.push({ timeUs, latencyUs: 0, guest: bio });
    batch.guest(timeUs, bio);
  }
  const encoder = new TraceEncoder();
  batch.replay(encoder);
  expect(encoder.take()?.bytes).toEqual(directly(steps));
});
