/** An open-channel SSD of specification 2.0, whichever dialect its counts came from. */
import type { ChunkNamespaceConfig } from '../device/config.ts';
import { bitsFor } from '../flash/address.ts';
import { readChunkFiles, unwantedFile } from './device-line-files.ts';
import { MAX_BLOCKS } from './device-line-geometry.ts';
import { fail } from './device-line-values.ts';
import { formatSize, MAX_DISK_BYTES } from './size.ts';
import type { DeviceFiles, DeviceLineError } from './types.ts';

/** What the options of a dialect come down to. */
export interface ChunkDevice {
  readonly numGrp: number;
  readonly numPu: number;
  readonly numChk: number;
  /** Sectors of a chunk (CLBA). */
  readonly clba: number;
  readonly oobSizeBytes: number;
  readonly wsMin: number;
  readonly wsOpt: number;
  readonly mwCunits: number;
  readonly mccap: number;
  readonly earlyReset: boolean;
  readonly peCycles: number;
  readonly wearIndexThreshold: number;
  readonly deallocatedReads: number;
}

/** What the dialect calls those options, for sentences. */
export interface ChunkNames {
  readonly grp: string;
  readonly pu: string;
  readonly chk: string;
  readonly sec: string;
  readonly wsMin: string;
  readonly wsOpt: string;
}

const SEC_SIZE_BYTES = 4096;
/** All parts of an address together: user programs pass one through a pointer, which has 32 bits on i386. */
const MAX_ADDRESS_BITS = 32;
/** MCCAP bit that qemu-nvme adds to the specification's: an open chunk may be reset. */
const MCCAP_EARLY_RESET = 4;
const PACKED_BELOW_BYTES = 16;

/** The namespace of a 2.0 disk with what is worth knowing about it, or why there is none. */
export function build20(
  device: ChunkDevice,
  names: ChunkNames,
  files: DeviceFiles,
):
  | { readonly ok: true; readonly namespace: ChunkNamespaceConfig; readonly notes: readonly string[] }
  | DeviceLineError {
  const wrong = unwantedFile('ocssd20', files) ?? wrongWrites(device, names) ?? wrongCounts(device, names);
  if (wrong !== undefined) return wrong;
  const { clba, wsMin, wsOpt, mwCunits, peCycles } = device;
  const read = readChunkFiles(files, {
    grp: device.numGrp,
    pu: device.numPu,
    chk: device.numChk,
    sec: clba,
    wsMin,
    peCycles,
  });
  if (!read.ok) return read;
  const secsPerPg = storedSecs(device);
  const namespace: ChunkNamespaceConfig = {
    kind: 'ocssd20',
    geometry: {
      numCh: device.numGrp,
      numLun: device.numPu,
      numPln: 1,
      numChk: device.numChk,
      numPg: clba / secsPerPg,
      secsPerPg,
      secSizeBytes: SEC_SIZE_BYTES,
      oobSizeBytes: device.oobSizeBytes,
    },
    writeRules: { wsMin, wsOpt, mwCunits },
    mccap: device.earlyReset ? device.mccap | MCCAP_EARLY_RESET : device.mccap & ~MCCAP_EARLY_RESET,
    peCycles,
    maxOpenChunks: 0,
    maxOpenChunksPerPu: 0,
    earlyReset: device.earlyReset,
    deallocatedReads: device.deallocatedReads,
    faults: read.faults,
    initialChunks: read.initialChunks,
    wearIndexThreshold: device.wearIndexThreshold,
  };
  return { ok: true, namespace, notes: notesOf(device, names, namespace) };
}

/** Bytes of data that the disk holds. */
export function dataBytes(device: Pick<ChunkDevice, 'numGrp' | 'numPu' | 'numChk' | 'clba'>): number {
  return device.numGrp * device.numPu * device.numChk * device.clba * SEC_SIZE_BYTES;
}

