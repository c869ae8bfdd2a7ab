import { StoreError, type TableShard } from '../../flash/media-store.ts';
import { viewOf } from '../../storage/container-format.ts';
import { isZero, READ_BYTES, type ImageSource } from './image-source.ts';

/**
 * Bytes of a foreign image that are no part of the disk here: its head, what lies between its parts, its tail.
 * They are kept with the disk in shards of their own, so that the image can be given back byte for byte.
 * Numbers are little-endian.
 *
 * Shard 3 × 2^30: format (u32, 1), which image (u32), its bytes (u64, as two u32).
 * Shards 3 × 2^30 + 1 and on, one a run: offset (u64), bytes (u32), form (u32): 0 the bytes follow, 1 they are all
 * like the one that follows. Runs are in the order of their offsets; what is in none is zero.
 */
export const KEPT_SHARD = 3 * 2 ** 30;
const FORMAT = 1;
const RUN_BYTES = 65_536;
/** A head with a chunk log of 2^20 chunks has 32 MiB; nothing else has much. */
const MAX_RUNS = 1024;
const HEAD_BYTES = 16;
const TWO_32 = 2 ** 32;

export const KeptImage = { ocssd: 1, raw12: 2 } as const;

export interface KeptBytes {
  readonly image: number;
  /** Bytes of the image file. */
  readonly fileBytes: number;
  readonly runs: readonly KeptRun[];
}

export interface KeptRun {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Collects what is to be kept, in the order of the offsets. */
export class KeptBytesWriter {
  readonly #runs: Uint8Array[] = [];

  /** Bytes at an offset of the image. Throws StoreError when there are more than can be kept. */
  add(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += RUN_BYTES) {
      const run = bytes.subarray(at, at + RUN_BYTES);
      if (isZero(run)) continue;
      if (this.#runs.length === MAX_RUNS) {
        throw new StoreError(
          'corrupt',
          'The disk was not imported because the image holds too much that belongs to no chunk; nothing was changed.',
        );
      }
      const first = run[0] as number;
      const even = run.every((byte) => byte === first);
      const record = new Uint8Array(HEAD_BYTES + (even ? 1 : run.length));
      put64(record, 0, offset + at);
      const view = new DataView(record.buffer);
      view.setUint32(8, run.length, true);
      view.setUint32(12, even ? 1 : 0, true);
      record.set(even ? run.subarray(0, 1) : run, HEAD_BYTES);
      this.#runs.push(record);
    }
  }

  /** {@link add}s what lies from `from` to before `to`. */
  async addFrom(source: ImageSource, from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += READ_BYTES)
      this.add(at, await source.read(at, Math.min(READ_BYTES, to - at)));
  }

  shards(image: number, fileBytes: number): TableShard[] {
    const head = new Uint8Array(HEAD_BYTES);
    const view = new DataView(head.buffer);
    view.setUint32(0, FORMAT, true);
    view.setUint32(4, image, true);
    put64(head, 8, fileBytes);
    return [head, ...this.#runs].map((bytes, i) => ({ shard: KEPT_SHARD + i, bytes }));
  }
}

/** What was kept of an image of this kind; undefined where the disk came from none. */
export function keptBytes(shards: readonly TableShard[], image: number): KeptBytes | undefined {
  const kept = shards.filter(({ shard }) => shard >= KEPT_SHARD).sort((a, b) => a.shard - b.shard);
  const [head, ...records] = kept;
  if (head?.shard !== KEPT_SHARD || head.bytes.length !== HEAD_BYTES) return undefined;
  const view = viewOf(head.bytes);
  if (view.getUint32(0, true) !== FORMAT || view.getUint32(4, true) !== image) return undefined;
  const fileBytes = get64(head.bytes, 8);
  let end = 0;
  const runs = records.map(({ bytes }): KeptRun => {
    if (bytes.length <= HEAD_BYTES) throw damaged();
    const offset = get64(bytes, 0);
    const length = viewOf(bytes).getUint32(8, true);
    const even = viewOf(bytes).getUint32(12, true) === 1;
    const fits = even ? bytes.length === HEAD_BYTES + 1 : bytes.length === HEAD_BYTES + length;
    if (!fits || length > RUN_BYTES || offset < end || offset + length > fileBytes) throw damaged();
    end = offset + length;
    const stored = bytes.subarray(HEAD_BYTES);
    return { offset, bytes: even ? new Uint8Array(length).fill(stored[0] as number) : stored };
  });
  return { image, fileBytes, runs };
}

/** Lays the runs over bytes that begin at `offset`; the same bytes. */
export function overlay(runs: readonly KeptRun[], offset: number, bytes: Uint8Array): Uint8Array {
  for (const run of runs) {
    const from = Math.max(run.offset, offset);
    const to = Math.min(run.offset + run.bytes.length, offset + bytes.length);
    if (from < to) bytes.set(run.bytes.subarray(from - run.offset, to - run.offset), from - offset);
  }
  return bytes;
}

/** The parts of the runs that lie from `from` to before `to`. */
export function runsWithin(runs: readonly KeptRun[], from: number, to: number): KeptRun[] {
  return runs.flatMap(({ offset, bytes }) => {
    const start = Math.max(offset, from);
    const end = Math.min(offset + bytes.length, to);
    return start < end ? [{ offset: start, bytes: bytes.subarray(start - offset, end - offset) }] : [];
  });
}

function damaged(): StoreError {
  return new StoreError(
    'corrupt',
    'What was kept of the image that this disk came from is damaged; export the disk as a container instead.',
  );
}

function put64(bytes: Uint8Array, at: number, value: number): void {
  viewOf(bytes).setUint32(at, value % TWO_32, true);
  viewOf(bytes).setUint32(at + 4, Math.floor(value / TWO_32), true);
}

function get64(bytes: Uint8Array, at: number): number {
  return viewOf(bytes).getUint32(at, true) + viewOf(bytes).getUint32(at + 4, true) * TWO_32;
}
