/**
 * Reads pages of the kernel's ring buffer (kernel/trace/ring_buffer.c) as trace_pipe_raw gives them: a
 * header (u64 time, then the length of the data with two flags), and events one after the other.
 *
 * An event begins with a u32: 5 bits of type_len and 27 bits of time since the event before it.
 */
import type { Field } from './format.ts';

/** What `header_page` says: 32-bit and 64-bit kernels differ. */
export interface PageLayout {
  readonly commitOffset: number;
  readonly commitSize: 4 | 8;
  readonly dataOffset: number;
}

/** The layout of a 32-bit kernel. */
export const LAYOUT_32: PageLayout = { commitOffset: 8, commitSize: 4, dataOffset: 12 };

export function pageLayout(fields: ReadonlyMap<string, Field>): PageLayout | undefined {
  const commit = fields.get('commit');
  const data = fields.get('data');
  if (fields.get('timestamp')?.offset !== 0 || commit === undefined || data === undefined) return undefined;
  if ((commit.size !== 4 && commit.size !== 8) || commit.offset < 8) return undefined;
  if (data.offset < commit.offset + commit.size) return undefined;
  return { commitOffset: commit.offset, commitSize: commit.size, dataOffset: data.offset };
}

/** type_len up to 28 is the length of the data in units of 4 bytes; 0 says that a u32 with it follows. */
const PADDING = 29;
const TIME_EXTEND = 30;
const TIME_STAMP = 31;
const TIME_SHIFT = 2 ** 27;

const LENGTH_MASK = 0xfffff;
/** Events were lost before this page. */
const MISSED = 0x8000_0000;
/** And how many stands behind the data. */
const MISSED_STORED = 0x4000_0000;

/**
 * Calls `onevent` with each event's time and where its data lies in `page`. Returns how many events are
 * known to be lost: those that the kernel had no room for (1 when it does not know), and 1 for a rest of
 * the page that is not as it should be.
 */
export function readRingPage(
  page: DataView,
  layout: PageLayout,
  onevent: (ticks: number, offset: number, length: number) => void,
): number {
  const { commitOffset, commitSize, dataOffset } = layout;
  if (page.byteLength < dataOffset) return 1;
  let ticks = u64(page, 0);
  const commit = page.getUint32(commitOffset, true);
  const end = dataOffset + (commit & LENGTH_MASK);
  if (end > page.byteLength) return 1;
  let lost = 0;
  if ((commit & MISSED) !== 0) {
    const stored = (commit & MISSED_STORED) !== 0 && end + commitSize <= page.byteLength;
    lost = stored ? (commitSize === 8 ? u64(page, end) : page.getUint32(end, true)) : 1;
  }
  let at = dataOffset;
  while (at < end) {
    if (at + 4 > end) return lost + 1;
    const word = page.getUint32(at, true);
    const typeLen = word & 31;
    const delta = word >>> 5;
    if (typeLen >= 1 && typeLen < PADDING) {
      const length = typeLen * 4;
      if (at + 4 + length > end) return lost + 1;
      ticks += delta;
      onevent(ticks, at + 4, length);
      at += 4 + length;
      continue;
    }
    if (typeLen === PADDING && delta === 0) break; // the rest of the page is empty
    if (at + 8 > end) return lost + 1;
    const second = page.getUint32(at + 4, true);
    if (typeLen === TIME_EXTEND) {
      ticks += second * TIME_SHIFT + delta;
      at += 8;
    } else if (typeLen === TIME_STAMP) {
      ticks = second * TIME_SHIFT + delta;
      at += 8;
    } else {
      // A long event, or one that was taken back: `second` counts itself and what follows it.
      if (second < 4 || at + 4 + second > end) return lost + 1;
      if (typeLen === 0) {
        ticks += delta;
        onevent(ticks, at + 8, second - 4);
      }
      at += 4 + second;
    }
  }
  return lost;
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
