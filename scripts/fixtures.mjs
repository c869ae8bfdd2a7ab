// `node scripts/fixtures.mjs`: keeps today's disks for the programs of later, when the format of disks is about to
// change (docs/disk-format.md). Writes src/storage/fixtures/vN.* and changes none that is there.
import { become } from './ensure-installed.mjs';

become('test', 'make-fixtures.ts');
