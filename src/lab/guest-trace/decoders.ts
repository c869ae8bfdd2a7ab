/** Makes {@link GuestEvent}s of the kernel's events, with the offsets that its `format` files give. */
import type { GuestEvent } from '../../trace/guest-event.ts';
import type { EventFormat, Field } from './format.ts';

/** Text in an event is no longer than this; a path to a program may be 4096 bytes, and is cut. */
const MAX_TEXT = 1024;

/** TASK_COMM_LEN, include/linux/sched.h. */
const NAME_BYTES = 16;
const KEPT_NAMES = 8;

/** One event's bytes. Reading where there are none gives 0 and ''. */
export class Fields {
  #page: DataView = new DataView(new ArrayBuffer(0));
  #offset = 0;
  #length = 0;
  readonly #names: ({ a: number; b: number; c: number; d: number; name: string } | undefined)[] = [];

  /** The event that the next calls read. */
  set(page: DataView, offset: number, length: number): void {
    this.#page = page;
    this.#offset = offset;
    this.#length = length;
  }

  number(field: Field | undefined): number {
    if (field === undefined || field.offset + field.size > this.#length) return 0;
    const at = this.#offset + field.offset;
    const { signed } = field;
    switch (field.size) {
      case 1:
        return signed ? this.#page.getInt8(at) : this.#page.getUint8(at);
      case 2:
        return signed ? this.#page.getInt16(at, true) : this.#page.getUint16(at, true);
      case 4:
        return signed ? this.#page.getInt32(at, true) : this.#page.getUint32(at, true);
      case 8: {
        const high = signed ? this.#page.getInt32(at + 4, true) : this.#page.getUint32(at + 4, true);
        return high * 2 ** 32 + this.#page.getUint32(at, true);
      }
      default:
        return 0;
    }
  }

  /** A char array, up to its NUL. */
  text(field: Field | undefined): string {
    return field === undefined ? '' : this.#text(field.offset, field.size);
  }

  /** A string that lies elsewhere in the event: the field holds its offset and length. */
  string(field: Field | undefined): string {
    const place = this.number(field) >>> 0;
    return field === undefined ? '' : this.#text(place & 0xffff, place >>> 16);
  }

  #text(offset: number, length: number): string {
    const from = this.#offset + offset;
    const end = Math.min(from + Math.min(length, MAX_TEXT), this.#offset + this.#length);
    if (end - from === NAME_BYTES) return this.#name(from, end);
    return this.#read(from, end);
  }

  /** Most texts are the name of the process that the last event named, or the one before. */
  #name(from: number, end: number): string {
    const page = this.#page;
    const [a, b] = [page.getUint32(from), page.getUint32(from + 4)];
    const [c, d] = [page.getUint32(from + 8), page.getUint32(from + 12)];
    const at = (Math.imul(a ^ b ^ c ^ d, 0x9e3779b1) >>> 0) % KEPT_NAMES;
    const kept = this.#names[at];
    if (kept?.a === a && kept.b === b && kept.c === c && kept.d === d) return kept.name;
    const name = this.#read(from, end);
    this.#names[at] = { a, b, c, d, name };
    return name;
  }

  #read(from: number, end: number): string {
    let text = '';
    for (let at = from; at < end; at++) {
      const byte = this.#page.getUint8(at);
      if (byte === 0) break;
      if (byte >= 0x80) return this.#utf8(from, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #utf8(from: number, end: number): string {
    const bytes = new Uint8Array(this.#page.buffer, this.#page.byteOffset + from, end - from);
    const zero = bytes.indexOf(0);
    return new TextDecoder().decode(zero < 0 ? bytes : bytes.subarray(0, zero));
  }
}

/** Names of processes by their number. */
export class ProcessNames {
  readonly #names = new Map<number, string>();

  constructor() {
    this.clear();
  }

  get(pid: number): string {
    return this.#names.get(pid) ?? '';
  }

  set(pid: number, name: string): void {
    // The one that was named first goes: a guest cannot make us keep more than it may have at a time.
    this.#names.delete(pid);
    if (this.#names.size >= MAX_PROCESSES) {
      const { value: oldest } = this.#names.keys().next();
      if (oldest !== undefined) this.#names.delete(oldest);
    }
    this.#names.set(pid, name);
  }

