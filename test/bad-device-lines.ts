/**
 * Device lines that must be refused, and what the one sentence has to say. Used by the parser's tests and
 * by the tests of the page.
 */
export interface BadDeviceLine {
  readonly line: string;
  readonly sizeBytes: number;
  /** The option at fault, where one is. */
  readonly option?: string;
  readonly mustSay: RegExp;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** The tutorial's options, with others put behind them: the last one counts. */
const tutorial = (more: string): string =>
  `-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1${more}`;

const bad = (line: string, mustSay: RegExp, option?: string, sizeBytes = 8 * GIB): BadDeviceLine =>
  option === undefined ? { line, sizeBytes, mustSay } : { line, sizeBytes, option, mustSay };

export const badDeviceLines: readonly BadDeviceLine[] = [
  // Nothing to read
  bad('', /no nvme device in an empty line.*nvme,serial=deadbeef,lver=1/),
  bad('hello world', /no nvme device in hello world/),
  bad('lver=1,serial=x', /write -device nvme,serial=deadbeef/),
  bad('-device e1000,netdev=n0', /No -device of the line is an nvme/),
  bad('-device', /No -device of the line is an nvme/),
  bad('-device nvme,serial=a -device nvme,serial=b', /2 nvme devices.*paste one/),
  bad(`nvme,${'x'.repeat(70_000)}`, /70005 characters/),

  // serial
  bad('nvme,lver=1', /serial is missing.*serial=deadbeef/, 'serial'),
  bad('nvme', /serial is missing/, 'serial'),
  bad('nvme,serial=', /serial has no value.*serial=deadbeef/, 'serial'),
  bad('nvme,serial=größe', /serial=größe is not printable ASCII/, 'serial'),
  bad(
    'nvme,serial=0123456789012345678901234',
    /25 characters.*serial=01234567890123456789 would work/,
    'serial',
  ),

  // Names
  bad(tutorial(',lnum_luns=4'), /lnum_luns=4.*lnum_lun is the nearest/, 'lnum_luns'),
  bad(tutorial(',lnum_plane=4'), /lnum_plane.*lnum_pln/, 'lnum_plane'),
  bad(tutorial(',lsec_per_pg=4'), /lsecs_per_pg is the nearest/, 'lsec_per_pg'),
  bad(tutorial(',LVER=1'), /LVER=1.*lver is the nearest/, 'LVER'),
  bad(tutorial(',frobnicate=1'), /frobnicate=1.*options are qemu-nvme's/, 'frobnicate'),
  bad(tutorial(',=5'), /=5 has no name.*name=value/),
  bad(tutorial(',lws_min=4'), /lws_min.*open-channel 2\.0.*leave it out/, 'lws_min'),

  // Values
  bad(
    tutorial(',lnum_lun=many'),
    /lnum_lun=many is not a whole number.*power of two from 1 to 128/,
    'lnum_lun',
  ),
  bad(tutorial(',lnum_lun='), /lnum_lun without a value/, 'lnum_lun'),
  bad(tutorial(',lnum_lun'), /lnum_lun without a value/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=-4'), /lnum_lun=-4 is not a whole number/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=010'), /lnum_lun=010 is octal/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=3'), /lnum_lun=3.*destroys data.*lnum_lun=2 would work/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=7'), /lnum_lun=8 would work/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=256'), /lnum_lun=128 would work/, 'lnum_lun'),
  bad(tutorial(',lnum_lun=0'), /lnum_lun=1 would work/, 'lnum_lun'),
  bad(tutorial(',lnum_ch=5'), /lnum_ch=5.*power of two.*lnum_ch=4/, 'lnum_ch'),
  bad(tutorial(',lnum_pln=3'), /lnum_pln=3.*1, 2 or 4/, 'lnum_pln'),
  bad(tutorial(',lsecs_per_pg=3'), /lsecs_per_pg=3.*destroys data/, 'lsecs_per_pg'),
  bad(tutorial(',lsecs_per_pg=16'), /lsecs_per_pg=16.*65,535.*lsecs_per_pg=8 would work/, 'lsecs_per_pg'),
  bad(tutorial(',lpgs_per_blk=0'), /from 1 to 65535.*lpgs_per_blk=256 would work/, 'lpgs_per_blk'),
  bad(tutorial(',lpgs_per_blk=99999'), /lpgs_per_blk=256 would work/, 'lpgs_per_blk'),
  bad(tutorial(',lmax_sec_per_rq=128'), /lmax_sec_per_rq=64 would work/, 'lmax_sec_per_rq'),
  bad(tutorial(',lsec_size=512'), /lsec_size=512.*loses the rest.*lsec_size=4096 works/, 'lsec_size'),
  bad(tutorial(',lsec_size=8192'), /lsec_size=8192.*reads past/, 'lsec_size'),
  bad(tutorial(',lba_index=0'), /lba_index=0 makes blocks of 512 bytes.*lba_index=3/, 'lba_index'),
  bad(tutorial(',lba_index=5'), /lba_index=5.*nlbaf=5.*lba_index=3 would work/, 'lba_index'),
  bad('nvme,serial=x,lba_index=4', /lba_index=4.*8192 bytes.*at most 4096/, 'lba_index'),
  bad(tutorial(',lmetasize=4096'), /lmetasize=4096.*0 to 1024/, 'lmetasize'),
  bad(tutorial(',ll2pmode=1'), /ll2pmode=1.*pblk refuses hybrid.*ll2pmode=0 would work/, 'll2pmode'),
  bad(tutorial(',lmtype=1'), /lmtype=1.*Linux refuses/, 'lmtype'),
  bad(tutorial(',namespaces=2'), /namespaces=2.*one namespace.*namespaces=1 would work/, 'namespaces'),
  bad(tutorial(',extended=1'), /extended=1.*pblk refuses extended metadata/, 'extended'),
  bad(tutorial(',meta=8'), /meta=8.*lmetasize/, 'meta'),
  bad(tutorial(',cqr=2'), /cqr=2.*0 or 1/, 'cqr'),
  bad(tutorial(',mdts=40'), /mdts=40.*mdts=28 would work/, 'mdts'),
  bad(tutorial(',mpsmin=1'), /mpsmin=1.*4 KiB/, 'mpsmin'),
  bad(tutorial(',queues=0'), /queues=0.*queues=1 would work/, 'queues'),

  bad(
    tutorial(',queues=2047,stride=12'),
    /queues=2047 with stride=12.*queues=127 or stride=0 would work/,
    'queues',
  ),

  // Other spellings
  bad('nvme,serial=x,lver=2', /lver=2.*FEMU.*open-channel 1\.2/, 'lver'),
  bad('nvme,serial=x,lver=9', /lver=9.*lver=1 would work/, 'lver'),
  bad(
    '-device ocssd,serial=x -device ocssd-ns,drive=d,num_grp=2',
    /branch next.*open-channel 1\.2 and plain NVMe/,
  ),
  bad('femu,devsz_mb=4096,femu_mode=0,lver=2', /FEMU.*open-channel 1\.2/),
  bad(
    'nvme,drive=d,serial=deadbeef,ms=16,id=lnvm,lnum_grp=2,lnum_pu=4',
    /branch master.*open-channel 1\.2/,
    'lnum_grp',
  ),
  bad('nvme,drive=d,serial=deadbeef,num_queues=8', /branch master/, 'num_queues'),
  bad('-device nvme-ns,drive=d', /nvme-ns is not a device of this lab/),

  // Sizes
  bad(tutorial(''), /256M is too small.*257M is the least.*3G works/, undefined, 256 * MIB),
  bad(tutorial(''), /too small for a disk.*1M to 1T/, undefined, 4096),
  bad(tutorial(''), /too large.*1M to 1T/, undefined, 2 ** 41),
  bad('nvme,serial=x,lver=1,lpgs_per_blk=16', /65535.*works/, undefined, 16 * GIB),
  bad(
    'nvme,serial=x,lver=1,lnum_lun=128,lnum_ch=4,lnum_pln=4,lpgs_per_blk=8',
    /1048576 blocks.*works/,
    undefined,
    512 * GIB,
  ),

  // Odd bytes
  bad('nvme,serial=x,\u0007\u001b[31mlver=1', /lver=1 is an option that nvme does not have/, '[31mlver'),
];
