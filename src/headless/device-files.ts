import { readFile } from 'node:fs/promises';
import { LabError } from '../lab/errors.ts';
import type { DeviceFiles } from '../lab/types.ts';
import type { DeviceFilePaths } from './arguments.ts';

/** Reads the files that go with a device line. Rejects with LabError, one sentence. */
export async function readDeviceFiles(paths: DeviceFilePaths): Promise<DeviceFiles> {
  const chunkInfo = await read('--chunk-info', paths.chunkInfo);
  const resetFail = await read('--reset-fail', paths.resetFail);
  const writeFail = await read('--write-fail', paths.writeFail);
  const badBlocks = await read('--bad-blocks', paths.badBlocks);
  return {
    ...(chunkInfo === undefined ? {} : { chunkInfo: text(chunkInfo) }),
    ...(resetFail === undefined ? {} : { resetFail: text(resetFail) }),
    ...(writeFail === undefined ? {} : { writeFail: text(writeFail) }),
    ...(badBlocks === undefined ? {} : { badBlocks }),
  };
}

async function read(option: string, path: string | undefined): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new LabError(
      'file',
      `The file of ${option}, ${path}, cannot be read (${(error as Error).message}).`,
      error,
    );
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
