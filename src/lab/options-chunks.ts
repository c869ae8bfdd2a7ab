/** The options of a chunk geometry of open-channel 2.0, which each dialect prefixes in its own way. */
import { choice, number, type OptionGroup, type OptionSpec, U16, U32 } from './options-build.ts';

export interface ChunkOptionNames {
  readonly grp: string;
  readonly pu: string;
  /** Absent where the size says it. */
  readonly chk?: string;
  readonly sec: string;
}

export interface ChunkOptionDefaults {
  readonly grp: string;
  readonly pu: string;
  readonly chk: string;
  readonly sec: string;
}

/** Groups, parallel units, chunks and sectors. Counts need not be powers of two: 2.0 addresses leave holes. */
export function countOptions(
  group: OptionGroup,
  names: ChunkOptionNames,
  defaults: ChunkOptionDefaults,
): OptionSpec[] {
  const chk =
    names.chk === undefined
      ? []
      : [number(group, names.chk, defaults.chk, [1, U32], 'chunks of a parallel unit')];
  return [
    number(group, names.grp, defaults.grp, [1, U16], 'groups (channels)'),
    number(group, names.pu, defaults.pu, [1, U16], 'parallel units (LUNs) of a group'),
    ...chk,
    number(group, names.sec, defaults.sec, [1, U32], 'sectors of a chunk'),
  ];
}

/** Most sectors that pblk writes with one command (lightnvm.h, NVM_MAX_VLBA). */
const MOST_SECS = 64;

/** ws_min, ws_opt and mw_cunits. */
export function writeOptions(group: OptionGroup, prefix: '' | 'l', mwCunits: string): OptionSpec[] {
  const most = 'because pblk writes ws_opt sectors with one command, which carries at most 64';
  return [
    number(group, `${prefix}ws_min`, '4', [1, MOST_SECS], 'fewest sectors of one write', most),
    number(
      group,
      `${prefix}ws_opt`,
      '8',
      [1, MOST_SECS],
      'sectors that are best written together; a multiple of the fewest',
      most,
    ),
    number(
      group,
      `${prefix}mw_cunits`,
      mwCunits,
      [0, U16],
      'sectors below the write pointer of an open chunk that cannot be read yet',
    ),
  ];
}

/** Media and controller capabilities. */
export function mccapOption(group: OptionGroup, name: string, defaultValue: string): OptionSpec {
  return number(
    group,
    name,
    defaultValue,
    [0, 7],
    "capabilities that the geometry reports: 1 vector copy, 2 a free chunk may be reset again, 4 (qemu-nvme's own) an open chunk may be reset",
  );
}

/** Bytes of out-of-band metadata of a sector. */
export function metadataOption(group: OptionGroup, name: string, defaultValue: string): OptionSpec {
  return number(
    group,
    name,
    defaultValue,
    [0, 64],
    'out-of-band bytes of a sector; below 16 pblk packs its own into the data and loses a sector of each write',
    'because a sector carries at most 64 bytes of metadata, of which pblk uses 16 (below that it packs them into the data)',
  );
}

export function sectorSizeOption(
  group: OptionGroup,
  name: string,
  bytes: number,
  meaning: string,
): OptionSpec {
  return choice(
    group,
    name,
    String(bytes),
    [bytes],
    meaning,
    'because pblk works with sectors of 4096 bytes only',
  );
}

/** What reads of sectors give that were never written. */
export const DLFEAT_OPTION: OptionSpec = choice(
  'namespace',
  'dlfeat',
  '1',
  [0, 1, 2],
  'what unwritten sectors read as: 1 zeros, 2 FFh bytes, 0 not said',
  'because those are the values that DLFEAT has for it',
);