  entries(): Iterable<readonly [pid: number, name: string]> {
    return this.#names;
  }

  clear(): void {
    this.#names.clear();
    this.#names.set(0, 'swapper');
  }
}

/** Linux' largest number of a process on 32 bits. */
const MAX_PROCESSES = 32_768;

/** Reads one event, or says undefined when it is of no interest. */
export type Decoder = (event: Fields, atMs: number) => GuestEvent | undefined;

/** dev_t inside the kernel. */
function device(dev: number): { major: number; minor: number } {
  return { major: dev >>> 20, minor: dev & 0xfffff };
}

const LINE_STATES: Readonly<Record<number, string>> = {
  9: 'NEW',
  10: 'FREE',
  11: 'OPEN',
  12: 'CLOSED',
  13: 'GC',
  14: 'BAD',
  15: 'CORRUPT',
};
const PBLK_STATES: Readonly<Record<number, string>> = {
  0: 'RUNNING',
  1: 'STOPPING',
  2: 'RECOVERING',
  3: 'STOPPED',
};
const RESET_STATES: Readonly<Record<number, string>> = { 0: 'START', 1: 'OK', 2: 'FAILED' };
const CHUNK_FLAGS = ['FREE', 'CLOSED', 'OPEN', 'OFFLINE'] as const;

function chunkState(flags: number): string {
  return CHUNK_FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0).join('|') || String(flags);
}

/** struct ppa_addr in its generic form: 8 bits group, 8 bits unit, 16 bits chunk. */
function place(ppa: Field | undefined, event: Fields): { group: number; unit: number; chunk: number } {
  const low = ppa === undefined ? 0 : event.number({ offset: ppa.offset, size: 4, signed: false });
  return { group: low & 0xff, unit: (low >>> 8) & 0xff, chunk: low >>> 16 };
}

/** Extent status: written or allocated and not written, as opposed to a hole or a delayed allocation. */
const HAS_BLOCKS = 3;
/** A file's hole and a page that has no block yet, in f2fs. */
const NULL_ADDR = 0;
const NEW_ADDR = 0xffff_ffff;

/** How to read each event we ask for, by its name. */
export const DECODERS: Readonly<
  Record<string, (format: EventFormat, names: ProcessNames) => Decoder | undefined>
