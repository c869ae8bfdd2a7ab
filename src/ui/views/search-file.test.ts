import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { fileScript, quoted, readFileAnswer } from './search-file.ts';

const ext4 = `on mydevice 0 874496 4
path /mnt/a b.bin
Filesystem type is: ef53
File size of /mnt/a b.bin is 20000 (5 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       3:      34816..     34819:      4:
   1:        4..       4:       9000..      9000:      1:      34820: last,eof
/mnt/a b.bin: 2 extents found
`;

it('reads the extents of a file', () => {
  expect(readFileAnswer(ext4, 4096)).toEqual({
    kind: 'found',
    path: '/mnt/a b.bin',
    disk: 'mydevice',
    luns: 4,
    isDevice: false,
    extents: [
      { lba: 34816, count: 4 },
      { lba: 9000, count: 1 },
    ],
    unplaced: 0,
  });
});

it('counts from the beginning of the disk, in its sectors', () => {
  const partition = ext4
    .replace('on mydevice 0', 'on mydevice 2048')
    .replace('blocks of 4096', 'blocks of 1024')
    .replace('4:\n', '6:\n');
  // Block 34816 of 1 KiB, behind 1 MiB: from byte 36,700,160 on, 6 KiB.
  expect(readFileAnswer(partition, 4096)).toMatchObject({
    extents: [
      { lba: 8960, count: 2 },
      { lba: 2506, count: 1 },
    ],
  });
});

it('leaves out what has no place of its own', () => {
  const inline = ext4.replace('34820: last,eof', '       : last,unknown_loc,delalloc,eof');
  expect(readFileAnswer(inline, 4096)).toMatchObject({ extents: [{ lba: 34816 }], unplaced: 1 });
});

it('takes a device as a whole', () => {
  expect(readFileAnswer('on mydevice 0 800 4\npath /dev/mydevice\ndevice\n', 4096)).toMatchObject({
    isDevice: true,
    extents: [{ lba: 0, count: 100 }],
  });
});

it('says why there is nothing', () => {
  const why = (output: string) => {
    const answer = readFileAnswer(output, 4096);
    return answer.kind === 'problem' ? answer.problem : 'found';
  };
  expect(why('problem missing\n')).toBe('missing');
  expect(why('problem noDisk')).toBe('noDisk');
  expect(why('sh: syntax error')).toBe('unreadable');
  expect(why('on mydevice 0 8 4\npath /x\nx: FIBMAP unsupported\n')).toBe('noExtents');
  expect(why('')).toBe('unreadable');
});

it('is a script that a shell understands, for any name', () => {
  for (const name of ['/no/such', "it's", '$(reboot)', '`x`', 'a\nb', '-x']) {
    const { stdout, stderr, status } = spawnSync('sh', ['-c', fileScript(name)], { encoding: 'utf8' });
    expect([stdout, stderr, status], name).toEqual(['problem missing\n', '', 0]);
  }
  expect(spawnSync('sh', ['-c', `printf %s ${quoted("a'b\\c")}`], { encoding: 'utf8' }).stdout).toBe(
    "a'b\\c",
  );
});
