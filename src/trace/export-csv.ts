import { fieldsOf, runText } from './export-fields.ts';
import type { Recording } from './recording.ts';
import { sinkOf } from './sink.ts';

const COLUMNS = [
  'number',
  'time_us',
  'queue',
  'cid',
  'nsid',
  'opcode',
  'name',
  'bytes',
  'latency_us',
  'status',
  'status_name',
  'rule',
  'lba',
  'blocks',
  'addresses',
  'sources',
] as const;

/** The commands of a recording as CSV (RFC 4180) with a line of names; a stretch at a time. */
export function* csvLines(recording: Recording): Generator<string> {
  const { shape } = recording.head;
  let number = recording.start.command;
  let timeUs = 0;
  let lines = [COLUMNS.join(',')];
  const writer = sinkOf({
    at: (us) => (timeUs = us),
    command: (record) => {
      const f = fieldsOf(record);
      const row: (string | number)[] = [
        ++number,
        timeUs,
        record.queueId,
        f.cid,
        f.nsid,
        `0x${f.opcode.toString(16).padStart(2, '0')}`,
        f.name,
        record.dataBytes,
        record.latencyUs,
        `0x${record.status.toString(16)}`,
        f.statusName,
        record.rule,
        f.lba ?? '',
        f.blocks ?? '',
        record.addresses.map((run) => runText(shape, run)).join(' '),
        (record.sources ?? []).map((run) => runText(shape, run)).join(' '),
      ];
      lines.push(row.map(csvField).join(','));
    },
  });
  const stretches = recording.play(writer);
  while (!stretches.next().done) {
    if (lines.length > 0) yield `${lines.join('\r\n')}\r\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join('\r\n')}\r\n`;
}

function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