> = {
  'block/block_bio_queue': ({ fields }, _names) => {
    const [pid, dev, sector, count, rwbs, comm] = all(fields, [
      'common_pid',
      'dev',
      'sector',
      'nr_sector',
      'rwbs',
      'comm',
    ]);
    if (comm === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'bio',
      atMs,
      pid: event.number(pid),
      comm: event.text(comm),
      dev: device(event.number(dev)),
      sector: event.number(sector),
      sectors: event.number(count),
      rwbs: event.text(rwbs),
    });
  },
  'writeback/writeback_dirty_page': ({ fields }, names) => {
    const [pid, name, ino, index] = all(fields, ['common_pid', 'name', 'ino', 'index']);
    if (index === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'dirty',
      atMs,
      pid: event.number(pid),
      comm: names.get(event.number(pid)),
      bdi: event.text(name),
      ino: event.number(ino),
      index: event.number(index),
    });
  },
  'ext4/ext4_es_insert_extent': extent,
  'ext4/ext4_es_cache_extent': extent,
  'f2fs/f2fs_submit_page_write': ({ fields }, names) => {
    const [pid, dev, ino, index, block] = all(fields, ['common_pid', 'dev', 'ino', 'index', 'new_blkaddr']);
    if (block === undefined) return undefined;
    return (event, atMs) => {
      const blkaddr = event.number(block);
      if (blkaddr === NULL_ADDR || blkaddr === NEW_ADDR) return undefined;
      return {
        kind: 'filePage',
        atMs,
        pid: event.number(pid),
        comm: names.get(event.number(pid)),
        dev: device(event.number(dev)),
        ino: event.number(ino),
        index: event.number(index),
        blkaddr,
      };
    };
  },
  'pblk/pblk_line_state': ({ fields }) => {
    const [name, line, state] = all(fields, ['name', 'line', 'state']);
    if (state === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'line',
      atMs,
      disk: event.string(name),
      line: event.number(line),
      state: named(LINE_STATES, event.number(state)),
    });
  },
  'pblk/pblk_state': ({ fields }) => {
    const [name, state] = all(fields, ['name', 'state']);
    if (state === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'pblk',
      atMs,
      disk: event.string(name),
      state: named(PBLK_STATES, event.number(state)),
    });
  },
  'pblk/pblk_chunk_state': ({ fields }) => {
    const [name, ppa, state] = all(fields, ['name', 'ppa', 'state']);
    if (state === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'chunk',
      atMs,
      disk: event.string(name),
      ...place(ppa, event),
      state: chunkState(event.number(state)),
    });
  },
  'pblk/pblk_chunk_reset': ({ fields }) => {
    const [name, ppa, state] = all(fields, ['name', 'ppa', 'state']);
    if (state === undefined) return undefined;
    return (event, atMs) => ({
      kind: 'chunkReset',
      atMs,
      disk: event.string(name),
      ...place(ppa, event),
      state: named(RESET_STATES, event.number(state)),
    });
  },
  'sched/sched_process_fork': ({ fields }, names) => {
    const [parent, comm, pid] = all(fields, ['parent_pid', 'child_comm', 'child_pid']);
    if (pid === undefined) return undefined;
    return (event, atMs) => {
      const child = event.number(pid);
      const name = event.text(comm);
      names.set(child, name);
      return { kind: 'process', atMs, pid: child, parent: event.number(parent), comm: name };
    };
  },
  'sched/sched_process_exec': ({ fields }, names) => {
    const [filename, pid] = all(fields, ['filename', 'pid']);
    if (pid === undefined) return undefined;
    return (event, atMs) => {
      const process = event.number(pid);
      // The kernel has named it after the program already, and task_rename has told us.
      return {
        kind: 'process',
        atMs,
        pid: process,
        comm: names.get(process),
        file: event.string(filename),
      };
    };
  },
  'task/task_rename': ({ fields }, names) => {
    const [pid, comm] = all(fields, ['pid', 'newcomm']);
    if (comm === undefined) return undefined;
    return (event, atMs) => {
      const process = event.number(pid);
      const name = event.text(comm);
      names.set(process, name);
      return { kind: 'process', atMs, pid: process, comm: name };
    };
  },
};

/** The events that tell a process's name, which the others that follow are read with. */
export const TEACHES: ReadonlySet<string> = new Set([
  'sched/sched_process_fork',
  'sched/sched_process_exec',
  'task/task_rename',
]);

const [WRITE, DISCARD] = [0x57, 0x44];

/** Of what our kernel tells without looking at it: whether an event is one that we ask other kernels for. */
export const WANTED: Readonly<Record<string, (format: EventFormat) => (event: DataView) => boolean>> = {
  'block/block_bio_queue': ({ fields }) => {
    const { offset = 0, size = 0 } = fields.get('rwbs') ?? {};
    return (event) => {
      const end = Math.min(offset + size, event.byteLength);
      for (let at = offset; at < end; at++) {
        const letter = event.getUint8(at);
        if (letter === WRITE || letter === DISCARD) return true;
        if (letter === 0) break;
      }
      return false;
    };
  },
};

function extent({ fields }: EventFormat): Decoder | undefined {
  const [dev, ino, lblk, len, pblk, status] = all(fields, ['dev', 'ino', 'lblk', 'len', 'pblk', 'status']);
  if (status === undefined) return undefined;
  return (event, atMs) => {
    if ((event.number(status) & HAS_BLOCKS) === 0) return undefined;
    return {
      kind: 'extent',
      atMs,
      dev: device(event.number(dev)),
      ino: event.number(ino),
      lblk: event.number(lblk),
      len: event.number(len),
      pblk: event.number(pblk),
    };
  };
}

/** The fields of these names, or nothing at all when one is missing. */
function all(fields: ReadonlyMap<string, Field>, names: readonly string[]): (Field | undefined)[] {
  const found = names.map((name) => fields.get(name));
  return found.includes(undefined) ? [] : found;
}

function named(names: Readonly<Record<number, string>>, value: number): string {
  return names[value] ?? String(value);
}
