import { StoreError } from '../flash/media-store.ts';
import type { DiskSpec } from './catalogue.ts';
import { crc32 } from './checksum.ts';
import { isIndex, specProblem } from './disk-spec.ts';

/** The container file: a whole disk in one stream of bytes. docs/container-format.md describes it. */

export const CONTAINER_EXTENSION = '.lnvmpack';
/** "LNVMPACK" */
export const CONTAINER_MAGIC = Uint8Array.of(0x4c, 0x4e, 0x56, 0x4d, 0x50, 0x41, 0x43, 0x4b);
export const CONTAINER_VERSION = 1;
/** Magic, version, bytes of the manifest, CRC-32 of those and of the manifest, 0. The manifest follows. */
export const HEAD_BYTES = 24;
export const MAX_MANIFEST_BYTES = 131_072;

export const PART_HEADER_BYTES = 32;
/** "LNVP" */
const PART_MAGIC = 0x5056_4e4c;
export const PartKind = { units: 1, shards: 2, end: 3 } as const;
export const PartMethod = { stored: 0, deflated: 1 } as const;
/** Bytes of a part's payload before compression, unless one unit alone is longer. */
export const PART_BYTES = 1_048_576;
export const MAX_SHARD_BYTES = 131_072;
export const END_PAYLOAD_BYTES = 16;

/** What a container says of its disk before any of it: from this follow the limits of all that comes after. */
export interface ContainerManifest extends DiskSpec {
  /** Units in the container. */
  readonly units: number;
  /** Table shards in it, and their bytes together. */
  readonly shards: number;
  readonly shardBytes: number;
}

export interface PartHeader {
  readonly kind: number;
  readonly method: number;
  /** Counts from 0. */
  readonly sequence: number;
  /** Units or shards in it. */
  readonly items: number;
  /** Bytes of the payload before compression, and as they are in the file. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** CRC-32 of the payload before compression. */
  readonly checksum: number;
}

/** The longest payload that a part of this disk can have, before compression. */
export function maxPartBytes({ unitBytes }: DiskSpec): number {
  return Math.max(PART_BYTES, unitBytes + 4);
}

/**
 * More table shards than any disk of so many units has: 4,096 of a block table of 2^20 blocks; of a plain disk two
 * for each 512 units and a few for each of its namespaces; what was kept of a foreign image.
 */
export function maxShards({ totalUnits }: DiskSpec): number {
  return 8192 + Math.ceil(totalUnits / 256);
}

/** What a reader is told when a container is not taken. */
export function refuseContainer(reason: string): StoreError {
  return new StoreError('corrupt', `The disk was not imported because ${reason}; nothing was changed.`);
}

const KEYS = [
  'name',
  'deviceLine',
  'sizeBytes',
  'unitBytes',
  'totalUnits',
  'units',
  'shards',
  'shardBytes',
] as const satisfies readonly (keyof ContainerManifest)[];

/** The head of a container with its manifest. */
export function encodeHead(manifest: ContainerManifest): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(manifestText(manifest));
  const head = new Uint8Array(HEAD_BYTES + text.length);
  const view = new DataView(head.buffer);
  head.set(CONTAINER_MAGIC);
  view.setUint32(8, CONTAINER_VERSION, true);
  view.setUint32(12, text.length, true);
  head.set(text, HEAD_BYTES);
  view.setUint32(16, crc32(text, crc32(head.subarray(0, 16))), true);
  return head;
}

export function isContainer(firstBytes: Uint8Array): boolean {
  return CONTAINER_MAGIC.every((byte, i) => firstBytes[i] === byte);
}

/**
 * The manifest's length from the first {@link HEAD_BYTES} bytes.
 * @throws StoreError `version` for a newer format, else `corrupt`
 */
export function manifestBytes(head: Uint8Array): number {
  if (!isContainer(head)) throw refuseContainer('the file is no exported disk of LightNVM Lab');
  const view = viewOf(head);
  const version = view.getUint32(8, true);
  if (version > CONTAINER_VERSION) {
    throw new StoreError(
      'version',
      'The disk was not imported because a newer version of this program has exported it; get the newest version to import it.',
    );
  }
  if (version !== CONTAINER_VERSION) throw refuseContainer(`its format has no version ${version}`);
  const length = view.getUint32(12, true);
  if (length > MAX_MANIFEST_BYTES)
    throw refuseContainer(`its manifest is longer than ${MAX_MANIFEST_BYTES} bytes`);
  if (view.getUint32(20, true) !== 0) throw refuseContainer('its head is damaged');
  return length;
}

