import { allowedPhrase, OPTIONS, type OptionGroup } from './options.ts';

const GROUPS: readonly { readonly group: OptionGroup; readonly title: string }[] = [
  { group: 'controller', title: 'The controller' },
  { group: 'namespace', title: 'The namespace' },
  { group: 'open-channel', title: 'The open-channel SSD (lver=1)' },
  { group: 'files', title: 'Files of QEMU' },
  { group: 'qemu', title: 'Other properties of QEMU devices' },
];

const INTRODUCTION = `# The options of a device line

A disk is made from a line as it is given to qemu-nvme (branch \`ocssd12\`), with the same names, meanings and defaults:

\`\`\`
-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1
\`\`\`

It is taken as pasted: with or without \`-device\`, with quotes and continued lines, or inside a whole \`qemu-system\` command. Numbers are decimal or \`0x\` hexadecimal; where 0 and 1 are the only values, \`on\` and \`off\` are read too. The last of several equal options counts. Only \`serial\` is required.

Not read here: the spellings of open-channel 2.0 (qemu-nvme's branches \`master\` and \`next\`, FEMU). They are recognised and refused by name.

## From the size to the chunks

Chunks in one LUN = size / (4096 + 8) / (lsecs_per_pg × lpgs_per_blk) / (lnum_ch × lnum_lun × lnum_pln), rounded down. The 8 bytes are what the original keeps for a table entry of each sector. The original knows one channel only; here \`lnum_ch\` counts. A disk has from 1 MiB to 1 TiB, at most 65,535 chunks in a LUN and at most 1,048,576 blocks (chunks × planes).

pblk needs more than one chunk: it keeps 10 lines back, so use at least 11, and 64 or more to see garbage collection. The report before a start says what \`nvme lnvm create\` will do.
`;

/** docs/device-options.md, made from the table of options; a test keeps the file up to date. */
export function deviceOptionsDocument(): string {
  const sections = GROUPS.map(({ group, title }) => {
    const rows = OPTIONS.filter((spec) => spec.group === group).map((spec) => [
      `\`${spec.name}\``,
      spec.defaultValue,
      allowedPhrase(spec),
      spec.meaning,
    ]);
    return `## ${title}\n\n${table([['option', 'default', 'allowed', 'what it does here'], ...rows])}`;
  });
  return `${[INTRODUCTION, ...sections].join('\n')}`;
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
