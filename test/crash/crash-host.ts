import type { NamespaceConfig } from '../../src/device/config.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { Arena } from '../driver/arena.ts';
import type { Completion, Sqe } from '../driver/entries.ts';
import type { Rig } from '../driver/rig.ts';
import type { Random } from '../fuzz/random.ts';
import type { Move, Seen } from './ledger.ts';

/** A command as its host wants it sent. */
export interface Deed {
  readonly label: string;
  readonly moves: readonly Move[];
  readonly isBarrier?: boolean;
  /** It has to be stored when it is answered, whatever cache there is (FUA). */
  readonly isForced?: boolean;
  /** False for a command that changes nothing and may fail without harm. */
  readonly changes: boolean;
  sqe(arena: Arena): Sqe;
  /** Takes the answer; throws when a command that succeeded says something wrong. */
  answered(completion: Completion): void;
}

export const FLUSH: Deed = {
  label: 'flush',
  moves: [],
  isBarrier: true,
  changes: true,
  sqe: () => ({ opcode: IoOpcode.flush, nsid: 1 }),
  answered: () => undefined,
};

/** A host of one kind of disk: thinks up commands, and knows what must be found afterwards. */
export interface CrashHost {
  readonly name: string;
  readonly namespaces: readonly NamespaceConfig[];
  /**
   * Looks at a device whose controller was just enabled, and goes on from there. `reopened`: so was its disk, and
   * what is not there will never come.
   */
  attach(rig: Rig, reopened: boolean): Promise<void>;
  /** Something to do; undefined when everything waits for what is under way. */
  next(random: Random): Deed | undefined;
  /** Looks at all that the disk says of itself, reads all that it claims to hold; throws when they do not agree. */
  inspect(rig: Rig): Promise<(cell: number) => Seen>;
  /** A host that comes later: it knows what was written, and looks at the disk itself. */
  heir(): CrashHost;
  /** Every cell as it was found by the last {@link inspect}. */
  found(): ReadonlyMap<number, number>;
}

export const SEC = 512;
export const OOB = 16;

/** Bytes that tell what they are: of numbers, and of each byte's place. */
export function stamp(length: number, ...numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer);
  let hash = 0x811c_9dc5;
  for (const number of numbers) hash = Math.imul(hash ^ number, 0x0100_0193);
  for (let i = 0; i < words.length; i++) {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d) + i;
    words[i] = hash;
  }
  numbers.forEach((number, i) => {
    if (i < words.length) words[i] = number;
  });
  return bytes;
}
