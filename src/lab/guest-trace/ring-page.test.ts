import { describe, expect, it } from 'vitest';
import { parseFields } from './format.ts';
import { LAYOUT_32, pageLayout, readRingPage } from './ring-page.ts';
import { data, page, paddingToEnd, takenBack, timeExtend, timeStamp } from './test-pages.ts';

function read(bytes: Uint8Array, layout = LAYOUT_32) {
  const events: [ticks: number, data: number[]][] = [];
  const lost = readRingPage(view(bytes), layout, (ticks, offset, length) =>
    events.push([ticks, [...bytes.subarray(offset, offset + length)]]),
  );
  return { events, lost };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const four = [1, 2, 3, 4];
const eight = [1, 2, 3, 4, 5, 6, 7, 8];

describe('readRingPage', () => {
  it('adds up the times of events', () => {
    const bytes = page(1000, [data(5, four), data(0, eight), data(7, four)]);
    expect(read(bytes)).toEqual({
      events: [
        [1005, four],
        [1005, eight],
        [1012, four],
      ],
      lost: 0,
    });
  });

  it('knows times beyond 32 bits, extends and stamps', () => {
    const start = 5_000_000_000_000;
    const bytes = page(start, [
      timeExtend(2 ** 30 + 3),
      data(1, four),
      timeStamp(2 ** 41 + 9),
      data(2, four),
    ]);
    expect(read(bytes).events.map(([ticks]) => ticks)).toEqual([start + 2 ** 30 + 4, 2 ** 41 + 11]);
  });

  it('knows long events, whose length is a word of its own', () => {
    const long = Array.from({ length: 200 }, (_, i) => i & 0xff);
    expect(read(page(0, [data(3, long), data(1, four)]))).toEqual({
      events: [
        [3, long],
        [4, four],
      ],
      lost: 0,
    });
  });

  it('skips what was taken back, and stops at padding', () => {
    const bytes = page(0, [takenBack(4, eight), data(1, four), paddingToEnd(), data(1, four)]);
    expect(read(bytes)).toEqual({ events: [[1, four]], lost: 0 });
  });

  it('counts what the kernel had no room for', () => {
    expect(read(page(0, [data(1, four)], { missed: true })).lost).toBe(1);
    const counted = read(page(0, [data(1, four)], { missed: true, stored: 77 }));
    expect(counted).toEqual({ events: [[1, four]], lost: 77 });
  });

  it('takes an empty page for nothing', () => {
    expect(read(page(0, []))).toEqual({ events: [], lost: 0 });
  });

  it('counts a rest that cannot be read as lost, and keeps what was before it', () => {
    const whole = page(0, [data(1, four), data(1, eight)]);
    expect(read(whole.subarray(0, 11)).lost).toBe(1);
    expect(read(whole.subarray(0, whole.length - 1))).toEqual({ events: [], lost: 1 });
    // type_len 2 says eight bytes, and the page ends before.
    const short = page(0, [data(1, four), data(1, eight).subarray(0, 8)]);
    expect(read(short)).toEqual({ events: [[1, four]], lost: 1 });
    // A long event that says it is shorter than its own length, and one longer than the page.
    for (const length of [0, 3, 0xffff_ffff]) {
      const wrong = data(
        1,
        Array.from({ length: 200 }, () => 0),
      );
      view(wrong).setUint32(4, length, true);
      expect(read(page(0, [wrong])).lost).toBe(1);
    }
  });

  it('survives any bytes', () => {
    let seed = 1;
    for (let round = 0; round < 3000; round++) {
      const bytes = new Uint8Array(round % 200);
      for (let i = 0; i < bytes.length; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        bytes[i] = seed >>> 16;
      }
      if (bytes.length > 12) view(bytes).setUint32(8, bytes.length - 12, true);
      const { events, lost } = read(bytes);
      expect(events.length).toBeLessThanOrEqual(bytes.length / 4);
      expect(lost).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('pageLayout', () => {
  const header = (commitSize: number, data: number) =>
    parseFields(
      `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n` +
        `\tfield: local_t commit;\toffset:8;\tsize:${commitSize};\tsigned:1;\n` +
        `\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n` +
        `\tfield: char data;\toffset:${data};\tsize:${4096 - data};\tsigned:1;\n`,
    );

  it('reads what a kernel says', () => {
    expect(pageLayout(header(4, 12))).toEqual(LAYOUT_32);
    expect(pageLayout(header(8, 16))).toEqual({ commitOffset: 8, commitSize: 8, dataOffset: 16 });
  });

  it('refuses what makes no sense', () => {
    expect(pageLayout(new Map())).toBeUndefined();
    expect(pageLayout(header(3, 12))).toBeUndefined();
    expect(pageLayout(header(8, 12))).toBeUndefined();
  });

  it('reads a 64-bit page', () => {
    const bytes = page(9, [data(1, four)], { missed: true, stored: 5, commitSize: 8 });
    expect(read(bytes, { commitOffset: 8, commitSize: 8, dataOffset: 16 })).toEqual({
      events: [[10, four]],
      lost: 5,
    });
  });
});
