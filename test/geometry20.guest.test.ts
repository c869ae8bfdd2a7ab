import { describe, it } from 'vitest';
import { type LunRange, reportAgrees } from './report-agrees.ts';
import { isMatrix } from './long.ts';

/**
 * The geometry report against the kernel, for open-channel 2.0: what it predicts of `nvme lnvm create` must be
 * what the kernel then does, and what is written to a target that works must be read again.
 */
interface Case {
  readonly line: string;
  /** Used only by lines that do not say their size. */
  readonly sizeMiB?: number;
  readonly ranges: readonly LunRange[];
  /** In every landing; `npm run test:matrix` runs all. */
  readonly always?: boolean;
}

const master = (image: string, device = 'ms=16') =>
  `qemu-img create -f ocssd -o ${image} ocssd.img\n-device nvme,drive=d,serial=test,${device}`;
const next = (namespace: string) => `-device ocssd,serial=test -device ocssd-ns,drive=d,${namespace}`;

const cases: readonly Case[] = [
  // Measured before: 109,568 sectors, and 95,872 with packed metadata.
  {
    line: next('num_grp=1,num_pu=4,num_chk=64,clba=512,ms=16,mw_cunits=32'),
    always: true,
    ranges: isMatrix
      ? [
          [0, 3],
          [1, 2],
          [0, 0],
        ]
      : [[1, 2]],
  },
  { line: next('num_grp=1,num_pu=4,num_chk=64,clba=512,ms=0,mw_cunits=32'), ranges: [[0, 3]] },
  // Unbalanced, then from inside a group into the next.
  {
    line: master('num_grp=2,num_pu=4,num_chk=60,num_sec=256'),
    ranges: [
      [0, 7],
      [0, 3],
      [0, 4],
      [2, 5, 'unsafe'],
    ],
  },
  // No power of two anywhere.
  {
    line: master('num_grp=3,num_pu=3,num_chk=50,num_sec=384,ws_opt=24', 'ms=16'),
    ranges: [
      [0, 8],
      [0, 2],
      [3, 5],
    ],
  },
  // Too few chunks, and just enough.
  { line: next('num_grp=1,num_pu=4,num_chk=9,clba=512,ms=16'), ranges: [[0, 3]], always: true },
  {
    line: next('num_grp=1,num_pu=4,num_chk=12,clba=512,ms=16'),
    ranges: [
      [0, 3],
      [0, 0],
    ],
  },
  // A large buffer, and the smallest writes.
  { line: next('num_grp=2,num_pu=2,num_chk=40,clba=512,ms=64,mw_cunits=256,ws_opt=16'), ranges: [[0, 3]] },
  {
    line: next('num_grp=1,num_pu=4,num_chk=60,clba=256,ms=16,ws_min=1,ws_opt=1,mw_cunits=0'),
    ranges: [[0, 3]],
  },
  {
    line: next('num_grp=1,num_pu=4,num_chk=60,clba=256,ms=0,ws_min=1,ws_opt=1,mw_cunits=0'),
    ranges: [[0, 3]],
  },
  // Metadata that takes more chunks than one parallel unit has in a line.
  {
    line: next('num_grp=1,num_pu=2,num_chk=64,clba=8,ms=16'),
    always: true,
    ranges: [
      [0, 1],
      [0, 0],
    ],
  },
  {
    line: 'femu,lver=2,lnum_ch=2,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64',
    sizeMiB: 512,
    ranges: [
      [0, 3],
      [2, 3],
    ],
  },
];

/** 4 MiB of numbers written through the target and read again after the caches are dropped. */
const WRITE_AND_READ = `
set -e
seq 1 700000 | head -c 4194304 > /tmp/in
dd if=/tmp/in of=/dev/mydevice bs=1M conv=fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
dd if=/dev/mydevice bs=1M count=4 2>/dev/null | cmp - /tmp/in`;

describe.each(cases.filter(({ always }) => always === true || isMatrix))(
  '$line',
  ({ line, sizeMiB, ranges }) => {
    it('does what the report says', () =>
      reportAgrees(line, (sizeMiB ?? 1024) * 2 ** 20, ranges, async (guest, { usableBytes }) => {
        if (usableBytes >= 8 * 2 ** 20) await guest.run(WRITE_AND_READ);
      }));
  },
);
