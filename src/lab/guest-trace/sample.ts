/** Reads SAMPLE frames: pblk's files in sysfs, the mounted file systems, and once the names of all processes. */
import type { GuestProcess, GuestSample, GuestTarget } from '../../trace/guest-event.ts';

const MAX_TARGETS = 32;
const MAX_FILES = 32;
const MAX_FILE_CHARS = 8192;
const MAX_MOUNTS_CHARS = 65_536;

/** A key of a frame and its value. */
export type TraceRecord = readonly [key: string, value: string];

/** What is known of the targets. A sample holds only the files that changed since the one before. */
export class SampledTargets {
  readonly #targets = new Map<string, GuestTarget>();

  clear(): void {
    this.#targets.clear();
  }

  /** All of it as one sample would tell it. */
  *records(): Generator<TraceRecord> {
    for (const { disk, major, minor, files } of this.#targets.values()) {
      yield [`disk/${disk}`, `${major}:${minor}`];
      for (const [file, text] of Object.entries(files)) yield [`pblk/${disk}/${file}`, text];
    }
  }

  /** Targets that are there by this sample; a file of one that is not is ignored. */
  update(
    disks: readonly { disk: string; major: number; minor: number }[],
    files: readonly { disk: string; file: string; text: string }[],
  ): GuestTarget[] {
    const there = new Set(disks.map(({ disk }) => disk));
    for (const disk of [...this.#targets.keys()]) if (!there.has(disk)) this.#targets.delete(disk);
    for (const { disk, major, minor } of disks) {
      const known = this.#targets.get(disk);
      if (known === undefined && this.#targets.size >= MAX_TARGETS) continue;
      this.#targets.set(disk, { disk, major, minor, files: known?.files ?? {} });
    }
    for (const { disk, file, text } of files) {
      const target = this.#targets.get(disk);
      if (target === undefined) continue;
      if (!Object.hasOwn(target.files, file) && Object.keys(target.files).length >= MAX_FILES) continue;
      // A new object each time: what was told stays as it was.
      this.#targets.set(disk, { ...target, files: { ...target.files, [file]: text } });
    }
    return [...this.#targets.values()];
  }
}

/** What the records of one frame say; what is not understood is skipped. */
export function readSample(
  records: Iterable<TraceRecord>,
  atMs: number,
  targets: SampledTargets,
): (GuestProcess | GuestSample)[] {
  const processes: GuestProcess[] = [];
  const disks: { disk: string; major: number; minor: number }[] = [];
  const files: { disk: string; file: string; text: string }[] = [];
  let mounts: string | undefined;
  for (const [key, value] of records) {
    const [kind, disk = '', file = ''] = key.split('/');
    if (key === 'mounts') mounts = value.slice(0, MAX_MOUNTS_CHARS);
    else if (key === 'names') processes.push(...readNames(value, atMs));
    else if (kind === 'disk') {
      const number = /^(\d{1,7}):(\d{1,7})$/.exec(value);
      if (disk !== '' && number !== null)
        disks.push({ disk, major: Number(number[1]), minor: Number(number[2]) });
    } else if (kind === 'pblk' && /^\w{1,64}$/.test(file) && file !== '__proto__') {
      files.push({ disk, file, text: value.slice(0, MAX_FILE_CHARS) });
    }
  }
  const sampled = targets.update(disks, files);
  return [...processes, { kind: 'sample', atMs, targets: sampled, ...(mounts !== undefined && { mounts }) }];
}

/** Lines of a number and a name, which may have spaces in it. */
function readNames(text: string, atMs: number): GuestProcess[] {
  const processes: GuestProcess[] = [];
  for (const line of text.split('\n')) {
    const found = /^(\d{1,7}) (.{0,32})$/.exec(line);
    if (found !== null)
      processes.push({ kind: 'process', atMs, pid: Number(found[1]), comm: found[2] ?? '' });
  }
  return processes;
}
