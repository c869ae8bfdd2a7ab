/** Makes pages of a ring buffer, and events, for tests. */

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value, true));
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const head = (typeLen: number, delta: number): number => ((delta << 5) | typeLen) >>> 0;

/** An event with `bytes` of data, a multiple of 4. */
export function data(delta: number, bytes: ArrayLike<number>): Uint8Array {
  const body = Uint8Array.from(bytes);
  if (body.length <= 112) return join([words(head(body.length / 4, delta)), body]);
  return join([words(head(0, delta), body.length + 4), body]);
}

export const takenBack = (delta: number, bytes: ArrayLike<number>): Uint8Array =>
  join([words(head(29, delta), bytes.length + 4), Uint8Array.from(bytes)]);
export const paddingToEnd = (): Uint8Array => words(head(29, 0));
export const timeExtend = (delta: number): Uint8Array =>
  words(head(30, delta % 2 ** 27), Math.floor(delta / 2 ** 27));
export const timeStamp = (ticks: number): Uint8Array =>
  words(head(31, ticks % 2 ** 27), Math.floor(ticks / 2 ** 27));

/** A page as the agent sends it: only what is used. */
export function page(
  ticks: number,
  events: readonly Uint8Array[],
  { missed = false, stored, commitSize = 4 }: { missed?: boolean; stored?: number; commitSize?: 4 | 8 } = {},
): Uint8Array {
  const body = join(events);
  const flags = (missed ? 0x8000_0000 : 0) + (stored === undefined ? 0 : 0x4000_0000);
  const high = commitSize === 8 ? [0] : [];
  return join([
    words(ticks % 2 ** 32, Math.floor(ticks / 2 ** 32), flags + body.length, ...high),
    body,
    ...(stored === undefined ? [] : [words(stored, ...high)]),
  ]);
}
