/** The contents of files that a device line names: which device takes which, and whether they are right. */
import type { ChunkFaults, InitialChunk } from '../flash/chunk-options.ts';
import { deriveGeometry, type Geometry } from '../flash/geometry.ts';
import { badBlockValues } from '../spec/ocssd12.ts';
import { type ChunkCounts, parseChunkInfo, parseResetFail, parseWriteFail } from './chunk-files.ts';
import { fail, type Values } from './device-line-values.ts';
import type { DeviceFiles, DeviceLineError, DeviceLineOk } from './types.ts';

const OPTION_OF: Readonly<Record<keyof DeviceFiles, string>> = {
  chunkInfo: '--chunk-info',
  resetFail: '--reset-fail',
  writeFail: '--write-fail',
  badBlocks: '--bad-blocks',
};

const TAKES: Readonly<Record<DeviceLineOk['kind'], readonly (keyof DeviceFiles)[]>> = {
  plain: [],
  ocssd12: ['badBlocks'],
  ocssd20: ['chunkInfo', 'resetFail', 'writeFail'],
};

const INSTEAD: Readonly<Record<DeviceLineOk['kind'], string>> = {
  plain: 'a plain NVMe disk has no chunks: leave it out',
  ocssd12: 'open-channel 1.2 has no chunk states: --bad-blocks and lb_err_write work',
  ocssd20: 'open-channel 2.0 has no bad-block table: --chunk-info with state=OFFLINE works',
};

/** Refuses the content of a file that this kind of device has no use for. */
export function unwantedFile(kind: DeviceLineOk['kind'], files: DeviceFiles): DeviceLineError | undefined {
  const names = Object.keys(OPTION_OF) as (keyof DeviceFiles)[];
  const unwanted = names.find((name) => files[name] !== undefined && !TAKES[kind].includes(name));
  return unwanted === undefined
    ? undefined
    : fail(`${OPTION_OF[unwanted]} is not possible because ${INSTEAD[kind]}.`);
}

/** Refuses a bad-block table that is not that of the geometry. */
export function wrongBadBlocks(
  geometry: Geometry,
  badBlocks: Uint8Array | undefined,
): DeviceLineError | undefined {
  if (badBlocks === undefined) return undefined;
  const { totalBlks } = deriveGeometry(geometry);
  if (badBlocks.byteLength !== totalBlks) {
    return fail(
      `The bad-block table of --bad-blocks has ${badBlocks.byteLength} bytes, but the disk has ${totalBlks} blocks: one byte for each works, in the order LUN, chunk, plane.`,
    );
  }
  const wrong = badBlocks.findIndex((value) => !badBlockValues.includes(value));
  if (wrong < 0) return undefined;
  return fail(
    `The bad-block table of --bad-blocks has the value ${badBlocks[wrong]} at byte ${wrong}: 0 (good), 1 (bad), 2 (grown bad), 4 (device reserved) and 8 (host reserved) work.`,
  );
}

/** Reads the three text files of 2.0. */
export function readChunkFiles(
  files: DeviceFiles,
  counts: ChunkCounts,
):
  | {
      readonly ok: true;
      readonly faults: ChunkFaults;
      readonly initialChunks: readonly InitialChunk[];
    }
  | DeviceLineError {
  const initial = parseChunkInfo(files.chunkInfo ?? '', counts);
  if (!initial.ok) return fail(initial.error);
  const resets = parseResetFail(files.resetFail ?? '', counts);
  if (!resets.ok) return fail(resets.error);
  const writes = parseWriteFail(files.writeFail ?? '', counts);
  if (!writes.ok) return fail(writes.error);
  return {
    ok: true,
    faults: { writes: writes.items, resets: resets.items },
    initialChunks: initial.items,
  };
}

const NAMED: readonly (readonly [option: string, file: keyof DeviceFiles, without: string])[] = [
  ['lbbtable', 'badBlocks', 'without it all blocks of a new disk are good'],
  ['lchunkstate', 'chunkInfo', 'without it all chunks of a new disk are free'],
  ['chunkinfo', 'chunkInfo', 'without it all chunks of a new disk are free'],
  ['lresetfail', 'resetFail', 'without it no reset fails'],
  ['resetfail', 'resetFail', 'without it no reset fails'],
  ['lwritefail', 'writeFail', 'without it no write fails'],
  ['writefail', 'writeFail', 'without it no write fails'],
];

/** Says of each file that is named but not there how its content is given. */
export function fileNotes(values: Values, files: DeviceFiles): string[] {
  return NAMED.filter(([option, file]) => values.isGiven(option) && files[file] === undefined).map(
    ([option, file, without]) =>
      `${values.quoted(option)} names a file, which cannot be read from here: its content is given with ${OPTION_OF[file]}; ${without}.`,
  );
}
