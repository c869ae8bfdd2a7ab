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

/** Branch master: an image and its device, each with more options. */
const master = (image: string, device = ''): string =>
  `qemu-img create -f ocssd -o num_grp=1,num_pu=2,num_chk=64,num_sec=512${image} o.img\n-device nvme,drive=d,serial=deadbeef${device}`;

/** Branch next, with more options of the namespace. */
const next = (more: string): string =>
  `-device ocssd,serial=deadbeef,id=n0 -device ocssd-ns,drive=d,bus=n0,num_grp=1,num_pu=2,num_chk=64,clba=512${more}`;

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
  bad(tutorial(',lnum_luns=4'), /lnum_luns=4.*write lnum_lun if/, 'lnum_luns'),
  bad(tutorial(',lnum_plane=4'), /lnum_plane.*lnum_pln/, 'lnum_plane'),
  bad(tutorial(',lsec_per_pg=4'), /write lsecs_per_pg if/, 'lsec_per_pg'),
  bad(tutorial(',LVER=1'), /LVER=1.*write lver if/, 'LVER'),
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

  bad('nvme,serial=x,namespaces=257', /namespaces=257.*1 to 256/, 'namespaces'),
  bad(
    'nvme,serial=x,namespaces=256',
    /each less than the 32K.*namespaces=128 would work/,
    'namespaces',
    4 * MIB,
  ),

  // Other spellings
  bad('nvme,serial=x,lver=2', /lver=2.*FEMU.*femu,devsz_mb=1024,femu_mode=0,lver=2 would work/, 'lver'),
  bad('nvme,serial=x,lver=9', /lver=9.*lver=1 would work/, 'lver'),
  bad('-device nvme-ns,drive=d', /nvme-ns is not a device of this lab/),
  bad(
    'qemu-img create -f ocssd -o num_grp=2 o.img',
    /makes an ocssd image.*-device nvme,drive=mynvme,serial=deadbeef/,
  ),

  // Branch master
  bad('nvme,drive=d,lws_min=4', /serial is missing/, 'serial'),
  bad(master('', ',lws_min=3'), /lws_opt=8 is not a multiple of lws_min=3.*lws_opt=6 would work/, 'lws_opt'),
  bad(master('', ',lws_opt=2'), /lws_opt=2 is not a multiple of lws_min=4.*lws_opt=4 would work/, 'lws_opt'),
  bad(master(',ws_opt=6'), /ws_opt=6 is not a multiple of lws_min=4/, 'ws_opt'),
  bad(master('', ',lws_opt=128'), /lws_opt=128.*at most 64.*lws_opt=8 would work/, 'lws_opt'),
  bad(
    master(',num_sec=510'),
    /num_sec=510 is not a multiple of lws_min=4.*num_sec=512 would work/,
    'num_sec',
  ),
  bad(master(',num_chk=600000'), /1200000 chunks in all.*num_chk=524288 would work/, 'num_chk'),
  bad(master(',num_grp=65535,num_pu=65535'), /parallel units.*num_grp=2 with num_pu=8/, 'num_grp'),
  bad(master(',num_sec=67108864,num_chk=64'), /addresses of 33 bits.*32.*halved 1 times/),
  bad(master(',num_sec=16777216,num_chk=64'), /disk of 8T, but 1T is the most.*halved 3 times/),
  bad(master(',num_sec=0'), /num_sec=0.*num_sec=4096 would work/, 'num_sec'),
  bad(
    master(',num_chunks=4'),
    /num_chunks=4 is an option that an ocssd image does not have.*num_chk/,
    'num_chunks',
  ),
  bad(master(',sec_size=512'), /sec_size=512.*only 4096.*pblk works with sectors of 4096/, 'sec_size'),
  bad(master(',md_size=128'), /md_size=128.*0 to 64.*below that it packs/, 'md_size'),
  bad(master(',md_size=8', ',ms=16'), /ms=16.*md_size=8.*ms=8 would work/, 'ms'),
  bad(master(',num_ns=2'), /num_ns=2.*only 1.*one namespace/, 'num_ns'),
  bad(master('', ',extended=1'), /extended=1.*pblk refuses extended metadata/, 'extended'),
  bad(master('', ',ms=100'), /ms=100.*0 to 64.*packs/, 'ms'),
  bad(master('', ',lsgl_lbal=1'), /lsgl_lbal=1.*scatter-gather/, 'lsgl_lbal'),
  bad(master('', ',namespaces=2'), /namespaces=2.*one namespace/, 'namespaces'),
  bad(master('', ',dialect=2'), /dialect=2.*0 or 1/, 'dialect'),
  bad(
    master('', ',lnum_ch=2'),
    /lnum_ch=2 is an option that nvme \(branch master\) does not have/,
    'lnum_ch',
  ),
  bad(
    'nvme,serial=x,lnum_grp=2,lnum_pu=4',
    /too small for one chunk.*8 parallel units: 128M is the least/,
    undefined,
    64 * MIB,
  ),

  // Branch next
  bad(
    '-device ocssd-ns,drive=d,num_grp=2',
    /ocssd-ns is the namespace of a controller.*-device ocssd,serial=deadbeef/,
  ),
  bad(
    '-device ocssd,serial=x -device ocssd-ns,drive=a -device ocssd-ns,drive=b',
    /2 ocssd-ns devices.*one namespace/,
  ),
  bad(
    '-device ocssd,serial=x -device nvme,serial=y',
    /2 devices.*one -device ocssd with one -device ocssd-ns works/,
  ),
  bad(next(',ws_min=3'), /ws_opt=8 is not a multiple of ws_min=3/, 'ws_opt'),
  bad(next(',clba=5'), /clba=5 is not a multiple.*clba=8 would work/, 'clba'),
  bad(next(',lbads=9'), /lbads=9.*only 12.*sectors of 4096/, 'lbads'),
  bad(next(',nsid=2'), /nsid=2.*0 or 1.*one namespace/, 'nsid'),
  bad(next(',mdts=5'), /mdts=5 is an option that ocssd-ns does not have/, 'mdts'),
  bad(
    '-device ocssd,serial=x,num_grp=2 -device ocssd-ns,drive=d',
    /num_grp=2 is an option that ocssd does not have/,
    'num_grp',
  ),

  // FEMU
  bad(
    'femu,devsz_mb=4096,femu_mode=3',
    /femu_mode=3 is a kind of SSD that is not here.*femu_mode=0/,
    'femu_mode',
  ),
  bad('femu,devsz_mb=4096,lver=3', /lver=3.*1 or 2/, 'lver'),
  bad('femu,devsz_mb=64,lver=2', /too small for one chunk.*16 parallel units: 256M is the least/),
  bad('femu,devsz_mb=4096,lver=2,namespaces=2', /namespaces=2.*one namespace/, 'namespaces'),
  bad('femu,devsz_mb=4096,lver=2,lsec_size=512', /lsec_size=512.*only 4096/, 'lsec_size'),
  bad('femu,devsz_mb=4096,lver=1,lnum_lun=3', /lnum_lun=3.*destroys data/, 'lnum_lun'),
  bad('femu,devsz_mb=4096,lver=2,lnum_pg=3', /lnum_pg=3 is an option that femu does not have/, 'lnum_pg'),
  bad('femu,devsz_mb=2097152,lver=2', /devsz_mb=2097152.*devsz_mb=1048576 would work/, 'devsz_mb'),

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
