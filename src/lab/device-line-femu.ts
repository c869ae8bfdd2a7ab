/** FEMU: one device with the names of 1.2, which lver makes 1.2 or 2.0, and femu_mode an SSD of another kind. */
import { build12, buildPlain } from './device-line-12.ts';
import { build20 } from './device-line-20.ts';
import type { Understood } from './device-line-build.ts';
import { DIALECTS, type GivenDevice } from './device-line-dialect.ts';
import { fileNotes } from './device-line-files.ts';
import { commonNotes } from './device-line-notes.ts';
import { oneNamespaceOnly } from './device-line-plain.ts';
import { fail, readOptions, type Values } from './device-line-values.ts';
import { FEMU_12_TABLE, FEMU_20_TABLE, FemuMode } from './options-femu.ts';
import { checkSize } from './size.ts';
import type { DeviceFiles, DeviceLineError } from './types.ts';

const MIB = 2 ** 20;
/** What FEMU's 2.0 reports whatever its options are (hw/block/femu/ocssd/oc20.c). */
const FIXED = { wsMin: 4, wsOpt: 8, mwCunits: 24, mccap: 0, peCycles: 255, wearIndexThreshold: 0 };
const NAMES = {
  grp: 'lnum_ch',
  pu: 'lnum_lun',
  chk: 'devsz_mb',
  sec: 'lpgs_per_blk × lsecs_per_pg × lnum_pln',
  wsMin: 'ws_min',
  wsOpt: 'ws_opt',
};

/** A FEMU line for a disk of so many bytes, which devsz_mb can say instead. */
export function understandFemu(
  { options }: GivenDevice,
  givenBytes: number,
  files: DeviceFiles,
): Understood | DeviceLineError {
  const is12 = options.findLast(({ name }) => name === 'lver')?.value === '1';
  const read = readOptions(options, is12 ? FEMU_12_TABLE : FEMU_20_TABLE);
  if (!read.ok) return read;
  const { values } = read;
  const mode = modeOf(values);
  if (mode > FemuMode.plain) {
    return fail(
      `${values.quoted('femu_mode')} is a kind of SSD that is not here: femu_mode=0 is an open-channel SSD, and femu_mode=2 a plain NVMe disk.`,
      'femu_mode',
    );
  }
  const sizeBytes = values.isGiven('devsz_mb') ? values.number('devsz_mb') * MIB : givenBytes;
  const wrongSize = checkSize(sizeBytes);
  if (wrongSize !== undefined) return fail(wrongSize);
  const understood = { ok: true as const, values, rows: values.rows(), sizeBytes };
  const notes = [...read.notes, ...fileNotes(values, files), ...commonNotes(values)];
  if (mode !== FemuMode.openChannel) {
    const built = buildPlain(values, sizeBytes, files);
    if (!built.ok) return built;
    const why = `${values.quoted('femu_mode')} makes a plain NVMe disk: FEMU's own flash translation and its latencies are not here; femu_mode=0 is an open-channel SSD.`;
    return {
      ...understood,
      dialect: DIALECTS.femuPlain,
      namespaces: built.namespaces,
      notes: [...notes, why],
    };
  }
  if (is12) {
    const built = build12(values, sizeBytes, files);
    return built.ok
      ? { ...understood, dialect: DIALECTS.femu12, namespaces: built.namespaces, notes }
      : built;
  }
  const many = oneNamespaceOnly(values);
  if (many !== undefined) return many;
  const built = build20(chunksOf(values, sizeBytes), NAMES, files);
  if (!built.ok) return built;
  return {
    ...understood,
    dialect: DIALECTS.femu20,
    namespaces: [built.namespace],
    notes: [...notes, ...built.notes],
  };
}

/** A line that speaks of open-channel versions means an open-channel SSD, though FEMU's default is another. */
function modeOf(values: Values): number {
  return values.isGiven('lver') && !values.isGiven('femu_mode')
    ? FemuMode.openChannel
    : values.number('femu_mode');
}

function chunksOf(values: Values, sizeBytes: number) {
  const numGrp = values.number('lnum_ch');
  const numPu = values.number('lnum_lun');
  const clba = values.number('lsecs_per_pg') * values.number('lpgs_per_blk') * values.number('lnum_pln');
  return {
    ...FIXED,
    numGrp,
    numPu,
    numChk: Math.floor(sizeBytes / values.number('lsec_size') / (clba * numGrp * numPu)),
    clba,
    oobSizeBytes: values.number('lmetasize'),
    earlyReset: true,
    deallocatedReads: values.number('dlfeat'),
  };
}
