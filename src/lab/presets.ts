export { CACHE_MODES } from '../storage/cache-mode.ts';

/** Disks to start from. Every one is accepted by the parser and works with pblk by our own report (tested). */
export interface DiskPreset {
  readonly id: string;
  readonly title: string;
  /** The device line, as in qemu-nvme or FEMU. */
  readonly line: string;
  /** Size of the backing "file", from which the chunks follow; with 2.0 the size that the line itself makes. */
  readonly sizeBytes: number;
}

const MIB = 2 ** 20;
const COMMON =
  'nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10';

export const presets: readonly DiskPreset[] = [
  {
    id: 'tutorial',
    title: "The tutorial's disk: 16 LUNs, 8 GiB",
    line: '-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1',
    sizeBytes: 8192 * MIB,
  },
  {
    id: 'small',
    title: 'Small and quick: 4 LUNs, 512 MiB of flash',
    line: `${COMMON},lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64`,
    sizeBytes: 513 * MIB,
  },
  {
    id: 'gc',
    title: 'Garbage collection: 4 LUNs with small chunks, 128 MiB of flash',
    line: `${COMMON},lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16`,
    sizeBytes: 129 * MIB,
  },
  {
    id: 'channels',
    title: 'Two channels with two LUNs each, 512 MiB of flash',
    line: `${COMMON},lnum_ch=2,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64`,
    sizeBytes: 513 * MIB,
  },
  {
    id: 'single-plane',
    title: 'Single plane: 4 LUNs, 128 MiB of flash',
    line: `${COMMON},lnum_lun=4,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=32`,
    sizeBytes: 129 * MIB,
  },
  {
    id: 'chunks-image',
    title: 'Open-channel 2.0 (qemu-nvme, branch master): 2 × 2 parallel units, 512 MiB',
    line: 'qemu-img create -f ocssd -o num_grp=2,num_pu=2,num_chk=64,num_sec=512 ocssd.img\n-device nvme,drive=mynvme,serial=deadbeef,lws_min=4,lws_opt=8,lmw_cunits=32,ms=16',
    sizeBytes: 512 * MIB,
  },
  {
    id: 'chunks-namespace',
    title: 'Open-channel 2.0 (qemu-nvme, branch next): 4 parallel units, packed metadata, 512 MiB',
    line: '-device ocssd,serial=deadbeef,id=nvme0 -device ocssd-ns,drive=mynvme,bus=nvme0,nsid=1,num_grp=1,num_pu=4,num_chk=64,clba=512,ws_min=4,ws_opt=8,mw_cunits=32',
    sizeBytes: 512 * MIB,
  },
  {
    id: 'femu',
    title: 'Open-channel 2.0 (FEMU): 2 × 4 parallel units, 1 GiB',
    line: '-device femu,devsz_mb=1024,namespaces=1,lver=2,lmetasize=16,nlbaf=5,lba_index=3,mdts=10,lnum_ch=2,lnum_lun=4,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=64,femu_mode=0',
    sizeBytes: 1024 * MIB,
  },
  {
    id: 'plain',
    title: 'A plain NVMe disk, 1 GiB',
    line: 'nvme,drive=mynvme,serial=deadbeef,lver=0',
    sizeBytes: 1024 * MIB,
  },
];
