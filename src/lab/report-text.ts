import { readableBytes } from './size.ts';
import type { GeometryReport } from './types.ts';

/** A report as a few lines of text, each at most about 100 characters but for the reason and the warning. */
export function formatReport(report: GeometryReport): string {
  const command = `nvme lnvm create -t pblk -b ${report.lunBegin} -e ${report.lunEnd}`;
  const succeeds = report.safe ? 'works' : 'succeeds, but is not safe';
  const verdict = report.createSucceeds ? succeeds : report.safe ? 'fails' : 'fails and does harm';
  const lines = [`${command}: ${verdict}`];
  if (report.reason !== '') lines.push(`  ${report.reason}`);
  if (report.warning !== undefined) lines.push(`  ${report.warning}`);
  if (report.rawBytes > 0) {
    lines.push(
      row('lines', `${report.lines}, of chunks of ${readableBytes(report.chunkBytes)}`),
      row('raw', readableBytes(report.rawBytes)),
    );
  }
  if (report.createSucceeds) {
    lines.push(
      row('usable', `${readableBytes(report.usableBytes)} (${report.usableSectors} sectors)`),
      row('over-provisioning', `${report.opPercent} %`),
      row(
        'write buffer',
        `${report.bufferEntries} entries, ${readableBytes(report.bufferBytes)} of contiguous kernel memory`,
      ),
      row('L2P table', `${readableBytes(report.l2pBytes)} of kernel memory`),
      report.chunkLogBytes > 0
        ? row('chunk log', readableBytes(report.chunkLogBytes))
        : row('scan', `${report.scanReads} reads`),
    );
  }
  return lines.join('\n');
}

function row(name: string, value: string): string {
  return `  ${`${name}:`.padEnd(19)}${value}`;
}
