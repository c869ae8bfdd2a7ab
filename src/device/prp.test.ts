import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Arena, PAGE } from '../../test/driver/arena.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { FakeMemory, HOLE_BEGIN, HOLE_END } from '../../test/fakes/fake-memory.ts';
import { Status } from '../spec/status.ts';
import { PrpSegments } from './prp.ts';

let memory: FakeMemory;
let arena: Arena;
let segments: PrpSegments;

beforeEach(() => {
  memory = new FakeMemory(16);
  arena = new Arena(memory);
  segments = new PrpSegments();
});

const resolve = (prp1: number, prp2: number, length: number, pageBytes = PAGE) =>
  segments.resolve(memory, prp1, prp2, length, pageBytes);

/** A list page at `list` whose slots from `from` on hold `entries`. */
function writeList(list: number, entries: readonly number[]): void {
  entries.forEach((entry, i) => memory.put64(list + 8 * i, entry));
}

describe('a data buffer', () => {
  const shapes = fc.record({
    length: fc.integer({ min: 1, max: 3 * 1024 * 1024 }),
    offset: fc.integer({ min: 0, max: PAGE / 4 - 1 }).map((n) => n * 4),
    scattered: fc.boolean(),
    listSlot: fc.integer({ min: 0, max: 511 }),
    seed: fc.nat(1000),
  });

  it('of any length, offset and list position is read and written whole, and nothing else is', () => {
    fc.assert(
      fc.property(shapes, ({ length, offset, scattered, listSlot, seed }) => {
        arena.rewind(HOLE_END);
        const buffer = arena.buffer(length, { offset, scattered });
        const { prp1, prp2 } = prpsFor(arena, buffer, listSlot * 8);
        expect(resolve(prp1, prp2, length)).toBe(Status.success);
        const bytes = pattern(length, seed);
        memory.forget();
        segments.push(0, bytes, 0, length);
        expect(memory.writesOutside(scattered ? buffer.ranges : [{ address: prp1, length }])).toEqual([]);
        expectBytes(buffer.read(), bytes);
        const back = new Uint8Array(length);
        segments.pull(0, back, 0, length);
        expectBytes(back, bytes);
      }),
      { numRuns: 40 },
    );
  });

  it('may be used piece by piece, forwards and backwards', () => {
    const length = 5 * PAGE + 100;
    const buffer = arena.buffer(length, { offset: 1000, scattered: true });
    const bytes = pattern(length, 1);
    buffer.fill(bytes);
    const { prp1, prp2 } = prpsFor(arena, buffer);
    expect(resolve(prp1, prp2, length)).toBe(Status.success);
    for (const [at, count] of [
      [0, 10],
      [PAGE - 1000 - 1, 2],
      [PAGE, 3 * PAGE],
      [length - 1, 1],
      [5, 4000],
      [0, length],
    ] as const) {
      const target = new Uint8Array(count + 2);
      segments.pull(at, target, 1, count);
      expectBytes(target.subarray(1, count + 1), bytes.subarray(at, at + count));
      expect([target[0], target[count + 1]]).toEqual([0, 0]);
    }
  });

  it('of one page needs no PRP2, of two no list', () => {
    const [a, b] = [arena.pages(), arena.pages() + 0];
    expect(resolve(a, 0xdead_beef, PAGE)).toBe(Status.success);
    expect(resolve(a + 4, b, PAGE)).toBe(Status.success);
    expect(resolve(a, b, 2 * PAGE)).toBe(Status.success);
    memory.forget();
    expect(memory.deviceReads).toEqual([]);
  });

  it('of no bytes is always there', () => {
    expect(resolve(3, 7, 0)).toBe(Status.success);
    expect(segments.lengthBytes).toBe(0);
  });

  it('may have larger pages', () => {
    const page = 4 * PAGE;
    const at = Math.ceil(arena.pages(16) / page) * page;
    expect(resolve(at + PAGE, at + page, page + 100, page)).toBe(Status.success);
    expect(resolve(at + PAGE, at + page + PAGE, page + 100, page)).toBe(Status.prpOffsetInvalid);
  });

  it('never reaches outside itself', () => {
    resolve(arena.pages(), 0, 100);
    const target = new Uint8Array(200);
    expect(() => segments.pull(0, target, 0, 101)).toThrow(RangeError);
    expect(() => segments.push(100, target, 0, 1)).toThrow(RangeError);
    expect(() => segments.push(-1, target, 0, 1)).toThrow(RangeError);
  });
});

