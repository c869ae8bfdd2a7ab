/** `--save` and `--resume`: saved labs as files of Node. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { LabError } from '../lab/errors.ts';
import { packLab, unpackLab } from '../lab/pack-lab.ts';
import type { SavedLab } from '../lab/saved-lab.ts';

/** Rejects with one sentence when the file cannot be read or is none. */
export async function readSavedLabFile(path: string): Promise<SavedLab> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new LabError('file', `The saved lab ${path} cannot be read (${(error as Error).message}).`, error);
  }
  return unpackLab(bytes);
}

/** Whole or not at all; an older one of that name is replaced. Rejects with one sentence. */
export async function writeSavedLabFile(path: string, saved: SavedLab): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, await packLab(saved), { flag: 'wx' });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw new LabError(
      'file',
      `The saved lab ${path} cannot be written (${(error as Error).message}).`,
      error,
    );
  }
}
