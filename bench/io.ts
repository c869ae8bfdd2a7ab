import { boot, createTarget, line12 } from '../test/boot.ts';
import { type Figure, figure } from './figure.ts';
import { openSite } from './site.ts';

const PBLK_LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const PLAIN_LINE = 'nvme,serial=plain,lver=0';
const SIZE_MIB = 513;

type Exec = (command: string) => Promise<{ status: number; output: string }>;

interface Job {
  readonly name: string;
  readonly fio: string;
  readonly reads: boolean;
}

const jobs: readonly Job[] = [
  {
    name: 'sequential write, buffered + fsync',
    fio: '--rw=write --bs=128k --size=24m --end_fsync=1',
    reads: false,
  },
  { name: 'sequential read, buffered', fio: '--rw=read --bs=128k --size=24m', reads: true },
  {
    name: '4 KiB random write, fsync at the end',
    fio: '--rw=randwrite --bs=4k --size=24m --io_size=8m --end_fsync=1',
    reads: false,
  },
  { name: '4 KiB random read', fio: '--rw=randread --bs=4k --size=24m --io_size=8m', reads: true },
];

/** Guest throughput on a pblk target and on a plain disk, each beside the same job on the guest's tmpfs. */
export async function benchIo(tell: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [kind, line] of [
    ['pblk', PBLK_LINE],
    ['plain', PLAIN_LINE],
  ] as const) {
    tell(`Node, ${kind}`);
    const guest = await boot({ line, sizeMiB: SIZE_MIB });
    figures.push(...(await measure('Node, memory', kind, guest.exec, tell)));
    await guest.off();
  }
  const site = await openSite(tell);
  try {
    for (const [kind, line] of [
      ['pblk', PBLK_LINE],
      ['plain', PLAIN_LINE],
    ] as const) {
      tell(`Chromium, ${kind}`);
      const page = await site.newPage();
      await page.goto(site.url);
      await page.getByTestId('power-on').first().waitFor();
      await page.evaluate(
        async ([l, bytes]) => {
          await window.lab.disk.create({ name: 'bench', line: l, sizeBytes: bytes });
          await window.lab.power.on();
          await window.lab.ready;
        },
        [line, SIZE_MIB * 2 ** 20] as const,
      );
      const exec: Exec = (command) => page.evaluate((c) => window.lab.exec(c), command);
      figures.push(...(await measure('Chromium, IndexedDB', kind, exec, tell)));
      await page.context().close();
    }
  } finally {
    await site.close();
  }
  return figures;
}

async function measure(
  where: string,
  kind: 'pblk' | 'plain',
  exec: Exec,
  tell: (line: string) => void,
): Promise<Figure[]> {
  if (kind === 'pblk') await exec(createTarget(0, 3));
  const device = kind === 'pblk' ? '/dev/mydevice' : '/dev/nvme0n1';
  const figures: Figure[] = [];
  for (const job of jobs) {
    const onTmpfs = await kibPerSec(exec, '/tmp/bench', job);
    const onDevice = await kibPerSec(exec, device, job);
    tell(`${where}, ${kind}, ${job.name}: ${onDevice.toFixed(0)} of ${onTmpfs.toFixed(0)} KiB/s`);
    figures.push(figure('io', `${where}, ${kind}: ${job.name}`, onDevice / 1024, 'MiB/s', onTmpfs / 1024));
  }
  await exec('rm -f /tmp/bench');
  return figures;
}

/** One fio job; fields 7 and 48 of its terse output (version 3) are the read and write bandwidth in KiB/s. */
async function kibPerSec(exec: Exec, path: string, job: Job): Promise<number> {
  const command = `echo 3 > /proc/sys/vm/drop_caches; fio --name=job --filename=${path} --ioengine=psync --randseed=7 --terse-version=3 --output-format=terse ${job.fio}`;
  const { status, output } = await exec(command);
  const fields =
    output
      .split('\n')
      .find((line) => line.startsWith('3;'))
      ?.split(';') ?? [];
  const value = Number(fields[job.reads ? 6 : 47]);
  if (status !== 0 || !(value > 0)) throw new Error(`${command}: status ${status}\n${output}`);
  return value;
}
