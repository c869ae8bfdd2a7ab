import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { isLong } from './long.ts';

const root = join(fileURLToPath(import.meta.url), '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'lightnvm-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const small = [
  '--device',
  'nvme,serial=x,lver=1,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16',
  '--size',
  '129M',
];
/** `npm run test:long` writes more. */
const BLOCKS = isLong ? 300 : 64;
const create = ['--exec', 'nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3'];

/** Runs the command line as `npm run lab` does. */
function lab(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/headless/main.ts', ...args], {
      cwd: root,
    });
    child.stdin.end();
    let out = '';
    let err = '';
    child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (err += bytes.toString()));
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

describe('npm run lab', () => {
  it('prints what the commands print and ends with the status of the last', async () => {
    const script = join(folder, 'script.sh');
    writeFileSync(script, 'echo from-script\nexit 7\n');
    const { status, out } = await lab(
      ...small,
      '--script',
      script,
      '--exec',
      'echo out; echo err >&2',
      '--exec',
      'exit 3',
    );
    expect(out).toBe('from-script\nout\nerr\n');
    expect(status).toBe(3);
  });

  it('makes the targets again that a disk remembers, when asked to', async () => {
    const media = ['--media', join(folder, 'remembers')];
    // The guest is gone as soon as the target is there.
    expect((await lab(...small, ...media, ...create)).status).toBe(0);
    const look = ['--exec', 'ls /sys/block | grep mydevice'];
    expect((await lab(...small, ...media, ...look)).out).toBe('');
    const { out, err } = await lab(...small, ...media, '--targets', 'create', ...look);
    expect([out, err]).toEqual(['mydevice\n', '']);
    // It goes along when the disk leaves as a container.
    const pack = join(folder, 'remembers.lnvmpack');
    expect((await lab(...media, '--export', pack)).status).toBe(0);
    expect((await lab('--import', pack, '--targets', 'create', ...look)).out).toBe('mydevice\n');
    expect((await lab(...small, '--targets', 'always', ...look)).err).toMatch(/takes create, ignore/);
  });

  it('keeps the disk in a file: pblk recovers, also without a remove', async () => {
    const media = ['--media', join(folder, 'disk')];
    const write = await lab(
      ...small,
      ...media,
      ...create,
      '--exec',
      `dd if=/dev/urandom of=/dev/mydevice bs=64k count=${BLOCKS} conv=fsync 2>/dev/null; dd if=/dev/mydevice bs=64k count=${BLOCKS} 2>/dev/null | md5sum`,
    );
    expect(write.status, write.err).toBe(0);
    const read = await lab(
      ...small,
      ...media,
      ...create,
      '--exec',
      `dd if=/dev/mydevice bs=64k count=${BLOCKS} 2>/dev/null | md5sum`,
    );
    expect(read.out).toBe(write.out);
    const other = await lab('--device', 'nvme,serial=x,lver=0', '--size', '64M', ...media, '--exec', 'true');
    expect(other.status).toBe(2);
    expect(other.err).toMatch(/holds a disk made with/);
  });

  it('saves a running lab to a file, and another process goes on from there', async () => {
    const [media, file] = [join(folder, 'resumed'), join(folder, 'saved')];
    const first = await lab(
      ...[...small, '--media', media, ...create, '--save', file, '--exec'],
      `echo here > /tmp/mark; dd if=/dev/urandom of=/dev/mydevice bs=64k count=${BLOCKS} conv=fsync 2>/dev/null; dd if=/dev/mydevice bs=64k count=${BLOCKS} 2>/dev/null | md5sum`,
    );
    expect(first.status, first.err).toBe(0);
    const check = [
      '--exec',
      `echo 3 > /proc/sys/vm/drop_caches; cat /tmp/mark; dd if=/dev/mydevice bs=64k count=${BLOCKS} 2>/dev/null | md5sum`,
    ];
    const second = await lab('--media', media, '--resume', file, ...check, '--save', `${file}2`);
    expect(second, second.err).toEqual({ status: 0, out: `here\n${first.out}`, err: '' });
    const third = await lab('--media', media, '--resume', `${file}2`, ...check);
    expect(third, third.err).toEqual({ status: 0, out: `here\n${first.out}`, err: '' });
    // The third shut its guest down, which is a write of a kind.
    const late = await lab('--media', media, '--resume', `${file}2`, '--exec', 'true');
    expect(late).toMatchObject({ status: 2, out: '' });
    expect(late.err).toMatch(/the disk is no longer as it was then/);
  });

  it('reports instead of booting', async () => {
    const works = await lab('--size', '8G', '--report', '--luns', '0-3', '--json');
    expect(JSON.parse(works.out)).toMatchObject({
      opPercent: 32,
      usableSectors: 339_968,
      lines: 31,
      bufferEntries: 256,
      createSucceeds: true,
      safe: true,
      reason: '',
    });
    expect(works.status).toBe(0);
    const fails = await lab('--size', '1G', '--report', '--luns', '0-3', '--json');
    expect(JSON.parse(fails.out)).toMatchObject({ createSucceeds: false });
    expect(fails.status).toBe(1);
  });

  it.each([
    [['--device', 'nvme,serial=x,lver=1,lnum_lun=3', '--exec', 'true'], /lnum_lun/],
    [['--size', 'many', '--exec', 'true'], /--size/],
    [['--memory', '12', '--exec', 'true'], /--memory/],
    [['--luns', 'x', '--report'], /--luns/],
    [['--nonsense'], /--nonsense/],
    [['--save', 'x', '--exec', 'true'], /--media/],
    [['--media', join(folder, 'none', 'disk'), '--resume', 'not-there', '--exec', 'true'], /not-there/],
    [['--media', join(folder, 'none', 'disk'), '--initrd', 'not-there', '--exec', 'true'], /not-there/],
    [[], /Nothing to do/],
    [['--kernel', 'package.json', '--exec', 'true'], /kernel|bzImage/],
    [['--script', 'not-there', '--exec', 'true'], /not-there/],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const { status, out, err } = await lab(...args);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).toMatch(sentence);
    // Nothing is made for what is then refused.
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  it('ends a command that takes too long', async () => {
    const { status, err } = await lab(...small, '--timeout', '5', '--exec', 'sleep 100');
    expect(status).toBe(124);
    expect(err).toMatch(/longer than/);
  });
});
