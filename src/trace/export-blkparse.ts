import { type CommandFields, fieldsOf, sectorNumber } from './export-fields.ts';
import type { CommandRecord, TraceShape } from './record.ts';
import type { Recording } from './recording.ts';
import { sinkOf } from './sink.ts';

const BYTES_PER_SECTOR = 512;
/** What blkparse prints in the RWBS column. Commands that move no data and erase nothing are left out. */
const letters: Partial<Record<CommandFields['kind'], string>> = {
  read: 'R',
  vectorRead: 'R',
  write: 'W',
  vectorWrite: 'W',
  vectorCopy: 'W',
  discard: 'D',
  vectorErase: 'D',
  flush: 'F',
};

/**
 * A recording as text in the columns of blkparse: device, queue, sequence, seconds, pid, action, RWBS, sector
 * + sectors. D when the device fetched the command, C when it had ended. Sectors are of 512 bytes; those of
 * vector commands count physical sectors, block after block, one line for each run of neighbours. The wire
 * does not say which process it was: pid 0.
 */
export function blkparseText(recording: Recording): string {
  const { shape } = recording.head;
  const originUs = recording.start.timeUs;
  const lines: { timeUs: number; text: (sequence: number) => string }[] = [];
  let timeUs = 0;
  const collector = sinkOf({
    at: (us) => (timeUs = us),
    command: (record) => {
      const fields = fieldsOf(record);
      const rwbs = letters[fields.kind];
      if (rwbs === undefined) return;
      const endUs = timeUs;
      for (const [action, atUs] of [
        ['D', Math.max(originUs, endUs - record.latencyUs)],
        ['C', endUs],
      ] as const)
        for (const extent of extentsOf(shape, record, fields))
          lines.push({
            timeUs: atUs,
            text: (sequence) => line(sequence, atUs - originUs, record, action, rwbs, extent),
          });
    },
  });
  const stretches = recording.play(collector);
  while (!stretches.next().done) {
    // The collector does the work.
  }
  // A command is recorded when it ends; its beginning belongs further up.
  lines.sort((a, b) => a.timeUs - b.timeUs);
  return lines.map(({ text }, i) => text(i + 1)).join('');
}

function extentsOf(
  shape: TraceShape,
  { addresses, status, dataBytes }: CommandRecord,
  { lba, blocks }: CommandFields,
): string[] {
  const perSec = shape.secSizeBytes / BYTES_PER_SECTOR;
  const failed = status === 0 ? '' : ` [${status}]`;
  if (addresses.length > 0)
    return addresses
      .filter(({ block }) => block >= 0)
      .map(
        ({ block, sec, count }) => `${sectorNumber(shape, block, sec) * perSec} + ${count * perSec}${failed}`,
      );
  if (lba !== undefined && blocks !== undefined) return [`${lba * perSec} + ${blocks * perSec}${failed}`];
  return [dataBytes > 0 ? `0 + ${dataBytes / BYTES_PER_SECTOR}${failed}` : failed.trim()];
}

function line(
  sequence: number,
  us: number,
  { queueId }: CommandRecord,
  action: 'D' | 'C',
  rwbs: string,
  extent: string,
): string {
  const seconds = Math.floor(us / 1e6);
  const nanoseconds = String((us % 1e6) * 1000).padStart(9, '0');
  const head = `259,0  ${String(queueId).padStart(3)} ${String(sequence).padStart(8)}`;
  return `${head} ${String(seconds).padStart(5)}.${nanoseconds}     0  ${action} ${rwbs.padStart(3)} ${extent}\n`;
}