describe('a bad pointer', () => {
  const ok = HOLE_END;
  const end = 16 * 1024 * 1024;
  const registers = 8 * 1024 * 1024;

  it.each([
    ['PRP1 not on a dword', ok + 2, 0, 100, Status.prpOffsetInvalid],
    ['PRP2 not on a page', ok, ok + PAGE + 4, 2 * PAGE, Status.prpOffsetInvalid],
    ['list not on a quadword', ok, ok + PAGE + 4, 3 * PAGE, Status.prpOffsetInvalid],
    ['PRP1 beyond RAM', end, 0, 4, Status.dataTransferError],
    ['the last bytes beyond RAM', ok, end, PAGE + 4, Status.dataTransferError],
    ['PRP1 in the legacy hole', HOLE_BEGIN, 0, 4, Status.dataTransferError],
    ['PRP1 at the end of the hole', HOLE_END - 4, 0, 4, Status.dataTransferError],
    ['PRP2 in the hole', ok, HOLE_BEGIN, 2 * PAGE, Status.dataTransferError],
    ['the list in the hole', ok, HOLE_BEGIN, 3 * PAGE, Status.dataTransferError],
    ['PRP1 in registers', registers + 0x1000, 0, 4, Status.dataTransferError],
    ['PRP2 in registers', ok, registers, 2 * PAGE, Status.dataTransferError],
    ['PRP1 above 4 GiB', 2 ** 32 + ok, 0, 4, Status.dataTransferError],
    ['PRP1 above 2^53', 2 ** 63, 0, 4, Status.dataTransferError],
  ])('%s', (_what, prp1, prp2, length, status) => {
    memory.forget();
    expect(resolve(prp1, prp2, length)).toBe(status);
    expect(memory.deviceReads).toEqual([]);
  });

  it('in a list is found before any data moves', () => {
    const list = arena.pages();
    const page = arena.pages();
    for (const [bad, status] of [
      [page + 8, Status.prpOffsetInvalid],
      [HOLE_BEGIN, Status.dataTransferError],
      [registers, Status.dataTransferError],
    ] as const) {
      writeList(list, [page, bad]);
      expect(resolve(ok, list, 3 * PAGE)).toBe(status);
    }
    expect(memory.deviceWrites).toEqual([]);
  });
});

describe('a list', () => {
  it('may begin in the last slot of its page, which then leads on', () => {
    const list = arena.pages();
    const next = arena.pages();
    const data = [arena.pages(), arena.pages(2) + PAGE];
    memory.put64(list + PAGE - 8, next);
    writeList(next, data);
    expect(resolve(HOLE_END, list + PAGE - 8, 3 * PAGE)).toBe(Status.success);
  });

  it('may end exactly in the last slot, which then is data', () => {
    const list = arena.pages();
    const data = [arena.pages(), arena.pages(2) + PAGE];
    writeList(list + PAGE - 16, data);
    expect(resolve(HOLE_END, list + PAGE - 16, 3 * PAGE)).toBe(Status.success);
    const bytes = pattern(3 * PAGE, 1);
    segments.push(0, bytes, 0, 3 * PAGE);
    expectBytes(memory.bytes(data[1] as number, PAGE), bytes.subarray(2 * PAGE));
  });

  it('that is only a pointer to itself ends in an error, not in a loop', () => {
    const list = arena.pages();
    memory.put64(list + PAGE - 8, list + PAGE - 8);
    memory.forget();
    expect(resolve(HOLE_END, list + PAGE - 8, 3 * PAGE)).toBe(Status.prpOffsetInvalid);
    expect(memory.deviceReads.length).toBeLessThan(4);
  });

  it('whose last entry is itself ends with the data', () => {
    const list = arena.pages();
    const page = arena.pages();
    writeList(list, [...Array.from({ length: 511 }, () => page), list]);
    memory.forget();
    // 2000 entries: the same page of the list again and again.
    expect(resolve(HOLE_END, list, 2001 * PAGE)).toBe(Status.success);
    expect(memory.deviceReads.length).toBeLessThan(10);
  });

  it('is read once: what the guest writes into it afterwards does not count', () => {
    const list = arena.pages();
    const pages = [arena.pages(), arena.pages(2) + PAGE];
    writeList(list, pages);
    expect(resolve(HOLE_END, list, 3 * PAGE)).toBe(Status.success);
    writeList(list, [registers(), registers()]);
    memory.forget();
    segments.push(0, pattern(3 * PAGE, 1), 0, 3 * PAGE);
    expect(memory.deviceReads).toEqual([]);
    expectBytes(memory.bytes(pages[0] as number, PAGE), pattern(3 * PAGE, 1).subarray(PAGE, 2 * PAGE));
  });

  const registers = () => memory.registers.address;
});

it('a metadata buffer is one run at any alignment', () => {
  const at = arena.pages(3) + 1;
  expect(segments.contiguous(memory, at, 2 * PAGE)).toBe(Status.success);
  segments.push(0, pattern(2 * PAGE, 1), 0, 2 * PAGE);
  expectBytes(memory.bytes(at, 2 * PAGE), pattern(2 * PAGE, 1));
  expect(segments.contiguous(memory, HOLE_BEGIN - 1, 2)).toBe(Status.dataTransferError);
  expect(segments.contiguous(memory, HOLE_BEGIN, 0)).toBe(Status.success);
});
