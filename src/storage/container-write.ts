import { StoreError, type TableShard, type UnitBytes } from '../flash/media-store.ts';
import type { OpenDisk } from './catalogue.ts';
import { crc32 } from './checksum.ts';
import {
  encodeEnd,
  encodeHead,
  encodePartHeader,
  MAX_SHARD_BYTES,
  PART_BYTES,
  PartKind,
  PartMethod,
  viewOf,
} from './container-format.ts';
import { deflate } from './deflate.ts';
import { storedUnits } from './stored-units.ts';
import { Turns, type TransferOptions } from './transfer-options.ts';

/**
 * A disk as a container file, in pieces of about one part (1 MiB). The disk is open, and nobody writes to it.
 * The same disk gives the same bytes wherever it is kept, as long as the same deflate is at work.
 * Rejects with StoreError.
 */
export async function* writeContainer(
  disk: OpenDisk,
  { signal, onProgress }: TransferOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { name, deviceLine, sizeBytes, unitBytes, totalUnits } = disk.summary;
  const spec = { name, deviceLine, sizeBytes, unitBytes, totalUnits };
  const shards = [...(await disk.loadTable())].sort((a, b) => a.shard - b.shard);
  const units = disk.unitsStored();
  const shardBytes = shards.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const totalBytes = shardBytes + units * unitBytes;
  yield encodeHead({ ...spec, units, shards: shards.length, shardBytes });

  const parts = new PartWriter();
  const turns = new Turns(signal);
  let doneBytes = 0;
  const tell = (bytes: number): void => {
    doneBytes += bytes;
    onProgress?.(doneBytes, totalBytes);
  };
  for (const group of shardGroups(shards)) {
    await turns.next();
    yield await parts.make(PartKind.shards, group.length, packShards(group));
    tell(group.reduce((sum, { bytes }) => sum + bytes.length, 0));
  }
  const perPart = Math.max(1, Math.floor(PART_BYTES / (unitBytes + 4)));
  let written = 0;
  for await (const batch of storedUnits(disk, perPart)) {
    await turns.next();
    yield await parts.make(PartKind.units, batch.length, packUnits(batch, unitBytes));
    written += batch.length;
    tell(batch.length * unitBytes);
  }
  if (written !== units) {
    throw new StoreError(
      'corrupt',
      `The disk was not exported because it says that ${units} units are stored and has ${written}; restore it from an export or wipe it.`,
    );
  }
  yield await parts.end(units, shards.length);
}

class PartWriter {
  #sequence = 0;
  /** CRC-32 of all part headers. */
  #chain = 0;

  async make(
    kind: number,
    items: number,
    payload: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const packed = kind === PartKind.end ? undefined : await deflate(payload);
    const stored = packed ?? payload;
    const header = encodePartHeader({
      kind,
      method: packed === undefined ? PartMethod.stored : PartMethod.deflated,
      sequence: this.#sequence++,
      items,
      rawBytes: payload.length,
      storedBytes: stored.length,
      checksum: crc32(payload),
    });
    this.#chain = crc32(header, this.#chain);
    const part = new Uint8Array(header.length + stored.length);
    part.set(header);
    part.set(stored, header.length);
    return part;
  }

  end(units: number, shards: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.make(PartKind.end, 0, encodeEnd(this.#sequence, units, shards, this.#chain));
  }
}

/** Shards that go together: as many as fit in a part. */
function* shardGroups(shards: readonly TableShard[]): Generator<readonly TableShard[]> {
  let group: TableShard[] = [];
  let bytes = 0;
  for (const shard of shards) {
    if (shard.bytes.length > MAX_SHARD_BYTES) {
      throw new StoreError(
        'corrupt',
        `The disk was not exported because its table shard ${shard.shard} is longer than any can be; wipe the disk.`,
      );
    }
    const length = 8 + shard.bytes.length;
    if (bytes + length > PART_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(shard);
    bytes += length;
  }
  if (group.length > 0) yield group;
}

/** Number and length of each, then their bytes. */
function packShards(shards: readonly TableShard[]): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(shards.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0));
  const view = viewOf(payload);
  let at = 8 * shards.length;
  shards.forEach(({ shard, bytes }, i) => {
    view.setUint32(8 * i, shard, true);
    view.setUint32(8 * i + 4, bytes.length, true);
    payload.set(bytes, at);
    at += bytes.length;
  });
  return payload;
}

/** The number of each, then their bytes. */
function packUnits(units: readonly UnitBytes[], unitBytes: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(units.length * (4 + unitBytes));
  const view = viewOf(payload);
  const firstAt = 4 * units.length;
  units.forEach(({ unit, bytes }, i) => {
    view.setUint32(4 * i, unit, true);
    payload.set(bytes, firstAt + i * unitBytes);
  });
  return payload;
}