function storedSecs({ clba, wsMin, wsOpt }: ChunkDevice): number {
  return clba % wsOpt === 0 ? wsOpt : wsMin;
}

function wrongWrites(device: ChunkDevice, names: ChunkNames): DeviceLineError | undefined {
  const { wsMin, wsOpt, clba } = device;
  if (wsOpt % wsMin !== 0) {
    const works = wsOpt < wsMin ? wsMin : wsOpt - (wsOpt % wsMin);
    return fail(
      `${names.wsOpt}=${wsOpt} is not a multiple of ${names.wsMin}=${wsMin}, so that pblk's writes would be refused: ${names.wsOpt}=${works} would work.`,
      names.wsOpt,
    );
  }
  if (clba % wsMin !== 0) {
    return fail(
      `${names.sec}=${clba} is not a multiple of ${names.wsMin}=${wsMin}, so that chunks could not be written to their end: ${names.sec}=${Math.ceil(clba / wsOpt) * wsOpt} would work.`,
      names.sec,
    );
  }
  return undefined;
}

function wrongCounts(device: ChunkDevice, names: ChunkNames): DeviceLineError | undefined {
  const { numGrp, numPu, numChk, clba } = device;
  const pus = numGrp * numPu;
  if (numChk < 1) {
    const least = formatSize(pus * clba * SEC_SIZE_BYTES);
    return fail(
      `The size is too small for one chunk in each of the ${pus} parallel units: ${least} is the least.`,
    );
  }
  if (pus > MAX_BLOCKS) {
    return fail(
      `${names.grp}=${numGrp} with ${names.pu}=${numPu} makes ${pus} parallel units, but ${MAX_BLOCKS} chunks in all are the most this program holds: ${names.grp}=2 with ${names.pu}=8 would work.`,
      names.grp,
    );
  }
  if (pus * numChk > MAX_BLOCKS) {
    return fail(
      `${names.chk}=${numChk} makes ${pus * numChk} chunks in all, but ${MAX_BLOCKS} are the most this program holds: ${names.chk}=${Math.floor(MAX_BLOCKS / pus)} would work.`,
      names.chk,
    );
  }
  const bits = bitsFor(numGrp) + bitsFor(numPu) + bitsFor(numChk) + bitsFor(clba);
  if (bits > MAX_ADDRESS_BITS) {
    return fail(
      `This geometry needs addresses of ${bits} bits (group, parallel unit, chunk and sector, each rounded up), but user programs pass ${MAX_ADDRESS_BITS}: a count halved ${bits - MAX_ADDRESS_BITS} times works.`,
    );
  }
  const bytes = dataBytes(device);
  if (bytes > MAX_DISK_BYTES) {
    return fail(
      `This geometry makes a disk of ${formatSize(bytes)}, but ${formatSize(MAX_DISK_BYTES)} is the most: a count halved ${Math.ceil(Math.log2(bytes / MAX_DISK_BYTES))} times works.`,
    );
  }
  return undefined;
}

function notesOf(device: ChunkDevice, names: ChunkNames, namespace: ChunkNamespaceConfig): string[] {
  const notes: string[] = [];
  const { oobSizeBytes, wsOpt, clba } = device;
  if (oobSizeBytes < PACKED_BELOW_BYTES) {
    notes.push(
      `With ${oobSizeBytes} bytes of metadata a sector, fewer than the ${PACKED_BELOW_BYTES} it needs, pblk packs them into the data: of each ${wsOpt} sectors that it writes, one is lost.`,
    );
  }
  if (clba % wsOpt !== 0) {
    notes.push(
      `${names.wsOpt}=${wsOpt} does not divide a chunk of ${clba} sectors, which pblk does not expect: it would address sectors behind the chunk's end.`,
    );
  }
  if (namespace.initialChunks.some(({ state }) => state === 'open' || state === 'closed')) {
    notes.push(
      'Some chunks begin open or closed, but hold no data: pblk finds no line in them and erases them when it needs them.',
    );
  }
  return notes;
}