/** Reads a manifest, once the head was found to be one. @throws StoreError `corrupt` */
export function decodeManifest(head: Uint8Array, text: Uint8Array): ContainerManifest {
  if (viewOf(head).getUint32(16, true) !== crc32(text, crc32(head.subarray(0, 16))))
    throw refuseContainer('its manifest does not match its checksum');
  let record: unknown;
  let given: string;
  try {
    given = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text);
    record = JSON.parse(given);
  } catch {
    throw refuseContainer('its manifest is no JSON');
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    throw refuseContainer('its manifest is no object');
  // Own keys by name only: a `__proto__` in JSON is an own key, and as unknown as any other.
  const own = Object.keys(record);
  const unknown = own.find((key) => !(KEYS as readonly string[]).includes(key));
  if (unknown !== undefined) throw refuseContainer('its manifest has a key that this version does not know');
  const field = (key: string): unknown =>
    Object.hasOwn(record, key) ? (record as Record<string, unknown>)[key] : undefined;
  const spec = {
    name: field('name'),
    deviceLine: field('deviceLine'),
    sizeBytes: field('sizeBytes'),
    unitBytes: field('unitBytes'),
    totalUnits: field('totalUnits'),
  };
  if (specProblem(spec) !== undefined) throw refuseContainer('its manifest describes no possible disk');
  const disk = spec as DiskSpec;
  const [units, shards, shardBytes] = [field('units'), field('shards'), field('shardBytes')];
  if (
    !isIndex(units, disk.totalUnits + 1) ||
    !isIndex(shards, maxShards(disk) + 1) ||
    !isIndex(shardBytes, (shards as number) * MAX_SHARD_BYTES + 1)
  )
    throw refuseContainer('its manifest promises more than such a disk can hold');
  const manifest = { ...disk, units, shards, shardBytes };
  // Keys twice, or in another order: not written by us, and then it is not known which of them was meant.
  if (manifestText(manifest) !== given) throw refuseContainer('its manifest is not written as it has to be');
  return manifest;
}

function manifestText(manifest: ContainerManifest): string {
  return JSON.stringify(Object.fromEntries(KEYS.map((key) => [key, manifest[key]])));
}

export function encodePartHeader(part: PartHeader): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(PART_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, PART_MAGIC, true);
  view.setUint8(4, part.kind);
  view.setUint8(5, part.method);
  view.setUint32(8, part.sequence, true);
  view.setUint32(12, part.items, true);
  view.setUint32(16, part.rawBytes, true);
  view.setUint32(20, part.storedBytes, true);
  view.setUint32(24, part.checksum, true);
  view.setUint32(28, crc32(header.subarray(0, 28)), true);
  return header;
}

/** @throws StoreError `corrupt`; whether the numbers are possible is for the caller */
export function decodePartHeader(header: Uint8Array): PartHeader {
  const view = viewOf(header);
  if (
    view.getUint32(0, true) !== PART_MAGIC ||
    view.getUint16(6, true) !== 0 ||
    view.getUint32(28, true) !== crc32(header.subarray(0, 28))
  )
    throw refuseContainer('the beginning of one of its parts is damaged');
  return {
    kind: view.getUint8(4),
    method: view.getUint8(5),
    sequence: view.getUint32(8, true),
    items: view.getUint32(12, true),
    rawBytes: view.getUint32(16, true),
    storedBytes: view.getUint32(20, true),
    checksum: view.getUint32(24, true),
  };
}

/** The last part's payload: what was in the container, and the CRC-32 of all part headers before it. */
export function encodeEnd(
  parts: number,
  units: number,
  shards: number,
  chain: number,
): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(END_PAYLOAD_BYTES);
  const view = new DataView(payload.buffer);
  [parts, units, shards, chain].forEach((value, i) => view.setUint32(4 * i, value, true));
  return payload;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
