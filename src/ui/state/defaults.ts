/** What a first visitor finds in the set-up panel, and the other starting points. */

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

export const DEFAULT_CMDLINE =
  'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on nowatchdog';
export const DEFAULT_MEMORY_MIB = 128;
export const MIN_MEMORY_MIB = 64;
export const MAX_MEMORY_MIB = 1024;

const TUTORIAL_LINE =
  'nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,' +
  'lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,' +
  'lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1';

export type PresetId = 'tutorial' | 'tutorial1g' | 'classroom' | 'gc' | 'plain';

export interface Preset {
  readonly id: PresetId;
  readonly diskName: string;
  readonly line: string;
  readonly sizeBytes: number;
}

export const TUTORIAL: Preset = {
  id: 'tutorial',
  diskName: 'tutorial',
  line: `-device ${TUTORIAL_LINE}`,
  sizeBytes: 8 * GIB,
};

const ocssd = (luns: number, planes: number, pages: number) =>
  `-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,nlbaf=5,lba_index=3,mdts=10,` +
  `lnum_lun=${luns},lnum_pln=${planes},lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=${pages}`;

export const PRESETS: readonly Preset[] = [
  TUTORIAL,
  { id: 'tutorial1g', diskName: 'tutorial-1g', line: TUTORIAL.line, sizeBytes: GIB },
  { id: 'classroom', diskName: 'classroom', line: ocssd(4, 2, 64), sizeBytes: 513 * MIB },
  { id: 'gc', diskName: 'gc', line: ocssd(4, 1, 32), sizeBytes: 129 * MIB },
  {
    id: 'plain',
    diskName: 'plain',
    line: '-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,nlbaf=5,lba_index=3,mdts=10',
    sizeBytes: 256 * MIB,
  },
];

export function presetOf(line: string, sizeBytes: number): PresetId | undefined {
  return PRESETS.find((p) => p.line === line && p.sizeBytes === sizeBytes)?.id;
}
