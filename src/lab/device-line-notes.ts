import type { Values } from './device-line-values.ts';

/** PCI ids that carry Linux' LightNVM quirk (drivers/nvme/host/pci.c, nvme_id_table). */
const LIGHTNVM_IDS = new Set(['1d1d:1f1f', '1d1d:2807', '1d1d:2601']);

/** What the reader of an open-channel line should know in any dialect, a sentence each. */
export function commonNotes(values: Values): string[] {
  const notes: string[] = [];
  const ids = `${hex4(values.number('vid'))}:${hex4(values.number('did'))}`;
  if (!LIGHTNVM_IDS.has(ids))
    notes.push(
      `Linux knows open-channel SSDs by their PCI ids and takes ${ids} for a plain disk; leave vid and did out to get 1d1d:1f1f.`,
    );
  return notes;
}

/** … and what there is to know about a line of branch ocssd12. */
export function notes12(values: Values): string[] {
  const notes: string[] = [];
  const openChannel = values.number('lver') === 1;
  const files = ['drive', 'lbbtable', 'lmetadata'].filter((name) => values.isGiven(name));
  if (files.length > 0)
    notes.push(
      `${files.join(', ')}: no files are needed; data, out-of-band bytes and the bad-block table are all parts of the disk.`,
    );
  if (!openChannel) {
    const ignored = values.table.specs
      .filter((spec) => spec.group === 'open-channel' && spec.name !== 'lver' && values.isGiven(spec.name))
      .map((spec) => spec.name);
    if (ignored.length > 0)
      notes.push(
        `This is a plain NVMe disk, so ${ignored.join(', ')} ${ignored.length === 1 ? 'has' : 'have'} no effect; lver=1 makes an open-channel SSD.`,
      );
    return notes;
  }
  notes.push(...commonNotes(values));
  if (values.number('lnum_ch') > 1)
    notes.push('The channels are real here; qemu-nvme has only one and lets the others alias it.');
  const most = values.number('lmax_sec_per_rq');
  if (most < 64)
    notes.push(
      `pblk sends up to 64 sectors in one command; with lmax_sec_per_rq=${most} the larger ones fail.`,
    );
  const [every, count] = [values.number('lb_err_write'), values.number('ln_err_write')];
  if (every > 0 !== count > 0)
    notes.push('Write faults need both lb_err_write and ln_err_write; with one of them at 0 nothing fails.');
  return notes;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
