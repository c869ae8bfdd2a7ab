import { allowedPhrase, OPTIONS, type OptionGroup, type OptionSpec } from './options.ts';
import { FEMU_12_TABLE, FEMU_20_TABLE } from './options-femu.ts';
import { MASTER_IMAGE_TABLE, MASTER_TABLE } from './options-master.ts';
import { NEXT_CONTROLLER_TABLE, NEXT_NAMESPACE_TABLE } from './options-next.ts';

const GROUPS: readonly { readonly group: OptionGroup; readonly title: string }[] = [
  { group: 'controller', title: 'The controller' },
  { group: 'namespace', title: 'The namespace' },
  { group: 'open-channel', title: 'The open-channel SSD 1.2 (lver=1)' },
  { group: 'files', title: 'Files of QEMU' },
  { group: 'qemu', title: 'Other properties of QEMU devices' },
];

const DIALECT_TABLE = table([
  ['the line has', 'read as', 'makes'],
  [
    '`nvme,…` with `lver=1` or `lver=0`, or without options of the next row',
    '`qemu-nvme, branch ocssd12`',
    'open-channel 1.2, or a plain disk',
  ],
  [
    '`qemu-img create -f ocssd …` with `nvme,…`, or `nvme,…` without `lver` and with `lws_min`, `dialect`, `ms`, `num_queues` …',
    '`qemu-nvme, branch master (open-channel 2.0)`',
    'open-channel 2.0 (`dialect=0`: plain)',
  ],
  ['`ocssd,…` with `ocssd-ns,…`', '`qemu-nvme, branch next (open-channel 2.0)`', 'open-channel 2.0'],
  ['`femu,…`', '`FEMU (open-channel 2.0)`', '2.0, 1.2 (`lver=1`), or a plain disk'],
]);

const FILE_TABLE = table([
  ['file', 'for', 'content'],
  ['`--chunk-info`', '`lchunkstate`, `chunkinfo`', 'lines such as `grp=0 pu=* chk=3 state=OPEN wp=8 wi=12`'],
  [
    '`--reset-fail`',
    '`lresetfail`, `resetfail`',
    'lines such as `grp=0 pu=* chk=3 resetfail_prob=50`, in percent',
  ],
  [
    '`--write-fail`',
    '`lwritefail`, `writefail`',
    'lines such as `grp=0 pu=1 chk=3 sec=8 writefail_prob=100`, in percent',
  ],
  ['`--bad-blocks`', '`lbbtable`', 'binary: one byte a block, in the order LUN, chunk, plane; 0 is good'],
]);

