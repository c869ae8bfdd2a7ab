import { MIB } from '../state/defaults.ts';
import type { SideQuery } from './side-query.ts';

export type LessonId = 'standards' | 'units' | 'provisioning';

/** Two devices to begin with, and what to type into both. */
export interface Lesson {
  readonly id: LessonId;
  readonly left: SideQuery;
  readonly right: SideQuery;
  /** In order; see commandFor in names.ts for what differs between the sides. */
  readonly commands: readonly string[];
}

const LINE =
  'nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_pln=2,lsecs_per_pg=4';
const create = (last: string, more = '') =>
  `nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e ${last}${more}`;
const WRITE = 'dd if=/dev/zero of=/dev/mydevice bs=1M count=16 conv=fsync';
/** 200 MiB of flash in 100 lines: with fewer, pblk refuses a reserve of 11 % (it keeps ten lines back). */
const PROVISIONED: SideQuery = {
  line: `${LINE},lnum_lun=4,lpgs_per_blk=16`,
  sizeBytes: 201 * MIB,
};

export const LESSONS: readonly Lesson[] = [
  {
    id: 'standards',
    left: { preset: 'channels' },
    right: { preset: 'chunks-image' },
    commands: [create('3'), WRITE, 'nvme lnvm remove -n mydevice'],
  },
  {
    id: 'units',
    left: { line: `${LINE},lnum_lun=4,lpgs_per_blk=64`, sizeBytes: 513 * MIB, name: '4 LUNs' },
    right: { line: `${LINE},lnum_lun=16,lpgs_per_blk=16`, sizeBytes: 513 * MIB, name: '16 LUNs' },
    commands: [create('{{3|15}}'), WRITE, 'nvme lnvm remove -n mydevice'],
  },
  {
    id: 'provisioning',
    left: { ...PROVISIONED, name: 'OP 11 %' },
    right: { ...PROVISIONED, name: 'OP 40 %' },
    commands: [
      create('3', ' -o {{11|40}}'),
      'fio --name=fill --filename=/dev/mydevice --rw=write --bs=128k --direct=1 | grep WRITE',
      'fio --name=over --filename=/dev/mydevice --rw=randwrite --norandommap --bs=64k --io_size=32M --direct=1 | grep WRITE',
      'cat /sys/block/mydevice/pblk/write_amp_mileage',
    ],
  },
];
