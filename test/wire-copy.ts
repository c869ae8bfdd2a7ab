import { createHash } from 'node:crypto';
import { blockAddress } from '../src/flash/address.ts';
import type { LabDevice } from '../src/lab/device.ts';
import { PagedTable } from '../src/trace/cells.ts';
import type { Target } from '../src/trace/target.ts';

/**
 * MD5 of a pblk disk as the flash holds it: of each logical block the newest copy that went over the wire, read
 * back from the medium, without the guest. Equal to `md5sum` in the guest once everything is synced; what the
 * device keeps can so be told from what pblk finds again.
 *
 * @param sectors size of the pblk disk in sectors of 4 KiB
 */
export async function wireMd5(device: LabDevice, target: Target, sectors: number): Promise<string> {
  const model = device.trace?.model;
  if (!model) throw new Error('the device is not watched');
  const hash = createHash('md5');
  const zeros = new Uint8Array(4096);
  for (let lba = 0; lba < sectors; lba++) {
    const at = target.map.get(lba);
    if (at === PagedTable.none) {
      hash.update(zeros);
      continue;
    }
    const block = Math.floor(at / model.secsPerBlk);
    const inBlock = at % model.secsPerBlk;
    const { secsPerPg } = model.shape;
    const sec = inBlock % secsPerPg;
    const bytes = await device.sectorBytes({
      ...blockAddress(model.shape, block),
      pg: (inBlock - sec) / secsPerPg,
      sec,
    });
    if (!bytes) throw new Error(`the newest copy of block ${lba} is not written`);
    hash.update(bytes.data);
  }
  return hash.digest('hex');
}