const INTRODUCTION = `# The options of a device line

A disk is made from a line as it is given to QEMU, with the same names, meanings and defaults. Which program it is for is seen from the line, and said:

${DIALECT_TABLE}
It is taken as pasted: with or without \`-device\`, with quotes and continued lines, or inside whole \`qemu-img\` and \`qemu-system\` commands. Numbers are decimal or \`0x\` hexadecimal; where 0 and 1 are the only values, \`on\` and \`off\` are read too. The last of several equal options counts. Only \`serial\` is required, and not by FEMU.

\`\`\`
-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1
\`\`\`

\`\`\`
qemu-img create -f ocssd -o num_grp=2,num_pu=2,num_chk=64,num_sec=512 ocssd.img
-device nvme,drive=mynvme,serial=deadbeef,lws_min=4,lws_opt=8,lmw_cunits=32,ms=16
\`\`\`

\`\`\`
-device ocssd,serial=deadbeef,id=nvme0 -device ocssd-ns,drive=mynvme,bus=nvme0,num_grp=1,num_pu=4,num_chk=64,clba=512,ms=16
\`\`\`

\`\`\`
-device femu,devsz_mb=1024,lver=2,lnum_ch=2,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64,femu_mode=0
\`\`\`

## From the size to the chunks

With 1.2, chunks in one LUN = size / (4096 + 8) / (lsecs_per_pg × lpgs_per_blk) / (lnum_ch × lnum_lun × lnum_pln), rounded down. The 8 bytes are what the original keeps for a table entry of each sector. The original knows one channel only; here \`lnum_ch\` counts. A disk has from 1 MiB to 1 TiB, at most 65,535 chunks in a LUN and at most 1,048,576 blocks (chunks × planes).

With 2.0 the counts of the line (or of its image) decide, and a size given separately is not used. FEMU divides \`devsz_mb\`, or else the size: chunks in one parallel unit = size / 4096 / (lsecs_per_pg × lpgs_per_blk × lnum_pln) / (lnum_ch × lnum_lun). A line of branch master that has \`lnum_grp\`, \`lnum_pu\` or \`lnum_sec\` and no image divides the size likewise, by 4096 + ms. A disk has at most 1,048,576 chunks, and its addresses (bits of sector, chunk, parallel unit and group, from low to high) at most 32 bits. Counts need not be powers of two: pblk divides where 2.0 is spoken.

A plain disk is cut into \`namespaces\` of equal size, each rounded down to 32 KiB.

pblk needs more than one chunk: it keeps 10 lines back, so use at least 11, and 64 or more to see garbage collection. The report before a start says what \`nvme lnvm create\` will do.

## The contents of files

Options that name a file are taken, but the file cannot be read from the line. Its content is given to \`npm run lab\`:

${FILE_TABLE}
Both branches' names are read: \`group\`, \`punit\`, \`chunk\`, \`sectr\` and \`prob\` too. \`*\`, or a part left out, means any; text from \`#\` on is a comment; later lines win. States are \`FREE\`, \`OPEN\` (with \`wp\`, the sectors written), \`CLOSED\` and \`OFFLINE\`; \`wi\` is the wear index, 0 to 255, and \`pe_cycles\` says it in erases. Chunk states and the bad-block table are those of a new disk.
`;

/** docs/device-options.md, made from the tables of options; a test keeps the file up to date. */
export function deviceOptionsDocument(): string {
  const sections = GROUPS.map(({ group, title }) => section(title, inGroup(OPTIONS, group)));
  const controller = new Set(OPTIONS.map(({ name }) => name));
  // What all controllers have is told once.
  const own = (specs: readonly OptionSpec[]): readonly OptionSpec[] =>
    specs.filter(
      ({ name, group }) => !controller.has(name) || group.startsWith('open-channel') || differs(name, specs),
    );
  const others = [
    '## qemu-nvme, branch master\n\nThe device line wins over the image, and the image over the defaults of the device. Other options are as above.\n',
    section('The image (`qemu-img create -f ocssd -o …`)', MASTER_IMAGE_TABLE.specs),
    section('The device `nvme` of branch master', own(MASTER_TABLE.specs)),
    '## qemu-nvme, branch next\n',
    section('The controller `ocssd`', own(NEXT_CONTROLLER_TABLE.specs)),
    section('The namespace `ocssd-ns`', own(NEXT_NAMESPACE_TABLE.specs)),
    '## FEMU\n\nWrites are by 4 sectors, best by 8, and 24 below the write pointer cannot be read yet; FEMU has no options for that.\n',
    section('The device `femu` with lver=2', own(FEMU_20_TABLE.specs)),
    section('The device `femu` with lver=1', inGroup(own(FEMU_12_TABLE.specs), 'open-channel')),
  ];
  return [INTRODUCTION, ...sections, ...others].join('\n');
}

function inGroup(specs: readonly OptionSpec[], group: OptionGroup): readonly OptionSpec[] {
  return specs.filter((spec) => spec.group === group);
}

function differs(name: string, specs: readonly OptionSpec[]): boolean {
  const find = (table: readonly OptionSpec[]) => table.find((spec) => spec.name === name);
  return find(specs)?.defaultValue !== find(OPTIONS)?.defaultValue;
}

function section(title: string, specs: readonly OptionSpec[]): string {
  const rows = specs.map((spec) => [
    `\`${spec.name}\``,
    spec.defaultValue,
    allowedPhrase(spec),
    spec.meaning,
  ]);
  const level = /`/.test(title) ? '###' : '##';
  return `${level} ${title}\n\n${table([['option', 'default', 'allowed', 'what it does here'], ...rows])}`;
}

/** A Markdown table with padded columns, as the formatter of this repository wants it. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return `${[line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')}\n`;
}
